// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an endpoint answers and wants done.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use rsp_wire::parameter::{OperationError, Policy, PoolElement};
use rsp_wire::{PeId, PoolHandle, ServerId};
use smallvec::SmallVec;

use super::Event;
use super::command::{RegistrationId, RequestId};
use crate::association::{self, AssociationId, LostReason, Protocol};
use crate::offer::Offer;

/// What an [`Endpoint`](super::Endpoint) wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// On an association. One with an even id not seen before is opened.
    Association(AssociationId, association::Request),
    /// To whom asked.
    Reply(Reply),
    /// For the log, the counters and the picture.
    Event(Event),
}

/// An answer, or news about a registration or a watched pool.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// The PE is in the pool; after a re-registration: still, or again, or with its new values.
    Registered {
        /// Which.
        registration: RegistrationId,
        /// At this registrar.
        home: Home,
        /// The registrar changed a value, e.g. dropped an address that is not ours.
        warning: Option<OperationError>,
        /// It is the first success of this registration.
        first: bool,
    },
    /// A registration or re-registration failed.
    RegistrationFailed {
        /// Which.
        registration: RegistrationId,
        /// Why.
        error: RegisterError,
        /// The registration is over. Otherwise it goes on with the values it had.
        ended: bool,
    },
    /// The registrar has taken the PE out of the pool (its life ran out, e.g. while we slept). The endpoint is registering it anew.
    Unregistered {
        /// Which.
        registration: RegistrationId,
    },
    /// The registration is over.
    Deregistered {
        /// Which.
        registration: RegistrationId,
        /// No registrar has confirmed it: the PE stays in the pool until its life runs out or it is found dead.
        error: Option<RegisterError>,
    },
    /// Answer of [`Command::Resolve`](super::Command::Resolve).
    Resolved {
        /// Which.
        request: RequestId,
        /// The pool, never empty.
        result: Result<Resolution, ResolveError>,
    },
    /// Answer of [`Command::Select`](super::Command::Select).
    Selected {
        /// Which.
        request: RequestId,
        /// The pool it was found in: the one asked for, or that of one of its elements' further mappings.
        pool: PoolHandle,
        /// The PE.
        result: Result<Arc<PoolElement>, ResolveError>,
    },
    /// News of a watched pool.
    PoolChanged {
        /// The pool as it is now; no elements if it is gone.
        pool: Arc<Pool>,
        /// There is no such pool at the registrar. It is asked again from time to time.
        gone: bool,
    },
}

/// The registrar all requests go to (Home ENRP server).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Home {
    /// Its address on the association.
    pub address: SocketAddr,
    /// Its identifier, [`ServerId::NONE`] until it has said so.
    pub server: ServerId,
}

impl fmt::Display for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)?;
        if self.server != ServerId::NONE {
            write!(f, " ({})", self.server)?;
        }
        Ok(())
    }
}

/// A pool as a registrar has described it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// Its name.
    pub handle: PoolHandle,
    /// Overall PE selection policy; of its values only the type counts.
    pub policy: Policy,
    /// Its elements in the registrar's order.
    pub elements: Vec<Arc<PoolElement>>,
    /// These are all there are.
    pub complete: bool,
}

/// A pool and how fresh the news is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// The pool, or as many of its elements as were asked for.
    pub pool: Arc<Pool>,
    /// Older than `stale_cache_value`, given out because no registrar answers.
    pub stale: bool,
}

/// Why a registration or deregistration failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// No registrar answered.
    #[error("no registrar answers{}: start one, or name one that runs", Tried(.tried))]
    NoRegistrar {
        /// Whom we asked.
        tried: Vec<Attempt>,
    },
    /// The registrar said no, and would say it again.
    #[error("the registrar {} rejected it: {error}", home.address)]
    Rejected {
        /// Who.
        home: Home,
        /// Why.
        error: OperationError,
    },
    /// This PE is already registered in this pool by this process.
    #[error("PE {0} is already registered in this pool")]
    InUse(PeId),
    /// A pool handle has 1 to `max_pool_handle` bytes.
    #[error("a pool handle has 1 to {max} bytes, this one has {len}")]
    BadPoolHandle {
        /// Its length.
        len: usize,
        /// The longest.
        max: usize,
    },
    /// The values do not fit one message.
    #[error("the registration does not fit one message: register fewer or shorter addresses")]
    TooLong,
    /// Too many registrations in one process.
    #[error("too many registrations")]
    TooMany,
}

/// Why a pool cannot be resolved, or no PE selected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// No registrar can be reached.
    #[error("no registrar answers{}: start one, or name one that runs", Tried(.tried))]
    NoRegistrar {
        /// Whom we asked.
        tried: Vec<Attempt>,
    },
    /// The registrar does not answer.
    #[error("the registrar {} does not answer", .home.address)]
    Timeout {
        /// Who.
        home: Home,
    },
    /// There is no such pool.
    #[error("there is no pool {pool} at the registrar {}: no server has registered in it yet, or the last one has left", .home.address)]
    UnknownPool {
        /// Its name.
        pool: PoolHandle,
        /// Who said so.
        home: Home,
    },
    /// The registrar rejected the request for another reason.
    #[error("the registrar {} rejected the resolution: {error}", home.address)]
    Rejected {
        /// Who.
        home: Home,
        /// Why.
        error: OperationError,
    },
    /// A pool handle has 1 to `max_pool_handle` bytes.
    #[error("a pool handle has 1 to {max} bytes, this one has {len}")]
    BadPoolHandle {
        /// Its length.
        len: usize,
        /// The longest.
        max: usize,
    },
    /// The pool's elements offer no mapping that will do.
    #[error("the servers of pool {pool} offer {offered}, but {} is asked for", Offers(.wanted))]
    NoMapping {
        /// The pool.
        pool: PoolHandle,
        /// What they offer there.
        offered: Offer,
        /// What would do.
        wanted: SmallVec<[Offer; 3]>,
    },
    /// Too many requests, or too many pools in use at once.
    #[error("too many requests wait for an answer")]
    TooMany,
}

/// A registrar we tried in vain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Where.
    pub address: SocketAddr,
    /// Over what; `None` = over the association with the home registrar.
    pub protocol: Option<Protocol>,
    /// What went wrong; `None` = nothing came back.
    pub reason: Option<LostReason>,
}

struct Offers<'a>(&'a [Offer]);

impl fmt::Display for Offers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, offer) in self.0.iter().enumerate() {
            write!(f, "{}{offer}", if i == 0 { "" } else { " or " })?;
        }
        Ok(())
    }
}

struct Tried<'a>(&'a [Attempt]);

impl fmt::Display for Tried<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str(" (none is configured, none has announced itself)");
        }
        for (i, attempt) in self.0.iter().enumerate() {
            f.write_str(if i == 0 { " (tried " } else { ", " })?;
            write!(f, "{}", attempt.address)?;
            match attempt.protocol {
                Some(Protocol::Sctp) => f.write_str(" over SCTP: ")?,
                Some(Protocol::Tcp) => f.write_str(" over TCP: ")?,
                None => f.write_str(": ")?,
            }
            match &attempt.reason {
                Some(reason) => write!(f, "{reason}")?,
                None => f.write_str("no answer")?,
            }
        }
        f.write_str(")")
    }
}
