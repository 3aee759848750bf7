// SPDX-License-Identifier: MIT OR Apache-2.0
//! Server hunt, RFC 5352 §3.6.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use machine::Time;
use rsp_wire::ServerId;

use super::home::{Association, HomeLink};
use super::registrars::{Registrar, RegistrarKey, Registrars};
use super::timer::Timer;
use super::{AdoptCause, Attempt, Endpoint, Event, Home, HuntCause, ResolveError};
use crate::association::{AssociationId, LostReason, Peer, Request};

/// A hunt that goes on.
#[derive(Debug)]
pub(super) struct Hunt {
    t5: Duration,
    /// SCTP has had its head start.
    tcp_too: bool,
    connecting: BTreeMap<AssociationId, RegistrarKey>,
    /// Whom this round has tried.
    round: BTreeSet<RegistrarKey>,
    tried: Vec<Attempt>,
    count: usize,
}

/// Attempts remembered for the error the user sees.
const MAX_ATTEMPTS_SHOWN: usize = 8;

impl Endpoint {
    /// SH1 and SH2. A hunt that goes on already is left alone.
    pub(super) fn hunt(&mut self, cause: HuntCause, now: Time) {
        if self.hunt.is_some() {
            return;
        }
        let t5 = self.settings.t5_server_hunt;
        self.hunt = Some(Hunt {
            t5,
            tcp_too: false,
            connecting: BTreeMap::new(),
            round: BTreeSet::new(),
            tried: Vec::new(),
            count: 0,
        });
        self.event(Event::HuntStarted { cause });
        self.timers.set(Timer::ServerHunt, now + t5);
        // Also if none is known yet: they may be announced any time.
        if self.settings.protocols.len() > 1 {
            self.timers.set(Timer::HeadStart, now + self.settings.sctp_head_start);
        }
        self.hunt_more();
    }

    /// SCTP was preferred for long enough.
    pub(super) fn head_start_over(&mut self) {
        let Some(hunt) = &mut self.hunt else { return };
        hunt.tcp_too = true;
        // Where SCTP gets through to nobody it would keep all places until T5 expires.
        let full = hunt.connecting.len() >= self.settings.hunt_parallel;
        let silent: Vec<_> = hunt.connecting.iter().skip(1).map(|(id, key)| (*id, *key)).collect();
        for (id, key) in silent.into_iter().filter(|_| full) {
            if let Some(hunt) = &mut self.hunt {
                hunt.connecting.remove(&id);
            }
            self.request(id, Request::Abort);
            self.note_attempt(key, None);
        }
        self.hunt_more();
    }

    /// Fills the free places with registrars this round has not tried. A home that hangs is not among them: while its association lives,
    /// a second one would reach the same process.
    //= https://www.rfc-editor.org/rfc/rfc5352#section-3.6
    //# SH1)  The PE or PU SHOULD try to establish an association or
    //# connection, with no more than three ENRP servers.  An ASAP
    //# Endpoint MUST NOT establish more than three associations or
    //# connections.
    pub(super) fn hunt_more(&mut self) {
        let Some(hunt) = &mut self.hunt else { return };
        let home = self.home.as_ref();
        let ours = home.is_some_and(|link| link.association.0.is_multiple_of(2));
        let home = home.map(|link| link.home.address);
        let places = self.settings.hunt_parallel.saturating_sub(usize::from(ours));
        let mut connect = Vec::new();
        while hunt.connecting.len() < places {
            let round = &hunt.round;
            let is_home = |r: &Registrar| home.is_some_and(|home| r.address.addresses.contains(&home));
            let (tcp_too, connecting) = (hunt.tcp_too, &hunt.connecting);
            // A registrar that may speak both is tried over SCTP first; over TCP when that has failed, or takes too long.
            let waits = |all: &Registrars, r: &Registrar| {
                let may_yet =
                    |sctp: &Registrar| !round.contains(&sctp.key) || connecting.values().any(|key| *key == sctp.key);
                !tcp_too && all.first_choice(r).is_some_and(may_yet)
            };
            let wanted = |all: &Registrars, r: &Registrar| !round.contains(&r.key) && !is_home(r) && !waits(all, r);
            let Some(registrar) = self.registrars.next(wanted) else { break };
            let id = AssociationId(self.next_association);
            self.next_association += 2;
            hunt.round.insert(registrar.key);
            hunt.connecting.insert(id, registrar.key);
            hunt.count += 1;
            connect.push((id, registrar.address.clone()));
        }
        for (id, address) in connect {
            self.request(id, Request::Connect { protocol: address.protocol, to: address.addresses });
        }
    }

