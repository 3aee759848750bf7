// SPDX-License-Identifier: MIT OR Apache-2.0
//! Facts about the registrar, for the log, the counters, the dashboard and the tests.

use std::net::IpAddr;
use std::time::Duration;

use rsp_wire::parameter::ErrorCause;
use rsp_wire::{PeId, PoolHandle};

use crate::association::{AssociationId, LostReason, Peer};
use crate::handlespace::Changes;

/// Something happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The handlespace is not what it was. Everything that follows changes (updates to subscribers, ENRP) hangs on this one fact.
    HandlespaceChanged {
        /// The pool.
        pool: PoolHandle,
        /// The pool element.
        pe: PeId,
        /// What happened to it.
        change: Change,
    },
    /// A registration was refused.
    RegistrationRejected {
        /// Who asked.
        association: AssociationId,
        /// The pool it named.
        pool: PoolHandle,
        /// The identifier it named.
        pe: PeId,
        /// Cause code, RFC 5354 §3.12.
        cause: u16,
    },
    /// A registration was accepted without all it asked for.
    RegistrationModified {
        /// The pool.
        pool: PoolHandle,
        /// The pool element.
        pe: PeId,
    },
    /// A deregistration was refused.
    DeregistrationRejected {
        /// Who asked.
        association: AssociationId,
        /// The pool it named.
        pool: PoolHandle,
        /// The identifier it named.
        pe: PeId,
    },
    /// A pool element is said to be unreachable.
    PeReported {
        /// The pool.
        pool: PoolHandle,
        /// The pool element.
        pe: PeId,
        /// Who says so.
        reporter: IpAddr,
        /// Reports that count so far.
        reports: u32,
    },
    /// The association of pool elements is gone; they are asked for over a new one.
    PeCutOff {
        /// The pool.
        pool: PoolHandle,
        /// The pool element.
        pe: PeId,
    },
    /// An association is up.
    AssociationUp {
        /// Which.
        association: AssociationId,
        /// With whom.
        peer: Peer,
    },
    /// An association is gone or did not come up.
    AssociationLost {
        /// Which.
        association: AssociationId,
        /// Why.
        reason: LostReason,
    },
    /// An association was not accepted: there are as many as the limit allows.
    AssociationRefused {
        /// Which.
        association: AssociationId,
    },
    /// An association was ended by us.
    AssociationEnded {
        /// Which.
        association: AssociationId,
        /// Why.
        reason: EndReason,
    },
    /// A message was not processed.
    MessageIgnored {
        /// From whom.
        association: AssociationId,
        /// Why.
        reason: IgnoreReason,
    },
    /// The peer reports an error of ours.
    ErrorReceived {
        /// From whom.
        association: AssociationId,
        /// Cause codes.
        causes: smallvec::SmallVec<[u16; 4]>,
    },
    /// The registrar itself was asleep: deadlines came up so late that nothing was concluded from them.
    Paused {
        /// How late the first one was.
        late: Duration,
    },
}

/// What happened to a pool element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It registered.
    Added,
    /// It registered again; this is different.
    Updated(Changes),
    /// It is no longer in the handlespace.
    Removed(Removal),
}

/// Why a pool element was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Removal {
    /// It asked for it.
    Deregistered,
    /// Its registration life ran out.
    Expired,
    /// It did not answer a keep-alive.
    KeepAliveTimeout,
    /// A keep-alive could not be delivered, or its association was lost and no new one came up.
    SendFailed,
    /// MAX-BAD-PE-REPORT was reached.
    Reported,
}

/// Why the registrar ended an association.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// The peer does not read: the limit of bytes waiting for it was reached.
    PeerDoesNotRead,
    /// Nothing came for `give_up` on a connection that has no heartbeat.
    Silent,
    /// The registrar opened it, and the pool elements it was for are gone or elsewhere.
    NoLongerNeeded,
}

/// Why a message was not processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IgnoreReason {
    /// Its payload protocol identifier is not that of ASAP.
    PayloadProtocol(u32),
    /// It could not be read, or its action bits ask to discard it.
    Undecodable,
    /// It is not one a registrar receives.
    NotForRegistrars,
    /// The peer sends more requests per second than it may.
    RateLimit,
    /// It speaks of a pool element that is not registered, or not where the message came from.
    UnknownPoolElement,
}

