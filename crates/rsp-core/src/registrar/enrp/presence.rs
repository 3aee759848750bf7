// SPDX-License-Identifier: MIT OR Apache-2.0
//! Peers tell each other that they live, and notice when one does not: RFC 5353 §3.4.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use machine::Time;
use rsp_wire::ServerId;
use rsp_wire::enrp::Presence;
use rsp_wire::parameter::{self, ServerInformation, Transport};
use smallvec::SmallVec;

use super::peers::{self, Peer, PeerState};
use crate::association::{self, AssociationId, Mapping, Protocol};
use crate::registrar::Registrar;
use crate::registrar::event::{Event, Refusal};
use crate::registrar::timer::Timer;

impl Registrar {
    //= https://www.rfc-editor.org/rfc/rfc5353#section-3.4.2
    //# Every PEER-HEARTBEAT-CYCLE seconds, an ENRP server MUST announce its
    //# continued presence to all its peer with a ENRP_PRESENCE message.
    /// PEER-HEARTBEAT-CYCLE is over. What is not connected is tried again.
    pub(in crate::registrar) fn heartbeat(&mut self, now: Time) {
        self.announce_presence();
        self.connect_peers(now);
        let cycle = self.settings.enrp.peer_heartbeat_cycle.max(SHORTEST_CYCLE);
        self.timers.set(Timer::Heartbeat, now + self.rng.jitter(cycle, HEARTBEAT_JITTER));
    }

    /// ENRP_PRESENCE to all.
    pub(in crate::registrar) fn announce_presence(&mut self) {
        let presence = self.own_presence(false, None);
        if let Some(data) = self.encode_enrp(ServerId::NONE, presence.into()) {
            self.send_to_all(&data);
            if self.settings.multicast {
                self.announce_enrp(data);
            }
        }
    }

    //= https://www.rfc-editor.org/rfc/rfc5353#section-3.6.1
    //# Each time an ENRP server sends out an ENRP_PRESENCE, it MUST
    //# include in the message its current PE checksum (i.e.,
    //# "pe_checksum_pr0").
    /// Our own presence. Where we listen on all addresses, the one the peer sees is told.
    pub(in crate::registrar) fn own_presence(&self, reply_required: bool, over: Option<AssociationId>) -> Presence {
        let over = over.and_then(|id| self.peer(id));
        let transports: SmallVec<[Transport; 1]> =
            self.enrp.transports.iter().flat_map(|transport| self.concrete(transport, over)).collect();
        let information = ServerInformation { id: self.id, transports, unknown: Vec::new() };
        Presence {
            reply_required,
            checksum: Some(self.handlespace.sum_of(self.id).checksum()),
            server_information: (!information.transports.is_empty()).then_some(information),
        }
    }

    /// ENRP_PRESENCE.
    pub(in crate::registrar) fn presence(&mut self, sender: ServerId, presence: Presence, now: Time) {
        let Presence { reply_required, checksum, server_information } = presence;
        if let Some(information) = server_information
            && !self.learn_address(sender, &information)
        {
            return;
        }
        if reply_required {
            let presence = self.own_presence(false, self.link_of(sender));
            self.tell(sender, presence);
        }
        self.mentor_found(sender, now);
        if let (Some(checksum), Some(peer)) = (checksum, self.enrp.peers.get_mut(sender)) {
            peer.announced = Some(checksum);
            self.audit(sender, now);
        }
    }

    /// ENRP_PRESENCE on the ENRP channel: a peer we do not know is connected to. Nothing else is believed that comes this way; it says
    /// where it is, and that must be where it speaks from.
    pub(in crate::registrar) fn presence_announced(
        &mut self,
        from: SocketAddr,
        sender: ServerId,
        presence: Presence,
        now: Time,
    ) {
        if self.enrp.peers.get(sender).is_some_and(|peer| peer.link.is_some()) {
            return;
        }
        let reached = presence.server_information.filter(|information| information.id == sender);
        let reached = reached.and_then(|information| peers::reached(&information.transports, &self.enrp_protocols()));
        let source = from.ip().to_canonical();
        let Some(reached) = reached.filter(|reached| reached.addresses.iter().any(|it| it.ip() == source)) else {
            return self.refuse_hearsay(sender, Refusal::NoAddress);
        };
        self.learn_peer(sender, Some(reached), now);
        self.connect_peers(now);
    }

