// SPDX-License-Identifier: MIT OR Apache-2.0
//! A session of a socket, whichever end of it we are, and the task that fetches what it receives.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use rserpool::{BusinessCard, Item, Outgoing, PeHandle, PeItem, PeSession, Sent, Session};

use super::{ByHand, Inbound, Notice, NoticeKind, Socket};
use crate::errno::{Failure, Result};

/// A session.
#[derive(Debug)]
pub(crate) struct Conversation {
    /// How the application names it.
    pub(crate) number: u32,
    pub(crate) end: End,
    /// The server what was received last is about; the one that serves may be another by now.
    server: Mutex<Option<PeHandle>>,
}

#[derive(Debug)]
pub(crate) enum End {
    User(Session),
    Element(PeSession),
}

impl Conversation {
    pub(crate) async fn send(&self, outgoing: Outgoing) -> rserpool::Result<Sent> {
        match &self.end {
            End::User(session) => session.send(outgoing).await,
            End::Element(session) => session.send(outgoing).await,
        }
    }

    pub(crate) fn largest_message(&self) -> usize {
        match &self.end {
            End::User(session) => session.largest_message(),
            End::Element(session) => session.largest_message(),
        }
    }

    pub(crate) fn room(&self) -> usize {
        match &self.end {
            End::User(session) => session.room(),
            End::Element(session) => session.room(),
        }
    }

    pub(crate) async fn room_for(&self, bytes: usize) {
        match &self.end {
            End::User(session) => session.room_for(bytes).await,
            End::Element(session) => session.room_for(bytes).await,
        }
    }

    /// The cookie a pool user's session holds.
    pub(crate) fn cookie(&self) -> Option<Bytes> {
        match &self.end {
            End::User(session) => session.cookie(),
            End::Element(_) => None,
        }
    }

    /// The pool element at the other end; a pool user has no handle.
    pub(crate) fn pe(&self) -> Option<PeHandle> {
        match &self.end {
            End::User(session) => session.pe(),
            End::Element(_) => None,
        }
    }

    /// The server that serves or, during a failover and at the end, has served.
    pub(super) fn server(&self) -> Option<PeHandle> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn moved_to(&self, pe: PeHandle) {
        *self.server.lock().unwrap_or_else(PoisonError::into_inner) = Some(pe);
    }

    pub(crate) fn peer_address(&self) -> Option<SocketAddr> {
        match &self.end {
            End::User(session) => session.pe().and_then(|pe| pe.addrs.first().copied()),
            End::Element(session) => Some(session.peer_addr()),
        }
    }

    pub(crate) fn set_cookie(&self, cookie: Bytes) -> Result<()> {
        match &self.end {
            End::User(_) => Err(Failure::new(libc::EOPNOTSUPP, "cookies are set by pool elements")),
            End::Element(session) => Ok(session.set_cookie(cookie)?),
        }
    }

    /// Ends it in order: BYE after what is under way, at most `linger`.
    pub(crate) async fn close(&self, linger: Option<Duration>) {
        let closing = async {
            // What had ended it before was told when it happened.
            let _ = match &self.end {
                End::User(session) => session.close().await,
                End::Element(session) => session.close().await,
            };
        };
        match linger {
            Some(linger) => drop(tokio::time::timeout(linger, closing).await),
            None => closing.await,
        }
    }
}

/// Brings everything a session receives to its socket, until it ends.
pub(crate) async fn follow(socket: Arc<Socket>, conversation: Arc<Conversation>) {
    let number = conversation.number;
    let ended = loop {
        match &conversation.end {
            End::User(session) => match session.recv_untaken().await {
                Ok(Some(Item::Data(message))) => socket.push(Inbound::Data(number, message)),
                Ok(Some(Item::Failover(failover))) => {
                    conversation.moved_to(failover.to.clone());
                    socket.moved(number, session.failovers(), failover).await;
                }
                Ok(Some(Item::Notice(notice))) => socket.tell_of(number, conversation.server(), notice),
                Ok(Some(_)) => {}
                Ok(None) => break Ok(()),
                Err(error) => break Err(Failure::from(error)),
            },
            End::Element(session) => match session.recv_untaken().await {
                Ok(Some(PeItem::Data(message))) => socket.push(Inbound::Data(number, message)),
                Ok(Some(PeItem::Cookie(cookie))) => {
                    socket.tell(Notice { bytes: cookie, ..Notice::new(NoticeKind::Cookie, number) });
                }
                Ok(Some(PeItem::Notice(notice))) => socket.tell_of(number, None, notice),
                Ok(Some(_)) => {}
                Ok(None) => break Ok(()),
                Err(error) => break Err(Failure::from(error)),
            },
        }
    };
    socket.session_ended(&conversation, ended);
}

