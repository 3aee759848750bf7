// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a scenario sees of a world. Nothing here changes anything.

use std::collections::BTreeMap;

use rsp_core::registrar::PeerState;
use rsp_wire::{Checksum, PeId, ServerId};

use super::host::Process;
use super::{ElementProcess, Host, RegistrarProcess, Traffic, UserProcess, World};

/// What one registrar believes of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerView {
    /// Its identifier.
    pub id: ServerId,
    /// What is believed of it.
    pub state: PeerState,
    /// PEs whose home it is, and their checksum.
    pub sum: (usize, Checksum),
    /// The checksum it has told last is that.
    pub agrees: bool,
}

impl World {
    /// Whether its process exists and is not stopped.
    pub fn runs(&self, name: Host) -> bool {
        self.hosts.get(&name).is_some_and(|host| host.process.is_some() && !host.stopped)
    }

    /// A registrar that runs.
    pub fn registrar(&self, name: Host) -> &RegistrarProcess {
        match self.hosts.get(&name).and_then(|host| host.process.as_ref()) {
            Some(Process::Registrar(registrar)) => registrar,
            other => panic!("{name} runs no registrar but {other:?}"),
        }
    }

    /// A pool element that runs.
    pub fn element(&self, name: Host) -> &ElementProcess {
        match self.hosts.get(&name).and_then(|host| host.process.as_ref()) {
            Some(Process::Element(element)) => element,
            other => panic!("{name} runs no pool element but {other:?}"),
        }
    }

    /// A pool user that runs.
    pub fn user(&self, name: Host) -> &UserProcess {
        match self.hosts.get(&name).and_then(|host| host.process.as_ref()) {
            Some(Process::User(user)) => user,
            other => panic!("{name} runs no pool user but {other:?}"),
        }
    }

    /// Hosts with these names that the plan has.
    pub fn hosts(&self) -> impl Iterator<Item = Host> + '_ {
        self.hosts.keys().copied()
    }

    /// How many processes the host has had.
    pub fn life(&self, name: Host) -> u32 {
        self.hosts.get(&name).map_or(0, |host| host.life)
    }

    /// The pool as this registrar has it.
    pub fn pool_at(&self, registrar: Host) -> Vec<PeId> {
        self.members_at(registrar).into_keys().collect()
    }

    /// The pool as this registrar has it, with the home of each pool element.
    pub fn members_at(&self, registrar: Host) -> BTreeMap<PeId, ServerId> {
        self.registrar(registrar).members(self.clock(registrar)).collect()
    }

    /// Whom this registrar lists as a peer.
    pub fn peers_at(&self, registrar: Host) -> Vec<PeerView> {
        let peers = self.registrar(registrar).machine.peers(self.clock(registrar)).map(|peer| PeerView {
            id: peer.id,
            state: peer.state,
            sum: (peer.owned, peer.checksum),
            agrees: peer.agrees == Some(true),
        });
        peers.collect()
    }

    /// The pool elements whose home this registrar is, and their checksum.
    pub fn own_sum(&self, registrar: Host) -> (usize, Checksum) {
        let status = self.registrar(registrar).machine.status();
        (status.owned, status.checksum)
    }

    /// A registrar's Server Identifier, if it has ever run.
    pub fn server_id(&self, registrar: Host) -> Option<ServerId> {
        match self.hosts.get(&registrar).and_then(|host| host.process.as_ref()) {
            // It takes another one if it meets its own.
            Some(Process::Registrar(process)) => Some(process.machine.id()),
            _ => self.identities.get(&registrar).copied(),
        }
    }

    /// ENRP messages but presences that all registrars have sent so far.
    pub fn enrp_messages(&self) -> u64 {
        self.traffic_before.without_presence().messages + self.traffic(|it| it.without_presence().messages)
    }

    /// ENRP_PRESENCE messages that all registrars have sent so far.
    pub fn presences(&self) -> u64 {
        self.traffic_before.presences() + self.traffic(Traffic::presences)
    }

    fn traffic(&self, count: impl Fn(&Traffic) -> u64) -> u64 {
        let processes = self.hosts.values().filter_map(|host| host.process.as_ref());
        let registrars = processes.filter_map(|process| match process {
            Process::Registrar(registrar) => Some(count(&registrar.traffic)),
            _ => None,
        });
        registrars.sum()
    }
}
