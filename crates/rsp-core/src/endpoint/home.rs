// SPDX-License-Identifier: MIT OR Apache-2.0
//! The home registrar: adopted, lost, changed, and its associations. RFC 5352 §3.6 SH6, §3.7, §3.4 KA2.4.

use std::net::{IpAddr, SocketAddr};

use machine::Time;
use rsp_wire::ServerId;
use smallvec::SmallVec;

use super::{AdoptCause, Endpoint, Event, Home, HuntCause};
use crate::association::{self, AssociationId, LostReason, Peer, Request};
use crate::rate::Rate;

/// An association to a registrar that is up: the home's, or one a registrar has opened to us.
#[derive(Debug)]
pub(super) struct Association {
    pub(super) address: SocketAddr,
    /// All our addresses on it.
    pub(super) local: SmallVec<[IpAddr; 1]>,
    pub(super) max_message: usize,
    /// Bytes of answers not yet delivered.
    pub(super) answers: usize,
    pub(super) complaints: Rate,
}

impl Association {
    pub(super) fn of(peer: &Peer) -> Self {
        let address = peer.addresses.first().copied().unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)));
        Association {
            address,
            local: match peer.local_addresses.is_empty() {
                true => SmallVec::from_buf([peer.local.ip()]),
                false => peer.local_addresses.clone(),
            },
            max_message: peer.max_message,
            answers: 0,
            complaints: Rate::default(),
        }
    }
}

/// The association all requests go over.
#[derive(Debug)]
pub(super) struct HomeLink {
    pub(super) association: AssociationId,
    pub(super) home: Home,
    /// It has left a request unanswered, and nothing has come from it since.
    pub(super) silent: bool,
}

/// Associations registrars may have open to us at the same time.
const MAX_ACCEPTED: usize = 64;

impl Endpoint {
    pub(super) fn association_event(&mut self, id: AssociationId, event: association::Event, now: Time) {
        match event {
            association::Event::Up(peer) if self.is_connecting(id) => self.connected(id, peer, now),
            association::Event::Up(peer) if id.0 % 2 == 1 => self.accepted(id, &peer),
            association::Event::Up(_) => {}
            association::Event::Message { sequence, ppid, data, .. } => {
                if self.associations.contains_key(&id) {
                    self.request(id, Request::Taken { sequence });
                    self.received(id, ppid, &data, now);
                }
            }
            association::Event::Delivered(token) => {
                self.answer_gone(id, token);
                self.report_delivered(token);
            }
            association::Event::Undelivered(token) | association::Event::NotSent(token) => {
                self.answer_gone(id, token);
                self.report_undelivered(token);
            }
            association::Event::Paused => self.event(Event::Paused),
            association::Event::PathChange { .. } | association::Event::RoundTripTime(_) => {}
            association::Event::Lost(reason) if self.is_connecting(id) => self.connect_failed(id, reason),
            association::Event::Lost(reason) => self.lost(id, reason, now),
        }
    }

    fn accepted(&mut self, id: AssociationId, peer: &Peer) {
        let home = self.home.as_ref().map(|link| link.association);
        let accepted = self.associations.keys().filter(|other| other.0 % 2 == 1);
        if accepted.clone().count() >= MAX_ACCEPTED {
            let oldest = accepted.copied().find(|other| Some(*other) != home);
            if let Some(oldest) = oldest {
                self.close(oldest);
            }
        }
        self.associations.insert(id, Association::of(peer));
    }

    //= https://www.rfc-editor.org/rfc/rfc5352#section-3.7.1
    //# Note that an ASAP Endpoint MAY also choose to NOT discard the
    //# message, but to queue it for retransmission after a new Home ENRP
    //# server is found.
    fn lost(&mut self, id: AssociationId, reason: LostReason, now: Time) {
        if self.associations.remove(&id).is_none() {
            return;
        }
        if let Some(link) = self.home.take_if(|link| link.association == id) {
            self.event(Event::HomeLost { home: link.home, reason });
            self.unsubscribed();
            self.registrations_lost_home(now);
            self.answer_all_stale(now);
            if self.needs_home() {
                self.hunt(HuntCause::HomeLost, now);
                // If a hunt was going on, its place and its registrar are free now.
                self.hunt_more();
            }
        }
    }

    /// From now on everything goes to this registrar, and what is outstanding is sent to it again.
    pub(super) fn adopt(&mut self, link: HomeLink, cause: AdoptCause, now: Time) {
        let (id, home) = (link.association, link.home);
        self.end_hunt();
        if let Some(old) = self.home.replace(link).filter(|old| old.association != id) {
            // Whoever opened it: that is how the old home sees that it is not the home any more.
            self.close(old.association);
        }
        self.event(Event::HomeAdopted { home, cause });
        self.unsubscribed();
        self.register_all(now);
        self.resolve_all(now);
        self.reports_unheard();
        self.send_reports(now);
    }

    /// The home says something: whatever we suspected, it works.
    pub(super) fn home_answered(&mut self) {
        if let Some(link) = &mut self.home {
            link.silent = false;
            self.end_hunt();
        }
    }

    /// The home has not answered in time: look for another one, and stay with it until there is one.
    pub(super) fn home_silent(&mut self, cause: HuntCause, now: Time) {
        if let Some(link) = &mut self.home {
            link.silent = true;
        }
        self.hunt(cause, now);
    }

    /// Whether a request would probably be answered in time.
    pub(super) fn home_responds(&self) -> bool {
        self.home.as_ref().is_some_and(|link| !link.silent)
    }

    /// Whether there is something to ask of a registrar, now or as soon as there is one.
    pub(super) fn needs_home(&self) -> bool {
        !self.registrations.is_empty() || self.pools.is_active() || self.has_reports()
    }

    /// Ends the associations whose other end asks and asks and does not read the answers.
    fn abort_unread(&mut self, now: Time) {
        while let Some(id) = self.unread.pop() {
            if self.associations.contains_key(&id) {
                self.request(id, Request::Abort);
                self.lost(id, LostReason::Reset, now);
            }
        }
    }

    /// Called after each input: hunts while a registrar is needed and there is none.
    pub(super) fn settle(&mut self, now: Time) {
        self.abort_unread(now);
        match (self.needs_home(), self.home.is_some()) {
            (true, false) => self.hunt(HuntCause::NoHome, now),
            (false, _) => self.end_hunt(),
            _ => {}
        }
    }

    /// The home's identifier, learned from what it says over its association.
    pub(super) fn learn_server(&mut self, id: AssociationId, server: ServerId) {
        if let Some(link) = self.home.as_mut().filter(|link| link.association == id) {
            link.home.server = server;
        }
    }

    fn close(&mut self, id: AssociationId) {
        if self.associations.remove(&id).is_some() {
            self.request(id, Request::Close);
        }
    }
}
