// SPDX-License-Identifier: MIT OR Apache-2.0
//! Initialization, RFC 5353 §3.2: find a mentor, ask it for the list of peers, download the handlespace from it.

use std::collections::{BTreeMap, BTreeSet};

use machine::Time;
use rsp_wire::ServerId;
use rsp_wire::enrp::{HandleTableRequest, ListRequest, ListResponse};
use rsp_wire::parameter::ServerInformation;

use super::audit::Download;
use super::peers;
use super::status::Unreached;
use crate::handlespace::Cursor;
use crate::registrar::Registrar;
use crate::registrar::event::{EndReason, Event, Refusal};
use crate::registrar::timer::Timer;

/// How far it has come.
#[derive(Debug, Default)]
pub(in crate::registrar) struct Startup {
    pub(in crate::registrar) phase: Phase,
    /// When it is believed that there is nobody.
    give_up: Time,
    /// Mentors that told us to come again, and when; whether they are starting themselves.
    busy: BTreeMap<ServerId, (Time, bool)>,
    /// Mentors that did not answer, or answered nonsense.
    failed: BTreeSet<ServerId>,
    /// Identifiers given up because others have them.
    identifiers: u32,
}

/// The steps of §3.2.
#[derive(Debug, Default)]
pub(in crate::registrar) enum Phase {
    #[default]
    NotBegun,
    /// §3.2.2.1
    Finding,
    /// §3.2.2.2
    Listing {
        mentor: ServerId,
    },
    /// §3.2.3
    Downloading {
        mentor: ServerId,
        download: Download,
    },
    Done,
}

impl Startup {
    pub(in crate::registrar) fn has_begun(&self) -> bool {
        !matches!(self.phase, Phase::NotBegun)
    }

    pub(in crate::registrar) fn is_done(&self) -> bool {
        matches!(self.phase, Phase::Done)
    }

    /// Asked, and not yet through.
    fn mentor(&self) -> Option<ServerId> {
        match self.phase {
            Phase::Listing { mentor } | Phase::Downloading { mentor, .. } => Some(mentor),
            Phase::NotBegun | Phase::Finding | Phase::Done => None,
        }
    }
}

impl Registrar {
    /// The first thing a registrar does.
    //= https://www.rfc-editor.org/rfc/rfc5353#section-3.2.2.1
    //# If no existing peer server is specified, the initiating server MUST
    //# assume that it is alone in the operational scope, and MUST skip the
    //# procedures in Section 3.2.2.2 and Section 3.2.3 and MUST consider its
    //# initialization completed and start offering ENRP services.
    fn begin_startup(&mut self, now: Time) {
        self.enrp.startup.phase = Phase::Finding;
        self.heartbeat(now);
        if self.enrp.static_peers.is_empty() && !self.settings.multicast {
            return self.started(None, now);
        }
        self.enrp.startup.give_up = now + self.settings.enrp.mentor_discovery_timeout;
        self.timers.set(Timer::Startup, self.enrp.startup.give_up);
    }

    /// A peer has spoken: the first one becomes the mentor, the others are its backups.
    pub(in crate::registrar) fn mentor_found(&mut self, peer: ServerId, now: Time) {
        if matches!(self.enrp.startup.phase, Phase::Finding) && self.may_ask(peer, now) {
            self.ask_for_list(peer, now);
        }
    }

    //= https://www.rfc-editor.org/rfc/rfc5353#section-3.2.2.2
    //# Once the initiating server finds its mentor peer server (by either
    //# discovery or administrative means), the initiating server MUST send
    //# an ENRP_LIST_REQUEST message to the mentor peer server to request a
    //# copy of the complete server list maintained by the mentor peer
    fn ask_for_list(&mut self, mentor: ServerId, now: Time) {
        self.enrp.startup.phase = Phase::Listing { mentor };
        //= https://www.rfc-editor.org/rfc/rfc5353#section-3.2.2.2
        //# The initiating server SHOULD start a MAX-TIME-NO-RESPONSE timer every
        //# time it finishes sending an ENRP_LIST_REQUEST message.
        self.timers.set(Timer::Startup, now + self.settings.enrp.max_time_no_response);
        self.tell(mentor, ListRequest);
    }

