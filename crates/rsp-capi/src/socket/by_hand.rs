// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sockets of `<rserpool.h>`: what their notifications look like, and sessions whose failovers the application makes by hand.
//!
//! The session underneath looks for another server by itself. Here the application is told that it is necessary, and what comes from the new server
//! waits until it has called `rsp_forcefailover`. Nothing is sent again, since every message is sent so that it comes back.

use std::collections::HashMap;
use std::ffi::c_int;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rserpool::{Failover, PeHandle, PoolHandle, Report};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::conversation::End;
use super::{Attempt, Conversation, Inbound, Next, Notice, NoticeKind, Patience, Received, Socket, State, Style, Way};
use crate::errno::{Failure, Result};
use crate::library::Library;
use crate::rsplib::layout::{self, Plain, constant};

/// What such a socket has besides.
#[derive(Debug)]
pub(crate) struct ByHand {
    /// Domain, type and protocol, as `rsp_socket` was called.
    pub(crate) called: [c_int; 3],
    /// `SO_RCVTIMEO`, `SO_SNDTIMEO`
    pub(crate) receive_timeout: Option<Duration>,
    pub(crate) send_timeout: Option<Duration>,
    /// What sessions are doing, for the status report; 0 = the socket itself.
    pub(crate) status: HashMap<u32, String>,
    pool: Option<PoolHandle>,
    /// The server of the session, or the one that was left.
    server: Option<PeHandle>,
    /// The server has failed, and the application has not moved the session yet.
    failed: bool,
    /// The new server waits for the application.
    held: Option<Failover>,
    /// The session is at its end: the application may begin another, with its cookie.
    over: bool,
    go_on: Arc<Notify>,
    /// What registers it as soon as it can, until it leaves.
    pub(super) daemon: Option<AbortHandle>,
}

impl ByHand {
    /// Sessions are numbered from 1 to this.
    pub(super) const MAX_SESSION: u32 = constant::SESSION_SETSIZE - 1;

    pub(crate) fn new(called: [c_int; 3]) -> Self {
        ByHand {
            called,
            receive_timeout: None,
            send_timeout: None,
            status: HashMap::new(),
            pool: None,
            server: None,
            failed: false,
            held: None,
            over: false,
            go_on: Arc::default(),
            daemon: None,
        }
    }

    /// There is nothing more to say of it; 0 is the socket itself.
    pub(super) fn session_ended(&mut self, number: u32) {
        if number != 0 {
            self.status.remove(&number);
        }
    }

    /// The socket is being closed.
    pub(super) fn let_go(&mut self) {
        self.held = None;
        self.go_on.notify_waiters();
    }

    /// Whether the descriptor itself tells of the failure, since no notification does: a receive says EIO until the session is moved.
    pub(super) fn shows_failure(&self) -> bool {
        self.failed && self.called[1] == libc::SOCK_STREAM
    }

    pub(crate) fn connecting(&mut self, pool: &PoolHandle) {
        self.pool = Some(pool.clone());
    }
}

impl State {
    /// Whether the application of a socket by hand wants to hear of it; a failure is noted here.
    pub(super) fn wants(&mut self, notice: &Notice) -> bool {
        let automatic = self.options.failover;
        let Some(by_hand) = &mut self.by_hand else { return true };
        match (notice.kind, notice.code) {
            (NoticeKind::Cookie, _) => true,
            (NoticeKind::Session, Notice::SESSION_LEAVING) if notice.session == 0 => {
                let is_failure = notice.count != Notice::CAUSE_APPLICATION;
                by_hand.failed |= is_failure && !automatic;
                is_failure && !automatic
            }
            (NoticeKind::Failover, _) => true,
            (NoticeKind::Session, Notice::SESSION_UP) => {
                if notice.session == 0 {
                    by_hand.server = notice.pe.clone();
                }
                notice.session != 0
            }
            (NoticeKind::Session, Notice::SESSION_DOWN | Notice::SESSION_LOST | Notice::SESSION_REMOVED) => {
                notice.session != 0
            }
            _ => false,
        }
    }

