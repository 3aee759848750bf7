// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a world is made of.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use machine::association::Heartbeat;
use rsp_core::config::{EndpointSettings, Profile, RegistrarSettings, SessionSettings};
use rsp_core::endpoint::RegistrarAddress;
use rsp_wire::PoolHandle;
use rsp_wire::parameter::{Protocol, Transport, TransportUse};
use smallvec::smallvec;
use tcp_mapping::Config;

use super::Host;
use crate::network::NetworkBox;

/// Hosts, the boxes between them, settings and what the applications do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Registrars.
    pub registrars: u16,
    /// How registrars find each other.
    pub peering: Peering,
    /// There is multicast: endpoints hear announcements.
    pub multicast: bool,
    /// Endpoints know the addresses of all registrars; else they find them by announcements.
    pub configured: bool,
    /// Nothing runs at the beginning: the scenario starts the hosts.
    pub all_off: bool,
    /// Clocks start anywhere, and run up to this many parts per million too fast or too slow. 0 = all are the same.
    pub drift: u64,
    /// Pool elements.
    pub elements: u16,
    /// Pool users.
    pub users: u16,
    /// Sessions of each pool user.
    pub sessions: u8,
    /// A pool element has the same identifier again after a restart, as a configured one has.
    pub fixed_ids: bool,
    /// Between any two hosts.
    pub boxes: Vec<NetworkBox>,
    /// What the applications do.
    pub workload: Workload,
    /// Of every registrar.
    pub registrar: RegistrarSettings,
    /// Of every endpoint.
    pub endpoint: EndpointSettings,
    /// Of both ends of every session.
    pub session: SessionSettings,
}

/// How registrars find each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peering {
    /// Not at all.
    None,
    /// An administrator has told each of all others.
    Static,
    /// By announcements.
    Multicast,
    /// Both.
    Both,
}

/// What the applications do: a session asks a request every `gap`, with at most `window` unanswered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Workload {
    /// Requests of each session.
    pub requests: u64,
    /// Time between two of them.
    pub gap: Duration,
    /// Unanswered at once.
    pub window: u64,
    /// What a server needs for an answer.
    pub service: Duration,
    /// Size of the large requests; most are small.
    pub large: usize,
    /// Every how many requests comes a large one.
    pub large_every: u64,
    /// Time a failover callback takes; resends wait for it. `None` = there is no callback.
    pub callback: Option<Duration>,
}

impl Workload {
    pub(super) fn size(&self, number: u64) -> usize {
        if number.is_multiple_of(self.large_every) { self.large } else { 8 * (1 + number as usize % 16) }
    }
}

impl Plan {
    /// A registrar, three pool elements, a pool user with a session.
    pub fn of(profile: Profile) -> Self {
        Plan {
            registrars: 1,
            peering: Peering::None,
            multicast: false,
            configured: true,
            all_off: false,
            drift: 0,
            elements: 3,
            users: 1,
            sessions: 1,
            fixed_ids: false,
            boxes: vec![NetworkBox::Delay(Duration::from_millis(1)), NetworkBox::Jitter(Duration::from_millis(2))],
            workload: Workload {
                requests: 400,
                gap: Duration::from_millis(10),
                window: 32,
                service: Duration::from_millis(15),
                large: 5_000,
                large_every: 16,
                callback: None,
            },
            registrar: RegistrarSettings::of(profile),
            endpoint: EndpointSettings::of(profile),
            session: SessionSettings::of(profile),
        }
    }

    pub(super) fn registrar_addresses(&self) -> Vec<RegistrarAddress> {
        let address = |n| RegistrarAddress::tcp(SocketAddr::new(Host::Registrar(n).address(), ASAP_PORT));
        (0..self.registrars).filter(|_| self.configured).map(address).collect()
    }

    /// The peers an administrator names to this registrar.
    pub(super) fn static_peers(&self, registrar: Host) -> Vec<SocketAddr> {
        let is_told = matches!(self.peering, Peering::Static | Peering::Both);
        let others = (0..self.registrars).map(Host::Registrar).filter(|other| is_told && *other != registrar);
        others.map(|other| SocketAddr::new(other.address(), ENRP_PORT)).collect()
    }

    /// Whether registrars announce themselves to each other.
    pub(super) fn enrp_multicast(&self) -> bool {
        self.multicast && matches!(self.peering, Peering::Multicast | Peering::Both)
    }
}

/// Transport options of an association to a registrar, as crate `rserpool` sets them.
pub(super) fn endpoint_config(settings: &EndpointSettings) -> Config {
    Config { connect_timeout: settings.connect_timeout, ..Config::default() }
}

/// Transport options of an association between pool user and pool element, as crate `rserpool` sets them.
pub(super) fn session_config(settings: &SessionSettings) -> Config {
    Config {
        connect_timeout: settings.connect_timeout,
        close_timeout: settings.linger,
        heartbeat: Heartbeat {
            interval: settings.heartbeat_interval,
            dead_after: settings.dead_after(settings.heartbeat_interval),
        },
        max_untaken_bytes: 2 * (settings.receive_window as usize + settings.max_control_bytes)
            + settings.max_message_size,
        ..Config::default()
    }
}

pub(super) fn pool() -> PoolHandle {
    PoolHandle::from("echo")
}

pub(super) fn pe_transport(address: IpAddr) -> Transport {
    tcp(address, PE_PORT)
}

/// Where a registrar at this address serves ASAP, and ENRP.
pub(super) fn registrar_transports(address: IpAddr) -> (Transport, Transport) {
    (tcp(address, ASAP_PORT), tcp(address, ENRP_PORT))
}

fn tcp(address: IpAddr, port: u16) -> Transport {
    Transport {
        protocol: Protocol::Tcp,
        port,
        transport_use: TransportUse::DATA_PLUS_CONTROL,
        addresses: smallvec![address],
    }
}

pub(super) const ASAP_PORT: u16 = 3863;
pub(super) const ENRP_PORT: u16 = 9901;
pub(super) const PE_PORT: u16 = 7000;
