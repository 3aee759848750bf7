// SPDX-License-Identifier: MIT OR Apache-2.0
//! Associations with other registrars: opened, recognised by what comes over them, lost.
//!
//! Either side may open one, so there may be two; each side sends on one as long as that lives and hears what comes over both.

use machine::Time;
use machine::association::Protocol;
use rsp_wire::{ServerId, parameter};
use smallvec::SmallVec;

use super::peers::{FormerPeer, Link, Peer, PeerState, Reached, StaticPeer};
use crate::association::{AssociationId, LostReason, Request};
use crate::registrar::admission::{Action, may};
use crate::registrar::event::{EndReason, Event, Refusal};
use crate::registrar::timer::Timer;
use crate::registrar::{Channel, Registrar};

impl Registrar {
    /// The peers an administrator names. Those known already stay.
    pub(in crate::registrar) fn set_static_peers(&mut self, addresses: Vec<std::net::SocketAddr>, now: Time) {
        let known = std::mem::take(&mut self.enrp.static_peers);
        let renew = |address| {
            let before = known.iter().find(|peer| peer.address == address).cloned();
            before.unwrap_or_else(|| StaticPeer::new(address))
        };
        self.enrp.static_peers = addresses.into_iter().map(renew).collect();
        if self.enrp.startup.has_begun() {
            self.connect_peers(now);
        }
    }

    /// Opens what is missing: to each named peer, and to each known one that has an address.
    pub(in crate::registrar) fn connect_peers(&mut self, now: Time) {
        self.connect_named_peers(now);
        let unlinked = |(id, peer): (ServerId, &Peer)| peer.link.is_none().then_some(id);
        let unlinked: Vec<_> = self.enrp.peers.iter().filter_map(unlinked).collect();
        for id in unlinked {
            self.connect_peer(id, now);
        }
        self.try_former_peers(now);
    }

    /// The transports ENRP is spoken over here, in the order we prefer them.
    pub(in crate::registrar) fn enrp_protocols(&self) -> SmallVec<[Protocol; 2]> {
        let has = |it: &parameter::Protocol| self.enrp.transports.iter().any(|transport| transport.protocol == *it);
        let sctp = has(&parameter::Protocol::Sctp).then_some(Protocol::Sctp);
        let tcp = (sctp.is_none() || has(&parameter::Protocol::Tcp)).then_some(Protocol::Tcp);
        sctp.into_iter().chain(tcp).collect()
    }

    /// Opens what is missing to the peers an administrator names. Over which transport they are reached nobody has told: SCTP goes first, and TCP
    /// comes in when that fails or its head start is over.
    pub(in crate::registrar) fn connect_named_peers(&mut self, now: Time) {
        let protocols = self.enrp_protocols();
        let head_start = self.settings.sctp_head_start;
        for place in 0..self.enrp.static_peers.len() {
            let StaticPeer { address, is_this_one, .. } = self.enrp.static_peers[place];
            let is_reached = self.enrp.peers.iter().any(|(_, peer)| {
                let there = peer.reached.as_ref().is_some_and(|reached| reached.addresses.contains(&address));
                there && peer.link.is_some()
            });
            if is_this_one || is_reached {
                continue;
            }
            let peer = &mut self.enrp.static_peers[place];
            let until = *peer.tried_since.get_or_insert(now) + head_start;
            let failed = peer.failed.clone();
            let all_failed = peer.has_failed(&protocols);
            for (choice, protocol) in protocols.iter().copied().enumerate() {
                if failed.contains(&protocol) && !all_failed {
                    continue;
                }
                if choice > 0 && now < until && !failed.contains(&protocols[choice - 1]) {
                    self.timers.set(Timer::NamedPeers, until);
                } else if self.associations.opened_to(protocol, address).is_none() {
                    self.open_enrp(Reached { protocol, addresses: [address].into_iter().collect() }, now);
                }
            }
        }
    }

