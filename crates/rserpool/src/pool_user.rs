// SPDX-License-Identifier: MIT OR Apache-2.0
//! The process as a user of pools.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use net::{Clock, KernelSettings, Transports};
use rsp_core::config::{Profile, SctpSettings, SessionSettings};
use rsp_core::endpoint::Freshness;
use rsp_core::offer::Offer;
use rsp_core::session::Target;
use rsp_wire::parameter::{PoolElement as Element, Protocol, UserTransport};
use rsp_wire::{PeId, PoolHandle};
use tokio::sync::oneshot;

use crate::control::{Control, Registry};
use crate::discovery::Discovery;
use crate::endpoint_task::{Ask, EndpointHandle};
use crate::mailbox::{Receiver, mailbox};
use crate::sends::Kept;
use crate::session::SessionBuilder;
use crate::{Config, Error, Result, Transport};

/// Asks registrars, keeps what they said, opens sessions, sends messages. Cheap to clone; share one per process.
#[derive(Debug, Clone)]
pub struct PoolUser {
    inner: Arc<Inner>,
    /// Sessions of [`PoolUser::send`].
    kept: Arc<Kept>,
}

#[derive(Debug)]
struct Inner {
    config: Config,
    /// Those of the configuration, which most sessions share.
    session: Arc<SessionSettings>,
    endpoint: EndpointHandle,
    transports: Transports,
    clock: Clock,
    control: Option<Control>,
    /// Pool elements of this process.
    own: Mutex<Vec<(PoolHandle, PeId)>>,
    greeted: Arc<GreetedPools>,
}

/// The pools of which a server has answered HELLO: another one that is silent is hung, and no plain peer.
#[derive(Debug, Default)]
pub(crate) struct GreetedPools(Mutex<HashSet<PoolHandle>>);

impl GreetedPools {
    pub(crate) fn insert(&self, pool: &PoolHandle) {
        let mut pools = self.lock();
        if !pools.contains(pool) {
            pools.insert(pool.clone());
        }
    }

    pub(crate) fn contains(&self, pool: &PoolHandle) -> bool {
        self.lock().contains(pool)
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<PoolHandle>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is to be decided before a [`PoolUser`] is built.
#[derive(Debug, Default)]
#[must_use = "call build"]
pub struct PoolUserBuilder {
    config: Option<Config>,
    profile: Option<Profile>,
    registrars: Vec<String>,
    transport: Option<Transport>,
    multicast: Option<bool>,
    control_dir: Option<PathBuf>,
}

impl PoolUserBuilder {
    /// Takes this configuration instead of what environment and file say.
    pub fn config(mut self, config: Config) -> Self {
        self.config = Some(config);
        self
    }

    /// Takes the values of this profile, instead of the one that environment or file name.
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = Some(profile);
        self
    }

    /// A registrar to ask, `host[:port]`; may be given several times, and replaces configured ones.
    pub fn registrar(mut self, registrar: impl Into<String>) -> Self {
        self.registrars.push(registrar.into());
        self
    }

    /// Which transports to use, instead of those that environment or file name.
    pub fn transport(mut self, transport: Transport) -> Self {
        self.transport = Some(transport);
        self
    }

    /// Whether registrars are found by their announcements too; without a word, if none is named.
    pub fn multicast(mut self, multicast: bool) -> Self {
        self.multicast = Some(multicast);
        self
    }

    /// Serves a control socket in this directory (docs/control-socket.md), unless environment or file name another. The directory is made if it isn't
    /// there; it and the socket are for the user of this process only. Where that fails, the log says so, and everything else works.
    pub fn control_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.control_dir = Some(directory.into());
        self
    }

