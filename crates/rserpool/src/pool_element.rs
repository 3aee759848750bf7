// SPDX-License-Identifier: MIT OR Apache-2.0
//! A server in a pool.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use machine::association;
use rsp_core::config::SessionSettings;
use rsp_core::endpoint::{Life, Register, RegistrationId};
use rsp_wire::parameter::{Protocol, UserTransport};
use rsp_wire::{PeId, PoolHandle};
use smallvec::SmallVec;
use tokio::sync::{Semaphore, mpsc, watch};

use crate::control::{Element, Entered};
use crate::cookie;
use crate::endpoint_task::{Ask, EndpointHandle, Registration};
use crate::greeter::{self, Role, Services};
use crate::listeners;
use crate::mailbox::{Receiver, mailbox};
use crate::pe_session::{PeSession, Sessions};
use crate::pool_user::Mapping;
use crate::pool_user::mapping_of;
use crate::task::accepting_options;
use crate::{BusinessCard, Error, PeHandle, Policy, PoolUser, Result, Transport};
use rsp_core::session::CookieKey;

/// What is to be decided before a server joins a pool.
#[derive(Debug)]
#[must_use = "call register"]
pub struct PoolElementBuilder {
    pool: PoolHandle,
    user: Option<PoolUser>,
    id: Option<PeId>,
    policy: Policy,
    listen: Option<String>,
    mappings: Vec<Mapping>,
    advertise: Vec<SocketAddr>,
    protocol: Protocol,
    life: Option<Duration>,
    acks: bool,
    card: Option<BusinessCard>,
    watchdog: Option<Duration>,
    linger: Option<Duration>,
    cookie_keys: Vec<CookieKey>,
    separate: bool,
}

impl PoolElementBuilder {
    /// Shares this user's registrars, cache and configuration.
    pub fn user(mut self, user: &PoolUser) -> Self {
        self.user = Some(user.clone());
        self
    }

    /// PE identifier; random if not given.
    pub fn id(mut self, id: PeId) -> Self {
        self.id = Some(id);
        self
    }

    /// The pool's policy and this server's values; round robin if not given.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Where to listen, e.g. `0.0.0.0:7000`; any free port of all IPv4 and IPv6 addresses if not given. With SCTP there may be several addresses
    /// with the same port, separated by commas. All mappings listen on the same port if that is free.
    pub fn listen(mut self, address: impl Into<String>) -> Self {
        self.listen = Some(address.into());
        self
    }

    /// [`Mapping::Sctp`] or [`Mapping::Tcp`]: sessions; without a word SCTP if this process has it. [`Mapping::None`]: the application speaks its own
    /// protocol at the [`advertised`](Self::advertise) address.
    pub fn mapping(self, mapping: Mapping) -> Self {
        self.mappings([mapping])
    }

    /// Offers several mappings: each is a registration of its own with the same PE identifier, the first in the pool itself, each further one in the pool
    /// handle followed by `#sctp`, `#tcp` or `#none`, where pool users that need it find it.
    pub fn mappings(mut self, mappings: impl IntoIterator<Item = Mapping>) -> Self {
        self.mappings = Vec::new();
        for mapping in mappings {
            if !self.mappings.contains(&mapping) {
                self.mappings.push(mapping);
            }
        }
        self
    }

    /// Registers these addresses instead of those listened on.
    pub fn advertise(mut self, addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        self.advertise = addresses.into_iter().collect();
        self
    }

    /// The transport protocol of what is advertised with [`Mapping::None`]; TCP if not given. SCTP may have several addresses.
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// Registration life; it is renewed in time.
    pub fn life(mut self, life: Duration) -> Self {
        self.life = Some(life);
        self
    }

    /// Offers upper layer acknowledgements: the application calls `ack` or `reply`.
    pub fn acks(mut self) -> Self {
        self.acks = true;
        self
    }

    /// Who should go on if this server fails: sessions follow it. Without a word every session is shown the pool's name and no preference.
    pub fn business_card(mut self, card: BusinessCard) -> Self {
        self.card = Some(card);
        self
    }

    /// If messages wait in a session and the application does not come to receive any for so long, that session ends without BYE, so that its pool
    /// user goes on elsewhere. Without a word nobody watches the application.
    pub fn watchdog(mut self, time: Duration) -> Self {
        self.watchdog = Some(time);
        self
    }

    /// How long [`PeSession::close`] waits for outcomes.
    pub fn linger(mut self, time: Duration) -> Self {
        self.linger = Some(time);
        self
    }

    /// Seals the cookies that go to pool users, who can neither read a meaning into them that is not theirs nor make or change one: a cookie that does not
    /// verify, was made for another session or is older than `cookie_lifetime` is never shown, but [`Notice::CookieRefused`](crate::Notice::CookieRefused).
    /// All servers of a pool share the key. Given more than once, the first seals and all verify, so that keys can change.
    pub fn cookie_key(mut self, key: CookieKey) -> Self {
        self.cookie_keys.push(key);
        self
    }

