// SPDX-License-Identifier: MIT OR Apache-2.0
//! Between whom nothing passes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// What a cut stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cut {
    /// Everything.
    All,
    /// TCP only: a middlebox that has lost its table.
    Streams,
    /// Multicast only: a switch that has forgotten the group.
    Datagrams,
}

/// Cuts between pairs of hosts, and hosts without power.
#[derive(Debug, Default)]
pub(super) struct Cuts {
    pairs: BTreeMap<(IpAddr, IpAddr), Cut>,
    dead: BTreeSet<IpAddr>,
}

impl Cuts {
    pub(super) fn cut(&mut self, a: IpAddr, b: IpAddr, cut: Cut) {
        self.pairs.insert(pair(a, b), cut);
    }

    pub(super) fn heal(&mut self, a: IpAddr, b: IpAddr) {
        self.pairs.remove(&pair(a, b));
    }

    pub(super) fn power(&mut self, host: IpAddr, on: bool) {
        if on {
            self.dead.remove(&host);
        } else {
            self.dead.insert(host);
        }
    }

    pub(super) fn stops_streams(&self, from: IpAddr, to: IpAddr) -> bool {
        self.dead.contains(&to) || self.is_cut(from, to).is_some_and(|cut| cut != Cut::Datagrams)
    }

    pub(super) fn stops_datagrams(&self, from: IpAddr, to: IpAddr) -> bool {
        self.dead.contains(&to) || self.is_cut(from, to).is_some_and(|cut| cut != Cut::Streams)
    }

    fn is_cut(&self, from: IpAddr, to: IpAddr) -> Option<Cut> {
        // Most networks have no cuts, and every segment asks.
        if self.pairs.is_empty() { None } else { self.pairs.get(&pair(from, to)).copied() }
    }
}

fn pair(a: IpAddr, b: IpAddr) -> (IpAddr, IpAddr) {
    (a.min(b), a.max(b))
}
