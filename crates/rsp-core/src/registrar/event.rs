// SPDX-License-Identifier: MIT OR Apache-2.0
//! Facts about the registrar, for the log, the counters, the dashboard and the tests.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rsp_wire::parameter::ErrorCause;
use rsp_wire::{PeId, PoolHandle, ServerId};

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
    /// An association is gone that was up.
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
    /// Initialization is complete, RFC 5353 §3.2: ASAP may be served.
    Started {
        /// From whom the handlespace was downloaded, if from anybody.
        mentor: Option<ServerId>,
        /// PEs known by now.
        pool_elements: usize,
    },
    /// A mentor told us to come again.
    MentorBusy {
        /// Who.
        mentor: ServerId,
    },
    /// A mentor did not answer; the next one is asked.
    MentorFailed {
        /// Who.
        mentor: ServerId,
    },
    /// Another registrar has our identifier. We have not started yet and take another one.
    IdentifierChanged {
        /// The one that was taken.
        given_up: ServerId,
        /// The new one.
        id: ServerId,
    },
    /// Initialization is complete, and a registrar an administrator names was not reached. It is tried again and again.
    PeerUnreached {
        /// Where it should be.
        address: SocketAddr,
        /// Why not; `None` if there was no answer of any kind yet.
        reason: Option<LostReason>,
    },
    /// A registrar not known before.
    PeerFound {
        /// Who.
        peer: ServerId,
    },
    /// A peer was silent for MAX-TIME-LAST-HEARD or its association was lost: it is asked whether it lives.
    PeerProbed {
        /// Who.
        peer: ServerId,
        /// Time since it was heard.
        silent_for: Duration,
    },
    /// A peer is dead.
    PeerDead {
        /// Who.
        peer: ServerId,
        /// PEs that need a new home.
        pool_elements: usize,
    },
    /// We want to take over a peer.
    TakeoverStarted {
        /// Which.
        target: ServerId,
    },
    /// A peer that was to be taken over lives.
    TakeoverStopped {
        /// Which.
        target: ServerId,
    },
    /// Another registrar wants to take over the same peer, and wins.
    TakeoverYielded {
        /// Which.
        target: ServerId,
        /// Who wins.
        to: ServerId,
    },
    /// Somebody wants to take over, or has taken over, a registrar that lives.
    TakeoverRefused {
        /// Who.
        by: ServerId,
        /// Which.
        target: ServerId,
    },
    /// A registrar was taken over.
    TakenOver {
        /// Which.
        target: ServerId,
        /// By whom.
        by: ServerId,
        /// PEs that changed their home.
        pool_elements: usize,
    },
    /// The PEs of a peer are asked for: checksums differ, or updates were lost.
    Resynchronizing {
        /// Which.
        peer: ServerId,
    },
    /// The PEs of a peer are as it says.
    Resynchronized {
        /// Which.
        peer: ServerId,
        /// PEs it named.
        received: usize,
        /// PEs it did not name, which are gone.
        removed: usize,
    },
    /// What a peer says of a PE cannot be kept.
    UpdateRejected {
        /// Which peer.
        peer: ServerId,
        /// The pool.
        pool: PoolHandle,
        /// The pool element.
        pe: PeId,
        /// Cause code, RFC 5354 §3.12.
        cause: u16,
    },
    /// A message of a registrar, or a registrar itself, is not accepted.
    PeerRefused {
        /// Who it says it is.
        peer: ServerId,
        /// Over which association; none for multicast and for what others tell.
        association: Option<AssociationId>,
        /// Why.
        reason: Refusal,
    },
    /// A PE of ours has another home now.
    PeGivenUp {
        /// The pool.
        pool: PoolHandle,
        /// The pool element.
        pe: PeId,
        /// Its home.
        to: ServerId,
    },
    /// This registrar has handed its PEs over and may stop.
    Left {
        /// PEs of which no new home has said that they are with it.
        not_settled: usize,
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
    /// Its home registrar says that it is gone.
    AtHome,
    /// Its home registrar did not name it in a resynchronization.
    NotConfirmed,
}

/// Why what a registrar says is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Sending Server's ID is 0.
    NoIdentifier,
    /// Receiving Server's ID is another registrar's.
    NotForUs,
    /// The association, or the Server Information, is another registrar's.
    WrongIdentifier,
    /// A registrar with this identifier lives elsewhere.
    DuplicateIdentifier,
    /// It has our identifier.
    OurIdentifier,
    /// Nobody says where it can be reached, or it says so from elsewhere.
    NoAddress,
    /// The limit of peers is reached.
    TooManyPeers,
    /// It has no right to be a registrar here.
    NotAllowed,
    /// It speaks of a PE that is not its own.
    NotHome,
    /// It claims a PE whose home lives.
    HomeLives,
    /// It claims a PE that has just said that we are its home.
    PeIsOurs,
    /// It names a home nobody knows.
    UnknownHome,
    /// Update Action is none of RFC 5353 §2.4.
    UnknownAction,
    /// It wants to take over itself.
    NotDead,
    /// An answer to what was not asked.
    Unexpected,
    /// A table that does not end.
    EndlessTable,
    /// No table came in time.
    NoTable,
}