    /// Builds it. Registrars are contacted when they are first needed.
    ///
    /// # Errors
    /// [`Error::Config`] for a bad configuration, a transport that is not there, or a registrar whose name has no address.
    pub async fn build(self) -> Result<PoolUser> {
        let mut config = match (self.config, self.profile) {
            (Some(config), Some(profile)) => config.with(profile),
            (Some(config), None) => config,
            (None, profile) => Config::load_with(profile, None)?,
        };
        if !self.registrars.is_empty() {
            config.registrars = self.registrars;
        }
        if let Some(multicast) = self.multicast {
            config.multicast = Some(multicast);
        }
        if let Some(transport) = self.transport {
            config.transport = transport;
        }
        config.control_dir =
            config.control_dir.or(self.control_dir).filter(|directory| directory.as_os_str() != "none");
        let clock = Clock::new();
        let transports = config
            .transport
            .start_with(config.encapsulation_port, kernel(config.endpoint.sctp))
            .map_err(|error| Error::Config(error.to_string()))?;
        config.endpoint.protocols = config.transport.protocols(&transports);
        let discovery = Discovery::of(&config, &config.endpoint.protocols).await?;
        let endpoint = EndpointHandle::start(&config, discovery, transports.clone(), random(), clock);
        let control = config.control_dir.as_deref().and_then(|directory| {
            let open = Control::open(directory);
            open.map_err(|error| tracing::warn!(directory = %directory.display(), %error, "no control socket")).ok()
        });
        let inner = Inner {
            session: Arc::new(config.session.clone()),
            config,
            endpoint,
            transports,
            clock,
            control,
            own: Mutex::default(),
            greeted: Arc::default(),
        };
        Ok(PoolUser { inner: Arc::new(inner), kept: Arc::default() })
    }
}

/// The profile's timers for the kernel's SCTP.
fn kernel(settings: SctpSettings) -> KernelSettings {
    let most = |retrans: u32| u16::try_from(retrans).unwrap_or(u16::MAX);
    KernelSettings {
        rto_initial: settings.rto_initial,
        rto_min: settings.rto_min,
        rto_max: settings.rto_max,
        path_max_retrans: most(settings.path_max_retrans),
        association_max_retrans: most(settings.association_max_retrans),
        path_heartbeat_interval: settings.path_heartbeat_interval,
        sack_delay: settings.sack_delay,
        ..KernelSettings::default()
    }
}

/// How many elements of a pool are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Items {
    /// As many as the registrar thinks right.
    #[default]
    Default,
    /// At most so many, chosen by the pool's policy.
    AtMost(u32),
    /// As many as fit in a message.
    All,
}

impl Items {
    pub(crate) fn number(self) -> u32 {
        match self {
            Items::Default => 0,
            Items::AtMost(n) => n.max(1),
            Items::All => rsp_wire::asap::HandleResolution::ALL_ITEMS,
        }
    }
}

/// A pool as its registrar describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// Its name.
    pub handle: PoolHandle,
    /// Its policy, with the values of nobody in particular.
    pub policy: rsp_wire::parameter::Policy,
    /// Its elements, in the order the policy puts them.
    pub elements: Vec<Element>,
    /// The news is old, and no registrar answers.
    pub stale: bool,
    /// These are all there are. `false`: fewer were asked for, or one message did not hold more; then there may be others.
    pub complete: bool,
}

/// Which mapping of the service drafts a server offers (seed 004 §5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mapping {
    /// NO_MAPPING 0x00: the application connects by itself.
    None,
    /// SCTP 0x01
    Sctp,
    /// TCP 0x02
    Tcp,
}

impl Mapping {
    /// Its name in the service drafts.
    pub fn name(self) -> &'static str {
        match self {
            Mapping::None => "NO_MAPPING",
            Mapping::Sctp => "SCTP",
            Mapping::Tcp => "TCP",
        }
    }

    pub(crate) fn offer(self) -> Offer {
        match self {
            Mapping::None => Offer::None,
            Mapping::Sctp => Offer::Sctp,
            Mapping::Tcp => Offer::Tcp,
        }
    }

    fn of(offer: Offer) -> Self {
        match offer {
            Offer::None => Mapping::None,
            Offer::Sctp => Mapping::Sctp,
            Offer::Tcp => Mapping::Tcp,
        }
    }
}

/// The mapping that is carried by a transport.
pub(crate) fn mapping_of(protocol: machine::association::Protocol) -> Mapping {
    match protocol {
        machine::association::Protocol::Sctp => Mapping::Sctp,
        machine::association::Protocol::Tcp => Mapping::Tcp,
    }
}

/// `none`, `sctp`, `tcp`
impl FromStr for Mapping {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name.to_ascii_lowercase().as_str() {
            "none" | "no_mapping" => Ok(Mapping::None),
            "sctp" => Ok(Mapping::Sctp),
            "tcp" => Ok(Mapping::Tcp),
            _ => Err(Error::Config(format!("unknown mapping \"{name}\": use sctp, tcp or none"))),
        }
    }
}

