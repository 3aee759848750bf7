// SPDX-License-Identifier: MIT OR Apache-2.0
//! Notifications: what `rsp_notify` asked for, in band or by a callback.

use std::ffi::{c_int, c_void};
use std::net::SocketAddr;

use bytes::Bytes;
use rserpool::{BusinessCard, Cause, Failover, Mapping, PeHandle, PeId, PoolHandle, ReturnReason};

use super::{Inbound, Socket, State};
use crate::layout::NotifyFn;

/// Something worth knowing.
#[derive(Debug)]
pub(crate) struct Notice {
    pub(crate) kind: NoticeKind,
    pub(crate) flags: u16,
    pub(crate) session: u32,
    pub(crate) context: u32,
    pub(crate) code: u32,
    pub(crate) count: u32,
    pub(crate) pe: Option<PeHandle>,
    /// Where there is no PE handle, or another address is meant.
    pub(crate) address: Option<SocketAddr>,
    pub(crate) bytes: Bytes,
    /// Resends wait for it.
    pub(crate) failover: Option<Failover>,
}

/// `RSP_N_*`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum NoticeKind {
    Failover = 1,
    Cookie = 2,
    Outcome = 4,
    Session = 8,
    BusinessCard = 16,
    Registration = 32,
    Path = 64,
}

/// How a notification reaches the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    InBand,
    Callback(Callback),
}

/// A function of the application, with what it wants to be called with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Callback {
    pub(crate) function: NotifyFn,
    pub(crate) argument: *mut c_void,
    /// As the application named the socket.
    pub(crate) fd: c_int,
}

// SAFETY: it is only called on the application's own threads, in calls on that socket; the library never looks at the argument.
unsafe impl Send for Callback {}
// SAFETY: as above.
unsafe impl Sync for Callback {}

impl PartialEq for Callback {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::fn_addr_eq(self.function, other.function) && self.argument == other.argument && self.fd == other.fd
    }
}

impl Eq for Callback {}

/// What the application wants to hear of.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    pub(crate) in_band: u32,
    pub(crate) by_callback: u32,
    pub(crate) callback: Option<Callback>,
}

impl Subscriptions {
    /// How it wants to hear of this.
    pub(crate) fn way(&self, kind: NoticeKind) -> Option<Way> {
        let bit = u32::from(kind as u16);
        match self.callback {
            Some(callback) if self.by_callback & bit != 0 => Some(Way::Callback(callback)),
            _ if self.in_band & bit != 0 => Some(Way::InBand),
            _ => None,
        }
    }
}

impl Notice {
    pub(crate) const SESSION_UP: u32 = 1;
    pub(crate) const SESSION_LEAVING: u32 = 2;
    pub(crate) const SESSION_NO_SERVER: u32 = 3;
    pub(crate) const SESSION_DRAIN: u32 = 4;
    pub(crate) const SESSION_DOWN: u32 = 5;
    pub(crate) const SESSION_LOST: u32 = 6;
    /// For sockets of `<rserpool.h>` alone.
    pub(crate) const SESSION_REMOVED: u32 = 7;
    pub(crate) const CAUSE_APPLICATION: u32 = 4;
    const COOKIE_REFUSED: u32 = 1;
    pub(crate) const REGISTERED: u32 = 1;
    /// n_flags of a failover: the new server has the cookie of the old one.
    const COOKIE_SENT: u16 = 1;

    pub(crate) fn new(kind: NoticeKind, session: u32) -> Self {
        Notice {
            kind,
            flags: 0,
            session,
            context: 0,
            code: 0,
            count: 0,
            pe: None,
            address: None,
            bytes: Bytes::new(),
            failover: None,
        }
    }

    /// The peer's card: its pool, and the PEs it prefers one behind the other.
    fn card(session: u32, card: &BusinessCard) -> Self {
        Notice {
            count: card.prefer.len().try_into().unwrap_or(u32::MAX),
            pe: Some(only_id(card.pool.clone(), PeId(0))),
            bytes: card.prefer.iter().flat_map(crate::layout::pehandle_bytes).collect(),
            ..Notice::new(NoticeKind::BusinessCard, session)
        }
    }

