// SPDX-License-Identifier: MIT OR Apache-2.0
//! A server in a pool.

mod builder;
mod door;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::TryFutureExt as _;
use rsp_core::endpoint::{Home, RegistrationId};
use rsp_wire::PoolHandle;
use smallvec::SmallVec;
use tokio::sync::{mpsc, watch};

use crate::control::{Element, Entered};
use crate::endpoint_task::{Ask, EndpointHandle, Registration};
use crate::mailbox::Receiver;
use crate::pe_session::{PeSession, Sessions};
use crate::{Error, PeHandle, Policy, PoolUser, Result, Transport};

pub use self::builder::PoolElementBuilder;

/// A server in a pool. Dropping it deregisters without waiting.
#[derive(Debug)]
pub struct PoolElement {
    registered: Arc<Registered>,
    /// Seen on the control socket as long as it is there.
    _entered: Option<Entered>,
    user: PoolUser,
    accepted: tokio::sync::Mutex<mpsc::Receiver<PeSession>>,
    /// How many registrations are over.
    gone: watch::Receiver<usize>,
    left: AtomicBool,
    stop: watch::Sender<bool>,
}

impl PoolElement {
    /// To join the pool of this name.
    pub fn builder(pool: impl Into<PoolHandle>) -> PoolElementBuilder {
        PoolElementBuilder::new(pool.into())
    }

    /// The next session; `None` after [`PoolElement::drain`] or [`PoolElement::deregister`]. Cancel-safe.
    pub async fn accept(&self) -> Option<PeSession> {
        let mut stopped = self.stop.subscribe();
        let mut accepted = self.accepted.lock().await;
        tokio::select! {
            biased;
            session = accepted.recv() => session.map(PeSession::accepted),
            _ = stopped.wait_for(|stopped| *stopped) => None,
        }
    }

    /// Accepts for ever, a task per session; an error of one is logged and ends that one.
    ///
    /// # Errors
    /// None today; the result lets a `main` end with it.
    pub async fn serve<F, R>(&self, service: F) -> Result<()>
    where
        F: Fn(PeSession) -> R,
        R: Future<Output = Result<()>> + Send + 'static,
    {
        while let Some(session) = self.accept().await {
            let peer = session.peer_addr();
            // An async block around it would have room for it twice: what it captured, and what it awaits.
            tokio::spawn(service(session).inspect_err(move |error| tracing::info!(%peer, %error, "session ended")));
        }
        Ok(())
    }

    /// [`PoolElement::serve`] until `signal`, then [`PoolElement::drain`] for the configured `drain_timeout`.
    ///
    /// # Errors
    /// As [`PoolElement::drain`].
    pub async fn serve_until<F, R>(&self, signal: impl Future<Output = ()>, service: F) -> Result<()>
    where
        F: Fn(PeSession) -> R,
        R: Future<Output = Result<()>> + Send + 'static,
    {
        let time = self.user.config().session.drain_timeout;
        let leaving = async {
            signal.await;
            self.drain(time).await
        };
        let (_, result) = tokio::join!(self.serve(service), leaving);
        result
    }

    /// Re-registers with new values of the policy.
    ///
    /// # Errors
    /// [`Error::Config`] if it is another policy: all servers of a pool have the same.
    pub async fn update(&self, policy: Policy) -> Result<()> {
        self.registered.update(policy)
    }

    /// Its policy with the values of now.
    pub fn policy(&self) -> Policy {
        self.registered.policy()
    }

    /// Leaves the pool: pool users are told first, finish what is outstanding and move; ready when they have gone, at most after `time`. Goes on if dropped.
    ///
    /// # Errors
    /// None today; the result leaves room.
    pub async fn drain(&self, time: Duration) -> Result<()> {
        if !self.left.swap(true, Ordering::Relaxed) {
            let sessions = Arc::clone(&self.registered.sessions);
            let (endpoint, registrations) = (self.user.endpoint().clone(), self.registered.registrations.clone());
            tokio::spawn(async move {
                sessions.drain(time).await;
                for registration in registrations {
                    endpoint.ask(Ask::Deregister { registration });
                }
            });
        }
        let _ = tokio::time::timeout(time, self.registered.sessions.empty()).await;
        self.deregistered().await;
        let _ = self.stop.send_replace(true);
        Ok(())
    }

    /// Leaves the pool at once; sessions that run go on.
    ///
    /// # Errors
    /// None today; the result leaves room.
    pub async fn deregister(&self) -> Result<()> {
        self.leave();
        self.deregistered().await;
        let _ = self.stop.send_replace(true);
        Ok(())
    }

    /// A process that ended before its DEREGISTRATION left would stay in the pool until the registrar misses it.
    async fn deregistered(&self) {
        let bound = self.user.config().endpoint.t3_deregistration;
        // No answer in time: the registrar finds out by itself.
        let all = self.registered.registrations.len();
        let _ = tokio::time::timeout(bound, self.gone.clone().wait_for(|gone| *gone >= all)).await;
    }

