// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sending: to a session, or to a pool for which a session is opened and kept.

use std::future::Future;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::task::Poll;

use rserpool::{Destination, Outgoing, PeHandle, Sent};

use super::conversation::by_accept;
use super::outcome::Addressee;
use super::{Attempt, Conversation, Patience, Socket, Style};
use crate::errno::{Failure, Result};
use crate::library::Library;

/// Where a message goes.
#[derive(Debug, Clone)]
pub(crate) enum To {
    /// A session of this socket; 0 = the one it is connected with.
    Session(u32),
    /// A pool, a server, an address.
    Named(Destination),
}

/// What is done with the outcome.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Context {
    /// The application's own number; 0 = none, and only what is returned is told.
    pub(crate) number: u32,
}

impl Socket {
    /// Sends a message; answers the server that was meant to have it, as far as is known.
    pub(crate) fn send(
        self: &Arc<Self>,
        library: &Library,
        fd: RawFd,
        to: &To,
        outgoing: Outgoing,
        patience: Patience,
        context: Context,
    ) -> Result<Option<PeHandle>> {
        let number = match to {
            To::Named(to) => return self.send_named(library, fd, to.clone(), outgoing, patience, context),
            To::Session(number) => *number,
        };
        if let Some(to) = self.lock().destination(number) {
            return self.send_named(library, fd, to, outgoing, patience, context);
        }
        let conversation = self.conversation(library, fd, number, patience)?;
        let len = outgoing.data.len();
        // Inside a failover callback it goes ahead of the resends, and never waits.
        if let Some(sent) = crate::ha::callback::send_ahead(self, conversation.number, &outgoing) {
            self.track(library, Addressee::session(&conversation), sent?, context);
            return Ok(conversation.pe());
        }
        let addressee = Addressee::session(&conversation);
        let sent = self.wait_for_room(library, fd, patience, Some(&conversation), len, conversation.send(outgoing))?;
        self.track(library, addressee, sent?, context);
        library.runtime.nudge();
        Ok(conversation.pe())
    }

    /// The largest message a session takes; checked before the application's buffer is looked at.
    pub(crate) fn check_length(
        self: &Arc<Self>,
        library: &Library,
        fd: RawFd,
        to: &To,
        len: usize,
        patience: Patience,
    ) -> Result<()> {
        let most = match to {
            To::Session(number) if self.lock().source(*number).is_none() => {
                self.conversation(library, fd, *number, patience)?.largest_message()
            }
            // Whoever gets it may take less, and then says so.
            _ => MOST,
        };
        match len {
            0 => Err(Failure::new(libc::EINVAL, "a message has at least one byte")),
            _ if len > most => {
                Err(Failure::new(libc::EMSGSIZE, format!("{len} bytes are more than the {most} a session carries")))
            }
            _ => Ok(()),
        }
    }

    /// Waits for a send, which only waits for room in the window; the descriptor is not writable until there is.
    pub(super) fn wait_for_room<T>(
        self: &Arc<Self>,
        library: &Library,
        fd: RawFd,
        patience: Patience,
        conversation: Option<&Arc<Conversation>>,
        len: usize,
        sending: impl Future<Output = rserpool::Result<T>>,
    ) -> Result<Result<T>> {
        let mut sending = std::pin::pin!(sending);
        let done = match library.runtime.try_now(|cx| sending.as_mut().poll(cx)) {
            Some(done) => done,
            None => {
                if let Some(conversation) = conversation {
                    self.await_room(library, fd, conversation, len, patience == Patience::None);
                }
                match patience {
                    Patience::None => return Err(Failure::new(libc::EAGAIN, "the window is full")),
                    Patience::Until(deadline) => library.runtime.wait(deadline, |cx| {
                        if let Err(failure) = self.wake_at_close(cx.waker()) {
                            return Poll::Ready(Err(failure));
                        }
                        sending.as_mut().poll(cx).map(Ok)
                    })??,
                }
            }
        };
        if let Some(conversation) = conversation.filter(|it| it.room() < LEAST) {
            self.await_room(library, fd, conversation, LOW_WATER, false);
        }
        Ok(done.map_err(Failure::from))
    }

    /// Counts the session as full until there is room for so many bytes.
    fn await_room(
        self: &Arc<Self>,
        library: &Library,
        fd: RawFd,
        conversation: &Arc<Conversation>,
        bytes: usize,
        is_refused: bool,
    ) {
        if !self.change(Some(fd), |state| state.room.is_out(conversation.number, is_refused)) {
            return;
        }
        let (socket, conversation) = (Arc::clone(self), Arc::clone(conversation));
        library.runtime.spawn(async move {
            conversation.room_for(bytes).await;
            socket.change(None, |state| state.room.came(conversation.number));
        });
    }

    /// The session with this number.
    pub(crate) fn conversation(
        self: &Arc<Self>,
        library: &Library,
        fd: RawFd,
        number: u32,
        patience: Patience,
    ) -> Result<Arc<Conversation>> {
        self.wait(library, fd, patience, |state| {
            if let Some(conversation) = state.conversations.get(&number) {
                return Some(Ok(Arc::clone(conversation)));
            }
            match (&state.connect, number, self.style) {
                (Attempt::Running, 0, _) => None,
                (Attempt::Failed(failure), 0, _) => Some(Err(failure.clone())),
                (Attempt::None, 0, Style::Many) => {
                    Some(Err(Failure::new(libc::EDESTADDRREQ, "no session is named, and none is connected")))
                }
                (Attempt::None, 0, Style::One) if state.element.is_some() || state.register.is_running() => {
                    Some(Err(by_accept()))
                }
                (Attempt::None, 0, Style::One) => Some(Err(Failure::new(libc::ENOTCONN, "it is not connected"))),
                _ if number > state.last_number => Some(Err(Failure::new(libc::ENOTCONN, "there is no such session"))),
                _ => Some(Err(Failure::new(libc::ENOTCONN, "there is no such session any more"))),
            }
        })
    }

    /// Sees what becomes of a send, if the application wants to know.
    pub(super) fn track(self: &Arc<Self>, library: &Library, to: Addressee, sent: Sent, context: Context) {
        if context.number == 0 {
            return;
        }
        self.change(None, |state| state.outcomes.begin(context.number));
        let socket = Arc::clone(self);
        library.runtime.spawn(async move {
            let outcome = sent.await;
            socket.came_out(&to, context.number, outcome);
        });
    }
}

/// More than any session carries.
const MOST: usize = 16 * 1024 * 1024;
/// With less room than this even the smallest message would have to wait.
const LEAST: usize = 64;
/// How much room must come before a full window shows as writable again.
const LOW_WATER: usize = 16 * 1024;