impl std::fmt::Display for Removal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Removal::Deregistered => "deregistered",
            Removal::Expired => "registration life expired",
            Removal::KeepAliveTimeout => "keep-alive not answered",
            Removal::SendFailed => "keep-alive could not be sent",
            Removal::Reported => "reported unreachable",
        })
    }
}

/// One line of a log.
impl std::fmt::Display for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Event::HandlespaceChanged { pool, pe, change } => match change {
                Change::Added => write!(f, "PE {pe} joined pool {pool}"),
                Change::Updated(changes) => write!(f, "PE {pe} registered again in pool {pool}: {}", Listed(changes)),
                Change::Removed(reason) => write!(f, "PE {pe} left pool {pool}: {reason}"),
            },
            Event::RegistrationRejected { association, pool, pe, cause } => {
                write!(f, "registration of PE {pe} in pool {pool} over association {} rejected: ", association.0)?;
                cause_name(*cause, f)
            }
            Event::RegistrationModified { pool, pe } => {
                write!(f, "PE {pe} registered in pool {pool} without the addresses that are not its own")
            }
            Event::DeregistrationRejected { association, pool, pe } => {
                write!(f, "deregistration of PE {pe} from pool {pool} over association {} rejected", association.0)
            }
            Event::PeReported { pool, pe, reporter, reports } => {
                write!(f, "PE {pe} of pool {pool} reported unreachable by {reporter}, {reports} so far")
            }
            Event::PeCutOff { pool, pe } => {
                write!(f, "PE {pe} of pool {pool} has lost its association, asking over a new one")
            }
            Event::AssociationUp { association, peer } => {
                write!(f, "association {} up", association.0)?;
                peer.addresses.iter().try_for_each(|address| write!(f, " {address}"))
            }
            Event::AssociationLost { association, reason } => {
                write!(f, "association {} lost: {reason}", association.0)
            }
            Event::AssociationRefused { association } => {
                write!(f, "association {} refused: there are as many as allowed", association.0)
            }
            Event::AssociationEnded { association, reason } => {
                write!(f, "association {} ended: {reason}", association.0)
            }
            Event::MessageIgnored { association, reason } => {
                write!(f, "message over association {} ignored: {reason}", association.0)
            }
            Event::ErrorReceived { association, causes } => {
                write!(f, "error received over association {}:", association.0)?;
                causes.iter().try_for_each(|cause| {
                    f.write_str(" ")?;
                    cause_name(*cause, f)
                })
            }
            Event::Paused { late } => {
                write!(f, "this registrar was asleep for {late:?}, nothing was concluded from it")
            }
        }
    }
}

/// What differs after a re-registration.
struct Listed<'a>(&'a Changes);

impl std::fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Changes { home, life, user_transport, load, policy, asap_transport } = *self.0;
        let named = [
            (home.is_some(), "home"),
            (life, "life"),
            (user_transport, "user transport"),
            (load, "load"),
            (policy, "policy"),
            (asap_transport, "ASAP transport"),
        ];
        let mut names = named.into_iter().filter_map(|(differs, name)| differs.then_some(name));
        f.write_str(names.next().unwrap_or("no change"))?;
        names.try_for_each(|name| write!(f, ", {name}"))
    }
}

fn cause_name(code: u16, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
    match ErrorCause::name(code) {
        Some(name) => f.write_str(name),
        None => write!(f, "cause {code:#x}"),
    }
}

impl std::fmt::Display for EndReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            EndReason::PeerDoesNotRead => "the peer does not read",
            EndReason::Silent => "the peer is silent",
            EndReason::NoLongerNeeded => "no longer needed",
        })
    }
}

impl std::fmt::Display for IgnoreReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            IgnoreReason::PayloadProtocol(ppid) => write!(f, "payload protocol identifier {ppid} is not that of ASAP"),
            IgnoreReason::Undecodable => f.write_str("cannot be read"),
            IgnoreReason::NotForRegistrars => f.write_str("not one a registrar receives"),
            IgnoreReason::RateLimit => f.write_str("too many requests"),
            IgnoreReason::UnknownPoolElement => f.write_str("no such pool element there"),
        }
    }
}
