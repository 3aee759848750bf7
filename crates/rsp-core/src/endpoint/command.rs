// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an endpoint is asked to do: the ASAP interfaces of RFC 5352 §6 towards registrars, and the associations and datagrams below.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use rsp_wire::parameter::{Policy, Transport, UserTransport};
use rsp_wire::{PeId, PoolHandle};
use smallvec::SmallVec;

use crate::association::{self, AssociationId, Protocol};
use crate::offer::Offer;

/// What happens to an [`Endpoint`](super::Endpoint).
#[derive(Debug, Clone)]
pub enum Input {
    /// The process wants something.
    Command(Command),
    /// News of an association. Even ids are ours; an odd one is new with its [`Up`](association::Event::Up): a registrar has opened it to our ASAP listener.
    Association(AssociationId, association::Event),
    /// A datagram on the multicast channel of ASAP_SERVER_ANNOUNCE.
    Announcement {
        /// Who sent it.
        from: SocketAddr,
        /// The datagram.
        data: Bytes,
    },
}

/// Names a registration; drawn by the caller, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegistrationId(pub u64);

/// Names a request; drawn by the caller, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// How long a registration lives at the registrar unless it is renewed, which the endpoint does in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Life {
    /// For so long, at least a second.
    For(Duration),
    /// Until it is deregistered or found dead.
    Infinite,
}

/// Whether a resolution may be answered from the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Freshness {
    /// From the cache if it knows the pool and is not stale; from a stale one if no registrar answers.
    Cached,
    /// From a registrar, or an error.
    Fresh,
}

/// What the process wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Joins a pool and stays in it until [`Command::Deregister`]. Answered by [`Reply::Registered`](super::Reply::Registered), again after each
    /// re-registration, or by [`Reply::RegistrationFailed`](super::Reply::RegistrationFailed).
    Register(Register),
    /// Changes values and re-registers at once; several changes in quick succession become one. Answered as a registration; what the
    /// registrar rejects is taken back, and the registration goes on as it was.
    Update {
        /// Which; ignored if there is none.
        registration: RegistrationId,
        /// New policy with its values.
        policy: Option<Policy>,
        /// New addresses.
        user_transport: Option<UserTransport>,
    },
    /// Leaves the pool. Answered by [`Reply::Deregistered`](super::Reply::Deregistered).
    Deregister {
        /// Which; ignored if there is none.
        registration: RegistrationId,
    },
    /// Who is in the pool? Answered by [`Reply::Resolved`](super::Reply::Resolved).
    Resolve {
        /// Comes back with the answer.
        request: RequestId,
        /// Which pool.
        pool: PoolHandle,
        /// How many at most, chosen by the pool's policy; 0 = as many as the registrar thinks right.
        items: u32,
        /// From where.
        freshness: Freshness,
    },
    /// Picks one PE by the pool's policy. Answered by [`Reply::Selected`](super::Reply::Selected).
    Select {
        /// Comes back with the answer.
        request: RequestId,
        /// Which pool.
        pool: PoolHandle,
        /// Not these while there is another.
        avoid: SmallVec<[PeId; 4]>,
        /// The mappings that will do; empty = any. If the pool's elements offer another one, they are looked for where they register their
        /// further mappings, in this order.
        offers: SmallVec<[Offer; 3]>,
    },
    /// Subscribes to a pool's changes: [`Reply::PoolChanged`](super::Reply::PoolChanged) now, if the pool is known, and with each news of it. Counted.
    Watch {
        /// Which pool.
        pool: PoolHandle,
    },
    /// Takes one [`Command::Watch`] back.
    Unwatch {
        /// Which pool.
        pool: PoolHandle,
    },
    /// This PE does not answer, RFC 5352 §3.5. Told to a registrar when there is one; the PE is not offered for `failed_hold` while another is there.
    Report {
        /// Which pool.
        pool: PoolHandle,
        /// Which PE.
        pe_id: PeId,
    },
    /// CachePurgeRequest, RFC 5352 §6.4: forgets what is known of a pool. Whoever watches it goes on watching.
    Purge {
        /// Which pool.
        pool: PoolHandle,
    },
    /// The answer is no longer wanted.
    Cancel {
        /// Of a [`Command::Resolve`] or [`Command::Select`].
        request: RequestId,
    },
}

/// [`Command::Register`]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Register {
    /// Comes back with every reply.
    pub registration: RegistrationId,
    /// Which pool.
    pub pool: PoolHandle,
    /// Drawn at random, and the same for each registration of this PE.
    pub pe_id: PeId,
    /// How long.
    pub life: Life,
    /// Policy with its values.
    pub policy: Policy,
    /// Where pool users reach the PE. An unspecified address stands for our own on the association to the registrar.
    pub user_transport: UserTransport,
    /// Where registrars reach the PE, if that is not the association it registers on (TCP mapping). Unspecified addresses as above.
    pub asap_transport: Option<Transport>,
}

/// Where a registrar can be reached.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RegistrarAddress {
    /// SCTP, or TCP for the TCP mapping.
    pub protocol: Protocol,
    /// One, or with SCTP several.
    pub addresses: SmallVec<[SocketAddr; 1]>,
}

impl RegistrarAddress {
    /// A registrar that speaks the TCP mapping.
    pub fn tcp(address: SocketAddr) -> Self {
        RegistrarAddress { protocol: Protocol::Tcp, addresses: SmallVec::from_buf([address]) }
    }

    /// A registrar at one address, over this transport.
    pub fn over(protocol: Protocol, address: SocketAddr) -> Self {
        RegistrarAddress { protocol, addresses: SmallVec::from_buf([address]) }
    }

    /// The first address, which names it in errors and events.
    pub fn first(&self) -> SocketAddr {
        *self.addresses.first().unwrap_or(&SocketAddr::from(([0, 0, 0, 0], 0)))
    }
}
