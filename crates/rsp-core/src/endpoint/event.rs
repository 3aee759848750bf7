// SPDX-License-Identifier: MIT OR Apache-2.0
//! Facts an endpoint reports: the shell makes a log line, a counter and a row in the picture of each.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use rsp_wire::parameter::OperationError;
use rsp_wire::{PeId, PoolHandle};

use super::Home;
use crate::association::LostReason;

/// A fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A server hunt begins, RFC 5352 §3.6.
    HuntStarted {
        /// Why.
        cause: HuntCause,
    },
    /// A registrar could not be reached.
    RegistrarUnreachable {
        /// Which.
        address: SocketAddr,
        /// Why.
        reason: LostReason,
    },
    /// T5-Serverhunt expired with no registrar found.
    HuntFailed {
        /// How many were tried since the hunt began.
        tried: usize,
        /// T5 is this long now.
        next: Duration,
    },
    /// There is a new home registrar.
    HomeAdopted {
        /// Which.
        home: Home,
        /// Why.
        cause: AdoptCause,
    },
    /// The association to the home registrar is gone.
    HomeLost {
        /// Which.
        home: Home,
        /// Why.
        reason: LostReason,
    },
    /// A registrar announced an address we did not know.
    RegistrarAnnounced {
        /// Where.
        address: SocketAddr,
    },
    /// T7-ENRPoutdate: no announcement of this address has come in time.
    RegistrarOutdated {
        /// Where.
        address: SocketAddr,
    },
    /// T1-ENRPrequest expired.
    ResolutionUnanswered {
        /// Which pool.
        pool: PoolHandle,
        /// How often it was asked.
        attempts: u32,
    },
    /// T2-registration expired.
    RegistrationUnanswered {
        /// Which pool.
        pool: PoolHandle,
        /// Which PE.
        pe_id: PeId,
        /// How often it was tried.
        attempts: u32,
    },
    /// T3-deregistration expired.
    DeregistrationUnanswered {
        /// Which pool.
        pool: PoolHandle,
        /// Which PE.
        pe_id: PeId,
        /// How often it was tried.
        attempts: u32,
    },
    /// The registrar has removed a PE of ours on its own.
    Unregistered {
        /// Which pool.
        pool: PoolHandle,
        /// Which PE.
        pe_id: PeId,
    },
    /// A registrar says it did not understand us.
    ErrorReceived {
        /// Who.
        from: SocketAddr,
        /// What.
        error: OperationError,
    },
    /// A message of a registrar was wrong and has been dropped.
    BadMessage {
        /// Who.
        from: SocketAddr,
        /// What was wrong.
        reason: String,
    },
    /// The process did not run for a while; nothing was declared dead.
    Paused,
}

/// Why a hunt begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HuntCause {
    /// There is no home registrar, and something to ask of one.
    NoHome,
    /// The association to the home registrar was lost, or it did not take a message (RFC 5352 §3.7.1).
    HomeLost,
    /// T1-ENRPrequest expired (RFC 5352 §3.7.2).
    ResolutionUnanswered,
    /// T2-registration expired (RFC 5352 §3.1).
    RegistrationUnanswered,
    /// T3-deregistration expired (RFC 5352 §3.2).
    DeregistrationUnanswered,
}

/// How a registrar became our home.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AdoptCause {
    /// SH6 of RFC 5352 §3.6.
    Hunt,
    /// KA2.4 of RFC 5352 §3.4: it asked for it, e.g. after a takeover.
    KeepAlive,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::HuntStarted { cause } => write!(f, "server hunt: {cause}"),
            Event::RegistrarUnreachable { address, reason } => write!(f, "registrar {address} unreachable: {reason}"),
            Event::HuntFailed { tried, next } => {
                write!(f, "no registrar found after {tried} attempts, next round lasts {next:?}")
            }
            Event::HomeAdopted { home, cause } => write!(f, "home registrar is {home}, {cause}"),
            Event::HomeLost { home, reason } => write!(f, "home registrar {home} lost: {reason}"),
            Event::RegistrarAnnounced { address } => write!(f, "registrar {address} announced"),
            Event::RegistrarOutdated { address } => write!(f, "registrar {address} no longer announced"),
            Event::ResolutionUnanswered { pool, attempts } => write!(f, "resolution of {pool} unanswered ({attempts})"),
            Event::RegistrationUnanswered { pool, pe_id, attempts } => {
                write!(f, "registration of {pe_id} in {pool} unanswered ({attempts})")
            }
            Event::DeregistrationUnanswered { pool, pe_id, attempts } => {
                write!(f, "deregistration of {pe_id} from {pool} unanswered ({attempts})")
            }
            Event::Unregistered { pool, pe_id } => write!(f, "the registrar removed {pe_id} from {pool}"),
            Event::ErrorReceived { from, error } => write!(f, "registrar {from} reports an error: {error}"),
            Event::BadMessage { from, reason } => write!(f, "bad message from {from}: {reason}"),
            Event::Paused => f.write_str("the process was paused"),
        }
    }
}

impl fmt::Display for HuntCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HuntCause::NoHome => "there is no home registrar",
            HuntCause::HomeLost => "the home registrar is lost",
            HuntCause::ResolutionUnanswered => "a resolution is unanswered",
            HuntCause::RegistrationUnanswered => "a registration is unanswered",
            HuntCause::DeregistrationUnanswered => "a deregistration is unanswered",
        })
    }
}

impl fmt::Display for AdoptCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AdoptCause::Hunt => "found by hunt",
            AdoptCause::KeepAlive => "by its own wish",
        })
    }
}
