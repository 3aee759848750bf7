// SPDX-License-Identifier: MIT OR Apache-2.0
//! The peer list, RFC 5353 §3.4.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use machine::Time;
use rsp_wire::parameter::{Protocol, Transport, TransportUse};
use rsp_wire::{Checksum, ServerId};
use smallvec::SmallVec;

use super::audit::Audit;
use super::handle_table::Session;
use crate::association::{self, AssociationId, LostReason};
use crate::registrar::associations::Addresses;

/// One other registrar.
#[derive(Debug)]
pub(in crate::registrar) struct Peer {
    /// Where it is reached; empty if it is known only from what others say of its PEs.
    pub(in crate::registrar) reached: Option<Reached>,
    /// What we send to it on, connecting or up. What comes in over another association counts as well.
    pub(in crate::registrar) link: Option<Link>,
    //= https://www.rfc-editor.org/rfc/rfc5353#section-3.4.3
    //# An ENRP server MUST keep an internal variable "peer_last_heard" for
    //# each of its known peers
    pub(in crate::registrar) last_heard: Time,
    pub(in crate::registrar) state: PeerState,
    /// The checksum it announced last.
    pub(in crate::registrar) announced: Option<Checksum>,
    pub(in crate::registrar) audit: Audit,
    /// The copy of the handlespace it is downloading.
    pub(in crate::registrar) session: Option<Session>,
}

/// What we send to a peer on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::registrar) struct Link {
    pub(in crate::registrar) association: AssociationId,
    pub(in crate::registrar) is_up: bool,
}

/// A transport and addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::registrar) struct Reached {
    pub(in crate::registrar) protocol: association::Protocol,
    pub(in crate::registrar) addresses: Addresses,
}

/// What is believed of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerState {
    /// It lives.
    Active,
    /// It was silent or cut off and has been asked; it is dead if it does not answer by then.
    Probed {
        /// MAX-TIME-NO-RESPONSE from the question.
        until: Time,
        /// This registrar wants to take it over and waits for what we find.
        on_behalf_of: Option<ServerId>,
    },
    /// It is dead, and we will take it over then unless another registrar does before.
    Dead {
        /// Those that win an arbitration against us go first.
        start: Time,
    },
    /// We are taking it over.
    TakenOver,
    /// "Not active": another registrar is taking it over and has this long to finish.
    Granted {
        /// The initiator.
        to: ServerId,
        /// When it is considered to have given up.
        until: Time,
    },
}

impl Peer {
    pub(in crate::registrar) fn new(reached: Option<Reached>, now: Time) -> Self {
        Peer {
            reached,
            link: None,
            last_heard: now,
            state: PeerState::Active,
            announced: None,
            audit: Audit::default(),
            session: None,
        }
    }

    /// It is not believed to be dead.
    pub(in crate::registrar) fn is_alive(&self) -> bool {
        matches!(self.state, PeerState::Active | PeerState::Probed { .. })
    }

    /// The association messages go over, if it is up.
    pub(in crate::registrar) fn up(&self) -> Option<AssociationId> {
        self.link.filter(|link| link.is_up).map(|link| link.association)
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(in crate::registrar) struct Peers(BTreeMap<ServerId, Peer>);

impl Peers {
    pub(in crate::registrar) fn len(&self) -> usize {
        self.0.len()
    }

    pub(in crate::registrar) fn get(&self, id: ServerId) -> Option<&Peer> {
        self.0.get(&id)
    }

    pub(in crate::registrar) fn get_mut(&mut self, id: ServerId) -> Option<&mut Peer> {
        self.0.get_mut(&id)
    }

    pub(in crate::registrar) fn insert(&mut self, id: ServerId, peer: Peer) -> &mut Peer {
        self.0.entry(id).or_insert(peer)
    }

    pub(in crate::registrar) fn remove(&mut self, id: ServerId) -> Option<Peer> {
        self.0.remove(&id)
    }

    pub(in crate::registrar) fn iter(&self) -> impl Iterator<Item = (ServerId, &Peer)> {
        self.0.iter().map(|(id, peer)| (*id, peer))
    }

    pub(in crate::registrar) fn iter_mut(&mut self) -> impl Iterator<Item = (ServerId, &mut Peer)> {
        self.0.iter_mut().map(|(id, peer)| (*id, peer))
    }

    pub(in crate::registrar) fn is_alive(&self, id: ServerId) -> bool {
        self.get(id).is_some_and(Peer::is_alive)
    }

    /// The associations all peers are reached over.
    pub(in crate::registrar) fn links(&self) -> SmallVec<[AssociationId; 8]> {
        self.0.values().filter_map(Peer::up).collect()
    }

    /// Those that this association is the way to: one, or several at one address of which none has spoken yet.
    pub(in crate::registrar) fn reached_over(&self, association: AssociationId) -> SmallVec<[ServerId; 1]> {
        let linked = self.0.iter().filter(|(_, peer)| peer.link.is_some_and(|link| link.association == association));
        linked.map(|(id, _)| *id).collect()
    }

    /// Peers that live and can be spoken to.
    pub(in crate::registrar) fn reachable(&self) -> impl Iterator<Item = ServerId> + '_ {
        self.iter().filter(|(_, peer)| peer.is_alive() && peer.up().is_some()).map(|(id, _)| id)
    }
}

/// A peer an administrator names. Its identifier is unknown until it speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::registrar) struct StaticPeer {
    pub(in crate::registrar) address: SocketAddr,
    /// It is ourselves: the same list is given to all registrars.
    pub(in crate::registrar) is_this_one: bool,
    /// The transports over which the last attempt to connect has failed.
    pub(in crate::registrar) failed: SmallVec<[association::Protocol; 2]>,
    /// Why, for the administrator.
    pub(in crate::registrar) lost: Option<LostReason>,
    /// Since when it is being tried.
    pub(in crate::registrar) tried_since: Option<Time>,
}

