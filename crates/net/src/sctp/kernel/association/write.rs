// SPDX-License-Identifier: MIT OR Apache-2.0
//! Handing messages to the kernel.

use std::io;
use std::task::{Context, Poll};

use machine::association::Event;

use super::super::socket::{self, SendInfo};
use super::{KernelAssociation, Source, State};

impl KernelAssociation {
    /// Writes until nothing is left or the kernel takes no more.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) {
        self.write_out();
        while self.write_blocked {
            let Source::Socket(socket) = &self.source else { return };
            let Poll::Ready(Ok(mut guard)) = socket.poll_write_ready(cx) else { return };
            // Only the kernel knows: if it is still full, the attempt says so.
            guard.clear_ready();
            self.write_blocked = false;
            self.write_out();
        }
    }

    pub(super) fn write_out(&mut self) {
        if self.state != State::Up || self.write_blocked || self.ending.is_some() {
            return;
        }
        let Source::Socket(socket) = &self.source else { return };
        let mut held = 0;
        while let Some((message, context)) = self.outgoing.front() {
            let more = self.outgoing.more() && held < MOST_HELD;
            held = if more { held + 1 } else { 0 };
            let urgent = if self.outgoing.fills() { socket::SACK_IMMEDIATELY } else { 0 };
            let unordered = if message.unordered { socket::UNORDERED } else { 0 };
            let info = SendInfo {
                association: self.id,
                stream: message.stream,
                flags: urgent | unordered,
                ppid: message.ppid,
                context,
                lifetime: message.lifetime,
            };
            match socket.get_ref().send(info, &message.data, more) {
                Ok(()) => self.outgoing.front_sent(|| self.clock.now()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.write_blocked = true;
                    return;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // A stream the peer does not have. The other messages are none the worse.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    self.events.extend(self.outgoing.front_refused().map(Event::NotSent));
                }
                // It is over, and the kernel says why to whoever reads.
                Err(_) => return,
            }
        }
        if self.closing.is_some() && !self.end_sent && self.outgoing.waiting_bytes() == 0 {
            self.end_sent = true;
            let end = SendInfo { association: self.id, flags: socket::END, ..SendInfo::default() };
            // If it fails the association is over already.
            let _ = socket.get_ref().send(end, &[], false);
        }
    }
}

/// Messages handed to the kernel before it may send them. It keeps them even when its buffer is full and nothing is on its way, so they must be fewer
/// than fill it.
const MOST_HELD: usize = 16;
