// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the PE says to a pool user's session: HELLO, acknowledgements, answers, cookies, BYE.

use std::time::Duration;

use bytes::Bytes;
use machine::Time;

use rsp_wire::session::{ByeReason, Hello, SessionParameter};
use rsp_wire::{PeId, asap};

use super::card::kept;
use super::link::{Greeting, Link};
use super::pu_session::{PuItem, PuSession, State};
use super::{Cause, Message, Outcome, SessionEvent};
use crate::association::{Heartbeat, Request};

impl PuSession {
    pub(super) fn control(&mut self, message: asap::Message, now: Time) {
        match message {
            asap::Message::Session(session) => {
                let association = self.link().map(|link| link.association);
                for parameter in session.parameters {
                    self.session_parameter(parameter, now);
                    // What comes after the word that ended or moved the session was said to nobody.
                    if self.link().map(|link| link.association) != association {
                        break;
                    }
                }
            }
            asap::Message::Cookie(cookie) => {
                //= https://www.rfc-editor.org/rfc/rfc5352#section-3.8
                //# The PU's ASAP
                //# endpoint stores the Cookie parameter and discards an older cookie if
                //# it is previously stored.
                self.cookie = Some(Bytes::copy_from_slice(&cookie.cookie));
            }
            asap::Message::Error(_) => {
                let refused = self.link().is_some_and(|link| link.refused_hello);
                if refused && matches!(self.state, State::Greeting(..)) {
                    self.plain(now);
                }
            }
            asap::Message::BusinessCard(card) => {
                let card = kept(card, self.settings.business_card_elements);
                self.deliver(PuItem::BusinessCard(card));
            }
            _ => self.event(SessionEvent::Ignored("an ASAP message that has no place in a session")),
        }
    }

    fn session_parameter(&mut self, parameter: SessionParameter, now: Time) {
        match parameter {
            SessionParameter::Hello(hello) => self.greeted(hello, now),
            SessionParameter::Ack(ids) => {
                for id in ids {
                    self.acknowledged(id);
                }
            }
            SessionParameter::Heartbeat(number) => {
                if let Some(link) = self.link() {
                    link.session(SessionParameter::HeartbeatAck(number));
                }
            }
            SessionParameter::Taken { bytes } => {
                if let Some(Err(what)) = self.link().map(|link| link.peer_took(bytes)) {
                    self.broken(what, now);
                }
            }
            SessionParameter::HeartbeatAck(_) => {}
            SessionParameter::Drain { milliseconds } => {
                self.drain_asked(Duration::from_millis(milliseconds.into()), now)
            }
            SessionParameter::Bye(reason) => self.bye(reason, now),
        }
    }

    fn greeted(&mut self, hello: Hello, now: Time) {
        if !hello.answer {
            return self.broken("the PE asked with HELLO instead of answering".into(), now);
        }
        if hello.session_id != self.session_id {
            return self.broken("HELLO for another session".into(), now);
        }
        if self.link().is_some_and(|link| matches!(link.greeting, Greeting::Spoken(_))) {
            return self.broken("a second HELLO".into(), now);
        }
        self.pool_speaks_hello = true;
        let interval = self.settings.heartbeat_interval.max(Duration::from_millis(hello.heartbeat_ms.into()));
        self.interval = interval;
        let heartbeat = Heartbeat { interval, dead_after: self.settings.dead_after(interval) };
        if let Some(link) = self.link() {
            link.greeted(hello);
            link.request(Request::Heartbeat(heartbeat));
        }
        self.watch_peer(heartbeat, now);
        match &self.state {
            State::Greeting(_, link, _) if link.data.is_separate() => self.open_data_association(now),
            State::Greeting(..) => self.decided(now),
            _ => {}
        }
    }

    /// The peer speaks nothing but the RFCs.
    pub(super) fn plain(&mut self, now: Time) {
        if self.link().is_some_and(|link| link.data.is_separate()) {
            return self.not_separate(now);
        }
        if let Some(link) = self.link() {
            link.greeting = Greeting::Plain;
        }
        self.decided(now);
    }

    pub(super) fn data(&mut self, message: Message, acknowledges: Option<u64>, now: Time) {
        if let Some(id) = acknowledges
            && !self.acknowledged(id)
        {
            // The request has its answer already: a second one is not handed up.
            if let Some(link) = self.link() {
                link.taken(message.receipt);
            }
            return;
        }
        if matches!(self.state, State::Greeting(..)) {
            match self.link().is_some_and(Link::joined_by_data) {
                true => self.decided(now),
                false => self.plain(now),
            }
        }
        self.deliver(PuItem::Data(message));
    }

    fn acknowledged(&mut self, id: u64) -> bool {
        let retired = self.retire(id, Outcome::Acknowledged);
        if !retired {
            self.event(SessionEvent::StrayAcknowledgement(id));
        }
        retired
    }

    pub(super) fn retire(&mut self, id: u64, outcome: impl FnOnce(PeId) -> Outcome) -> bool {
        let Some(pe) = self.current_pe() else { return false };
        let Some(pending) = self.outbox.retire(id) else { return false };
        self.outcome(pending.send, outcome(pe));
        true
    }

    fn bye(&mut self, reason: ByeReason, now: Time) {
        match reason {
            ByeReason::Drained => self.leave(Cause::Drain, now),
            ByeReason::Superseded | ByeReason::Moved => self.leave(Cause::Application, now),
            ByeReason::Closed | ByeReason::Refused | ByeReason::Other(_) => self.end(Ok(()), ByeReason::Closed),
        }
    }
}