    /// Who this server is (the "opaque instance id" of the service drafts).
    pub fn handle(&self) -> &PeHandle {
        &self.registered.handle
    }

    /// The registrar that has it registered.
    pub fn home_registrar(&self) -> Option<SocketAddr> {
        self.registered.home.borrow().map(|home| home.address)
    }

    /// Waits until another registrar than `known` has it registered; `None` if it is over. Cancel-safe.
    pub async fn home_other_than(&self, known: Option<SocketAddr>) -> Option<SocketAddr> {
        let mut home = self.registered.home.clone();
        let now = home.wait_for(|now| now.map(|home| home.address) != known).await.ok()?;
        now.map(|home| home.address)
    }

    /// Cookies of pool users that did not verify, so far.
    pub fn cookies_refused(&self) -> u64 {
        self.registered.sessions.cookies_refused()
    }

    /// Sessions open now.
    pub fn sessions(&self) -> usize {
        self.registered.sessions.len()
    }

    /// What it is reached over: `sctp` or `sctp-udp`, `tcp`, or both.
    pub fn transports(&self) -> &[Transport] {
        &self.registered.transports
    }

    fn leave(&self) {
        self.user.own(self.handle(), false);
        if !self.left.swap(true, Ordering::Relaxed) {
            for registration in self.registered.registrations.iter().copied() {
                self.user.endpoint().ask(Ask::Deregister { registration });
            }
        }
    }
}

impl Drop for PoolElement {
    fn drop(&mut self) {
        self.leave();
        let _ = self.stop.send_replace(true);
    }
}

/// What is registered, for as long as the pool element is there.
#[derive(Debug)]
struct Registered {
    handle: PeHandle,
    /// One for each mapping.
    registrations: Vec<RegistrationId>,
    policy: Mutex<Policy>,
    endpoint: EndpointHandle,
    sessions: Arc<Sessions>,
    transports: SmallVec<[Transport; 2]>,
    home: watch::Receiver<Option<Home>>,
}

impl Registered {
    fn policy(&self) -> Policy {
        *self.policy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update(&self, policy: Policy) -> Result<()> {
        let mut own = self.policy.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::discriminant(&*own) != std::mem::discriminant(&policy) {
            return Err(Error::Config(
                "the policy of a pool cannot change; its values (weight, priority, load) can".to_owned(),
            ));
        }
        *own = policy;
        drop(own);
        for registration in self.registrations.iter().copied() {
            let ask = Ask::Update { registration, policy: Some(policy.wire()), user_transport: None };
            self.endpoint.ask(ask);
        }
        Ok(())
    }
}

/// On the control socket.
impl Element for Registered {
    fn describe(&self) -> serde_json::Value {
        let policy = self.policy();
        serde_json::json!({
            "pool": self.handle.pool.to_string(),
            "pe": self.handle.id.to_string(),
            "addresses": self.handle.addrs.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "mapping": self.handle.mapping.name(),
            "transports": self.transports.iter().map(|it| it.name()).collect::<Vec<_>>(),
            "policy": policy.wire().short_name(),
            "load": policy.load(),
            "weight": policy.weight(),
            "home": self.home.borrow().map(|home| home.to_string()),
            "sessions": self.sessions.describe(),
        })
    }

    fn set(&self, load: Option<f64>, weight: Option<u32>) -> Result<()> {
        let policy = self.policy();
        let lacks = |value: &str, ones: &str| {
            let name = policy.wire().short_name();
            Err(Error::Config(format!("the policy of pool {} ({name}) has no {value}: {ones} have", self.handle.pool)))
        };
        match (load, weight) {
            (Some(_), _) if policy.load().is_none() => lacks("load", "LU, LUD, PLU and RLU"),
            (_, Some(_)) if policy.weight().is_none() => lacks("weight or priority", "WRR, WRAND and PRIO"),
            _ => {
                let policy = load.map_or(policy, |load| policy.with_load(load));
                self.update(weight.map_or(policy, |weight| policy.with_weight(weight)))
            }
        }
    }
}

/// Follows the registration for as long as it lasts.
async fn follow(mut news: Receiver<Registration>, home: watch::Sender<Option<Home>>, gone: watch::Sender<usize>) {
    while let Some(news) = news.recv().await {
        match news {
            Registration::Registered { home: at, .. } => drop(home.send(Some(at))),
            Registration::Failed { error, ended } => {
                tracing::warn!(%error, ended, "registration failed");
                gone.send_modify(|gone| *gone += usize::from(ended));
            }
            Registration::Deregistered => gone.send_modify(|gone| *gone += 1),
        }
    }
    // Its task is over: nothing more will become of them.
    gone.send_modify(|gone| *gone = usize::MAX);
}