impl StaticPeer {
    pub(in crate::registrar) fn new(address: SocketAddr) -> Self {
        StaticPeer { address, is_this_one: false, failed: SmallVec::new(), lost: None, tried_since: None }
    }

    /// Nobody answers there over any of these transports.
    pub(in crate::registrar) fn has_failed(&self, over: &[association::Protocol]) -> bool {
        over.iter().all(|protocol| self.failed.contains(protocol))
    }
}

/// Where a peer was reached that is no longer on the list. It may only have been cut off from us, and nobody else may tell us of it again: it
/// is tried now and then.
#[derive(Debug)]
pub(in crate::registrar) struct FormerPeer {
    pub(in crate::registrar) reached: Reached,
    pub(in crate::registrar) next: Time,
    /// Doubled with each attempt.
    pub(in crate::registrar) pause: Duration,
}

/// Where a peer is reached, by its Server Information: all transports of the first of these protocols it has.
pub(in crate::registrar) fn reached(transports: &[Transport], over: &[association::Protocol]) -> Option<Reached> {
    let protocol_of = |transport: &Transport| match transport.protocol {
        Protocol::Sctp => Some(association::Protocol::Sctp),
        Protocol::Tcp => Some(association::Protocol::Tcp),
        Protocol::Dccp { .. } | Protocol::Udp | Protocol::UdpLite => None,
    };
    let usable = |transport: &&Transport| transport.port != 0 && !transport.addresses.is_empty();
    let has = |protocol: &&association::Protocol| {
        transports.iter().filter(usable).any(|it| protocol_of(it) == Some(**protocol))
    };
    let protocol = *over.iter().find(has)?;
    let same = transports.iter().filter(usable).filter(|transport| protocol_of(transport) == Some(protocol));
    let places = same.flat_map(|it| it.addresses.iter().map(|address| (address.to_canonical(), it.port).into()));
    Some(Reached { protocol, addresses: places.take(MOST_ADDRESSES).collect() })
}

/// Addresses as transports: RFC 5354 §3.4 gives a TCP transport one address, SCTP's may have several.
pub(in crate::registrar) fn transports(
    protocol: Protocol,
    places: impl IntoIterator<Item = SocketAddr>,
) -> SmallVec<[Transport; 1]> {
    let mut transports: SmallVec<[Transport; 1]> = SmallVec::new();
    for place in places {
        match transports.iter_mut().find(|it| protocol == Protocol::Sctp && it.port == place.port()) {
            Some(transport) => transport.addresses.push(place.ip()),
            None => transports.push(Transport {
                protocol,
                port: place.port(),
                transport_use: TransportUse::DATA_ONLY,
                addresses: [place.ip()].into_iter().collect(),
            }),
        }
    }
    transports
}

impl Reached {
    /// As transports of a Server Information parameter.
    pub(in crate::registrar) fn transports(&self) -> SmallVec<[Transport; 1]> {
        let protocol = match self.protocol {
            association::Protocol::Sctp => Protocol::Sctp,
            association::Protocol::Tcp => Protocol::Tcp,
        };
        transports(protocol, self.addresses.iter().copied())
    }
}

/// Of one peer.
const MOST_ADDRESSES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_addresses_of_a_peer_are_kept_and_told_one_tcp_transport_for_each() {
        let places: Vec<SocketAddr> = ["192.0.2.1:1", "[2001:db8::1]:1"].map(|it| it.parse().unwrap()).to_vec();
        let tcp = transports(Protocol::Tcp, places.iter().copied());
        assert_eq!(tcp.iter().map(|it| it.addresses.len()).collect::<Vec<_>>(), [1, 1]);
        let all = [association::Protocol::Sctp, association::Protocol::Tcp];
        let kept = reached(&tcp, &all).unwrap();
        assert_eq!(kept.addresses[..], places[..]);
        assert_eq!(kept.transports(), tcp);
        let sctp = transports(Protocol::Sctp, places.iter().copied());
        assert_eq!(sctp.iter().map(|it| it.addresses.len()).collect::<Vec<_>>(), [2]);
        assert_eq!(reached(&sctp, &all).unwrap().transports(), sctp);
        let both = [&sctp[..], &tcp[..]].concat();
        assert_eq!(reached(&both, &all), reached(&sctp, &all), "the one we prefer");
        assert_eq!(reached(&both, &all[1..]), reached(&tcp, &all), "the one we have");
        assert_eq!(reached(&sctp, &all[1..]), None);
    }
}