    /// ENRP_LIST_REQUEST.
    pub(in crate::registrar) fn list_request(&mut self, sender: ServerId) {
        //= https://www.rfc-editor.org/rfc/rfc5353#section-3.2.2.2
        //# However, if the mentor itself is in the process of startup and not
        //# ready to provide a peer server list (for example, the mentor peer is
        //# waiting for a response to its own ENRP_LIST_REQUEST to another
        //# server), it MUST reject the request by the initiating server and
        //# respond with an ENRP_LIST_RESPONSE message with the R flag set to
        //# '1', and with no server information included in the response.
        let reject = !matches!(self.enrp.startup.phase, Phase::Downloading { .. } | Phase::Done);
        let mut servers = Vec::new();
        let mut length = 0;
        if !reject {
            for (id, peer) in self.enrp.peers.iter().filter(|(id, peer)| *id != sender && peer.is_alive()) {
                if let Some(transports) = peer.reached.as_ref().map(peers::Reached::transports) {
                    // What does not fit the newcomer learns from those that do.
                    length += 8 + transports.iter().map(|it| 8 + 20 * it.addresses.len()).sum::<usize>();
                    if length > LONGEST_LIST {
                        break;
                    }
                    servers.push(ServerInformation { id, transports, unknown: Vec::new() });
                }
            }
        }
        self.tell(sender, ListResponse { reject, servers });
    }

    /// ENRP_LIST_RESPONSE.
    pub(in crate::registrar) fn list_response(&mut self, sender: ServerId, response: ListResponse, now: Time) {
        match self.enrp.startup.phase {
            Phase::Listing { mentor } if mentor == sender => {}
            _ => return self.refuse(sender, Refusal::Unexpected),
        }
        if response.reject {
            return self.mentor_busy(sender, true, now);
        }
        //= https://www.rfc-editor.org/rfc/rfc5353#section-3.2.2.2
        //# Upon the reception of the ENRP_LIST_RESPONSE message from the mentor
        //# peer, the initiating server MUST use the server information carried
        //# in the message to initialize its own peer list.
        let protocols = self.enrp_protocols();
        for server in response.servers {
            if server.id != ServerId::NONE
                && server.id != self.id
                && !self.learn_peer(server.id, peers::reached(&server.transports, &protocols), now)
            {
                break;
            }
        }
        self.connect_peers(now);
        //= https://www.rfc-editor.org/rfc/rfc5353#section-3.2.3
        //# The initiating server MUST first send an
        //# ENRP_HANDLE_TABLE_REQUEST message to the mentor peer, with the W
        //# flag set to '0', indicating that the entire handlespace is
        //# requested.
        self.enrp.startup.phase = Phase::Downloading { mentor: sender, download: Download::default() };
        self.mentor_progress(now);
        self.tell(sender, HandleTableRequest { own_children_only: false });
    }

    /// The mentor is answering.
    pub(in crate::registrar) fn mentor_progress(&mut self, now: Time) {
        self.timers.set(Timer::Startup, now + self.settings.enrp.max_time_no_response);
    }

    //= https://www.rfc-editor.org/rfc/rfc5353#section-3.2.2.2
    //# In the case where its ENRP_LIST_REQUEST is rejected by the mentor
    //# peer, the initiating server SHOULD either wait for a few seconds and
    //# re-send the ENRP_LIST_REQUEST to the mentor server, or if there is a
    //# backup mentor peer available, select another mentor peer server and
    //# send the ENRP_LIST_REQUEST to the new mentor server.
    pub(in crate::registrar) fn mentor_busy(&mut self, mentor: ServerId, is_starting: bool, now: Time) {
        self.event(Event::MentorBusy { mentor });
        let retry = now + self.settings.enrp.mentor_retry;
        self.enrp.startup.busy.insert(mentor, (retry, is_starting));
        self.next_mentor(now);
    }