    /// What a notification or cookie looks like to such an application.
    pub(super) fn received_by_hand(&self, notice: &Notice) -> Received {
        let session = c_int::try_from(notice.session).unwrap_or(c_int::MAX);
        let change = |state| {
            let length = size_of::<layout::SessionChange>() as u32;
            let kind = constant::RSERPOOL_SESSION_CHANGE;
            layout::SessionChange {
                rsc_type: kind,
                rsc_flags: 0,
                rsc_length: length,
                rsc_state: state,
                rsc_session: session,
            }
            .bytes()
        };
        let failover = |state| {
            let has_cookie = self.conversations.get(&0).is_some_and(|it| it.cookie().is_some());
            layout::Failover {
                rf_type: constant::RSERPOOL_FAILOVER,
                rf_flags: 0,
                rf_length: size_of::<layout::Failover>() as u32,
                rf_state: state,
                rf_session: session,
                rf_has_cookie: has_cookie.into(),
                padding: [0; 3],
            }
            .bytes()
        };
        let bytes = match (notice.kind, notice.code) {
            (NoticeKind::Cookie, _) => notice.bytes.clone(),
            (NoticeKind::Failover, _) => failover(constant::RSERPOOL_FAILOVER_COMPLETE),
            (_, Notice::SESSION_LEAVING) => failover(constant::RSERPOOL_FAILOVER_NECESSARY),
            (_, Notice::SESSION_UP) => change(constant::RSERPOOL_SESSION_ADD),
            (_, Notice::SESSION_DOWN) => layout::ShutdownEvent {
                rse_type: constant::RSERPOOL_SHUTDOWN_EVENT,
                rse_flags: 0,
                rse_length: size_of::<layout::ShutdownEvent>() as u32,
                rse_session: session,
            }
            .bytes(),
            _ => change(constant::RSERPOOL_SESSION_REMOVE),
        };
        let is_cookie = notice.kind == NoticeKind::Cookie;
        Received { bytes, is_cookie, is_notification: !is_cookie, ..Received::of_notice(notice) }
    }

    /// Whether what comes next is a notification that needs more room; it stays.
    fn needs_room(&self, capacity: usize) -> bool {
        match (&self.rest, self.queue.front()) {
            (None, Some(Inbound::Notice(notice, Way::InBand))) if notice.kind != NoticeKind::Cookie => {
                self.received_by_hand(notice).bytes.len() > capacity
            }
            _ => false,
        }
    }

    fn is_necessary(inbound: &Inbound) -> bool {
        matches!(inbound, Inbound::Notice(notice, _)
            if notice.kind == NoticeKind::Session && notice.code == Notice::SESSION_LEAVING)
    }
}

impl Socket {
    /// The socket behaves as those of RSPLIB from now on.
    pub(crate) fn set_by_hand(&self, by_hand: ByHand) {
        let mut state = self.lock();
        state.options.failover = false;
        // SOCK_STREAM sockets have no notifications; a cookie is none.
        state.subscriptions.in_band = NoticeKind::Cookie as u32;
        if self.style == Style::Many {
            state.subscriptions.in_band |= NoticeKind::Failover as u32 | NoticeKind::Session as u32;
        }
        state.by_hand = Some(by_hand);
    }

    /// For a socket of `<rserpool.h>`.
    ///
    /// # Errors
    /// EBADF if it is one of `<rsp.h>`.
    pub(crate) fn with_by_hand<T>(&self, with: impl FnOnce(&mut ByHand) -> T) -> Result<T> {
        let mut state = self.lock();
        state.by_hand.as_mut().map(with).ok_or_else(|| Failure::new(libc::EBADF, "it is a socket of <rsp.h>"))
    }

    /// # Errors
    /// EIO if the session waits to be moved.
    pub(crate) fn check_not_failed(&self) -> Result<()> {
        let state = self.lock();
        match &state.by_hand {
            Some(by_hand) if by_hand.failed => {
                Err(Failure::new(libc::EIO, "the server has failed: rsp_forcefailover moves the session"))
            }
            _ => Ok(()),
        }
    }

    /// Whether it is for the session itself to move, and to send again.
    pub(crate) fn is_automatic(&self) -> bool {
        self.lock().options.failover
    }

    pub(crate) fn set_may_be_stale(&self, may_be_stale: bool) {
        self.lock().options.may_be_stale = may_be_stale;
    }

    /// It registers as soon as it can from now on; what did so before ends.
    ///
    /// # Errors
    /// EBADF if it is one of `<rsp.h>`.
    pub(crate) fn become_daemon(&self, daemon: AbortHandle) -> Result<()> {
        if let Some(before) = self.with_by_hand(|it| it.daemon.replace(daemon))? {
            before.abort();
        }
        Ok(())
    }

