// SPDX-License-Identifier: MIT OR Apache-2.0
//! Opening an association to a peer whose UDP port is not known: INITs go to each that it may be, and the first to answer
//! is it.
//!
//! Refusals are held until all have answered: an ABORT from port 9899 may come from a neighbour on the same host, which has that
//! port but not the SCTP port asked for.

use std::net::SocketAddr;
use std::time::Duration;

use machine::Time;

use super::PortId;

/// Addresses that are tried at the same time: they have the SCTP port in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The peer's SCTP port.
    pub peer_port: u16,
    /// From which of our UDP ports to which of the peer's.
    pub to: Vec<(PortId, SocketAddr)>,
}

/// The state of an association that is not up.
#[derive(Debug)]
pub(super) struct Connecting {
    /// Where INITs go now, less what has refused. Emptied of all but the one that answered.
    pub(super) candidates: Vec<(PortId, SocketAddr)>,
    /// What else can be tried.
    pub(super) rest: Vec<Attempt>,
    /// Until then the current candidates are waited for.
    pub(super) share_until: Time,
    pub(super) share: Duration,
    pub(super) until: Time,
    /// INIT ACK came.
    pub(super) is_answered: bool,
    pub(super) began: Time,
}

impl Connecting {
    pub(super) fn deadline(&self) -> Time {
        if self.rest.is_empty() || self.is_answered { self.until } else { self.share_until.min(self.until) }
    }
}