    /// Knocks where registrars were that we believe to be dead.
    fn try_former_peers(&mut self, now: Time) {
        let peers = &self.enrp.peers;
        let is_back = |former: &FormerPeer| {
            peers.iter().any(|(_, peer)| peer.link.is_some() && peer.reached.as_ref() == Some(&former.reached))
        };
        self.enrp.former_peers.retain(|former| former.pause <= LONGEST_PAUSE && !is_back(former));
        for place in 0..self.enrp.former_peers.len() {
            let former = &mut self.enrp.former_peers[place];
            if former.next <= now {
                former.next = now + former.pause;
                former.pause *= 2;
                let reached = former.reached.clone();
                self.open_enrp(reached, now);
            }
        }
    }

    /// Opens an association to a peer that has none. Answers whether there is a place to go where nobody else answers.
    pub(in crate::registrar) fn connect_peer(&mut self, id: ServerId, now: Time) -> bool {
        let Some(reached) = self.enrp.peers.get(id).and_then(|peer| peer.reached.clone()) else { return false };
        let association = self.open_enrp(reached, now);
        let speaks = self.associations.get(association).map_or(ServerId::NONE, |it| it.registrar);
        if speaks != ServerId::NONE && speaks != id {
            return false;
        }
        let is_up = self.associations.is_up(association);
        if let Some(peer) = self.enrp.peers.get_mut(id) {
            peer.link = Some(Link { association, is_up });
        }
        true
    }

    fn open_enrp(&mut self, reached: Reached, now: Time) -> AssociationId {
        let Reached { protocol, addresses } = reached;
        if let Some(connecting) = self.associations.opened_to(protocol, addresses[0])
            && self.associations.get(connecting).is_some_and(|it| it.channel == Channel::Enrp)
        {
            return connecting;
        }
        let association = self.associations.open(Channel::Enrp, protocol, addresses[0], now);
        self.request(association, Request::Connect { protocol, to: addresses });
        association
    }

    /// An association with a registrar is up. Who opened it speaks first.
    pub(in crate::registrar) fn enrp_up(&mut self, id: AssociationId) {
        if !self.associations.is_ours(id) {
            return;
        }
        if let Some(place) = self.static_peer_of(id) {
            self.enrp.static_peers[place].failed.clear();
            self.enrp.static_peers[place].lost = None;
            self.enrp.static_peers[place].tried_since = None;
        }
        for (_, peer) in self.enrp.peers.iter_mut() {
            if let Some(link) = peer.link.as_mut().filter(|link| link.association == id) {
                link.is_up = true;
            }
        }
        let presence = self.own_presence(true, Some(id));
        if let Some(data) = self.encode_enrp(ServerId::NONE, presence.into()) {
            self.send_enrp(id, data);
        }
    }

    /// Whether the sender of a message is who the association belongs to. The first message decides that.
    pub(in crate::registrar) fn identify(
        &mut self,
        id: AssociationId,
        sender: ServerId,
        receiver: ServerId,
        now: Time,
    ) -> bool {
        if sender == ServerId::NONE {
            return self.refuse_peer(id, sender, Refusal::NoIdentifier);
        }
        if sender == self.id {
            return self.own_identifier(id, now);
        }
        if receiver != ServerId::NONE && receiver != self.id {
            return self.refuse_peer(id, sender, Refusal::NotForUs);
        }
        match self.associations.get(id).map(|association| association.registrar) {
            Some(known) if known == sender => true,
            Some(ServerId::NONE) => self.bind(id, sender, now),
            _ => self.refuse_peer(id, sender, Refusal::WrongIdentifier),
        }
    }

