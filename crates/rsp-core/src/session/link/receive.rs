// SPDX-License-Identifier: MIT OR Apache-2.0
//! What comes in on an association of a session: control, messages and their fragments, and what the application has taken of them.

use bytes::Bytes;
use rsp_wire::asap;
use rsp_wire::parameter::ErrorCause;
use rsp_wire::session::{ENVELOPE_PPID, Envelope, Features};
use smallvec::{SmallVec, smallvec};

use super::{Greeting, Link, Received, WINDOW_BEFORE_HELLO, credit};
use crate::PPID_ASAP;
use crate::association::Request;
use crate::session::fragments::Whole;
use crate::session::{Message, Receipt, take};

impl Link {
    /// A message came in on the association for user data.
    pub(in crate::session) fn receive_on_data(
        &mut self,
        sequence: u64,
        stream: u16,
        ppid: u32,
        unordered: bool,
        data: Bytes,
    ) -> Received {
        match ppid {
            PPID_ASAP => Received::Broken("control on the association for data".into()),
            _ => self.receive_any(sequence, stream, ppid, unordered, data),
        }
    }

    /// A message came in.
    pub(in crate::session) fn receive(
        &mut self,
        sequence: u64,
        stream: u16,
        ppid: u32,
        unordered: bool,
        data: Bytes,
    ) -> Received {
        match ppid {
            PPID_ASAP => self.receive_any(sequence, stream, ppid, unordered, data),
            _ if self.data.is_separate() => Received::Broken("data on the association for control".into()),
            _ => self.receive_any(sequence, stream, ppid, unordered, data),
        }
    }

    fn receive_any(&mut self, sequence: u64, stream: u16, ppid: u32, unordered: bool, data: Bytes) -> Received {
        let owed = self.control_bytes + size_of::<u64>() * self.acks.len();
        match ppid {
            _ if owed > self.settings.max_control_bytes => {
                Received::Broken("it asks and does not take the answers".into())
            }
            PPID_ASAP => {
                self.requests.push(Request::Taken { sequence });
                self.receive_control(&data)
            }
            ENVELOPE_PPID if matches!(self.greeting, Greeting::Spoken(_)) => match Envelope::decode(&data) {
                Ok((envelope, data)) => self.receive_data(sequence, envelope, stream, unordered, data),
                Err(error) => Received::Broken(error.to_string()),
            },
            _ if !unordered && self.fragments.is_open(stream) => {
                Received::Broken("a message was broken off by one without an envelope".into())
            }
            _ => {
                self.bare += 1;
                let bare = Envelope {
                    ack_wanted: false,
                    resent: false,
                    more_follows: false,
                    acknowledges: None,
                    // An enveloped one on another stream may have overtaken it.
                    id: if self.has_streams { self.bare } else { self.expects },
                    ppid,
                };
                self.receive_data(sequence, bare, stream, unordered, data)
            }
        }
    }

    fn receive_data(
        &mut self,
        sequence: u64,
        envelope: Envelope,
        stream: u16,
        unordered: bool,
        data: Bytes,
    ) -> Received {
        let credit = credit(data.len());
        // One message may exceed the window when nothing is untaken, and the peer may not have heard of our window yet. A plain peer on
        // SCTP never does: the transport stops it.
        let knows_windows = !self.credit.is_told || matches!(self.greeting, Greeting::Spoken(_));
        if knows_windows
            && self.untaken_bytes > 0
            && self.untaken_bytes + credit
                > (self.settings.receive_window as usize).max(WINDOW_BEFORE_HELLO) + self.max_message.max(self.takes())
        {
            return Received::Broken("more data than the receive window".into());
        }
        self.untaken.insert(sequence, credit);
        self.untaken_bytes += credit;
        self.expects = self.expects.max(envelope.id.saturating_add(1));
        let (envelope, data) = match self.whole(sequence, stream, unordered, envelope, data) {
            Ok(Some(whole)) => whole,
            Ok(None) => return Received::Nothing,
            Err(what) => return Received::Broken(what),
        };
        let message = Message {
            data,
            id: envelope.id,
            resent: envelope.resent,
            stream,
            unordered,
            ppid: envelope.ppid,
            ack_wanted: envelope.ack_wanted,
            receipt: Receipt { association: self.association, sequence, id: envelope.id },
        };
        Received::Data(message, envelope.acknowledges)
    }

    /// The message that is complete now, if any.
    fn whole(
        &mut self,
        sequence: u64,
        stream: u16,
        unordered: bool,
        envelope: Envelope,
        data: Bytes,
    ) -> Result<Option<(Envelope, Bytes)>, String> {
        if unordered {
            return match envelope.more_follows {
                true => Err("an unordered fragment".into()),
                false => Ok(Some((envelope, data))),
            };
        }
        if !envelope.more_follows && !self.fragments.is_open(stream) {
            return Ok(Some((envelope, data)));
        }
        if !self.has(Features::FRAGMENTS) {
            return Err("fragments were not offered".into());
        }
        let Some(Whole { envelope, data, sequences }) =
            self.fragments.receive(sequence, stream, envelope, data, self.takes())?
        else {
            return Ok(None);
        };
        self.taken_with.insert(sequence, sequences);
        Ok(Some((envelope, data)))
    }

    fn receive_control(&mut self, data: &Bytes) -> Received {
        let decoded = match asap::Message::decode(data) {
            Ok(decoded) => decoded,
            Err(error) => {
                if let Some(cause) = error.cause() {
                    self.report(smallvec![cause]);
                }
                return Received::Nothing;
            }
        };
        if !decoded.report.is_empty() {
            self.report(decoded.report.into_iter().map(ErrorCause::UnrecognizedParameter).collect());
        }
        if let asap::Message::Error(error) = &decoded.message {
            self.refused_hello |= error.error.0.iter().any(|c| matches!(c, ErrorCause::UnrecognizedMessage(_)));
        }
        Received::Control(Box::new(decoded.message))
    }

    /// ASAP_ERROR, RFC 5352 §2.2.14.
    fn report(&mut self, causes: SmallVec<[ErrorCause; 1]>) {
        let error = rsp_wire::parameter::OperationError(causes);
        self.control(&asap::Message::Error(asap::Error { error, unknown: Vec::new() }));
    }

    /// The application took a message; without effect if it came over another association.
    pub(in crate::session) fn taken(&mut self, receipt: Receipt) {
        if receipt.association != self.association {
            return;
        }
        for sequence in take(&mut self.taken_with, &receipt.sequence).into_iter().flatten().chain([receipt.sequence]) {
            if let Some(credit) = take(&mut self.untaken, &sequence) {
                self.untaken_bytes -= credit;
                self.credit.taken += credit as u64;
                match self.data.is_separate() {
                    true => self.data_requests.push(Request::Taken { sequence }),
                    false => self.requests.push(Request::Taken { sequence }),
                }
            }
        }
    }

    /// Messages wait for the application: whole ones, it can take no others.
    pub(in crate::session) fn has_untaken(&self) -> bool {
        self.untaken.len() > self.fragments.pieces()
    }

    /// The application acknowledges a message; without effect towards a plain peer or another association.
    pub(in crate::session) fn acknowledge(&mut self, receipt: Receipt) {
        if receipt.association == self.association && self.has(Features::ACKS) {
            self.acks.push(receipt.id);
        }
    }
}