    /// Whether it is still to be registered, as when [`Socket::left`] said this; an attempt may be under way.
    pub(crate) fn wants_registration(&self, left: u64) -> bool {
        let state = self.lock();
        !state.closed && state.element.is_none() && state.left == left
    }

    /// Leaves the pool without waiting for it.
    pub(crate) fn leave_soon(&self, library: &Library) -> Result<()> {
        let Some(element) = self.leave()? else { return Ok(()) };
        // It has no errors.
        library.runtime.spawn(async move { drop(element.deregister().await) });
        Ok(())
    }

    /// `SO_ERROR`: how an attempt to connect went that nobody waited for.
    pub(crate) fn take_error(&self) -> c_int {
        let mut state = self.lock();
        match &state.connect {
            Attempt::Failed(failure) => {
                let errno = failure.errno;
                state.connect = Attempt::None;
                errno
            }
            _ => 0,
        }
    }

    pub(crate) fn has_session(&self, number: u32) -> bool {
        self.lock().conversations.contains_key(&number)
    }

    /// How many there are.
    pub(crate) fn sessions(&self) -> usize {
        self.lock().conversations.len()
    }

    /// The server of the connected session, also while there is none.
    pub(crate) fn server(&self) -> Option<PeHandle> {
        let state = self.lock();
        let conversation = state.conversations.get(&0).and_then(|it| it.pe());
        conversation.or_else(|| state.by_hand.as_ref().and_then(|it| it.server.clone()))
    }

    /// Whether the connected session holds a cookie.
    ///
    /// # Errors
    /// ENOTCONN if it is not connected with a pool.
    pub(crate) fn has_cookie(&self) -> Result<bool> {
        let state = self.lock();
        match state.conversations.get(&0) {
            Some(conversation) if matches!(conversation.end, End::User(_)) => Ok(conversation.cookie().is_some()),
            _ => Err(not_connected()),
        }
    }

    /// What comes next, as such sockets have it; without a wish for notifications and cookies they are passed over.
    pub(crate) fn receive_by_hand(
        self: &Arc<Self>,
        library: &Library,
        fd: RawFd,
        capacity: usize,
        with_notices: bool,
        patience: Patience,
    ) -> Result<Next> {
        if capacity == 0 {
            return Err(Failure::new(libc::EINVAL, "the buffer has no room"));
        }
        self.wait(library, fd, patience, |state| {
            if !with_notices {
                while matches!(state.queue.front(), Some(Inbound::Notice(..))) {
                    state.queue.pop_front();
                }
                if state.rest.as_ref().is_some_and(|rest| rest.is_notice()) {
                    state.rest = None;
                }
            }
            if state.needs_room(capacity) {
                return Some(Err(Failure::new(libc::ENOBUFS, "the notification does not fit")));
            }
            let found = state.receive(capacity, false, self.style);
            let failed = state.by_hand.as_ref().is_some_and(|it| it.failed);
            match found {
                // Whoever does not see the notification learns it this way.
                None if failed && (self.style == Style::One || !with_notices) => {
                    Some(Err(Failure::new(libc::EIO, "the server has failed: rsp_forcefailover moves the session")))
                }
                found => found,
            }
        })
    }

    /// A session has moved. By hand the application decides when that counts; this waits for it.
    pub(super) async fn moved(&self, number: u32, count: u32, failover: Failover) {
        let by_hand = self.change(None, |state| match &mut state.by_hand {
            Some(by_hand) if number == 0 && !state.options.failover => {
                by_hand.held = Some(failover);
                Ok(Arc::clone(&by_hand.go_on))
            }
            _ => Err(failover),
        });
        match by_hand {
            Err(failover) => self.tell(Notice::failover(number, count, failover)),
            Ok(go_on) => loop {
                let going_on = go_on.notified();
                tokio::pin!(going_on);
                going_on.as_mut().enable();
                let is_held = |state: &State| state.by_hand.as_ref().is_some_and(|it| it.held.is_some());
                if !is_held(&self.lock()) {
                    return;
                }
                going_on.await;
            },
        }
    }

