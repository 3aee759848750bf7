// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages from and to registrars: decoding, errors, dispatch. RFC 5352 §2.2.14, RFC 5354 §4.

use bytes::Bytes;
use machine::Time;
use rsp_wire::Dialect;
use rsp_wire::asap::{self, Message};
use rsp_wire::parameter::OperationError;

use super::{Endpoint, Event};
use crate::PPID_ASAP;
use crate::association::{AssociationId, Request, Token};

impl Endpoint {
    pub(super) fn received(&mut self, id: AssociationId, ppid: u32, data: &Bytes, now: Time) {
        let Some(from) = self.associations.get(&id).map(|association| association.address) else { return };
        if ppid != PPID_ASAP {
            return self.event(Event::BadMessage { from, reason: format!("payload protocol {ppid} is not ASAP") });
        }
        match Message::decode(data) {
            Ok(decoded) => {
                if let Some(error) = decoded.unrecognized() {
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
                self.event(Event::BadMessage { from, reason: error.to_string() });
                if let Some(cause) = error.cause() {
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
                self.event(Event::BadMessage { from, reason: "an answer of a registrar that is not our home".into() });
            }
            _ => self.event(Event::BadMessage { from, reason: "not a message a registrar sends".into() }),
        }
    }

    /// Sends to the home, if there is one; answers the message's token.
    pub(super) fn send_home(&mut self, message: &Message) -> Option<Token> {
        let id = self.home.as_ref()?.association;
        self.send(id, message)
    }

    /// Sends a message. `None` if it has no form on the wire, which what is sent here always has unless the application's values are too long.
    pub(super) fn send(&mut self, id: AssociationId, message: &Message) -> Option<Token> {
        let dialect = Dialect { length_includes_padding: self.settings.wire.length_includes_padding };
        let data = message.to_bytes(dialect).ok()?;
        let token = Token(self.next_token);
        self.next_token += 1;
        self.request(id, Request::Send { stream: 0, ppid: PPID_ASAP, unordered: false, token, data });
        Some(token)
    }

    fn send_error(&mut self, id: AssociationId, error: OperationError) {
        self.send(id, &Message::Error(asap::Error { error, unknown: Vec::new() }));
    }
}
