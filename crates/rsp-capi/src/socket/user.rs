// SPDX-License-Identifier: MIT OR Apache-2.0
//! A socket as a pool user: `rsp_connect`, and moving to another server.

use std::os::fd::RawFd;
use std::sync::Arc;

use rserpool::{Items, Mapping, PoolHandle, Report, SessionBuilder};

use super::conversation::End;
use super::{Attempt, Patience, Socket};
use crate::errno::{Failure, Result};
use crate::library::Library;

impl Socket {
    /// Connects to a server of the pool.
    ///
    /// # Errors
    /// ENOENT, ENETUNREACH, EHOSTUNREACH, ..; EISCONN; EALREADY while it is under way, EINPROGRESS when it has begun and the call may not wait.
    pub(crate) fn connect(
        self: &Arc<Self>,
        library: &Library,
        fd: RawFd,
        pool: &PoolHandle,
        patience: Patience,
    ) -> Result<()> {
        let begins = self.change(Some(fd), |state| {
            if state.element.is_some() || state.register.is_running() {
                return Err(Failure::new(libc::EISCONN, "the socket is that of a pool element"));
            }
            match &state.connect {
                Attempt::Running => Err(Failure::new(libc::EALREADY, "it is connecting")),
                Attempt::Done => Err(Failure::new(libc::EISCONN, "it is connected")),
                Attempt::Failed(_) if patience == Patience::None => match std::mem::take(&mut state.connect) {
                    Attempt::Failed(failure) => Err(failure),
                    _ => Ok(()),
                },
                Attempt::Failed(_) | Attempt::None => {
                    state.connect = Attempt::Running;
                    Ok(())
                }
            }
        });
        begins?;
        let connecting = self.builder(library, pool).connect();
        let fresh = (!self.may_be_stale()).then(|| (library.user.clone(), pool.clone()));
        let socket = Arc::clone(self);
        library.runtime.spawn(async move {
            let known = match fresh {
                Some((user, pool)) => user.resolve_fresh(pool, Items::Default).await.map(drop),
                None => Ok(()),
            };
            let result = match known {
                Ok(()) => connecting.await,
                Err(error) => Err(error),
            };
            let connect = match result {
                Ok(session) => {
                    socket.begin(0, End::User(session));
                    Attempt::Done
                }
                Err(error) => Attempt::Failed(error.into()),
            };
            socket.change(None, |state| state.connect = connect);
        });
        let in_progress = |failure: Failure| match failure.errno {
            libc::EAGAIN => Failure::new(libc::EINPROGRESS, "it is connecting"),
            _ => failure,
        };
        self.wait(library, fd, patience, |state| state.connect.result()).map_err(in_progress)
    }

    /// What the socket's options say of a session to this pool.
    pub(super) fn builder(&self, library: &Library, pool: &PoolHandle) -> SessionBuilder {
        let (options, by_hand) = {
            let state = self.lock();
            (state.options.clone(), state.by_hand.is_some())
        };
        let failover = options.failover || by_hand;
        // A failover is always shown to us first: whether resends wait is then a matter of who wants to hear of it.
        let mut builder = library.user.session(pool.clone()).failover(failover).hold_failover();
        if let Some(window) = options.window {
            builder = builder.window(window);
        }
        if let Some(interval) = options.heartbeat {
            builder = builder.heartbeat(interval);
        }
        if let Some(card) = options.card.clone() {
            builder = builder.business_card(card);
        }
        match self.mapping(&options) {
            Some(Mapping::None) | None => builder,
            Some(mapping) => builder.mappings([mapping]),
        }
    }

    /// Leaves the server now, and perhaps reports it.
    pub(crate) fn force_failover(
        self: &Arc<Self>,
        library: &Library,
        fd: RawFd,
        session: u32,
        report: Report,
    ) -> Result<()> {
        let conversation = self.conversation(library, fd, session, Patience::None)?;
        match &conversation.end {
            End::User(session) => {
                let mut moving = std::pin::pin!(session.force_failover(report));
                let done = library.runtime.try_now(|cx| moving.as_mut().poll(cx));
                Ok(done.unwrap_or(Ok(()))?)
            }
            End::Element(_) => Err(Failure::new(libc::EOPNOTSUPP, "only a pool user fails over")),
        }
    }
}
