// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sessions: what keeps a conversation alive when its server dies (RFC 5352 §3.8 and §6.5, seeds 001 and 004, `docs/session-wire.md`).
//!
//! A session has two ends, a machine each: [`PuSession`] at the pool user, which fails over, and [`PeSession`] at the pool element, which lives as long
//! as one association. Both speak over a `link`, the session layer on one association.

mod card;
mod cookie;
mod credit;
mod data_association;
mod drain;
mod event;
mod failover;
mod fragments;
mod from_peer;
mod link;
mod outbox;
mod pe_session;
mod pu_session;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use smallvec::SmallVec;

use rsp_wire::PeId;
use rsp_wire::parameter::{self, PoolElement, TransportUse, UserTransport};

use crate::association::{AssociationId, Protocol};
use crate::offer::Offer;

pub use cookie::{CookieKey, CookieKeyError, CookieRefused, CookieSeal, MAX_COOKIE, MAX_SEALED_COOKIE};
pub use event::SessionEvent;
pub use pe_session::{PeEffect, PeEnd, PeInput, PeItem, PeSession};
pub use pu_session::{FromEndpoint, PuEffect, PuInput, PuItem, PuOptions, PuSession, ToEndpoint};

/// The application's own number for a send; comes back with its [`Outcome`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SendId(pub u64);

/// A message the application sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// User data, at least one byte.
    pub data: Bytes,
    /// Stream; everything is on stream 0 until the peer has said HELLO.
    pub stream: u16,
    /// Need not keep its place on its stream.
    pub unordered: bool,
    /// The application's payload protocol identifier; not ASAP's and not the envelope's.
    pub ppid: u32,
    /// The outcome is wanted from the peer's application, not from its transport.
    pub ack: bool,
    /// Send it again after a failover; `None` = what the session was opened with.
    pub failover: Option<bool>,
    /// A pool user's: for this PE alone. Where the session is at another, on its way or leaves it, the message comes back.
    pub only: Option<PeId>,
    /// Not sent, nor sent again, once this time has passed since the application sent it; then it comes back.
    pub lifetime: Option<Duration>,
    /// It answers that message and acknowledges it in the same breath.
    pub answers: Option<Receipt>,
}

impl From<Bytes> for Outgoing {
    fn from(data: Bytes) -> Self {
        Outgoing {
            data,
            stream: 0,
            unordered: false,
            ppid: 0,
            ack: false,
            failover: None,
            only: None,
            lifetime: None,
            answers: None,
        }
    }
}

/// A message for the application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// User data.
    pub data: Bytes,
    /// Message id; together with the session id the key for exactly-once.
    pub id: u64,
    /// The peer sent it before, over another association. It may have been seen by another PE, or by nobody.
    pub resent: bool,
    /// Stream.
    pub stream: u16,
    /// It did not need to keep its place.
    pub unordered: bool,
    /// The application's payload protocol identifier.
    pub ppid: u32,
    /// The sender waits for an acknowledgement.
    pub ack_wanted: bool,
    /// To take, acknowledge or answer it.
    pub receipt: Receipt,
}

/// Names a received message towards the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Receipt {
    association: AssociationId,
    sequence: u64,
    id: u64,
}

/// What became of a send. Every send has exactly one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The peer's application acknowledged it, or answered it.
    Acknowledged(PeId),
    /// The peer's transport has it; over TCP that means that its application took it.
    Delivered(PeId),
    /// It was not delivered as far as we know, and will not be sent again.
    Returned(Outgoing, ReturnReason),
}

/// Why a message came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ReturnReason {
    /// Its PE died and the message is not to be sent to another.
    #[error("the server failed and the message is not to be sent to another")]
    NoFailover,
    /// The session ended first.
    #[error("the session ended first")]
    SessionEnded,
    /// Its lifetime was over before it was sent, or sent again.
    #[error("its lifetime was over")]
    Expired,
    /// It is larger than the peer takes.
    #[error("it is larger than the {0} bytes the peer takes")]
    TooLong(usize),
    /// It is empty, or uses a payload protocol identifier that belongs to the session layer.
    #[error(
        "a message has at least one byte and a payload protocol identifier of its own, and takes a stream the association has"
    )]
    NotSendable,
}

