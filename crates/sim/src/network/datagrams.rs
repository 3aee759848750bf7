// SPDX-License-Identifier: MIT OR Apache-2.0
//! Multicast: what one host says to a group arrives at its members, each copy by its own way, or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use machine::Time;

use super::Network;

/// A multicast group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// Registrars tell pool elements and pool users where they are.
    Asap,
    /// Registrars among themselves.
    Enrp,
}

/// One that has arrived.
#[derive(Debug, Clone)]
pub struct Datagram {
    /// At this host.
    pub host: IpAddr,
    /// For this group.
    pub group: Group,
    /// From there.
    pub from: SocketAddr,
    /// What.
    pub data: Bytes,
}

/// Groups and what is on its way to their members.
#[derive(Debug, Default)]
pub(super) struct Datagrams {
    members: BTreeMap<Group, BTreeSet<IpAddr>>,
    queue: BTreeMap<(Time, u64), Datagram>,
    order: u64,
}

impl Datagrams {
    pub(super) fn next(&self) -> Option<Time> {
        self.queue.first_key_value().map(|((at, _), _)| *at)
    }
}

impl Network {
    /// The host listens to this group from now on.
    pub fn join(&mut self, group: Group, host: IpAddr) {
        self.datagrams.members.entry(group).or_default().insert(host);
    }

    /// It listens to none any more.
    pub fn leave_groups(&mut self, host: IpAddr) {
        for members in self.datagrams.members.values_mut() {
            members.remove(&host);
        }
    }

    /// A copy to every member, the sender's own host included, as multicast loops back.
    pub fn announce(&mut self, group: Group, from: SocketAddr, data: &Bytes, now: Time) {
        let members: Vec<IpAddr> = self.datagrams.members.get(&group).into_iter().flatten().copied().collect();
        for host in members {
            let mut copies = vec![now];
            if host != from.ip() {
                for network_box in &self.boxes {
                    network_box.datagrams(&mut copies, &mut self.rng);
                }
            }
            for at in copies {
                self.datagrams.order += 1;
                let datagram = Datagram { host, group, from, data: data.clone() };
                self.datagrams.queue.insert((at, self.datagrams.order), datagram);
            }
        }
    }

    /// A datagram that has arrived by now. What meets a cut is gone.
    pub fn datagram(&mut self, now: Time) -> Option<Datagram> {
        while self.datagrams.next().is_some_and(|at| at <= now) {
            let (_, datagram) = self.datagrams.queue.pop_first()?;
            if !self.cuts.stops_datagrams(datagram.from.ip(), datagram.host) {
                return Some(datagram);
            }
        }
        None
    }
}
