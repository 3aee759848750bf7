// SPDX-License-Identifier: MIT OR Apache-2.0
//! A socket as a pool element: where it listens, its registration, and the sessions that come.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Duration;

use rserpool::{Mapping, PeHandle, PeSession, Policy, PoolElement, PoolHandle, Transport};

use super::conversation::End;
use super::{Attempt, Notice, NoticeKind, Options, Patience, Socket, Style};
use crate::errno::{Failure, Result};
use crate::library::Library;

impl Socket {
    /// Where it will listen; whether that is possible is tried now.
    ///
    /// # Errors
    /// EINVAL if it listens or is connected, and what the system says.
    pub(crate) fn bind(&self, library: &Library, addresses: Vec<SocketAddr>) -> Result<()> {
        let options = self.lock().options.clone();
        let mapping = self.mapping(&options);
        let is_tcp = mapping == Some(Mapping::Tcp) || (mapping.is_none() && library.transport == Transport::Tcp);
        for address in &addresses {
            if mapping == Some(Mapping::None) {
                break;
            }
            // Nothing is kept: what counts is what the registration finds. This tells of privileges and strangers' ports beforehand.
            match TcpListener::bind(address) {
                // A port of TCP is another one than that of SCTP.
                Err(error) if error.kind() == ErrorKind::AddrInUse && !is_tcp => {}
                Err(error) => return Err(error.into()),
                Ok(_) => {}
            }
        }
        let mut state = self.lock();
        if !matches!(state.register, Attempt::None | Attempt::Failed(_)) || !matches!(state.connect, Attempt::None) {
            return Err(Failure::new(libc::EINVAL, "it is registered or connected"));
        }
        state.bound = addresses;
        Ok(())
    }

    /// Joins the pool; once it has, changes load, weight or priority. `left` is what [`Socket::left`] said when the application called.
    ///
    /// # Errors
    /// ECANCELED if the application has left since.
    pub(crate) fn register(
        self: &Arc<Self>,
        library: &Library,
        fd: RawFd,
        pool: &PoolHandle,
        policy: Policy,
        patience: Patience,
        left: u64,
    ) -> Result<()> {
        let known = self.lock().element.clone();
        if let Some(element) = known {
            if element.handle().pool != *pool {
                return Err(Failure::new(libc::EISCONN, "it is registered in another pool"));
            }
            return Ok(library.runtime.call(async move { element.update(policy).await })??);
        }
        let (options, bound) = self.change(Some(fd), |state| {
            if !matches!(state.connect, Attempt::None) {
                return Err(Failure::new(libc::EISCONN, "the socket is that of a pool user"));
            }
            if state.left != left {
                return Err(called_off());
            }
            match &state.register {
                Attempt::Running => return Err(Failure::new(libc::EALREADY, "it is registering")),
                Attempt::Failed(_) if patience == Patience::None => {
                    if let Attempt::Failed(failure) = std::mem::take(&mut state.register) {
                        return Err(failure);
                    }
                }
                _ => {}
            }
            state.register = Attempt::Running;
            Ok((state.options.clone(), state.bound.clone()))
        })?;
        let registering = self.element_builder(library, pool, policy, &options, &bound);
        let socket = Arc::clone(self);
        let attempt = library.runtime.spawn_abortable(async move {
            let result = registering.register().await;
            socket.registered(result.map(Arc::new), left);
        });
        let is_over = self.change(None, |state| match state.left == left {
            true => {
                state.registering = Some(attempt.clone());
                false
            }
            false => true,
        });
        if is_over {
            attempt.abort();
        }
        let in_progress = |failure: Failure| match failure.errno {
            libc::EAGAIN => Failure::new(libc::EINPROGRESS, "it is registering"),
            _ => failure,
        };
        let result = |state: &mut super::State| match state.left == left {
            true => state.register.result(),
            false => Some(Err(called_off())),
        };
        self.wait(library, fd, patience, result).map_err(in_progress)
    }

    /// Tells attempts to register that began before the application left from those that began after.
    pub(crate) fn left(&self) -> u64 {
        self.lock().left
    }

    fn element_builder(
        &self,
        library: &Library,
        pool: &PoolHandle,
        policy: Policy,
        options: &Options,
        bound: &[SocketAddr],
    ) -> rserpool::PoolElementBuilder {
        let mapping = self.mapping(options);
        let mut builder = PoolElement::builder(pool.clone()).user(&library.user).policy(policy);
        if let Some(mapping) = mapping {
            builder = builder.mapping(mapping);
        }
        if let Some(id) = options.pe_id {
            builder = builder.id(rserpool::PeId(id));
        }
        if let Some(life) = options.life {
            builder = builder.life(life);
        }
        if options.acks {
            builder = builder.acks();
        }
        for key in options.cookie_keys.iter().cloned() {
            builder = builder.cookie_key(key);
        }
        if let Some(card) = options.card.clone() {
            builder = builder.business_card(card);
        }
        match (mapping, bound) {
            (_, []) => builder,
            (Some(Mapping::None), bound) => builder.advertise(bound.iter().copied()),
            (_, bound) => {
                let list: Vec<_> = bound.iter().map(SocketAddr::to_string).collect();
                builder.listen(list.join(","))
            }
        }
    }

