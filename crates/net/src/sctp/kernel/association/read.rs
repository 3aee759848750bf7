// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reading messages and news from the kernel, and what they mean.

use std::io;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use machine::association::{Event, LostReason, PathState};
use tokio::io::Interest;

use super::super::incoming::{Arrived, BadPiece};
use super::super::notification::Notification;
use super::super::socket::{ReceiveInfo, Received};
use super::{Item, KernelAssociation, Source, State, reason};
use crate::{MAX_PAYLOAD, memory};

/// When to ask the kernel for what it has.
#[derive(Debug, Clone, Copy)]
pub(super) enum Look {
    /// When the runtime has been told that there is something.
    WhenReady,
    /// Past the runtime, which is told only when it gets to ask.
    Now,
}

impl KernelAssociation {
    /// Reads what is there. Ready when it was worth a look at the queues.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Source::Socket(socket) = &self.source {
            if self.incoming.untaken_bytes() >= self.options.max_untaken_bytes {
                // The kernel's receive window closes.
                return Poll::Pending;
            }
            // The only way out with nothing read: the runtime keeps the waker only when it is asked while nothing is ready.
            if let Err(error) = ready!(socket.poll_read_ready(cx)) {
                self.finish(reason(&error));
                return Poll::Ready(());
            }
            if self.read_some(Look::WhenReady).is_ready() {
                return Poll::Ready(());
            }
        }
        self.read_some(Look::WhenReady)
    }

    /// Reads a few items, or finds that there is nothing.
    pub(super) fn read_some(&mut self, look: Look) -> Poll<()> {
        let mut buffer = memory::input(&[]);
        let mut result = Poll::Pending;
        for _ in 0..ITEMS_PER_READ {
            if self.incoming.untaken_bytes() >= self.options.max_untaken_bytes || self.state == State::Ended {
                break;
            }
            let Some(item) = self.next_item(&mut buffer, look) else { break };
            result = Poll::Ready(());
            match item {
                Ok(Some(item)) => self.handle(item),
                Ok(None) => {}
                Err(reason) => self.finish(reason),
            }
        }
        memory::give_back_input(buffer);
        result
    }

    /// The next item, nothing yet known of it, or the end; `None` if there is none now.
    fn next_item(&mut self, buffer: &mut BytesMut, look: Look) -> Option<Result<Option<Item>, LostReason>> {
        let received = match &mut self.source {
            Source::Closed => return None,
            Source::Past(items) => {
                let gone = LostReason::Reset;
                return Some(items.pop_front().map(Some).ok_or_else(|| self.ending.take().unwrap_or(gone)));
            }
            Source::Socket(socket) => {
                if buffer.capacity() - buffer.len() < LEAST_ROOM {
                    buffer.reserve(memory::READ);
                }
                match look {
                    Look::WhenReady => socket.try_io(Interest::READABLE, |socket| socket.receive(buffer)),
                    Look::Now => socket.get_ref().receive(buffer),
                }
            }
        };
        match received {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => match self.ending.take() {
                // All that the kernel had to tell has been read.
                Some(reason) => Some(Err(reason)),
                None => {
                    self.nothing_to_tell();
                    None
                }
            },
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Some(Ok(None)),
            Err(error) => Some(Err(self.ending.take().unwrap_or_else(|| reason(&error)))),
            Ok(Received { length: 0, .. }) => Some(Err(self.ending.take().unwrap_or(LostReason::PeerClosed))),
            Ok(received) => Some(Ok(item(received, buffer, &mut self.skipping))),
        }
    }

    fn nothing_to_tell(&mut self) {
        self.outgoing.report_expired(&mut self.events);
        if self.incoming.is_partial() {
            // It may well have something to tell, and waits until the message is read.
            return;
        }
        if self.outgoing.nothing_to_tell()
            && let Source::Socket(socket) = &self.source
            && let Err(error) = socket.get_ref().ask_if_dry(self.id)
        {
            tracing::debug!(peer = %self.peer, %error, "the kernel does not say what was delivered");
        }
    }

    fn handle(&mut self, item: Item) {
        match item {
            Item::News(news) => self.handle_news(news),
            // After close() nothing more is handed up.
            Item::Data { info, more, .. } if self.closing.is_some() => self.incoming.dropped(info, more),
            Item::Data { info, data, more } => match self.incoming.piece(info, data, more) {
                Ok(None) => {}
                Ok(Some(Arrived { sequence, info: ReceiveInfo { stream, unordered, ppid, .. }, data })) => {
                    self.events.push_back(Event::Message { sequence, stream, ppid, unordered, data });
                }
                Err(BadPiece::TooLong) => {
                    let what = format!("a message of more than {MAX_PAYLOAD} bytes");
                    self.abort_for(LostReason::Overrun(what));
                }
                Err(BadPiece::OfAnother) => {
                    let what = "a message of pieces that do not belong together";
                    self.abort_for(LostReason::Protocol(what.to_owned()));
                }
            },
        }
    }

    fn handle_news(&mut self, news: Notification) {
        match news {
            Notification::Up { association, outbound_streams } => {
                if matches!(self.state, State::Connecting(_)) {
                    self.state = State::Up;
                    self.up(association, outbound_streams);
                }
            }
            Notification::Lost { aborted, .. } => {
                self.end_with(if aborted { LostReason::Reset } else { LostReason::HeartbeatMissed });
            }
            // Our own timer is quicker than the kernel's patience.
            Notification::CannotStart => self.not_reached(LostReason::Refused),
            Notification::Ended { .. } => self.end_with(LostReason::PeerClosed),
            Notification::Restarted { association, outbound_streams } => {
                self.restarted(association, outbound_streams);
            }
            Notification::Path { address, state } => {
                tracing::debug!(peer = %self.peer, %address, ?state, "path change");
                if state == PathState::Primary {
                    self.peer = address;
                }
                if self.state == State::Up && self.ending.is_none() {
                    self.events.push_back(Event::PathChange { address, state });
                }
            }
            Notification::SendFailed { context } => self.outgoing.failed(context),
            Notification::Dry => {
                self.ask_what_was_given_up();
                self.outgoing.dry(&mut self.events);
            }
            Notification::PartialDeliveryAborted => self.incoming.drop_partial(),
            // Nothing can be sent any more; SCTP_SHUTDOWN_COMP follows when the rest has arrived.
            Notification::Shutdown | Notification::Other => {}
        }
    }

    fn ask_what_was_given_up(&mut self) {
        if self.outgoing.may_expire()
            && let Source::Socket(socket) = &self.source
            && let Ok(abandoned) = socket.get_ref().abandoned(self.id)
        {
            self.outgoing.gave_up(abandoned, self.clock.now());
        }
    }

    /// Reads what the kernel says of the messages when an association ends, and none of the peer's.
    pub(super) fn read_outcomes(&mut self) {
        let mut buffer = memory::input(&[]);
        for _ in 0..MOST_OUTCOMES {
            if !matches!(self.source, Source::Socket(_)) {
                break;
            }
            match self.next_item(&mut buffer, Look::Now) {
                Some(Ok(Some(Item::News(Notification::SendFailed { context })))) => self.outgoing.failed(context),
                Some(Ok(Some(Item::News(Notification::Dry)))) => self.outgoing.dry(&mut self.events),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => break,
            }
            buffer.clear();
        }
        memory::give_back_input(buffer);
    }
}

/// What the kernel gave, once it is whole enough to be of use.
fn item(received: Received, buffer: &mut BytesMut, skipping: &mut bool) -> Option<Item> {
    let data = buffer.split_to(received.length);
    if !received.notification {
        return Some(Item::Data { info: received.info, data, more: received.more });
    }
    // SCTP_SEND_FAILED_EVENT carries the message: what we want of it stands at its beginning.
    if std::mem::replace(skipping, received.more) { None } else { Some(Item::News(Notification::parse(&data))) }
}

/// Read before what they brought is handed up.
const ITEMS_PER_READ: usize = 64;

/// Room to read into; a longer message comes in pieces.
const LEAST_ROOM: usize = 4 << 10;

/// Read at most when we end an association ourselves.
const MOST_OUTCOMES: usize = 16 << 10;