    /// Control has a port of its own, any free one beside that for user data, so that neither waits for the other (Transport Use 0). Pool users
    /// reach it with [`SessionBuilder::separate_control`](crate::SessionBuilder::separate_control); to others it is a server without mapping.
    /// With one mapping only, SCTP or TCP.
    pub fn separate_control(mut self) -> Self {
        self.separate = true;
        self
    }

    /// Listens and joins the pool. Dropped early it undoes what it began.
    ///
    /// # Errors
    /// [`Error::Io`] if the address cannot be listened on, [`Error::NoRegistrar`], [`Error::Rejected`] with the registrar's causes.
    pub async fn register(self) -> Result<PoolElement> {
        let user = match self.user {
            Some(user) => user,
            None => PoolUser::new().await?,
        };
        let mut settings = user.config().session.clone();
        settings.linger = self.linger.unwrap_or(settings.linger);
        let card = self.card.unwrap_or_else(|| BusinessCard::new(self.pool.clone()));
        card.wire()?;
        let settings = Arc::new(settings);
        let card = Arc::new(card);
        let options = accepting_options(&settings);
        let preferred = user.config().endpoint.protocols.first().copied().unwrap_or(association::Protocol::Tcp);
        let mappings = if self.mappings.is_empty() { vec![mapping_of(preferred)] } else { self.mappings };
        let doors = listeners::open(&user, self.listen.as_deref(), &mappings, preferred, options).await?;
        let control = match (self.separate, &mappings[..]) {
            (false, _) => Vec::new(),
            (true, [Mapping::Sctp | Mapping::Tcp]) => {
                let listen = self.listen.as_deref().map(listeners::beside);
                listeners::open(&user, listen.as_deref(), &mappings, preferred, options).await?
            }
            (true, _) => {
                return Err(Error::Config("control and data apart: offer one mapping, SCTP or TCP".to_owned()));
            }
        };
        let id = self.id.unwrap_or_else(|| PeId(user.random() as u32));
        let (news, mut registrations) = mailbox();
        let mut registers = Vec::new();
        for mapping in mappings.iter().copied() {
            let (user_transport, asap_transport) =
                listeners::transports(mapping, &doors, &self.advertise, self.protocol)?;
            let (user_transport, asap_transport) = match self.separate {
                true => listeners::apart(user_transport, &control),
                false => (user_transport, asap_transport),
            };
            registers.push(Register {
                registration: RegistrationId(user.random()),
                pool: if registers.is_empty() { self.pool.clone() } else { mapping.offer().pool(&self.pool) },
                pe_id: id,
                life: Life::For(self.life.unwrap_or(user.config().endpoint.default_life)),
                policy: self.policy.wire(),
                user_transport,
                asap_transport,
            });
        }
        let (accepted, sessions) = mpsc::channel(BACKLOG);
        let (home, home_seen) = watch::channel(None);
        let (gone, is_gone) = watch::channel(0);
        let registered = Arc::new(Registered {
            handle: handle_of(&self.pool, id, mappings[0], &registers[0].user_transport),
            registrations: registers.iter().map(|register| register.registration).collect(),
            policy: Mutex::new(self.policy),
            endpoint: user.endpoint().clone(),
            sessions: Arc::new(Sessions::default()),
            transports: doors.iter().map(|door| user.transports().carrier(door.protocol)).collect(),
            home: home_seen,
        });
        let as_element: Arc<dyn Element> = registered.clone();
        let entered = user.registry().map(|registry| registry.enter_element(Arc::downgrade(&as_element)));
        let pe = PoolElement {
            registered,
            _entered: entered,
            user: user.clone(),
            accepted: tokio::sync::Mutex::new(sessions),
            gone: is_gone,
            left: AtomicBool::new(false),
            stop: watch::channel(false).0,
        };
        // Sessions come where control goes.
        let is_shared = !self.separate;
        for (listener, serves) in
            doors.into_iter().map(|it| (it, is_shared)).chain(control.into_iter().map(|it| (it, true)))
        {
            let door = Door {
                serves: serves && mappings.contains(&mapping_of(listener.protocol)),
                separate: self.separate,
                listener: listener.listener,
                accepted: accepted.clone(),
                user: user.clone(),
                options,
                transport: user.transports().carrier(listener.protocol),
                pool: pe.handle().pool.clone(),
                pe: id,
                acks: self.acks,
                settings: Arc::clone(&settings),
                card: Arc::clone(&card),
                watchdog: self.watchdog,
                cookie_keys: self.cookie_keys.clone(),
                sessions: Arc::clone(&pe.registered.sessions),
            };
            tokio::spawn(door.open(pe.stop.subscribe()));
        }
        let mut missing = registers.len();
        for register in registers {
            user.endpoint().ask(Ask::Register { register, news: news.clone() });
        }
        drop(news);
        while missing > 0 {
            match registrations.recv().await.ok_or(Error::Closed)? {
                Registration::Registered { home: at, warning } => {
                    if let Some(warning) = warning {
                        tracing::warn!(pool = %pe.handle().pool, pe = %id, ?warning, "the registrar changed the registration");
                    }
                    let _ = home.send(Some(at.address));
                    missing -= 1;
                }
                Registration::Failed { error, ended: true } => return Err(Error::register(error)),
                Registration::Failed { error, .. } => tracing::debug!(%error, "registration goes on"),
                Registration::Deregistered => return Err(Error::Closed),
            }
        }
        user.own(pe.handle(), true);
        tokio::spawn(follow(registrations, home, gone));
        Ok(pe)
    }
}

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
        PoolElementBuilder {
            pool: pool.into(),
            user: None,
            id: None,
            policy: Policy::RoundRobin,
            listen: None,
            mappings: Vec::new(),
            advertise: Vec::new(),
            protocol: Protocol::Tcp,
            life: None,
            acks: false,
            card: None,
            watchdog: None,
            linger: None,
            cookie_keys: Vec::new(),
            separate: false,
        }
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
            let service = service(session);
            tokio::spawn(async move {
                if let Err(error) = service.await {
                    tracing::info!(%peer, %error, "session ended");
                }
            });
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
        *self.registered.home.borrow()
    }

    /// Waits until another registrar than `known` has it registered; `None` if it is over. Cancel-safe.
    pub async fn home_other_than(&self, known: Option<SocketAddr>) -> Option<SocketAddr> {
        let mut home = self.registered.home.clone();
        let now = home.wait_for(|now| *now != known).await.ok()?;
        *now
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
    home: watch::Receiver<Option<SocketAddr>>,
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
async fn follow(mut news: Receiver<Registration>, home: watch::Sender<Option<SocketAddr>>, gone: watch::Sender<usize>) {
    while let Some(news) = news.recv().await {
        match news {
            Registration::Registered { home: at, .. } => drop(home.send(Some(at.address))),
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

/// The PE as its first registration shows it.
fn handle_of(pool: &PoolHandle, id: PeId, mapping: Mapping, user_transport: &UserTransport) -> PeHandle {
    let (protocol, addrs) = match user_transport {
        UserTransport::Ip(it) => {
            (Some(it.protocol), it.addresses.iter().map(|ip| SocketAddr::new(*ip, it.port)).collect())
        }
        UserTransport::Opaque(_) => (None, Vec::new()),
    };
    PeHandle { pool: pool.clone(), id, mapping, protocol, addrs }
}

/// Accepts associations and finds out who they are from.
struct Door {
    listener: net::Listener,
    accepted: mpsc::Sender<PeSession>,
    user: PoolUser,
    options: net::Options,
    pool: PoolHandle,
    pe: PeId,
    acks: bool,
    cookie_keys: Vec<CookieKey>,
    transport: Transport,
    settings: Arc<SessionSettings>,
    card: Arc<BusinessCard>,
    watchdog: Option<Duration>,
    sessions: Arc<Sessions>,
    /// For pool users, too; otherwise only registrars come this way, and the user data of sessions that are there already.
    serves: bool,
    separate: bool,
}

impl Door {
    async fn open(self, mut stop: watch::Receiver<bool>) {
        let door = Arc::new(self);
        let greeting = Arc::new(Semaphore::new(MAX_GREETING));
        loop {
            let accept = async {
                let permit = Arc::clone(&greeting).acquire_owned().await.expect("never closed");
                (door.listener.accept().await, permit)
            };
            let (association, permit) = tokio::select! {
                accepted = accept => accepted,
                _ = stop.wait_for(|stopped| *stopped) => return,
            };
            let door = Arc::clone(&door);
            tokio::spawn(async move {
                door.greet(association).await;
                drop(permit);
            });
        }
    }

    async fn greet(&self, association: net::Association) {
        let settings = &self.settings;
        let clock = self.user.clock();
        let transports = self.user.transports();
        let seal = cookie::seal(&self.cookie_keys, settings, clock);
        let services = Services { acks: self.acks, seal, separate: self.separate };
        match greeter::greet(association, Arc::clone(settings), self.options, self.pe, clock, transports, services)
            .await
        {
            Role::Registrar { association, first } => self.user.endpoint().ask(Ask::Adopt { association, first }),
            Role::PoolUser { machine, associations, peer }
                if self.serves && self.sessions.len() < settings.max_sessions =>
            {
                let Some(address) = peer.addresses.first().copied() else { return };
                let pool = self.pool.clone();
                let sessions = Arc::clone(&self.sessions);
                let (mut machine, associations) = (*machine, *associations);
                if let Some(time) = self.watchdog {
                    machine.watch_application(time);
                }
                let session = crate::pe_session::start(
                    machine,
                    associations,
                    (address, self.transport),
                    pool,
                    &self.user,
                    sessions,
                    Arc::clone(&self.card),
                );
                // A session nobody takes is dropped, and goes on at another server. Never wait here: registrars come through this door too.
                let _ = self.accepted.try_send(session);
            }
            // One that no session waits for is dropped.
            Role::Data { session_id, joining } if self.separate => self.sessions.join(session_id, joining),
            Role::PoolUser { .. } | Role::Data { .. } | Role::Nobody => {}
        }
    }
}

/// Sessions that wait to be accepted.
const BACKLOG: usize = 1024;
/// Associations that have not said who they are.
const MAX_GREETING: usize = 1024;