/// A server of a pool: who it is and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeHandle {
    /// Its pool.
    pub pool: PoolHandle,
    /// PE identifier.
    pub id: PeId,
    /// What it offers.
    pub mapping: Mapping,
    /// The transport protocol its addresses belong to; `None` for an opaque transport.
    pub protocol: Option<Protocol>,
    /// Its addresses; none for an opaque transport.
    pub addrs: Vec<SocketAddr>,
}

impl PeHandle {
    /// The handle of an element of [`Pool::elements`].
    pub fn of(pool: &PoolHandle, element: &Element) -> Self {
        Self::of_element(pool, element)
    }

    pub(crate) fn of_element(pool: &PoolHandle, element: &Element) -> Self {
        let (protocol, addrs) = match &element.user_transport {
            UserTransport::Opaque(_) => (None, Vec::new()),
            UserTransport::Ip(t) => {
                (Some(t.protocol), t.addresses.iter().map(|a| SocketAddr::new(*a, t.port)).collect())
            }
        };
        PeHandle { pool: pool.clone(), id: element.id, mapping: Mapping::of(Offer::of(element)), protocol, addrs }
    }

    pub(crate) fn of_target(pool: &PoolHandle, target: &Target) -> Self {
        let (mapping, protocol) = match target.protocol {
            machine::association::Protocol::Sctp => (Mapping::Sctp, Protocol::Sctp),
            machine::association::Protocol::Tcp => (Mapping::Tcp, Protocol::Tcp),
        };
        PeHandle {
            pool: pool.clone(),
            id: target.pe,
            mapping,
            protocol: Some(protocol),
            addrs: target.addresses.to_vec(),
        }
    }
}

/// News of a pool, as its registrar pushes them.
#[derive(Debug)]
pub struct PoolWatch(Receiver<Option<Pool>>);

impl PoolWatch {
    /// The pool as it is now, or `None` while there is no such pool. Cancel-safe.
    pub async fn next(&mut self) -> Option<Option<Pool>> {
        self.0.recv().await
    }
}

impl PoolUser {
    /// With what environment, file and profile say.
    ///
    /// # Errors
    /// As [`PoolUserBuilder::build`].
    pub async fn new() -> Result<Self> {
        Self::builder().build().await
    }

    /// To decide more.
    pub fn builder() -> PoolUserBuilder {
        PoolUserBuilder::default()
    }

    /// Opens a session to a pool.
    pub fn session(&self, pool: impl Into<PoolHandle>) -> SessionBuilder {
        SessionBuilder::new(self.clone(), pool.into())
    }

    /// Who is in the pool, from the cache if it is fresh.
    ///
    /// # Errors
    /// [`Error::NoRegistrar`], [`Error::UnknownPool`], [`Error::Rejected`].
    pub async fn resolve(&self, pool: impl Into<PoolHandle>, items: Items) -> Result<Pool> {
        self.resolve_with(pool.into(), items, Freshness::Cached).await
    }

    /// Who is in the pool, from a registrar.
    ///
    /// # Errors
    /// As [`PoolUser::resolve`].
    pub async fn resolve_fresh(&self, pool: impl Into<PoolHandle>, items: Items) -> Result<Pool> {
        self.resolve_with(pool.into(), items, Freshness::Fresh).await
    }

    async fn resolve_with(&self, pool: PoolHandle, items: Items, freshness: Freshness) -> Result<Pool> {
        let (answer, is_answered) = oneshot::channel();
        self.inner.endpoint.ask(Ask::Resolve {
            pool,
            items: items.number(),
            freshness,
            answer: Box::new(move |result| drop(answer.send(result))),
        });
        let resolution = is_answered.await.map_err(|_| Error::Closed)?.map_err(Error::resolve)?;
        Ok(describe(&resolution.pool, resolution.stale))
    }

    /// That no registrar answers now, and whom we have tried; nothing while there is a home registrar.
    pub async fn missing_registrar(&self) -> Option<Error> {
        let (asker, answer) = oneshot::channel();
        self.inner.endpoint.ask(Ask::Missing(asker));
        answer.await.ok().flatten().map(Error::resolve)
    }

    /// Hears of every change of a pool until the watch is dropped.
    pub fn watch(&self, pool: impl Into<PoolHandle>) -> PoolWatch {
        let (news, watch) = mailbox();
        self.inner.endpoint.ask(Ask::Watch {
            pool: pool.into(),
            news: Box::new(move |pool, gone| news.send((!gone).then(|| describe(pool, false))).is_ok()),
        });
        PoolWatch(watch)
    }

