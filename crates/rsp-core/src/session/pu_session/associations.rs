// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the transport says to a PU session.

use machine::Time;
use rsp_wire::asap;

use super::{PuSession, State, Timer};
use crate::association;
use crate::association::{AssociationId, LostReason};
use crate::session::link::{Greeting, Received};
use crate::session::outbox::Pending;
use crate::session::{Cause, Outcome, ReturnReason, SessionEvent};

impl PuSession {
    pub(super) fn association_event(&mut self, id: AssociationId, event: association::Event, now: Time) {
        let Some(link) = self.link() else { return };
        let on_data = link.data.id() == Some(id);
        if link.association != id && !on_data {
            return;
        }
        let is_taken = self.link().is_some_and(|link| !link.has_streams);
        // Any word from the peer answers the question whether it lives.
        if is_word_of(&event, is_taken) {
            self.timers.stop(Timer::Probe);
            if let Some(watchdog) = &mut self.watchdog {
                watchdog.heard(now);
            }
        }
        match event {
            association::Event::Up(peer) if on_data => self.data_up(&peer, now),
            association::Event::Up(peer) => self.up(&peer, now),
            association::Event::Message { sequence, stream, ppid, unordered, data } => {
                let link = self.link().expect("checked above");
                let received = match on_data {
                    true => link.receive_on_data(sequence, stream, ppid, unordered, data),
                    false => link.receive(sequence, stream, ppid, unordered, data),
                };
                match received {
                    Received::Control(message) => self.control(*message, now),
                    Received::Data(message, acknowledges) => self.data(message, acknowledges, now),
                    Received::Nothing => {}
                    Received::Broken(what) => self.broken(what, now),
                }
            }
            association::Event::Delivered(token) => {
                if self.link().is_some_and(|link| link.joined(token)) {
                    self.decided(now);
                }
                if let Some(id) = self.link().and_then(|link| link.delivered(token))
                    && self.outbox.get(id).is_some_and(|pending| !pending.awaits_ack)
                {
                    self.retire(id, Outcome::Delivered);
                }
            }
            association::Event::Undelivered(token) => {
                if let Some(id) = self.link().and_then(|link| link.sent_as(token))
                    && self.outbox.get(id).is_some_and(|pending| pending.expires.is_some())
                {
                    self.link().expect("it sent it").undelivered(token);
                    // After the end of the association, if it has ended.
                    self.timers.set(Timer::GivenUp, now);
                }
            }
            association::Event::NotSent(token) => {
                if let Some(Pending { send, outgoing, .. }) =
                    self.link().and_then(|link| link.refused(token)).and_then(|id| self.outbox.retire(id))
                {
                    self.outcome(send, Outcome::Returned(outgoing, ReturnReason::NotSendable));
                }
            }
            association::Event::Paused => self.event(SessionEvent::Paused),
            association::Event::PathChange { address, state } => {
                self.event(SessionEvent::PathChange { address, state });
            }
            association::Event::RoundTripTime(_) => {}
            association::Event::Lost(reason) => {
                if let Some(link) = self.link() {
                    // Loss of either is loss of both.
                    link.other_is_gone(on_data);
                }
                self.flush();
                let cause =
                    if reason == LostReason::HeartbeatMissed { Cause::HeartbeatMissed } else { Cause::TransportLost };
                self.lost(cause, now);
            }
        }
    }

    pub(super) fn up(&mut self, peer: &association::Peer, now: Time) {
        let (mut journey, mut link, target) = match std::mem::take(&mut self.state) {
            State::Connecting(journey, link, target) => (journey, link, target),
            other => {
                self.state = other;
                return;
            }
        };
        self.event(SessionEvent::Connected(target.pe));
        link.up(peer);
        journey.cookie_sent = self.cookie.is_some();
        if let Some(cookie) = &self.cookie {
            //= https://www.rfc-editor.org/rfc/rfc5352#section-3.8
            //# it SHOULD send the latest received cookie
            //# parameter in an ASAP_COOKIE_ECHO message to the new PE as the first
            //# message on the control channel.
            link.echo_cookie(cookie.clone());
        }
        let plain = link.greeting == Greeting::Plain;
        if !plain {
            link.hello(false, self.session_id, self.greetings);
            self.timers.set(Timer::HelloWait, now + self.settings.hello_wait);
        }
        if let Some(card) = &self.own_card {
            link.control(&asap::Message::BusinessCard((**card).clone()));
        }
        self.greetings = self.greetings.saturating_add(1);
        self.state = State::Greeting(journey, link, target);
        if plain {
            self.decided(now);
        }
    }
}

/// Whether the PE's process must have had a hand in it. On SCTP, over UDP too, a kernel may have acknowledged what it has not taken.
fn is_word_of(event: &association::Event, is_taken: bool) -> bool {
    match event {
        association::Event::Up(_) | association::Event::Message { .. } | association::Event::Lost(_) => true,
        association::Event::Delivered(_) => is_taken,
        _ => false,
    }
}
