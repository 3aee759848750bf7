// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages from and to registrars: decoding, errors, dispatch. RFC 5352 §2.2.14, RFC 5354 §4.

use std::fmt;

use bytes::Bytes;
use machine::Time;
use rsp_wire::asap::{self, Message};
use rsp_wire::parameter::OperationError;

use super::{Endpoint, Event};
use crate::PPID_ASAP;
use crate::association::{AssociationId, Request, Token};
use crate::rate::COMPLAINTS_PER_SECOND;

impl Endpoint {
    pub(super) fn received(&mut self, id: AssociationId, ppid: u32, data: &Bytes, now: Time) {
        if ppid != PPID_ASAP {
            self.bad_message(id, &format_args!("payload protocol {ppid} is not ASAP"), now);
            return;
        }
        match Message::decode(data) {
            Ok(decoded) => {
                if let Some(error) = decoded.unrecognized()
                    && self.may_complain(id, now)
                {
                    self.send_error(id, error);
                }
                self.dispatch(id, decoded.message, data.len(), now);
            }
            //= https://www.rfc-editor.org/rfc/rfc5352#section-2.2.14
            //# According to the rules, if an error report to the message sender is
            //# needed, the ASAP endpoint that discovered the error SHOULD send back
            //# an ASAP_ERROR message that includes an Operational Error parameter
            //# with the proper cause code, cause length, and case-specific
            //# information.
            Err(error) => {
                if self.bad_message(id, &error, now)
                    && let Some(cause) = error.cause()
                {
                    self.send_error(id, OperationError([cause].into_iter().collect()));
                }
            }
        }
    }

    /// Answers to requests count only if they come from the home; anybody may ask whether we live.
    fn dispatch(&mut self, id: AssociationId, message: Message, length: usize, now: Time) {
        let Some(from) = self.associations.get(&id).map(|association| association.address) else { return };
        let from_home = self.home.as_ref().is_some_and(|link| link.association == id);
        if from_home {
            self.home_answered();
        }
        match message {
            Message::EndpointKeepAlive(keep_alive) => self.keep_alive(id, keep_alive, now),
            Message::Error(error) => self.event(Event::ErrorReceived { from, error: error.error }),
            Message::RegistrationResponse(response) if from_home => self.registration_response(response, now),
            Message::DeregistrationResponse(response) if from_home => self.deregistration_response(&response, now),
            Message::HandleResolutionResponse(response) if from_home => self.resolution_response(response, length, now),
            Message::RegistrationResponse(_)
            | Message::DeregistrationResponse(_)
            | Message::HandleResolutionResponse(_) => {
                self.bad_message(id, &"an answer of a registrar that is not our home", now);
            }
            _ => {
                self.bad_message(id, &"not a message a registrar sends", now);
            }
        }
    }

    /// Sends to the home, if there is one; answers the message's token.
    pub(super) fn send_home(&mut self, message: &Message) -> Option<Token> {
        let id = self.home.as_ref()?.association;
        self.send(id, message)
    }

    /// Sends a message. `None` if it has no form on the wire, which what is sent here always has unless the application's values are too long.
    pub(super) fn send(&mut self, id: AssociationId, message: &Message) -> Option<Token> {
        let data = self.encode(message)?;
        Some(self.send_encoded(id, data, 0))
    }

    /// Sends what was asked for from outside. The requests of this process it can count itself; how often others ask only
    /// ends with what is on its way to them.
    pub(super) fn answer(&mut self, id: AssociationId, message: &Message) {
        let Some(data) = self.encode(message) else { return };
        let Some(association) = self.associations.get_mut(&id) else { return };
        if association.answers > self.settings.max_control_bytes {
            return;
        }
        association.answers += data.len();
        if association.answers > self.settings.max_control_bytes {
            return self.unread.push(id);
        }
        let length = data.len() as u64;
        self.send_encoded(id, data, length);
    }

    /// An answer is no longer on its way.
    pub(super) fn answer_gone(&mut self, id: AssociationId, token: Token) {
        if let Some(association) = self.associations.get_mut(&id) {
            association.answers = association.answers.saturating_sub((token.0 >> LENGTH_SHIFT) as usize);
        }
    }

    fn encode(&self, message: &Message) -> Option<Bytes> {
        message.to_bytes(self.settings.wire.dialect()).ok()
    }

    /// The token carries the length of an answer, so that nothing need be kept per message.
    fn send_encoded(&mut self, id: AssociationId, data: Bytes, answer_length: u64) -> Token {
        let token = Token(answer_length << LENGTH_SHIFT | self.next_token);
        self.next_token += 1;
        self.request(id, Request::Send { stream: 0, ppid: PPID_ASAP, unordered: false, lifetime: None, token, data });
        token
    }

    fn send_error(&mut self, id: AssociationId, error: OperationError) {
        self.answer(id, &Message::Error(asap::Error { error, unknown: Vec::new() }));
    }

    /// A message was wrong and is dropped. Answers whether anything more may be said about it.
    fn bad_message(&mut self, id: AssociationId, reason: &dyn fmt::Display, now: Time) -> bool {
        let may_complain = self.may_complain(id, now);
        if may_complain && let Some(from) = self.associations.get(&id).map(|association| association.address) {
            self.event(Event::BadMessage { from, reason: reason.to_string() });
        }
        may_complain
    }

    /// Neither the peer nor the log hears of everything: two ends that do not understand each other would keep each other
    /// busy for ever.
    fn may_complain(&mut self, id: AssociationId, now: Time) -> bool {
        self.associations
            .get_mut(&id)
            .is_some_and(|sender| sender.complaints.take(COMPLAINTS_PER_SECOND, COMPLAINTS_PER_SECOND, now))
    }
}

/// A message has at most 65,535 bytes and its padding; 2^44 messages are enough.
const LENGTH_SHIFT: u32 = 44;