    pub(super) fn failover(session: u32, count: u32, failover: Failover) -> Self {
        Notice {
            flags: if failover.cookie_sent { Self::COOKIE_SENT } else { 0 },
            code: cause(failover.cause),
            count,
            pe: Some(failover.to.clone()),
            failover: Some(failover),
            ..Notice::new(NoticeKind::Failover, session)
        }
    }
}

impl Socket {
    /// What the library knows as a notice; `pe` is the server it is about.
    pub(super) fn tell_of(&self, session: u32, pe: Option<PeHandle>, notice: rserpool::Notice) {
        let of_session = |code| Notice { code, ..Notice::new(NoticeKind::Session, session) };
        let pe = match (&notice, pe) {
            (rserpool::Notice::NoServer, _) => None,
            (rserpool::Notice::Leaving(id, _), Some(pe)) if pe.id != *id => Some(only_id(pe.pool, *id)),
            (_, pe) => pe,
        };
        let told = match notice {
            rserpool::Notice::Drain => of_session(Notice::SESSION_DRAIN),
            rserpool::Notice::Leaving(_, why) => Notice { count: cause(why), ..of_session(Notice::SESSION_LEAVING) },
            rserpool::Notice::NoServer => of_session(Notice::SESSION_NO_SERVER),
            rserpool::Notice::Path(address, state) => {
                Notice { code: state as u32, address: Some(address), ..Notice::new(NoticeKind::Path, session) }
            }
            rserpool::Notice::Returned(outgoing, why) => Notice {
                code: super::outcome::RETURNED,
                count: reason(why),
                bytes: outgoing.data,
                ..Notice::new(NoticeKind::Outcome, session)
            },
            rserpool::Notice::CookieRefused(_) => {
                Notice { code: Notice::COOKIE_REFUSED, ..Notice::new(NoticeKind::Cookie, session) }
            }
            rserpool::Notice::BusinessCard(card) => return self.tell(Notice::card(session, &card)),
            _ => return,
        };
        self.tell(Notice { pe, ..told });
    }

    /// From now on these events are brought by the callback, or in band; 0 = nothing any more.
    pub(crate) fn subscribe(&self, fd: c_int, events: u32, callback: Option<Callback>) {
        self.change(Some(fd), |state| {
            let subscriptions = &mut state.subscriptions;
            match callback {
                Some(_) => {
                    subscriptions.by_callback = events;
                    subscriptions.in_band &= !events;
                    subscriptions.callback = callback;
                }
                None => {
                    subscriptions.in_band = events;
                    subscriptions.by_callback &= !events;
                }
            }
            if events == 0 {
                *subscriptions = Subscriptions::default();
            }
        });
    }

    pub(crate) fn may_be_stale(&self) -> bool {
        self.lock().options.may_be_stale
    }

    /// The first notification that is to be told by a callback.
    pub(crate) fn next_callback(&self, fd: c_int) -> Option<(Callback, Box<Notice>)> {
        self.change(Some(fd), State::take_callback)
    }
}

impl State {
    pub(super) fn take_callback(&mut self) -> Option<(Callback, Box<Notice>)> {
        let position = self.queue.iter().position(|it| matches!(it, Inbound::Notice(_, Way::Callback(_))))?;
        match self.queue.remove(position) {
            Some(Inbound::Notice(notice, Way::Callback(callback))) => Some((callback, notice)),
            _ => None,
        }
    }
}

/// A server of which nothing else is known; without an identifier, the pool.
pub(super) fn only_id(pool: PoolHandle, id: PeId) -> PeHandle {
    PeHandle { pool, id, mapping: Mapping::None, protocol: None, addrs: Vec::new() }
}

/// `RSP_CAUSE_*`
fn cause(cause: Cause) -> u32 {
    match cause {
        Cause::TransportLost => 1,
        Cause::HeartbeatMissed => 2,
        Cause::RegistrarPush => 3,
        Cause::Application => 4,
        Cause::Drain => 5,
    }
}

/// `RSP_RETURN_*`
pub(super) fn reason(reason: ReturnReason) -> u32 {
    match reason {
        ReturnReason::NoFailover => 1,
        ReturnReason::SessionEnded => 2,
        ReturnReason::TooLong(_) => 3,
        ReturnReason::Expired => 4,
        ReturnReason::NotSendable => 5,
    }
}
