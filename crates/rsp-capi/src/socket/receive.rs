// SPDX-License-Identifier: MIT OR Apache-2.0
//! Receiving: what has arrived, in order, in pieces as large as the application's buffers.

use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::sync::Arc;

use bytes::Bytes;
use rserpool::{PeHandle, PeSession, Source};

use super::conversation::{End, by_accept};
use super::notice::Callback;
use super::{Conversation, Inbound, Notice, Patience, Socket, State, Style, Way};
use crate::errno::{Failure, Result};
use crate::layout::notification_bytes;
use crate::library::Library;

/// What a receive has found.
#[derive(Debug)]
pub(crate) enum Next {
    /// To be told before anything else.
    Callback(Callback, Box<Notice>),
    Received(Received),
    /// The session has ended in order, and there is nothing left.
    End,
}

/// A message, a notification, or a piece of one.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) session: u32,
    /// At most as much as was asked for.
    pub(crate) bytes: Bytes,
    /// It ends here.
    pub(crate) is_end: bool,
    pub(crate) is_notification: bool,
    /// The cookie of another server, for sockets of `<rserpool.h>`.
    pub(crate) is_cookie: bool,
    pub(crate) is_resent: bool,
    pub(crate) is_ack_wanted: bool,
    pub(crate) ppid: u32,
    pub(crate) stream: u16,
    pub(crate) id: u32,
    pub(crate) pe: Option<PeHandle>,
    pub(crate) peer: Option<SocketAddr>,
}

/// What did not fit into the buffer before.
#[derive(Debug)]
pub(super) struct Rest(Received);

impl Rest {
    pub(super) fn is_notice(&self) -> bool {
        self.0.is_notification || self.0.is_cookie
    }
}

impl Socket {
    /// What comes next, at most `capacity` bytes of it.
    pub(crate) fn receive(
        self: &Arc<Self>,
        library: &Library,
        fd: RawFd,
        capacity: usize,
        peek: bool,
        patience: Patience,
    ) -> Result<Next> {
        if capacity == 0 {
            return Err(Failure::new(libc::EINVAL, "the buffer has no room"));
        }
        match self.wait(library, fd, Patience::None, |state| state.receive(capacity, peek, self.style)) {
            Err(failure) if failure.errno == libc::EAGAIN && patience != Patience::None => {
                // Whoever waits in a failover's callback waits for what is resent.
                crate::ha::callback::release(self);
                self.wait(library, fd, patience, |state| state.receive(capacity, peek, self.style))
            }
            other => other,
        }
        .inspect(|_| self.fetched.notify_one())
    }

    /// A session for a socket of its own.
    pub(crate) fn accept(
        self: &Arc<Self>,
        library: &Arc<Library>,
        fd: RawFd,
        patience: Patience,
    ) -> Result<(RawFd, Option<SocketAddr>)> {
        if self.style == Style::Many {
            return Err(Failure::new(libc::EOPNOTSUPP, "only a SOCK_STREAM socket accepts"));
        }
        let session: PeSession =
            self.wait(library, fd, patience, |state| match (state.is_element(), state.to_accept.pop_front()) {
                (_, Some(session)) => Some(Ok(session)),
                (false, None) => Some(Err(Failure::new(libc::EINVAL, "it is not registered"))),
                (true, None) => None,
            })?;
        let peer = session.peer_addr();
        let opened = Socket::open(library, Style::One, self.protocol, false);
        let (accepted_fd, accepted) = match opened {
            Ok(opened) => opened,
            Err(failure) => {
                // It is for the next call, as a connection of the system's is.
                self.change(None, |state| {
                    if !state.closed {
                        state.to_accept.push_front(session);
                    }
                });
                return Err(failure);
            }
        };
        self.accepting.notify_waiters();
        let (options, called) = {
            let state = self.lock();
            (state.options.clone(), state.by_hand.as_ref().map(|it| it.called))
        };
        accepted.change(None, |state| {
            state.options = options;
            state.connect = super::Attempt::Done;
        });
        if let Some(called) = called {
            accepted.set_by_hand(super::ByHand::new(called));
        }
        let task = Arc::clone(&accepted);
        library.runtime.enter(|| task.begin(0, End::Element(session)));
        Ok((accepted_fd, Some(peer)))
    }
}

