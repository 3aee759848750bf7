// SPDX-License-Identifier: MIT OR Apache-2.0
//! `GET /v1/registrars`: this registrar and its peers as JSON. Names and meanings are promised in `docs/admin-http.md`.

use std::net::SocketAddr;

use machine::Time;
use rsp_core::registrar::{PeerState, PeerStatus, Registrar, Unreached};
use serde::Serialize;

use super::status::millis;

/// All of it.
#[derive(Debug, Serialize)]
pub(crate) struct RegistrarList {
    registrar: This,
    peers: Vec<Peer>,
    unreached: Vec<NotReached>,
}

/// Where this registrar is.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Served {
    pub(crate) asap: Vec<SocketAddr>,
    pub(crate) enrp: Vec<SocketAddr>,
}

#[derive(Debug, Serialize)]
struct This {
    id: String,
    state: &'static str,
    #[serde(flatten)]
    served: Option<Served>,
    pool_elements: usize,
    checksum: String,
    claims: usize,
    takeovers: usize,
}

#[derive(Debug, Serialize)]
struct Peer {
    id: String,
    addresses: Vec<SocketAddr>,
    connected: bool,
    state: &'static str,
    silent_ms: u64,
    pool_elements: usize,
    checksum: String,
    announced: Option<String>,
    agrees: Option<bool>,
    resynchronizing: bool,
}

/// A place where a registrar should be.
#[derive(Debug, Serialize)]
struct NotReached {
    /// As it was named, if that is no address.
    name: Option<String>,
    addresses: Vec<SocketAddr>,
    state: &'static str,
    reason: String,
}

impl RegistrarList {
    pub(super) fn of(registrar: &Registrar, unresolved: &[String], now: Time) -> Self {
        let status = registrar.status();
        let this = This {
            id: status.id.to_string(),
            state: match (status.started, status.leaving) {
                (_, true) => "leaving",
                (true, false) => "serving",
                (false, false) => "starting",
            },
            served: None,
            pool_elements: status.owned,
            checksum: status.checksum.to_string(),
            claims: status.claims,
            takeovers: status.takeovers,
        };
        let by_name = unresolved.iter().map(|name| NotReached::by_name(name));
        let unreached = by_name.chain(registrar.unreached().map(NotReached::of)).collect();
        RegistrarList { registrar: this, peers: registrar.peers(now).map(Peer::of).collect(), unreached }
    }

    pub(super) fn served(mut self, served: Served) -> Self {
        self.registrar.served = Some(served);
        self
    }
}

impl NotReached {
    fn of(unreached: Unreached) -> Self {
        let reason = unreached.reason.map_or("no answer yet".to_owned(), |reason| reason.to_string());
        NotReached { name: None, addresses: vec![unreached.address], state: UNREACHED, reason }
    }

    fn by_name(name: &str) -> Self {
        let reason = "the name has no address".to_owned();
        NotReached { name: Some(name.to_owned()), addresses: Vec::new(), state: UNREACHED, reason }
    }
}

impl Peer {
    fn of(status: PeerStatus) -> Self {
        Peer {
            id: status.id.to_string(),
            addresses: status.reached.map(|(_, addresses)| addresses.to_vec()).unwrap_or_default(),
            connected: status.connected,
            state: match status.state {
                PeerState::Active => "alive",
                PeerState::Probed { .. } => "probed",
                PeerState::Dead { .. } => "dead",
                PeerState::TakenOver => "taken_over",
                PeerState::Granted { .. } => "granted",
            },
            silent_ms: millis(status.silent_for),
            pool_elements: status.owned,
            checksum: status.checksum.to_string(),
            announced: status.announced.map(|checksum| checksum.to_string()),
            agrees: status.agrees,
            resynchronizing: status.resynchronizing,
        }
    }
}

const UNREACHED: &str = "unreached";
