// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pools and pool elements as JSON. Names and meanings are promised in `docs/admin-http.md`.

use std::collections::{BTreeMap, BTreeSet};

use machine::Time;
use rsp_core::association::Peer;
use rsp_core::registrar::{ElementStatus, PoolPage, PoolStatus, Reached, Registrar};
use rsp_wire::PoolHandle;
use rsp_wire::parameter::{Policy, Protocol, Transport, TransportUse, UserTransport};
use serde::Serialize;

use super::page::Page;

/// Where pools are found; a handle follows.
pub(super) const POOLS: &str = "/v1/pools/";

/// `GET /v1/pools`
#[derive(Debug, Serialize)]
pub(crate) struct PoolList {
    registrar: String,
    pools: Vec<PoolSummary>,
}

/// `GET /v1/pools/HANDLE`
#[derive(Debug, Serialize)]
pub(crate) struct Pool {
    registrar: String,
    #[serde(flatten)]
    summary: PoolSummary,
    pool_elements: Vec<PoolElement>,
    /// Where the next page is.
    next: Option<String>,
}

#[derive(Debug, Serialize)]
struct PoolSummary {
    handle: String,
    href: String,
    policy: &'static str,
    policy_type: u32,
    transport: &'static str,
    transport_use: Option<&'static str>,
    elements: usize,
    subscribers: usize,
}

#[derive(Debug, Serialize)]
struct PoolElement {
    id: String,
    home: String,
    transport: Address,
    policy: BTreeMap<&'static str, u32>,
    asap_transport: Option<Address>,
    life_left_ms: Option<u64>,
    watched: Option<Watched>,
}

#[derive(Debug, Serialize)]
struct Address {
    protocol: &'static str,
    #[serde(rename = "use")]
    transport_use: Option<&'static str>,
    port: Option<u16>,
    addresses: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    opaque: Option<String>,
}

/// How this registrar, its home, watches it.
#[derive(Debug, Serialize)]
struct Watched {
    association: u64,
    up: bool,
    peer: Option<String>,
    heard_ms_ago: u64,
    keep_alive_pending: bool,
    unreachable_reports: u32,
}

impl PoolList {
    pub(super) fn of(registrar: &Registrar) -> Self {
        let mut pools: Vec<_> = registrar.pools().collect();
        pools.sort_unstable_by(|a, b| a.handle.cmp(&b.handle));
        PoolList { registrar: registrar.id().to_string(), pools: pools.iter().map(PoolSummary::of).collect() }
    }
}

impl Pool {
    pub(super) fn of(registrar: &Registrar, handle: &PoolHandle, page: Page, now: Time) -> Option<Self> {
        let PoolPage { pool, elements, next_after } = registrar.pool_page(handle, page.after, page.limit, now)?;
        let over: BTreeSet<_> = elements.iter().filter_map(|status| Some(status.reached?.association)).collect();
        let peers: BTreeMap<_, _> = registrar.associations().filter(|(id, _)| over.contains(id)).collect();
        let element = |status: &ElementStatus| {
            let peer = status.reached.and_then(|reached| peers.get(&reached.association).copied());
            PoolElement::of(status, peer)
        };
        let summary = PoolSummary::of(&pool);
        Some(Pool {
            registrar: registrar.id().to_string(),
            next: next_after.map(|last| format!("{}?limit={}&after={last}", summary.href, page.limit)),
            summary,
            pool_elements: elements.iter().map(element).collect(),
        })
    }
}

impl PoolSummary {
    fn of(pool: &PoolStatus) -> Self {
        PoolSummary {
            handle: pool.handle.to_string(),
            href: format!("{POOLS}{}", daemon::admin::encode(pool.handle.as_bytes())),
            policy: pool.policy.name(),
            policy_type: pool.policy.policy_type(),
            transport: pool.transport.map_or("opaque", |(protocol, _)| protocol_name(protocol)),
            transport_use: pool.transport.and_then(|(_, transport_use)| use_name(transport_use)),
            elements: pool.pool_elements,
            subscribers: pool.subscribers,
        }
    }
}

impl PoolElement {
    fn of(status: &ElementStatus, peer: Option<&Peer>) -> Self {
        let element = &status.element;
        PoolElement {
            id: element.id.to_string(),
            home: element.home.to_string(),
            transport: Address::of_user_transport(&element.user_transport),
            policy: values(&element.policy),
            asap_transport: element.asap_transport.as_ref().map(Address::of),
            life_left_ms: status.life_left.map(millis),
            watched: status.reached.map(|reached| Watched::of(reached, peer)),
        }
    }
}

impl Address {
    fn of(transport: &Transport) -> Self {
        Address {
            protocol: protocol_name(transport.protocol),
            transport_use: use_name(transport.transport_use),
            port: Some(transport.port),
            addresses: transport.addresses.iter().map(ToString::to_string).collect(),
            opaque: None,
        }
    }

    fn of_user_transport(transport: &UserTransport) -> Self {
        match transport {
            UserTransport::Ip(transport) => Address::of(transport),
            UserTransport::Opaque(data) => Address {
                protocol: "opaque",
                transport_use: None,
                port: None,
                addresses: Vec::new(),
                opaque: Some(data.iter().map(|byte| format!("{byte:02x}")).collect()),
            },
        }
    }
}

impl Watched {
    fn of(reached: Reached, peer: Option<&Peer>) -> Self {
        Watched {
            association: reached.association.0,
            up: reached.up,
            peer: peer.and_then(|peer| peer.addresses.first()).map(ToString::to_string),
            heard_ms_ago: millis(reached.silent_for),
            keep_alive_pending: reached.keep_alive_pending,
            unreachable_reports: reached.reports,
        }
    }
}

fn values(policy: &Policy) -> BTreeMap<&'static str, u32> {
    let mut values = BTreeMap::new();
    policy.fields(|name, value| {
        values.insert(name, value);
    });
    values
}

fn protocol_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Dccp { .. } => "dccp",
        Protocol::Sctp => "sctp",
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::UdpLite => "udp-lite",
    }
}

fn use_name(transport_use: TransportUse) -> Option<&'static str> {
    match transport_use {
        TransportUse::DATA_ONLY => Some("data"),
        TransportUse::DATA_PLUS_CONTROL => Some("data+control"),
        TransportUse::CONTROL_ONLY => Some("control"),
        TransportUse(_) => None,
    }
}

pub(super) fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