    /// Adds a peer somebody else has told us of.
    pub(in crate::registrar) fn learn_peer(
        &mut self,
        id: ServerId,
        reached: Option<peers::Reached>,
        now: Time,
    ) -> bool {
        let is_full = self.enrp.peers.len() >= self.settings.limits.peers;
        match self.enrp.peers.get_mut(id) {
            Some(peer) => {
                if peer.reached.is_none() {
                    peer.reached = reached;
                }
            }
            None if is_full => {
                self.refuse_hearsay(id, Refusal::TooManyPeers);
                return false;
            }
            None => {
                self.enrp.peers.insert(id, Peer::new(reached, now));
                self.event(Event::PeerFound { peer: id });
                self.watch_peer(id, now);
            }
        }
        true
    }

    fn learn_address(&mut self, sender: ServerId, information: &ServerInformation) -> bool {
        if information.id != sender {
            self.refuse(sender, Refusal::WrongIdentifier);
            return false;
        }
        // What has carried us there once will do so again.
        let link = self.link_of(sender).and_then(|link| self.peer(link));
        let proven = link.map(|peer| if peer.mapping == Mapping::Sctp { Protocol::Sctp } else { Protocol::Tcp });
        let over: SmallVec<[Protocol; 3]> = proven.into_iter().chain(self.enrp_protocols()).collect();
        let reached = peers::reached(&information.transports, &over);
        if let (Some(reached), Some(peer)) = (reached, self.enrp.peers.get_mut(sender)) {
            peer.reached = Some(reached);
        }
        true
    }

    /// A sign of life: whatever was suspected, it lives.
    pub(in crate::registrar) fn heard_peer(&mut self, id: ServerId, now: Time) {
        let Some(peer) = self.enrp.peers.get_mut(id) else { return };
        peer.last_heard = now;
        match peer.state {
            PeerState::Active => {}
            PeerState::Probed { .. } => peer.state = PeerState::Active,
            //= https://www.rfc-editor.org/rfc/rfc5353#section-3.5.1
            //# However, if it receives an ENRP_PRESENCE from the target server at
            //# any point in the arbitration process, the initiating server MUST
            //# immediately stop the takeover process and mark the status of the
            //# target server as "active".
            PeerState::Dead { .. } | PeerState::TakenOver | PeerState::Granted { .. } => {
                peer.state = PeerState::Active;
                self.enrp.takeovers.stop(id);
                self.event(Event::TakeoverStopped { target: id });
                self.watch_peer(id, now);
            }
        }
    }

    /// Starts to watch a peer that has just been heard, or heard of.
    pub(in crate::registrar) fn watch_peer(&mut self, id: ServerId, now: Time) {
        self.timers.set(Timer::Peer(id), now + self.settings.enrp.max_time_last_heard);
    }

    /// Something about a peer is due. Its timer is not moved when it is heard, but asks here whether it still stands.
    pub(in crate::registrar) fn peer_due(&mut self, id: ServerId, now: Time) {
        let Some(peer) = self.enrp.peers.get(id) else { return };
        let due = match peer.state {
            PeerState::Active => peer.last_heard + self.settings.enrp.max_time_last_heard,
            PeerState::Probed { until, .. } | PeerState::Granted { until, .. } => until,
            PeerState::Dead { start } => start,
            PeerState::TakenOver => return self.acknowledgements_due(id, now),
        };
        if due > now {
            return self.timers.set(Timer::Peer(id), due);
        }
        let late = now.since(due);
        if late > self.settings.enrp.peer_heartbeat_cycle {
            return self.peer_watch_overslept(id, late, now);
        }
        match peer.state {
            //= https://www.rfc-editor.org/rfc/rfc5353#section-3.4.3
            //# If a peer has not been heard for more than MAX-TIME-LAST-HEARD
            //# seconds, the ENRP server MUST immediately send a point-to-point
            //# ENRP_PRESENCE with the Reply_request flag set to '1' to that peer.
            PeerState::Active => self.probe_peer(id, None, now),
            PeerState::Probed { on_behalf_of, .. } => self.peer_unresponsive(id, on_behalf_of, now),
            PeerState::Dead { .. } => self.start_takeover(id, now),
            PeerState::Granted { .. } => self.peer_dead(id, now),
            PeerState::TakenOver => {}
        }
    }