impl State {
    pub(super) fn receive(&mut self, capacity: usize, peek: bool, style: Style) -> Option<Result<Next>> {
        if let Some(Rest(rest)) = &mut self.rest {
            let mut piece = rest.clone();
            let is_end = piece.bytes.len() <= capacity;
            piece.bytes.truncate(capacity);
            piece.is_end = is_end;
            match (peek, is_end) {
                (true, _) => {}
                (false, true) => self.rest = None,
                (false, false) => drop(rest.bytes.split_to(capacity)),
            }
            return Some(Ok(Next::Received(piece)));
        }
        match self.queue.pop_front() {
            Some(Inbound::Notice(notice, Way::Callback(callback))) => Some(Ok(Next::Callback(callback, notice))),
            Some(Inbound::Notice(notice, Way::InBand)) => {
                let whole = match &self.by_hand {
                    None => Received::of_notice(&notice),
                    Some(_) => self.received_by_hand(&notice),
                };
                Some(Ok(Next::Received(self.piece(whole, capacity, peek))))
            }
            Some(Inbound::Data(number, mut message)) => {
                let conversation = self.conversations.get(&number).cloned();
                message.taken();
                let mut whole = Received::of_message(number, &message, conversation.as_deref());
                match self.source(number) {
                    Some(Source::Pe(pe)) => whole.pe = Some(pe.clone()),
                    Some(Source::Address(address)) => whole.peer = Some(*address),
                    None => {}
                }
                let ack_wanted = message.ack_wanted();
                let (_, answer) = message.into_parts();
                if ack_wanted {
                    self.answers.keep(number, whole.id, answer);
                }
                Some(Ok(Next::Received(self.piece(whole, capacity, peek))))
            }
            None => match (&self.ended, style) {
                (Some(Ok(())), _) => Some(Ok(Next::End)),
                (Some(Err(failure)), _) => Some(Err(failure.clone())),
                (None, _) if self.is_going_on(style) => None,
                (None, Style::One) if self.element.is_some() || self.register.is_running() => Some(Err(by_accept())),
                (None, _) => Some(Err(Failure::new(libc::ENOTCONN, "neither connected nor registered"))),
            },
        }
    }

    /// Whether anything can still come.
    fn is_going_on(&self, style: Style) -> bool {
        let is_connected = !matches!(self.connect, super::Attempt::None | super::Attempt::Failed(_));
        let is_element = style == Style::Many && self.is_element();
        is_connected || is_element || !self.conversations.is_empty() || self.mailbox.is_some()
    }

    /// Whether it is registered, or may come to be by itself.
    fn is_element(&self) -> bool {
        let is_daemon = self.by_hand.as_ref().is_some_and(|it| it.daemon.is_some());
        self.element.is_some() || self.register.is_running() || is_daemon
    }

    /// As much as fits; what does not is kept.
    fn piece(&mut self, whole: Received, capacity: usize, peek: bool) -> Received {
        let mut piece = whole.clone();
        piece.bytes.truncate(capacity);
        piece.is_end = whole.bytes.len() <= capacity;
        if peek {
            self.rest = Some(Rest(whole));
        } else if !piece.is_end {
            let bytes = whole.bytes.slice(capacity..);
            self.rest = Some(Rest(Received { bytes, ..whole }));
        }
        piece
    }
}

impl Received {
    fn of_message(session: u32, message: &rserpool::Message, conversation: Option<&Conversation>) -> Self {
        Received {
            session,
            bytes: message.data().clone(),
            is_end: true,
            is_notification: false,
            is_cookie: false,
            is_resent: message.resent(),
            is_ack_wanted: message.ack_wanted(),
            ppid: message.ppid(),
            stream: message.stream(),
            // The lower half tells messages of a session apart for longer than any is kept.
            id: message.id() as u32,
            pe: conversation.and_then(Conversation::pe),
            peer: conversation.and_then(Conversation::peer_address),
        }
    }

    pub(super) fn of_notice(notice: &Notice) -> Self {
        Received {
            session: notice.session,
            bytes: notification_bytes(notice),
            is_end: true,
            is_notification: true,
            is_cookie: false,
            is_resent: false,
            is_ack_wanted: false,
            ppid: 0,
            stream: 0,
            id: 0,
            pe: notice.pe.clone(),
            peer: notice.address,
        }
    }
}
