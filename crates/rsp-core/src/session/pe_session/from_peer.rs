// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the pool user and the transport say to a PE session.

use std::time::Duration;

use bytes::Bytes;
use machine::Time;
use machine::liveness::Liveness;
use rsp_wire::asap;
use rsp_wire::session::{Features, Hello, SessionParameter};

use super::{DATA, PeEffect, PeEnd, PeItem, PeSession, State, Timer};
use crate::association::{Event, Heartbeat, Peer, Request};
use crate::session::card::kept;
use crate::session::data_association::DataAssociation;
use crate::session::link::Received;
use crate::session::{Outcome, ReturnReason, SessionEvent};

impl PeSession {
    pub(super) fn association_event(&mut self, event: Event, on_data: bool, now: Time) {
        match event {
            Event::Up(_) => {}
            Event::Undelivered(token) => {
                if let Some(id) = self.link.sent_as(token)
                    && self.outbox.get(id).is_some_and(|pending| pending.expires.is_some())
                {
                    self.link.undelivered(token);
                    // After the end of the association, if it has ended.
                    self.timers.set(Timer::GivenUp, now);
                }
            }
            Event::NotSent(token) => {
                if let Some(pending) = self.link.refused(token).and_then(|id| self.outbox.retire(id)) {
                    let returned = Outcome::Returned(pending.outgoing, ReturnReason::NotSendable);
                    self.effects.push(PeEffect::Outcome(pending.send, returned));
                }
            }
            Event::Message { sequence, stream, ppid, unordered, data } => {
                if let Some(watchdog) = &mut self.watchdog {
                    watchdog.heard(now);
                }
                let received = match on_data {
                    true => self.link.receive_on_data(sequence, stream, ppid, unordered, data),
                    false => self.link.receive(sequence, stream, ppid, unordered, data),
                };
                match received {
                    Received::Control(message) => self.control(*message, now),
                    Received::Data(message, acknowledges) => self.data(message, acknowledges, now),
                    Received::Nothing => {}
                    Received::Broken(what) => self.broken(what),
                }
            }
            Event::Delivered(token) => {
                if let Some(id) = self.link.delivered(token)
                    && self.outbox.get(id).is_some_and(|pending| !pending.awaits_ack)
                {
                    self.retire(id, Outcome::Delivered);
                }
                if self.cookie_pending && self.state == State::Open {
                    self.send_cookie(now);
                }
            }
            Event::Paused => self.event(SessionEvent::Paused),
            Event::PathChange { address, state } => self.event(SessionEvent::PathChange { address, state }),
            Event::RoundTripTime(_) => {}
            Event::Lost(reason) => {
                // Loss of either is loss of both.
                self.link.other_is_gone(on_data);
                self.ended(PeEnd::Lost(reason));
            }
        }
    }

    pub(super) fn control(&mut self, message: asap::Message, now: Time) {
        match message {
            asap::Message::Session(session) => {
                for parameter in session.parameters {
                    self.session_parameter(parameter, now);
                    if self.state == State::Ended {
                        break;
                    }
                }
            }
            // Once, before anything else: whoever sends more fills nobody's memory. A PU that is slow may have been taken for plain before.
            asap::Message::CookieEcho(_) if !self.may_bring_cookie => {
                self.event(SessionEvent::Ignored("ASAP_COOKIE_ECHO that is not the first word"));
            }
            asap::Message::CookieEcho(echo) => {
                self.may_bring_cookie = false;
                match self.seal.as_ref().map(|seal| seal.open(&echo.cookie, now)) {
                    None => self.cookie_indication(Bytes::copy_from_slice(&echo.cookie)),
                    Some(Ok(opened)) => {
                        self.opened = Some(opened);
                        if self.state == State::Open {
                            self.show_cookie(false);
                        }
                    }
                    Some(Err(why)) => self.event(SessionEvent::CookieRefused(why)),
                }
            }
            asap::Message::BusinessCard(card) => {
                let card = kept(card, self.settings.business_card_elements);
                self.effects.push(PeEffect::Deliver(PeItem::BusinessCard(card)));
            }
            _ => self.event(SessionEvent::Ignored("an ASAP message that has no place in a session")),
        }
    }

    pub(super) fn session_parameter(&mut self, parameter: SessionParameter, now: Time) {
        match parameter {
            SessionParameter::Hello(hello) => self.greeted(hello, now),
            SessionParameter::Ack(ids) => {
                for id in ids {
                    self.acknowledged(id);
                }
            }
            SessionParameter::Heartbeat(number) => self.link.session(SessionParameter::HeartbeatAck(number)),
            SessionParameter::Taken { bytes } => {
                if let Err(what) = self.link.peer_took(bytes) {
                    self.broken(what);
                }
            }
            SessionParameter::HeartbeatAck(_) | SessionParameter::Drain { .. } => {}
            SessionParameter::Bye(_) => {
                self.link.request(Request::Close);
                self.ended(PeEnd::Bye);
            }
        }
    }

    pub(super) fn greeted(&mut self, hello: Hello, now: Time) {
        if !self.settings.extensions {
            return;
        }
        if hello.answer || self.session_id.is_some() {
            return self.broken("a HELLO that was not expected".into());
        }
        let (session_id, failover_count) = (hello.session_id, hello.failover_count);
        let interval = self.settings.heartbeat_interval.max(Duration::from_millis(hello.heartbeat_ms.into()));
        self.session_id = Some(session_id);
        self.may_bring_cookie = false;
        self.link.hello(true, session_id, failover_count);
        self.link.greeted(hello);
        // The passive side is in no hurry: a client that was asleep finds its session again.
        let dead_after = self.settings.give_up;
        self.link.request(Request::Heartbeat(Heartbeat { interval, dead_after }));
        if self.link.needs_heartbeat && self.link.has(Features::HEARTBEAT) {
            let watchdog = Liveness::new(Heartbeat { interval, dead_after }, now);
            self.timers.set(Timer::Watchdog, watchdog.deadline());
            self.watchdog = Some(watchdog);
        }
        self.effects.push(PeEffect::Greeted { session_id, failover_count });
        if self.link.has(Features::SEPARATE_DATA) {
            self.link.data = DataAssociation::Awaited(None);
            self.timers.set(Timer::Join, now + self.settings.give_up);
        }
        // One sealed for a plain PU is of no use to it any more.
        self.cookie_pending |= self.seal.is_some() && self.cookie.is_some();
        self.open(true, now);
    }

    /// The PU opened the association for user data.
    pub(super) fn joined(&mut self, peer: &Peer, sequence: u64) {
        if !self.awaits_data() {
            return;
        }
        self.timers.stop(Timer::Join);
        self.link.data = DataAssociation::Open(DATA);
        self.link.data_up(peer);
        self.link.request_data(Request::Taken { sequence });
    }
}
