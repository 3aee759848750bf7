// SPDX-License-Identifier: MIT OR Apache-2.0
//! Taking over a peer that has died, RFC 5353 §3.5.

use std::collections::{BTreeMap, BTreeSet};

use machine::Time;
use rsp_wire::ServerId;
use rsp_wire::enrp::{InitTakeover, InitTakeoverAck, TakeoverServer};

use super::peers::{Peer, PeerState};
use crate::config::Winner;
use crate::handlespace::Cursor;
use crate::registrar::Registrar;
use crate::registrar::event::{Event, Refusal};
use crate::registrar::timer::Timer;

/// Those we have started, by target.
#[derive(Debug, Default)]
pub(in crate::registrar) struct Takeovers(BTreeMap<ServerId, Attempt>);

#[derive(Debug)]
struct Attempt {
    /// Peers whose ENRP_INIT_TAKEOVER_ACK is missing.
    waiting: BTreeSet<ServerId>,
    asked: u32,
    asked_at: Time,
}

impl Takeovers {
    /// Gives up one. Answers whether there was one.
    pub(in crate::registrar) fn stop(&mut self, target: ServerId) -> bool {
        self.0.remove(&target).is_some()
    }

    /// How many are under way.
    pub(in crate::registrar) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Registrar {
    /// A peer with PEs is dead. Whoever wins an arbitration against us would do so anyway: it goes first, and we only if it
    /// does not. So mostly one registrar starts, and a death in a large scope is no storm of messages.
    pub(in crate::registrar) fn plan_takeover(&mut self, target: ServerId, now: Time) {
        let ahead = |(id, peer): &(ServerId, &Peer)| *id != target && peer.is_alive() && self.beats(*id, self.id);
        let rank = self.enrp.peers.iter().filter(ahead).count() as u32;
        if rank == 0 {
            return self.start_takeover(target, now);
        }
        let start = now + self.settings.enrp.takeover_stagger.saturating_mul(rank);
        if let Some(peer) = self.enrp.peers.get_mut(target) {
            peer.state = PeerState::Dead { start };
        }
        self.timers.set(Timer::Peer(target), start);
    }

    //= https://www.rfc-editor.org/rfc/rfc5353#section-3.5.1
    //# The initiating server SHOULD first start the takeover arbitration
    //# process by sending an ENRP_INIT_TAKEOVER message to all its peer
    //# servers.
    /// Announces that we want to take over `target`.
    pub(in crate::registrar) fn start_takeover(&mut self, target: ServerId, now: Time) {
        let Some(peer) = self.enrp.peers.get_mut(target) else { return };
        peer.state = PeerState::TakenOver;
        let waiting: BTreeSet<_> = self.enrp.peers.reachable().filter(|id| *id != target).collect();
        self.event(Event::TakeoverStarted { target });
        self.tell_all(InitTakeover { target });
        let is_alone = waiting.is_empty();
        self.enrp.takeovers.0.insert(target, Attempt { waiting, asked: 1, asked_at: now });
        self.timers.set(Timer::Peer(target), now + self.settings.enrp.max_time_no_response);
        if is_alone {
            self.enforce_takeover(target, now);
        }
    }

    /// ENRP_INIT_TAKEOVER.
    pub(in crate::registrar) fn init_takeover(&mut self, initiator: ServerId, target: ServerId, now: Time) {
        if target == self.id {
            //= https://www.rfc-editor.org/rfc/rfc5353#section-3.5.1
            //# If the peer server determines that it (itself) is the target
            //# server indicated in the ENRP_INIT_TAKEOVER message, it MUST
            //# immediately announce an ENRP_PRESENCE message to all its peer
            //# ENRP servers in an attempt to stop this takeover process.
            return self.refuse_takeover(initiator, target);
        }
        if target == initiator {
            return self.refuse(initiator, Refusal::NotDead);
        }
        let heard_lately = self.heard_lately(target, now);
        match self.enrp.peers.get(target).map(|peer| peer.state) {
            //= https://www.rfc-editor.org/rfc/rfc5353#section-3.5.1
            //# If the peer server finds that it has already started its own
            //# takeover arbitration process on the same target server, it MUST
            //# perform the following arbitration:
            Some(PeerState::TakenOver) if !self.beats(initiator, self.id) => {}
            Some(PeerState::TakenOver) => {
                self.enrp.takeovers.stop(target);
                self.event(Event::TakeoverYielded { target, to: initiator });
                self.grant_takeover(initiator, target, now);
            }
            // "It does not object" is what the acknowledgement means (§2.8). Of a target that has just been heard this is not true: it is
            // asked first, and its silence acknowledged. The initiator hears that we live, or it would take our silence for death.
            Some(PeerState::Active) if heard_lately && self.link_of(target).is_some() => {
                self.not_yet(initiator);
                self.probe_peer(target, Some(initiator), now);
            }
            Some(PeerState::Probed { until, on_behalf_of: None }) if heard_lately => {
                self.not_yet(initiator);
                self.ask_on_behalf(target, initiator, until);
            }
            // It is being asked already. To hurry us does not help.
            Some(PeerState::Probed { until, on_behalf_of: Some(first) }) => {
                self.not_yet(initiator);
                if self.beats(initiator, first) || !self.enrp.peers.is_alive(first) {
                    self.ask_on_behalf(target, initiator, until);
                }
            }
            Some(PeerState::Granted { to, .. }) if to != initiator && self.enrp.peers.is_alive(to) => {
                if self.beats(initiator, to) {
                    self.grant_takeover(initiator, target, now);
                }
            }
            Some(_) => self.grant_takeover(initiator, target, now),
            None => {
                self.tell(initiator, InitTakeoverAck { target });
            }
        }
    }

    fn not_yet(&mut self, initiator: ServerId) {
        let presence = self.own_presence(false, self.link_of(initiator));
        self.tell(initiator, presence);
    }

    fn ask_on_behalf(&mut self, target: ServerId, initiator: ServerId, until: Time) {
        if let Some(peer) = self.enrp.peers.get_mut(target) {
            peer.state = PeerState::Probed { until, on_behalf_of: Some(initiator) };
        }
    }

    /// Within the last presence and a half.
    fn heard_lately(&self, peer: ServerId, now: Time) -> bool {
        let lately = self.settings.enrp.peer_heartbeat_cycle * 3 / 2;
        self.enrp.peers.get(peer).is_some_and(|peer| now.since(peer.last_heard) <= lately)
    }

    //= https://www.rfc-editor.org/rfc/rfc5353#section-3.5.1
    //# If the peer finds that it is neither the target server nor is in
    //# its own takeover process, the peer MUST: a) mark the target
    //# server as "not active" on its internal peer list so that its
    //# status will no longer be monitored by this peer, and b) MUST
    //# reply to the initiating server with an ENRP_INIT_TAKEOVER_ACK
    //# message.
    pub(in crate::registrar) fn grant_takeover(&mut self, initiator: ServerId, target: ServerId, now: Time) {
        let until = now + self.settings.enrp.takeover_expiry;
        if let Some(peer) = self.enrp.peers.get_mut(target) {
            peer.state = PeerState::Granted { to: initiator, until };
            self.timers.set(Timer::Peer(target), until);
        }
        self.acknowledgement_not_needed(target, now);
        self.tell(initiator, InitTakeoverAck { target });
    }

    /// ENRP_INIT_TAKEOVER_ACK.
    pub(in crate::registrar) fn init_takeover_ack(&mut self, sender: ServerId, target: ServerId, now: Time) {
        let Some(attempt) = self.enrp.takeovers.0.get_mut(&target) else { return };
        attempt.waiting.remove(&sender);
        //= https://www.rfc-editor.org/rfc/rfc5353#section-3.5.1
        //# Once the initiating server has received the ENRP_INIT_TAKEOVER_ACK
        //# message from all of its currently known peers (except for the target
        //# server), it MUST consider that it has won the arbitration and MUST
        //# proceed to complete the takeover, following the steps described in
        //# Section 3.5.2.
        if attempt.waiting.is_empty() {
            self.enforce_takeover(target, now);
        }
    }

    /// A peer that is dead itself acknowledges nothing any more.
    pub(in crate::registrar) fn acknowledgement_not_needed(&mut self, dead: ServerId, now: Time) {
        let takeovers = self.enrp.takeovers.0.iter_mut();
        let complete = |(target, attempt): (&ServerId, &mut Attempt)| {
            (attempt.waiting.remove(&dead) && attempt.waiting.is_empty()).then_some(*target)
        };
        let complete: Vec<_> = takeovers.filter_map(complete).collect();
        for target in complete {
            self.enforce_takeover(target, now);
        }
    }

    /// MAX-TIME-NO-RESPONSE after ENRP_INIT_TAKEOVER. Who has not been heard since is dead, too, and needs not agree. Who has been
    /// is asked again: it may be asking the target. A peer that never acknowledges does not stop us for ever.
    pub(in crate::registrar) fn acknowledgements_due(&mut self, target: ServerId, now: Time) {
        let patience = self.settings.enrp.max_time_no_response;
        let Some(attempt) = self.enrp.takeovers.0.get_mut(&target) else { return };
        let asked_at = attempt.asked_at;
        let late = now.since(asked_at + patience);
        if late > self.settings.enrp.peer_heartbeat_cycle {
            // We were not there ourselves: acknowledgements are still to be read.
            attempt.asked_at = now;
            self.timers.set(Timer::Peer(target), now + patience);
            return self.paused(late);
        }
        let lives = |id: &ServerId| self.enrp.peers.get(*id).is_some_and(|peer| peer.last_heard > asked_at);
        attempt.waiting.retain(lives);
        if attempt.waiting.is_empty() || attempt.asked >= TAKEOVER_ATTEMPTS {
            return self.enforce_takeover(target, now);
        }
        attempt.asked += 1;
        attempt.asked_at = now;
        let missing: Vec<_> = attempt.waiting.iter().copied().collect();
        for peer in missing {
            self.tell(peer, InitTakeover { target });
        }
        self.timers.set(Timer::Peer(target), now + patience);
    }

    //= https://www.rfc-editor.org/rfc/rfc5353#section-3.5.2
    //# The initiating ENRP server MUST first send, via an announcement, an
    //# ENRP_TAKEOVER_SERVER message to inform all its active peers that the
    //# takeover has been enforced.
    fn enforce_takeover(&mut self, target: ServerId, now: Time) {
        self.enrp.takeovers.stop(target);
        self.tell_all(TakeoverServer { target });
        let pool_elements = self.change_home(target, self.id);
        self.metrics.takeovers += 1;
        self.event(Event::TakenOver { target, by: self.id, pool_elements });
        self.forget_peer(target);
        self.claim_owned(now);
    }

    /// ENRP_TAKEOVER_SERVER. It is believed of a target that we, too, have not heard; a target that lives keeps its PEs, and each of
    /// them that adopts the sender all the same will say so by registering with it.
    pub(in crate::registrar) fn takeover_server(&mut self, sender: ServerId, target: ServerId, now: Time) {
        let state = self.enrp.peers.get(target).map(|peer| peer.state);
        let is_active = match state {
            Some(PeerState::Active | PeerState::Probed { on_behalf_of: Some(_), .. }) => true,
            Some(PeerState::Probed { on_behalf_of: None, .. }) => self.heard_lately(target, now),
            _ => false,
        };
        // One we have only been told of, as a registrar is that joins in the middle of a takeover, we cannot vouch for.
        let is_active = is_active && self.link_of(target).is_some();
        if target == self.id || target == sender || is_active {
            return self.refuse_takeover(sender, target);
        }
        if state.is_none() {
            return;
        }
        self.enrp.takeovers.stop(target);
        self.acknowledgement_not_needed(target, now);
        let pool_elements = self.change_home(target, sender);
        self.event(Event::TakenOver { target, by: sender, pool_elements });
        self.forget_peer(target);
    }

    /// The target lives; if it is ourselves, all hear so.
    fn refuse_takeover(&mut self, by: ServerId, target: ServerId) {
        let is_news = self.complain(by, Event::TakeoverRefused { by, target });
        if target == self.id {
            match is_news {
                true => self.announce_presence(),
                false => self.not_yet(by),
            }
        }
    }

    /// All PEs of one registrar are another's. Pool users see nothing of it.
    fn change_home(&mut self, from: ServerId, to: ServerId) -> usize {
        let owned: Vec<_> = self.handlespace.owned_by(from, Cursor::default()).map(|(slot, _)| slot).collect();
        for slot in &owned {
            self.handlespace.set_home(*slot, to);
            self.enrp.inherited.insert(*slot);
        }
        owned.len()
    }

    /// Whether `a` wins an arbitration against `b`.
    fn beats(&self, a: ServerId, b: ServerId) -> bool {
        match self.settings.enrp.takeover_winner {
            Winner::Higher => a > b,
            Winner::Lower => a < b,
        }
    }
}

/// How often a peer that lives is asked to acknowledge.
const TAKEOVER_ATTEMPTS: u32 = 3;