    /// The mentor is of no use.
    pub(in crate::registrar) fn mentor_failed(&mut self, mentor: ServerId, now: Time) {
        self.event(Event::MentorFailed { mentor });
        self.enrp.startup.failed.insert(mentor);
        self.next_mentor(now);
    }

    /// Associations were lost: was it the mentor's, or the last one that could have become one?
    pub(in crate::registrar) fn mentor_lost(&mut self, now: Time) {
        match self.enrp.startup.mentor() {
            Some(mentor) if self.link_of(mentor).is_none() => self.mentor_failed(mentor, now),
            None if matches!(self.enrp.startup.phase, Phase::Finding) => self.next_mentor(now),
            _ => {}
        }
    }

    /// Asks the next one, or waits for one, or sees that there is none.
    fn next_mentor(&mut self, now: Time) {
        self.enrp.startup.phase = Phase::Finding;
        let candidate = self.enrp.peers.reachable().find(|peer| self.may_ask(*peer, now));
        if let Some(mentor) = candidate {
            return self.ask_for_list(mentor, now);
        }
        let in_vain = now >= self.enrp.startup.give_up && !self.is_worth_waiting(now);
        if in_vain || self.is_alone() || self.is_first() {
            return self.started(None, now);
        }
        // One whose time has come and that was not asked is out of reach.
        let retry = self.enrp.startup.busy.values().map(|(retry, _)| *retry).filter(|retry| *retry > now).min();
        let give_up = self.enrp.startup.give_up.max(now + self.settings.enrp.mentor_retry);
        self.timers.set(Timer::Startup, retry.map_or(give_up, |retry| retry.min(give_up)));
    }

    /// There is a mentor, it only serves others first. That is worth a while, but not for ever.
    fn is_worth_waiting(&self, now: Time) -> bool {
        let startup = &self.enrp.startup;
        let longest = self.settings.enrp.mentor_discovery_timeout * BUSY_MENTOR_PATIENCE;
        now < startup.give_up + longest
            && self
                .enrp
                .peers
                .reachable()
                .any(|peer| startup.busy.get(&peer).is_some_and(|(_, is_starting)| !is_starting))
    }

    fn may_ask(&self, peer: ServerId, now: Time) -> bool {
        let startup = &self.enrp.startup;
        !startup.failed.contains(&peer) && startup.busy.get(&peer).is_none_or(|(retry, _)| *retry <= now)
    }

    /// Nobody answers at any of the places named, and there are no others where a peer could come from.
    fn is_alone(&self) -> bool {
        let protocols = self.enrp_protocols();
        let nobody = self.enrp.static_peers.iter().all(|peer| peer.has_failed(&protocols) || peer.is_this_one);
        nobody && !self.settings.multicast && self.enrp.peers.reachable().next().is_none()
    }

    /// All who answer are starting themselves and wait for us: the one with the lowest identifier need not wait for the others.
    fn is_first(&self) -> bool {
        let mut reachable = self.enrp.peers.reachable().peekable();
        let busy = &self.enrp.startup.busy;
        let protocols = self.enrp_protocols();
        let is_settled =
            |peer: &peers::StaticPeer| peer.has_failed(&protocols) || peer.is_this_one || self.has_answered(peer);
        reachable.peek().is_some()
            && reachable.all(|peer| self.id < peer && busy.get(&peer).is_some_and(|(_, is_starting)| *is_starting))
            && self.enrp.static_peers.iter().all(is_settled)
    }

    fn has_answered(&self, named: &peers::StaticPeer) -> bool {
        self.enrp.peers.iter().any(|(_, peer)| {
            peer.up().is_some() && peer.reached.as_ref().is_some_and(|it| it.addresses.contains(&named.address))
        })
    }