    /// An attempt has ended. Nobody wants an element of one that was called off: dropped, it leaves its pool.
    fn registered(self: Arc<Self>, result: rserpool::Result<Arc<PoolElement>>, left: u64) {
        let element = self.change(None, |state| {
            if state.closed || state.left != left {
                return None;
            }
            state.registering = None;
            match &result {
                Ok(element) => {
                    state.register = Attempt::Done;
                    state.element = Some(Arc::clone(element));
                    state.element.clone()
                }
                Err(error) => {
                    state.register = Attempt::Failed(error.clone().into());
                    None
                }
            }
        });
        if let Some(element) = element {
            tokio::spawn(Arc::clone(&self).follow_home(Arc::clone(&element)));
            tokio::spawn(self.accept_all(element));
        }
    }

    /// Tells of registrars that take the registration over.
    async fn follow_home(self: Arc<Self>, element: Arc<PoolElement>) {
        let mut home = None;
        while let Some(now) = element.home_other_than(home).await {
            home = Some(now);
            self.tell(Notice {
                code: Notice::REGISTERED,
                pe: Some(element.handle().clone()),
                address: home,
                ..Notice::new(NoticeKind::Registration, 0)
            });
        }
    }

    /// Takes the sessions that come, into this socket or, one after the other, for `rsp_accept`.
    async fn accept_all(self: Arc<Self>, element: Arc<PoolElement>) {
        while let Some(session) = element.accept().await {
            match self.style {
                Style::Many => match self.next_number() {
                    Some(number) => drop(self.begin(number, End::Element(session))),
                    // It ends here, as it is dropped.
                    None => tracing::warn!("a session is refused: all numbers of this socket are taken"),
                },
                Style::One => {
                    if !self.offer(session).await {
                        return;
                    }
                }
            }
        }
    }

    /// Holds a session ready for `rsp_accept` once none of another registration is, and waits until it is taken; no once the socket is closed.
    async fn offer(&self, session: PeSession) -> bool {
        let mut session = Some(session);
        loop {
            // From here on it hears of what is taken.
            let taken = self.accepting.notified();
            let is_over = self.change(None, |state| {
                if state.closed {
                    return Some(false);
                }
                match (state.to_accept.is_empty(), session.take()) {
                    (true, None) => return Some(true),
                    (true, Some(first)) => state.to_accept.push_back(first),
                    (false, waiting) => session = waiting,
                }
                None
            });
            match is_over {
                Some(is_open) => return is_open,
                None => taken.await,
            }
        }
    }

    /// Leaves the pool; sessions go on.
    pub(crate) fn deregister(&self, library: &Library) -> Result<()> {
        let Some(element) = self.leave()? else { return Ok(()) };
        Ok(library.runtime.call(async move { element.deregister().await })??)
    }

    /// Leaves the pool when its users have been told and have gone, after `time` at the latest.
    pub(crate) fn drain(&self, library: &Library, time: Duration) -> Result<()> {
        let Some(element) = self.leave()? else { return Ok(()) };
        Ok(library.runtime.call(async move { element.drain(time).await })??)
    }

    /// What it leaves with; nothing if it was still trying to join, which it stops.
    ///
    /// # Errors
    /// ENOTCONN if it does not even try.
    pub(super) fn leave(&self) -> Result<Option<Arc<PoolElement>>> {
        self.change(None, |state| {
            let daemon = state.by_hand.as_mut().and_then(|by_hand| by_hand.daemon.take());
            let is_trying = state.register.is_running() || daemon.is_some();
            if state.element.is_none() && !is_trying {
                return Err(Failure::new(libc::ENOTCONN, "it is not registered"));
            }
            state.left += 1;
            state.register = Attempt::None;
            for attempt in state.registering.take().into_iter().chain(daemon) {
                attempt.abort();
            }
            Ok(state.element.take())
        })
    }

    /// Its own handle in its pool, or before that only where it will listen.
    pub(crate) fn own_handle(&self) -> (Option<PeHandle>, Option<SocketAddr>) {
        let state = self.lock();
        (state.element.as_ref().map(|element| element.handle().clone()), state.bound.first().copied())
    }

    /// The mapping the application named; the option counts more than the protocol.
    pub(super) fn mapping(&self, options: &Options) -> Option<Mapping> {
        options.mapping.or(self.protocol)
    }
}

fn called_off() -> Failure {
    Failure::new(libc::ECANCELED, "the application has left the pool meanwhile")
}