    /// The connected session has ended. By hand that is a failure like any other: the application may go on with another server.
    pub(super) fn ended_by_hand(&self, conversation: &Conversation) -> bool {
        if conversation.number != 0 || !matches!(conversation.end, End::User(_)) {
            return false;
        }
        self.change(None, |state| {
            let automatic = state.options.failover;
            let Some(by_hand) = &mut state.by_hand else { return false };
            if automatic || state.closed {
                return false;
            }
            by_hand.over = true;
            by_hand.held = None;
            if !by_hand.failed {
                by_hand.failed = true;
                let leaving = Notice { code: Notice::SESSION_LEAVING, ..Notice::new(NoticeKind::Session, 0) };
                if let Some(way) = state.subscriptions.way(NoticeKind::Session) {
                    state.queue.push_back(Inbound::Notice(Box::new(leaving), way));
                }
            }
            true
        })
    }

    /// Moves the session to another server, or lets it go on at the one that was found meanwhile.
    ///
    /// # Errors
    /// ENOTCONN, EHOSTUNREACH, and what connecting answers.
    pub(crate) fn move_by_hand(self: &Arc<Self>, library: &Arc<Library>, fd: RawFd, report: Report) -> Result<()> {
        let step = self.change(Some(fd), |state| {
            let conversation = state.conversations.get(&0).cloned().ok_or_else(not_connected)?;
            let by_hand = state.by_hand.as_mut().ok_or_else(not_connected)?;
            state.queue.retain(|it| !State::is_necessary(it));
            match (&conversation.end, by_hand.over, by_hand.failed) {
                (End::Element(_), ..) => Err(not_connected()),
                (_, true, _) => Ok(Step::Again(conversation.cookie(), by_hand.pool.clone().ok_or_else(not_connected)?)),
                (_, false, true) => Ok(Step::Join),
                (_, false, false) => {
                    // If a signal ends this call, the next one goes on with it.
                    by_hand.failed = !state.options.failover;
                    Ok(Step::Leave(conversation))
                }
            }
        })?;
        match step {
            Step::Again(cookie, pool) => self.begin_again(library, cookie, &pool)?,
            Step::Leave(conversation) => {
                if let End::User(session) = &conversation.end {
                    let mut leaving = std::pin::pin!(session.force_failover(report));
                    library.runtime.try_now(|cx| leaving.as_mut().poll(cx)).unwrap_or(Ok(()))?;
                }
                if self.is_automatic() {
                    // The rest is the session's, which tells of it.
                    return Ok(());
                }
                self.wait_for_server(library, fd)?;
            }
            Step::Join => self.wait_for_server(library, fd)?,
        }
        self.change(Some(fd), |state| {
            let server = state.conversations.get(&0).and_then(|it| it.pe());
            if let Some(by_hand) = &mut state.by_hand {
                by_hand.failed = false;
                by_hand.server = server.or(by_hand.server.take());
                by_hand.go_on.notify_waiters();
            }
            state.queue.retain(|it| !State::is_necessary(it));
            let complete = Notice::new(NoticeKind::Failover, 0);
            if let Some(way) = state.subscriptions.way(NoticeKind::Failover) {
                state.queue.push_back(Inbound::Notice(Box::new(complete), way));
            }
        });
        Ok(())
    }

    /// Waits, however long the session itself does, until there is a new server.
    fn wait_for_server(&self, library: &Library, fd: RawFd) -> Result<()> {
        self.wait(library, fd, Patience::Until(None), |state| {
            let by_hand = state.by_hand.as_mut()?;
            if by_hand.over {
                return Some(Err(Failure::new(libc::EHOSTUNREACH, "no other server was found")));
            }
            by_hand.held.take().map(|_| Ok(()))
        })
    }

    /// Another session with the pool, which begins with the cookie of the one that ended.
    fn begin_again(self: &Arc<Self>, library: &Library, cookie: Option<Bytes>, pool: &PoolHandle) -> Result<()> {
        let mut builder = self.builder(library, pool);
        if let Some(cookie) = cookie {
            builder = builder.cookie(cookie);
        }
        let session = library.runtime.call(builder.connect())??;
        if let Some(by_hand) = &mut self.lock().by_hand {
            by_hand.over = false;
        }
        library.runtime.enter(|| self.begin(0, End::User(session)));
        self.change(None, |state| state.connect = Attempt::Done);
        Ok(())
    }
}

/// What a call of `rsp_forcefailover` has to do.
enum Step {
    /// Leave a server that serves.
    Leave(Arc<Conversation>),
    /// Wait for the server that is looked for.
    Join,
    /// Begin another session, with this cookie.
    Again(Option<Bytes>, PoolHandle),
}

fn not_connected() -> Failure {
    Failure::new(libc::ENOTCONN, "it is not connected with a pool")
}