    //= https://www.rfc-editor.org/rfc/rfc5353#section-3.4.1
    //# If a message of any type is received from a previously unknown peer,
    //# the ENRP server MUST consider this peer a new peer in the operational
    //# scope and add it to the peer list.
    fn bind(&mut self, id: AssociationId, sender: ServerId, now: Time) -> bool {
        let Some(remote) = self.peer(id) else { return false };
        if may(&remote.identity, Action::Peer).is_err() {
            return self.refuse_peer(id, sender, Refusal::NotAllowed);
        }
        let host = remote.addresses.first().map(|address| address.ip().to_canonical());
        match self.enrp.peers.get(sender) {
            Some(peer) => {
                let speaks_elsewhere = peer.up().and_then(|link| self.peer(link)).map(|other| &other.addresses);
                let other_host = speaks_elsewhere
                    .and_then(|addresses| addresses.first())
                    .is_some_and(|address| Some(address.ip().to_canonical()) != host);
                let there = |reached: &Reached| reached.addresses.iter().any(|it| Some(it.ip()) == host);
                let lives = now.since(peer.last_heard) < self.settings.enrp.max_time_last_heard;
                if other_host && lives && !peer.reached.as_ref().is_some_and(there) {
                    return self.refuse_peer(id, sender, Refusal::DuplicateIdentifier);
                }
            }
            None if self.enrp.peers.len() >= self.settings.limits.peers => {
                return self.refuse_peer(id, sender, Refusal::TooManyPeers);
            }
            None => {}
        }
        if let Some(association) = self.associations.get_mut(id) {
            association.registrar = sender;
        }
        let is_new = self.enrp.peers.get(sender).is_none();
        let reached = self
            .associations
            .destination(id)
            .map(|(protocol, address)| Reached { protocol, addresses: [address].into_iter().collect() });
        let peer = self.enrp.peers.insert(sender, Peer::new(None, now));
        if peer.reached.is_none() {
            peer.reached = reached;
        }
        let before = peer.link.replace(Link { association: id, is_up: true });
        let lately = self.settings.enrp.peer_heartbeat_cycle * 3 / 2;
        let speaks =
            |link: &Link| self.associations.get(link.association).is_some_and(|it| now.since(it.last_heard) <= lately);
        match before {
            // One that is silent while the peer opens another may be cut without our knowing.
            Some(link) if link.is_up && link.association != id && speaks(&link) => peer.link = Some(link),
            Some(link) if link.is_up => {}
            // The one we were opening is not needed any more.
            Some(link) if link.association != id => self.to_end.push((link.association, EndReason::NoLongerNeeded)),
            _ => {}
        }
        self.not_reached_over(id, sender, now);
        if is_new {
            self.peer_found(sender, now);
        }
        true
    }

    /// An association that was opened to reach other peers has turned out to be `sender`'s: it has come back with another identifier, or
    /// there was never anybody else.
    fn not_reached_over(&mut self, id: AssociationId, sender: ServerId, now: Time) {
        for other in self.enrp.peers.reached_over(id).into_iter().filter(|other| *other != sender) {
            if let Some(peer) = self.enrp.peers.get_mut(other) {
                peer.link = None;
            }
            self.unreachable(other, false, now);
        }
    }

    //= https://www.rfc-editor.org/rfc/rfc5353#section-3.4.1
    //# The ENRP server MUST send an ENRP_PRESENCE message with the Reply-
    //# required flag set to '1' to the source address found in the arrived
    //# message.
    fn peer_found(&mut self, id: ServerId, now: Time) {
        self.event(Event::PeerFound { peer: id });
        self.watch_peer(id, now);
        let presence = self.own_presence(true, self.link_of(id));
        self.tell(id, presence);
    }

    /// Our own identifier comes from outside. Mostly it is ourselves: all registrars are given the same list of peers.
    fn own_identifier(&mut self, id: AssociationId, now: Time) -> bool {
        let Some(other_end) = self.own_end_of(id) else {
            self.refuse_peer(id, self.id, Refusal::OurIdentifier);
            self.new_identifier(now);
            return false;
        };
        if let Some(place) = self.static_peer_of(other_end) {
            self.enrp.static_peers[place].is_this_one = true;
        }
        self.to_end.push((id, EndReason::NoLongerNeeded));
        self.to_end.push((other_end, EndReason::NoLongerNeeded));
        self.mentor_lost(now);
        false
    }

    /// The association opened by us whose other end this one is.
    fn own_end_of(&self, id: AssociationId) -> Option<AssociationId> {
        let accepted = self.peer(id)?;
        let (from, to) = (canonical(*accepted.addresses.first()?), canonical(accepted.local));
        self.associations
            .iter()
            .find(|(_, other)| {
                other.channel == Channel::Enrp
                    && other.peer().is_some_and(|peer| {
                        canonical(peer.local) == from && peer.addresses.first().is_some_and(|it| canonical(*it) == to)
                    })
            })
            .map(|(id, _)| id)
    }