    /// The timer of the current step has expired.
    pub(in crate::registrar) fn startup_due(&mut self, now: Time) {
        match self.enrp.startup.phase {
            Phase::NotBegun => self.begin_startup(now),
            Phase::Finding => self.next_mentor(now),
            //= https://www.rfc-editor.org/rfc/rfc5353#section-3.2.2.2
            //# If the timer
            //# expires before receiving a response from the mentor peer, the
            //# initiating server SHOULD abandon the interaction with the current
            //# mentor server and send a new server list request to a backup mentor
            //# peer, if one is available.
            Phase::Listing { mentor } | Phase::Downloading { mentor, .. } => self.mentor_failed(mentor, now),
            Phase::Done => {}
        }
    }

    //= https://www.rfc-editor.org/rfc/rfc5353#section-3.2.3
    //# When the last ENRP_HANDLE_TABLE_RESPONSE message is received from
    //# the mentor peer and unpacked into the local handlespace, the
    //# initialization process is completed and the initiating server
    //# SHOULD start to provide ENRP services.
    pub(in crate::registrar) fn started(&mut self, mentor: Option<ServerId>, now: Time) {
        self.enrp.startup.phase = Phase::Done;
        self.timers.stop(Timer::Startup);
        self.event(Event::Started { mentor, pool_elements: self.handlespace.element_count() });
        for Unreached { address, reason } in self.unreached().collect::<Vec<_>>() {
            self.event(Event::PeerUnreached { address, reason });
        }
        // PEs of an earlier life of ours, if we have the same identifier again.
        self.claim_owned(now);
        self.announce_presence();
        self.timers.set(Timer::ServerAnnounce, now);
        // Homes nobody has introduced: if they do not speak, they are taken over like any other.
        let homes: Vec<_> = self.handlespace.homes().map(|(home, _)| home).filter(|home| *home != self.id).collect();
        for home in homes {
            self.learn_peer(home, None, now);
        }
    }

    /// Another registrar has our identifier. As long as nobody knows us by it we take another one.
    pub(in crate::registrar) fn new_identifier(&mut self, now: Time) {
        let startup = &mut self.enrp.startup;
        if startup.is_done() || startup.identifiers >= MOST_IDENTIFIERS {
            return;
        }
        let identifiers = startup.identifiers + 1;
        let given_up = self.id;
        self.id = ServerId(self.rng.next_u32().max(1));
        self.event(Event::IdentifierChanged { given_up, id: self.id });
        let spoken: Vec<_> = self.associations.iter().filter(|(_, it)| it.channel == super::Channel::Enrp).collect();
        let spoken: Vec<_> = spoken.into_iter().map(|(id, _)| (id, EndReason::NoLongerNeeded)).collect();
        self.to_end.extend(spoken);
        let peers: Vec<_> = self.enrp.peers.iter().map(|(id, _)| id).collect();
        for peer in peers {
            self.forget_peer(peer);
        }
        for slot in self.handlespace.all_after(Cursor::default()).map(|(slot, _)| slot).collect::<Vec<_>>() {
            // What is ours already stays ours.
            match self.monitors.get(slot) {
                Some(_) => drop(self.handlespace.set_home(slot, self.id)),
                None => drop(self.handlespace.remove(slot)),
            }
        }
        self.enrp.startup = Startup { identifiers, give_up: self.enrp.startup.give_up, ..Startup::default() };
        self.enrp.startup.phase = Phase::Finding;
        self.timers.set(Timer::Startup, now + self.settings.enrp.mentor_retry);
        self.timers.set(Timer::Heartbeat, now);
    }
}

/// How many times `mentor_discovery_timeout` a mentor that serves others first is waited for.
const BUSY_MENTOR_PATIENCE: u32 = 10;

/// Three in a row are taken: something else is wrong.
const MOST_IDENTIFIERS: u32 = 3;

/// Bytes of Server Information in one ENRP_LIST_RESPONSE.
const LONGEST_LIST: usize = 60_000;