    //= https://www.rfc-editor.org/rfc/rfc5352#section-3.6
    //# SH5.1)  The ASAP Endpoint MUST double the value of the T5-
    //# Serverhunt timer.  Note that this doubling is capped at the
    //# value RETRAN.max.
    pub(super) fn server_hunt_expired(&mut self, now: Time) {
        let Some(hunt) = &mut self.hunt else { return };
        hunt.t5 = (hunt.t5 * 2).min(self.settings.retran_max).max(self.settings.t5_server_hunt);
        hunt.round.clear();
        let (next, tried) = (hunt.t5, hunt.count);
        // SH5.2: the next round tries different ones, as the list goes round.
        for (id, key) in std::mem::take(&mut hunt.connecting) {
            self.request(id, Request::Abort);
            self.note_attempt(key, None);
        }
        // With nobody to try but the home that hangs there was no hunt to speak of.
        if tried > 0 || self.home.is_none() {
            self.event(Event::HuntFailed { tried, next });
        }
        self.timers.set(Timer::ServerHunt, now + next);
        self.hunt_more();
    }

    /// Whether `id` is an association the hunt is opening.
    pub(super) fn is_connecting(&self, id: AssociationId) -> bool {
        self.hunt.as_ref().is_some_and(|hunt| hunt.connecting.contains_key(&id))
    }

    /// SH3 and SH6.
    pub(super) fn connected(&mut self, id: AssociationId, peer: Peer, now: Time) {
        let Some(key) = self.hunt.as_mut().and_then(|hunt| hunt.connecting.remove(&id)) else { return };
        let registrar = self.registrars.by_key(key);
        let server = registrar.map_or(ServerId::NONE, |registrar| registrar.server);
        let association = Association::of(&peer);
        let home = Home { address: association.address, server };
        self.associations.insert(id, association);
        self.adopt(HomeLink { association: id, home, silent: false }, AdoptCause::Hunt, now);
    }

    /// SH4: another one in its place.
    pub(super) fn connect_failed(&mut self, id: AssociationId, reason: LostReason) {
        let Some(key) = self.hunt.as_mut().and_then(|hunt| hunt.connecting.remove(&id)) else { return };
        if let Some(registrar) = self.registrars.by_key(key) {
            let address = registrar.address.first();
            self.event(Event::RegistrarUnreachable { address, reason: reason.clone() });
        }
        self.note_attempt(key, Some(reason));
        self.hunt_more();
    }

    /// Ends the hunt, and what it is opening.
    pub(super) fn end_hunt(&mut self) {
        self.timers.stop(Timer::ServerHunt);
        self.timers.stop(Timer::HeadStart);
        if let Some(hunt) = self.hunt.take() {
            for id in hunt.connecting.into_keys() {
                self.request(id, Request::Abort);
            }
        }
    }

    fn note_attempt(&mut self, key: RegistrarKey, reason: Option<LostReason>) {
        let (Some(hunt), Some(registrar)) = (&mut self.hunt, self.registrars.by_key(key)) else { return };
        let (address, protocol) = (registrar.address.first(), Some(registrar.address.protocol));
        let is_same = |attempt: &&mut Attempt| attempt.address == address && attempt.protocol == protocol;
        if let Some(attempt) = hunt.tried.iter_mut().find(is_same) {
            // That it was refused before says more than that it has not answered now.
            attempt.reason = reason.or(attempt.reason.take());
        } else if hunt.tried.len() < MAX_ATTEMPTS_SHOWN {
            hunt.tried.push(Attempt { address, protocol, reason });
        }
    }

    /// Why nothing is answered at present: there is no home registrar. Nothing if there is one.
    pub fn missing_home(&self) -> Option<ResolveError> {
        self.home.is_none().then(|| ResolveError::NoRegistrar { tried: self.attempts() })
    }

    /// For an error: whom we have tried in vain.
    pub(super) fn attempts(&self) -> Vec<Attempt> {
        let mut attempts: Vec<Attempt> =
            self.home.iter().map(|link| Attempt { address: link.home.address, protocol: None, reason: None }).collect();
        if let Some(hunt) = &self.hunt {
            attempts.extend(hunt.tried.iter().cloned());
            let waiting = hunt.connecting.values().filter_map(|key| self.registrars.by_key(*key));
            for (address, protocol) in waiting.map(|it| (it.address.first(), Some(it.address.protocol))) {
                let is_new = |it: &Attempt| it.address != address || it.protocol.is_some_and(|it| Some(it) != protocol);
                if attempts.len() < MAX_ATTEMPTS_SHOWN && attempts.iter().all(is_new) {
                    attempts.push(Attempt { address, protocol, reason: None });
                }
            }
        }
        attempts
    }
}