    /// An association is lost, which we have not ended. If it leads to a peer an administrator names, nobody answers there.
    pub(in crate::registrar) fn named_peer_failed(&mut self, id: AssociationId, reason: &LostReason) {
        let Some(place) = self.static_peer_of(id) else { return };
        let Some((protocol, _)) = self.associations.destination(id) else { return };
        let protocols = self.enrp_protocols();
        self.enrp.static_peers[place].lost = Some(reason.clone());
        let failed = &mut self.enrp.static_peers[place].failed;
        if !failed.contains(&protocol) {
            failed.push(protocol);
            if !self.enrp.static_peers[place].has_failed(&protocols) {
                // There is another transport, which need not wait any longer.
                self.timers.set(Timer::NamedPeers, self.now);
            }
        }
    }

    /// An association with a registrar is gone or did not come up.
    pub(in crate::registrar) fn enrp_lost(&mut self, id: AssociationId, registrar: ServerId, now: Time) {
        let was_up = registrar != ServerId::NONE;
        if was_up {
            // What it sent it may have sent over this one, whatever we send on.
            self.updates_lost(registrar, now);
            // Nor does it go on where it was with what it was downloading.
            self.session_expired(registrar);
        }
        for peer in self.enrp.peers.reached_over(id) {
            let other = self.associations.iter().find(|(_, it)| it.registrar == peer && it.peer().is_some());
            let other = other.map(|(association, _)| Link { association, is_up: true });
            let Some(known) = self.enrp.peers.get_mut(peer) else { continue };
            known.link = other;
            known.session = None;
            if other.is_none() && !self.is_leaving() {
                self.unreachable(peer, was_up, now);
            }
        }
        self.mentor_lost(now);
    }

    /// There is no way left to a peer. A lost association is worth one question over a new one; a failed attempt is the answer.
    fn unreachable(&mut self, id: ServerId, was_up: bool, now: Time) {
        let Some(peer) = self.enrp.peers.get(id) else { return };
        match peer.state {
            PeerState::Active if was_up => self.probe_peer(id, None, now),
            PeerState::Probed { on_behalf_of, .. } if was_up => self.probe_peer(id, on_behalf_of, now),
            PeerState::Probed { on_behalf_of, .. } => self.peer_unresponsive(id, on_behalf_of, now),
            PeerState::Active | PeerState::Dead { .. } | PeerState::TakenOver | PeerState::Granted { .. } => {}
        }
    }

    /// The association to a peer, if it is up.
    pub(in crate::registrar) fn link_of(&self, peer: ServerId) -> Option<AssociationId> {
        self.enrp.peers.get(peer)?.up()
    }

    /// A peer is no longer on the list.
    pub(in crate::registrar) fn forget_peer(&mut self, id: ServerId) {
        let reached = self.enrp.peers.remove(id).and_then(|peer| peer.reached);
        if let Some(reached) = reached.filter(|_| self.enrp.former_peers.len() < self.settings.limits.peers) {
            let pause = self.settings.enrp.max_time_last_heard;
            self.enrp.former_peers.push(FormerPeer { reached, next: self.now + pause, pause });
        }
        self.timers.stop(Timer::Peer(id));
        self.timers.stop(Timer::Download(id));
        let its = self.associations.iter().filter(|(_, it)| it.registrar == id).map(|(id, _)| id).collect::<Vec<_>>();
        for association in its {
            self.to_end.push((association, EndReason::PeerDead));
        }
    }

    fn static_peer_of(&self, id: AssociationId) -> Option<usize> {
        let (_, address) = self.associations.destination(id)?;
        self.enrp.static_peers.iter().position(|peer| peer.address == address)
    }
}

fn canonical(address: std::net::SocketAddr) -> std::net::SocketAddr {
    (address.ip().to_canonical(), address.port()).into()
}

/// A former peer that was not there for so long is forgotten.
const LONGEST_PAUSE: std::time::Duration = std::time::Duration::from_secs(3600);