    /// We were not there ourselves: what the peer has said meanwhile is still to be read.
    fn peer_watch_overslept(&mut self, id: ServerId, late: Duration, now: Time) {
        self.paused(late);
        if let Some(peer) = self.enrp.peers.get_mut(id) {
            peer.last_heard = now;
            peer.state = PeerState::Active;
        }
        self.watch_peer(id, now);
    }

    /// Asks a peer whether it lives.
    pub(in crate::registrar) fn probe_peer(&mut self, id: ServerId, on_behalf_of: Option<ServerId>, now: Time) {
        let until = now + self.settings.enrp.max_time_no_response;
        let Some(peer) = self.enrp.peers.get_mut(id) else { return };
        peer.state = PeerState::Probed { until, on_behalf_of };
        let silent_for = now.since(peer.last_heard);
        let (is_linked, link) = (peer.link.is_some(), peer.up());
        self.event(Event::PeerProbed { peer: id, silent_for });
        self.timers.set(Timer::Peer(id), until);
        if let Some(link) = link {
            let presence = self.own_presence(true, Some(link));
            self.tell(id, presence);
        } else if !is_linked && !self.connect_peer(id, now) {
            //= https://www.rfc-editor.org/rfc/rfc5353#section-3.4.3
            //# If the send fails or the peer does not reply after MAX-TIME-NO-
            //# RESPONSE seconds, the ENRP server MUST consider the peer server dead
            //# and SHOULD initiate the takeover procedure defined in Section 3.5.
            self.peer_unresponsive(id, on_behalf_of, now);
        }
    }

    /// A peer that was asked has not answered, or could not be asked.
    pub(in crate::registrar) fn peer_unresponsive(&mut self, id: ServerId, on_behalf_of: Option<ServerId>, now: Time) {
        match on_behalf_of.filter(|initiator| self.enrp.peers.is_alive(*initiator)) {
            Some(initiator) => self.grant_takeover(initiator, id, now),
            None => self.peer_dead(id, now),
        }
    }

    /// A peer is dead. Its PEs need a new home.
    pub(in crate::registrar) fn peer_dead(&mut self, id: ServerId, now: Time) {
        let owned = self.handlespace.sum_of(id).pool_elements();
        self.metrics.peers_dead += 1;
        self.event(Event::PeerDead { peer: id, pool_elements: owned });
        self.acknowledgement_not_needed(id, now);
        if owned == 0 || !self.enrp.startup.is_done() || self.is_leaving() {
            self.forget_peer(id);
        } else {
            self.plan_takeover(id, now);
        }
        self.mentor_lost(now);
    }

    /// A transport as peers may use it: one for each address, unless it is SCTP.
    fn concrete(&self, transport: &Transport, over: Option<&association::Peer>) -> SmallVec<[Transport; 1]> {
        if !transport.addresses.iter().all(IpAddr::is_unspecified) {
            return [transport.clone()].into_iter().collect();
        }
        let addresses: Vec<IpAddr> = match over {
            Some(peer) if transport.protocol == parameter::Protocol::Sctp && !peer.local_addresses.is_empty() => {
                peer.local_addresses.iter().map(IpAddr::to_canonical).collect()
            }
            Some(peer) => vec![peer.local.ip().to_canonical()],
            None => {
                let ipv6_too = transport.addresses.iter().any(IpAddr::is_ipv6);
                let of_the_link = |ip: &IpAddr| matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
                let usable = |ip: &&IpAddr| (ip.is_ipv4() || ipv6_too) && !of_the_link(ip);
                let own = self.local_addresses.iter().copied();
                let (near, far): (Vec<_>, Vec<_>) = own.filter(|ip| usable(&ip)).partition(IpAddr::is_loopback);
                if far.is_empty() { near } else { far }
            }
        };
        let places = addresses.into_iter().take(MOST_ADDRESSES).map(|ip| (ip, transport.port).into());
        peers::transports(transport.protocol, places)
    }
}

/// A presence is a datagram, too.
const MOST_ADDRESSES: usize = 16;

/// A setting of 0 must not keep the registrar busy with nothing else.
const SHORTEST_CYCLE: Duration = Duration::from_millis(1);

/// So that registrars started together do not speak together for ever; RSPLIB's is 12.5 %.
const HEARTBEAT_JITTER: u32 = 12;