/// Why a session moved to another PE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Cause {
    /// The association broke, or was never established.
    #[error("transport lost")]
    TransportLost,
    /// The peer has been silent for too long.
    #[error("heartbeat missed")]
    HeartbeatMissed,
    /// The registrar says it is gone, and it does not answer.
    #[error("registrar says it is gone")]
    RegistrarPush,
    /// The application asked for it.
    #[error("asked by the application")]
    Application,
    /// The PE is leaving its pool.
    #[error("server drains")]
    Drain,
}

/// Why a session ended without the application or the peer closing it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// No PE of the pool could be reached in time.
    #[error("no server of the pool answers; tried {tried} times")]
    NoServer {
        /// Connection attempts that failed, or led to one that did not last for `retry_interval_max`.
        tried: u32,
    },
    /// The endpoint could not find a PE.
    #[error(transparent)]
    Select(#[from] SelectFailure),
    /// The pool's elements offer no mapping a session can use.
    #[error("the pool's servers offer no control channel (NO_MAPPING): connect to them yourself")]
    NoMapping,
    /// The pool's elements have their data apart from control, and none of them knows how a session has that.
    #[error("the pool's servers offer no control channel beside their data (NO_MAPPING): connect to them yourself")]
    NotSeparate,
    /// The session was opened without failover and its PE failed.
    #[error("the server failed: {0}")]
    Failed(Cause),
}

/// Why the endpoint has no PE for a session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectFailure {
    /// No registrar answers and nothing is cached.
    #[error("{0}")]
    NoRegistrar(String),
    /// The registrar does not know the pool.
    #[error("{0}")]
    UnknownPool(String),
    /// The pool's elements offer this mapping, which will not do.
    #[error("{1}")]
    NoMapping(Offer, String),
    /// The registrar refused.
    #[error("{0}")]
    Other(String),
}

/// A PE as a session reaches it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// PE identifier.
    pub pe: PeId,
    /// SCTP or TCP.
    pub protocol: Protocol,
    /// Its addresses.
    pub addresses: SmallVec<[SocketAddr; 1]>,
    /// Where its control channel is, if that is an association of its own.
    pub control: Option<(Protocol, SmallVec<[SocketAddr; 1]>)>,
}

impl Target {
    /// Where a session reaches this PE; `None` if it offers no control channel (NO_MAPPING).
    pub fn of(element: &PoolElement) -> Option<Target> {
        let UserTransport::Ip(transport) = &element.user_transport else { return None };
        let (protocol, addresses) = reached(transport)?;
        let shared = transport.transport_use == TransportUse::DATA_PLUS_CONTROL;
        shared.then_some(Target { pe: element.id, protocol, addresses, control: None })
    }

    /// The same, if data may go over an association of its own: to a PE whose user transport is for data only control goes to its ASAP transport.
    pub fn perhaps_separate(element: &PoolElement) -> Option<Target> {
        Target::of(element).or_else(|| {
            let UserTransport::Ip(transport) = &element.user_transport else { return None };
            let (protocol, addresses) = reached(transport)?;
            let asap = element.asap_transport.as_ref().filter(|it| it.transport_use == TransportUse::CONTROL_ONLY)?;
            let control = Some(reached(asap)?);
            Some(Target { pe: element.id, protocol, addresses, control })
        })
    }
}

/// Removes an entry. A map that is empty keeps no memory: most maps of an idle session are, and there may be ten thousand sessions.
fn take<K: Ord, V>(map: &mut BTreeMap<K, V>, key: &K) -> Option<V> {
    let value = map.remove(key);
    if map.is_empty() {
        *map = BTreeMap::new();
    }
    value
}

/// By which mapping and where, if it is one for sessions.
fn reached(transport: &parameter::Transport) -> Option<(Protocol, SmallVec<[SocketAddr; 1]>)> {
    let protocol = match transport.protocol {
        parameter::Protocol::Sctp => Protocol::Sctp,
        parameter::Protocol::Tcp => Protocol::Tcp,
        _ => return None,
    };
    Some((protocol, transport.addresses.iter().map(|a| SocketAddr::new(*a, transport.port)).collect()))
}