/// A socket that accepts has no session of its own.
pub(super) fn by_accept() -> Failure {
    Failure::new(libc::ENOTCONN, "sessions of this socket come by rsp_accept")
}

impl Socket {
    /// Shows a business card to the peers of all sessions, now and later.
    pub(crate) fn set_business_card(&self, card: BusinessCard) -> Result<()> {
        let mut state = self.lock();
        state.options.card = Some(card.clone());
        for conversation in state.conversations.values() {
            match &conversation.end {
                End::User(session) => session.set_business_card(&card)?,
                End::Element(session) => session.set_business_card(card.clone())?,
            }
        }
        Ok(())
    }

    /// Takes a session in.
    pub(super) fn begin(self: &Arc<Self>, number: u32, end: End) -> Arc<Conversation> {
        let server = match &end {
            End::User(session) => session.pe(),
            End::Element(_) => None,
        };
        let conversation = Arc::new(Conversation { number, end, server: Mutex::new(server) });
        let is_open = self.change(None, |state| {
            if !state.closed {
                state.conversations.insert(number, Arc::clone(&conversation));
            }
            !state.closed
        });
        if is_open {
            self.tell(Notice {
                code: Notice::SESSION_UP,
                pe: conversation.pe(),
                address: conversation.peer_address(),
                ..Notice::new(NoticeKind::Session, number)
            });
            tokio::spawn(follow(Arc::clone(self), Arc::clone(&conversation)));
        }
        conversation
    }

    /// A number no session of this socket has, if there is one.
    pub(super) fn next_number(&self) -> Option<u32> {
        let mut state = self.lock();
        let most = if state.by_hand.is_some() { ByHand::MAX_SESSION } else { u32::MAX };
        let is_taken = |number| state.conversations.contains_key(&number) || state.source(number).is_some();
        let number = free_number(state.last_number, most, is_taken)?;
        state.last_number = number;
        Some(number)
    }

    fn session_ended(&self, conversation: &Conversation, ended: Result<()>) {
        if self.ended_by_hand(conversation) {
            return;
        }
        let number = conversation.number;
        let code = if ended.is_ok() { Notice::SESSION_DOWN } else { Notice::SESSION_LOST };
        let (pe, address) = (conversation.server(), conversation.peer_address());
        self.tell(Notice { code, pe, address, ..Notice::new(NoticeKind::Session, number) });
        if code == Notice::SESSION_DOWN && self.lock().by_hand.is_some() {
            self.tell(Notice { code: Notice::SESSION_REMOVED, ..Notice::new(NoticeKind::Session, number) });
        }
        self.change(None, |state| {
            state.conversations.remove(&number);
            state.room.came(number);
            state.answers.forget(number);
            if let Some(by_hand) = &mut state.by_hand {
                by_hand.session_ended(number);
            }
            if number == 0 {
                state.ended = Some(ended);
            }
        });
    }
}

/// The first number from 1 to `most` that is free, behind the last one that was given away.
fn free_number(last: u32, most: u32, is_taken: impl Fn(u32) -> bool) -> Option<u32> {
    let last = if last < most { last } else { 0 };
    (last + 1..=most).chain(1..=last).find(|number| !is_taken(*number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_one_behind_the_other_and_none_is_given_twice() {
        let mut taken = Vec::new();
        let mut last = 0;
        for expected in 1..=3 {
            last = free_number(last, 3, |number| taken.contains(&number)).expect("one is free");
            assert_eq!(last, expected);
            taken.push(last);
        }
        assert_eq!(free_number(last, 3, |number| taken.contains(&number)), None);
        assert_eq!(free_number(last, 3, |number| number != 2), Some(2));
        assert_eq!(free_number(3, 3, |_| false), Some(1));
        assert_eq!(free_number(u32::MAX, u32::MAX, |number| number == u32::MAX), Some(1));
    }
}
