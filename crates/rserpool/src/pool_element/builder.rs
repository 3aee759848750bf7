// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is decided before a server joins a pool: REGISTER of the service drafts (seed 004 §4.2).

use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use machine::association;
use rsp_core::endpoint::{Life, Register, RegistrationId};
use rsp_core::session::CookieKey;
use rsp_wire::parameter::{Protocol, UserTransport};
use rsp_wire::{PeId, PoolHandle};
use tokio::sync::{mpsc, watch};

use super::door::Door;
use super::{PoolElement, Registered, follow};
use crate::control::Element;
use crate::endpoint_task::{Ask, Registration};
use crate::mailbox::mailbox;
use crate::pe_session::Sessions;
use crate::pool_user::{Mapping, mapping_of};
use crate::task::accepting_options;
use crate::{BusinessCard, Error, PeHandle, Policy, PoolUser, Result, listeners};

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
    pub(super) fn new(pool: PoolHandle) -> Self {
        PoolElementBuilder {
            pool,
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

    /// Registers these addresses instead of those listened on, as behind NAT. Not together with [`separate_control`](Self::separate_control) there:
    /// these are for user data then, while control is registered at the addresses it listens on.
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

    /// How long [`PeSession::close`](crate::PeSession::close) waits for outcomes.
    pub fn linger(mut self, time: Duration) -> Self {
        self.linger = Some(time);
        self
    }

    /// Seals the cookies that go to pool users, so that these cannot forge or change one, or use one of another session: instead of a cookie that does
    /// not verify, was made for another session or is older than `cookie_lifetime` there is [`Notice::CookieRefused`](crate::Notice::CookieRefused).
    /// Sealed is not encrypted: pool users can read them. All servers of a pool share the key. Given more than once, the first seals and all verify, so
    /// that keys can change.
    pub fn cookie_key(mut self, key: CookieKey) -> Self {
        self.cookie_keys.push(key);
        self
    }

    /// Control has a port of its own, any free one beside that for user data, so that neither waits for the other (Transport Use 0). Pool users
    /// reach it with [`SessionBuilder::separate_control`](crate::SessionBuilder::separate_control); to others it is a server without mapping.
    /// With one mapping only, SCTP or TCP. Control is registered at the addresses its own listener has, whatever is
    /// [advertised](Self::advertise): behind NAT the two do not go together.
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
                    let _ = home.send(Some(at));
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

/// Sessions that wait to be accepted.
const BACKLOG: usize = 1024;