    /// Shares everything but the sessions of [`PoolUser::send`] and what they receive: one for each part of a program that sends by itself.
    pub fn separate(&self) -> PoolUser {
        PoolUser { inner: Arc::clone(&self.inner), kept: Arc::default() }
    }

    pub(crate) fn kept(&self) -> &Arc<Kept> {
        &self.kept
    }

    /// A pool element of this process comes or goes.
    pub(crate) fn own(&self, pe: &PeHandle, comes: bool) {
        let mut own = self.inner.own.lock().unwrap_or_else(PoisonError::into_inner);
        own.retain(|(pool, id)| (pool, *id) != (&pe.pool, pe.id));
        if comes {
            own.push((pe.pool.clone(), pe.id));
        }
    }

    /// Whether a pool element is one of this process.
    pub(crate) fn is_own(&self, pool: &PoolHandle, id: PeId) -> bool {
        let own = self.inner.own.lock().unwrap_or_else(PoisonError::into_inner);
        own.iter().any(|(of, own)| of == pool && *own == id)
    }

    pub(crate) fn config(&self) -> &Config {
        &self.inner.config
    }

    /// Settings for a session: most have those of the configuration.
    pub(crate) fn shared(&self, settings: &SessionSettings) -> Arc<SessionSettings> {
        match *settings == *self.inner.session {
            true => Arc::clone(&self.inner.session),
            false => Arc::new(settings.clone()),
        }
    }

    pub(crate) fn greeted(&self) -> &Arc<GreetedPools> {
        &self.inner.greeted
    }

    pub(crate) fn endpoint(&self) -> &EndpointHandle {
        &self.inner.endpoint
    }

    pub(crate) fn transports(&self) -> Transports {
        self.inner.transports.clone()
    }

    /// Where sessions and pool elements enter to be seen on the control socket, if there is one.
    pub(crate) fn registry(&self) -> Option<&Registry> {
        self.inner.control.as_ref().map(Control::registry)
    }

    pub(crate) fn clock(&self) -> Clock {
        self.inner.clock
    }

    /// A number nobody can guess.
    pub(crate) fn random(&self) -> u64 {
        random()
    }
}

fn describe(pool: &rsp_core::endpoint::Pool, stale: bool) -> Pool {
    Pool {
        handle: pool.handle.clone(),
        policy: pool.policy.clone(),
        elements: pool.elements.iter().map(|e| (**e).clone()).collect(),
        stale,
        complete: pool.complete,
    }
}

/// The standard library seeds its hashers from the system's random source.
fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

pub(crate) async fn lookup(registrar: &str) -> Result<Vec<SocketAddr>> {
    let with_port = match registrar.parse::<std::net::IpAddr>() {
        Ok(ip) => return Ok(vec![SocketAddr::new(ip, ASAP_PORT)]),
        Err(_) if has_port(registrar) => registrar.to_owned(),
        Err(_) => format!("{registrar}:{ASAP_PORT}"),
    };
    let found: Vec<_> = tokio::net::lookup_host(&with_port)
        .await
        .map_err(|e| Error::Config(format!("registrar \"{registrar}\": {e}: give host:port")))?
        .collect();
    Ok(found)
}

fn has_port(registrar: &str) -> bool {
    registrar
        .rsplit_once(':')
        .is_some_and(|(host, port)| port.parse::<u16>().is_ok() && (!host.contains(':') || host.ends_with(']')))
}

/// RFC 5352 §8.2.
const ASAP_PORT: u16 = 3863;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_registrar_needs_no_port() {
        assert_eq!(lookup("127.0.0.1").await.expect("an address"), ["127.0.0.1:3863".parse().expect("an address")]);
        assert_eq!(lookup("127.0.0.1:1").await.expect("an address"), ["127.0.0.1:1".parse().expect("an address")]);
        assert_eq!(lookup("::1").await.expect("an address"), ["[::1]:3863".parse().expect("an address")]);
        assert_eq!(lookup("[::1]:5").await.expect("an address"), ["[::1]:5".parse().expect("an address")]);
    }

    #[test]
    fn random_numbers_differ() {
        assert_ne!(random(), random());
    }
}