impl Refusal {
    /// Whether there is no use in hearing more from there.
    pub(super) fn ends_association(self) -> bool {
        matches!(
            self,
            Refusal::DuplicateIdentifier | Refusal::OurIdentifier | Refusal::TooManyPeers | Refusal::NotAllowed
        )
    }
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
    /// The other end cannot be a peer of this registrar.
    NotAPeer,
    /// The peer was declared dead.
    PeerDead,
    /// This registrar stops.
    Leaving,
}

/// Why a message was not processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IgnoreReason {
    /// Its payload protocol identifier is not the one spoken on the association.
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
            Removal::AtHome => "removed by its home registrar",
            Removal::NotConfirmed => "not among the PEs of its home registrar",
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
                write!(f, "PE {pe} of pool {pool} has lost its association")
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
            Event::Started { mentor: None, pool_elements: _ } => f.write_str("started, no other registrar was found"),
            Event::Started { mentor: Some(mentor), pool_elements } => {
                write!(f, "started with {pool_elements} PEs from registrar {mentor}")
            }
            Event::MentorBusy { mentor } => write!(f, "registrar {mentor} is busy, asking again"),
            Event::MentorFailed { mentor } => write!(f, "registrar {mentor} does not give us the handlespace"),
            Event::IdentifierChanged { given_up, id } => {
                write!(f, "another registrar has the identifier {given_up}, taking {id}")
            }
            Event::PeerUnreached { address, reason } => {
                write!(f, "no registrar reached at {address}, which is named as a peer: ")?;
                match reason {
                    Some(reason) => write!(f, "{reason}; it is tried again"),
                    None => f.write_str("no answer yet; it is tried again"),
                }
            }
            Event::PeerFound { peer } => write!(f, "registrar {peer} found"),
            Event::PeerProbed { peer, silent_for } => {
                write!(f, "registrar {peer} not heard for {silent_for:?}, asking it")
            }
            Event::PeerDead { peer, pool_elements: 0 } => write!(f, "registrar {peer} is gone, it had no PEs"),
            Event::PeerDead { peer, pool_elements } => {
                write!(f, "registrar {peer} is dead, it had {pool_elements} PEs")
            }
            Event::TakeoverStarted { target } => write!(f, "taking over registrar {target}"),
            Event::TakeoverStopped { target } => write!(f, "registrar {target} lives, it is not taken over"),
            Event::TakeoverYielded { target, to } => write!(f, "leaving registrar {target} to registrar {to}"),
            Event::TakeoverRefused { by, target } => {
                write!(f, "registrar {by} wants to take over registrar {target}, which lives: refused")
            }
            Event::TakenOver { target, by, pool_elements } => {
                write!(f, "registrar {target} taken over by {by} with {pool_elements} PEs")
            }
            Event::Resynchronizing { peer } => write!(f, "PEs of registrar {peer} differ, asking for them"),
            Event::Resynchronized { peer, received, removed } => {
                write!(f, "registrar {peer} has {received} PEs, {removed} others removed")
            }
            Event::UpdateRejected { peer, pool, pe, cause } => {
                write!(f, "PE {pe} of pool {pool} as told by registrar {peer} rejected: ")?;
                cause_name(*cause, f)
            }
            Event::PeerRefused { peer, association: Some(association), reason } => {
                write!(f, "registrar {peer} over association {} refused: {reason}", association.0)
            }
            Event::PeerRefused { peer, association: None, reason } => write!(f, "registrar {peer} refused: {reason}"),
            Event::PeGivenUp { pool, pe, to } => write!(f, "PE {pe} of pool {pool} is with registrar {to} now"),
            Event::Left { not_settled: 0 } => f.write_str("all PEs handed over"),
            Event::Left { not_settled } => write!(f, "leaving, {not_settled} PEs may not know their new home"),
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
            EndReason::NotAPeer => "the other end cannot be a peer",
            EndReason::PeerDead => "the peer is dead",
            EndReason::Leaving => "this registrar stops",
        })
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Refusal::NoIdentifier => "it gives no identifier",
            Refusal::NotForUs => "the message is for another registrar",
            Refusal::WrongIdentifier => "the association is another registrar's",
            Refusal::DuplicateIdentifier => "a registrar with this identifier lives elsewhere: give each its own",
            Refusal::OurIdentifier => "it has our identifier: give each registrar its own",
            Refusal::NoAddress => "it does not say where it is",
            Refusal::TooManyPeers => "there are as many registrars as the setting peers allows",
            Refusal::NotAllowed => "it may not be a registrar here",
            Refusal::NotHome => "the PE is not its own",
            Refusal::HomeLives => "the PE's home lives",
            Refusal::PeIsOurs => "the PE says that we are its home",
            Refusal::UnknownHome => "nobody knows the home it names",
            Refusal::UnknownAction => "unknown update action",
            Refusal::NotDead => "it takes over itself",
            Refusal::Unexpected => "nothing was asked",
            Refusal::EndlessTable => "its table does not end",
            Refusal::NoTable => "it did not send its table in time",
        })
    }
}

impl std::fmt::Display for IgnoreReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            IgnoreReason::PayloadProtocol(ppid) => write!(f, "payload protocol identifier {ppid} is not spoken here"),
            IgnoreReason::Undecodable => f.write_str("cannot be read"),
            IgnoreReason::NotForRegistrars => f.write_str("not one a registrar receives"),
            IgnoreReason::RateLimit => f.write_str("too many requests"),
            IgnoreReason::UnknownPoolElement => f.write_str("no such pool element there"),
        }
    }
}
