// SPDX-License-Identifier: MIT OR Apache-2.0
//! A socket as a pool element: where it listens, its registration, and the sessions that come.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Duration;

use rserpool::{Mapping, PeHandle, Policy, PoolElement, PoolHandle, Transport};

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

    /// Joins the pool; once it has, changes load, weight or priority.
    pub(crate) fn register(
        self: &Arc<Self>,
        library: &Library,
        fd: RawFd,
        pool: &PoolHandle,
        policy: Policy,
        patience: Patience,
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
        library.runtime.spawn(async move {
            match registering.register().await {
                Ok(element) => socket.registered(Arc::new(element)),
                Err(error) => socket.change(None, |state| state.register = Attempt::Failed(error.into())),
            }
        });
        let in_progress = |failure: Failure| match failure.errno {
            libc::EAGAIN => Failure::new(libc::EINPROGRESS, "it is registering"),
            _ => failure,
        };
        self.wait(library, fd, patience, |state| state.register.result()).map_err(in_progress)
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

    fn registered(self: Arc<Self>, element: Arc<PoolElement>) {
        let is_open = self.change(None, |state| {
            if !state.closed {
                state.register = Attempt::Done;
                state.element = Some(Arc::clone(&element));
            }
            !state.closed
        });
        if is_open {
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
                Style::Many => drop(self.begin(self.next_number(), End::Element(session))),
                Style::One => {
                    let is_open = self.change(None, |state| {
                        if !state.closed {
                            state.accepted = Some(session);
                        }
                        !state.closed
                    });
                    if !is_open {
                        return;
                    }
                    self.accepting.notified().await;
                }
            }
        }
    }

    /// Leaves the pool; sessions go on.
    pub(crate) fn deregister(&self, library: &Library) -> Result<()> {
        let element = self.leave()?;
        Ok(library.runtime.call(async move { element.deregister().await })??)
    }

    /// Leaves the pool when its users have been told and have gone, after `time` at the latest.
    pub(crate) fn drain(&self, library: &Library, time: Duration) -> Result<()> {
        let element = self.leave()?;
        Ok(library.runtime.call(async move { element.drain(time).await })??)
    }

    pub(super) fn leave(&self) -> Result<Arc<PoolElement>> {
        self.change(None, |state| {
            if let Some(by_hand) = &mut state.by_hand {
                by_hand.is_daemon = false;
            }
            let element = state.element.take();
            if element.is_some() {
                state.register = Attempt::None;
            }
            element.ok_or_else(|| Failure::new(libc::ENOTCONN, "it is not registered"))
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
