// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an administrator sees of this registrar and its peers. Nothing here changes anything.

use std::net::SocketAddr;
use std::time::Duration;

use machine::Time;
use rsp_wire::{Checksum, ServerId};

use super::peers::{Peer, PeerState};
use crate::association::{LostReason, Protocol};
use crate::registrar::Registrar;
use crate::registrar::associations::Addresses;

/// This registrar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrarStatus {
    /// Server ID.
    pub id: ServerId,
    /// Initialization is complete.
    pub started: bool,
    /// It is handing its PEs over, or has.
    pub leaving: bool,
    /// PEs it is the home of.
    pub owned: usize,
    /// Their PE checksum.
    pub checksum: Checksum,
    /// PEs taken over that have not been told yet.
    pub claims: usize,
    /// Takeovers it has started and not enforced yet.
    pub takeovers: usize,
}

/// Another registrar, as this one sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerStatus {
    /// Server ID.
    pub id: ServerId,
    /// Where it is reached, as far as known.
    pub reached: Option<(Protocol, Addresses)>,
    /// There is an association to send on.
    pub connected: bool,
    /// What is believed of it.
    pub state: PeerState,
    /// Time since it was last heard.
    pub silent_for: Duration,
    /// PEs this registrar believes it is the home of.
    pub owned: usize,
    /// Their PE checksum.
    pub checksum: Checksum,
    /// The PE checksum it announced last.
    pub announced: Option<Checksum>,
    /// Whether both believed the same of its PEs when it last announced its checksum; `None` before the first comparison. Not compared with
    /// what is believed now: what it announced may be a heartbeat old.
    pub agrees: Option<bool>,
    /// Its PEs are being downloaded because the checksums differ.
    pub resynchronizing: bool,
}

/// A place where an administrator says that a registrar is, and nobody is reached there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreached {
    /// Where.
    pub address: SocketAddr,
    /// Why the last attempt failed; `None` while there is no answer of any kind.
    pub reason: Option<LostReason>,
}

impl Registrar {
    /// This registrar.
    pub fn status(&self) -> RegistrarStatus {
        let sum = self.handlespace.sum_of(self.id);
        RegistrarStatus {
            id: self.id,
            started: self.enrp.startup.is_done(),
            leaving: self.is_leaving(),
            owned: sum.pool_elements(),
            checksum: sum.checksum(),
            claims: self.enrp.claims.len(),
            takeovers: self.enrp.takeovers.len(),
        }
    }

    /// The named peers that are not on the list of peers. It is tried again and again to reach them.
    pub fn unreached(&self) -> impl Iterator<Item = Unreached> + '_ {
        let is_known = |address: &SocketAddr| {
            let listed = |peer: &Peer| peer.reached.as_ref().is_some_and(|it| it.addresses.contains(address));
            let opened = |protocol| self.associations.opened_to(protocol, *address);
            self.enrp.peers.iter().any(|(_, peer)| listed(peer))
                || [Protocol::Sctp, Protocol::Tcp].into_iter().filter_map(opened).any(|id| self.associations.is_up(id))
        };
        let named = self.enrp.static_peers.iter().filter(move |peer| !peer.is_this_one && !is_known(&peer.address));
        named.map(|peer| Unreached { address: peer.address, reason: peer.lost.clone() })
    }

    /// The others, by identifier.
    pub fn peers(&self, now: Time) -> impl Iterator<Item = PeerStatus> + '_ {
        self.enrp.peers.iter().map(move |(id, peer)| {
            let sum = self.handlespace.sum_of(id);
            PeerStatus {
                id,
                reached: peer.reached.as_ref().map(|it| (it.protocol, it.addresses.clone())),
                connected: peer.up().is_some(),
                state: peer.state,
                silent_for: now.since(peer.last_heard),
                owned: sum.pool_elements(),
                checksum: sum.checksum(),
                announced: peer.announced,
                agrees: peer.audit.agreed,
                resynchronizing: peer.audit.running.is_some(),
            }
        })
    }
}
