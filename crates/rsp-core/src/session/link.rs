// SPDX-License-Identifier: MIT OR Apache-2.0
//! The session layer on one association: HELLO, numbering, envelopes, acknowledgements, credit (`docs/session-wire.md`).

use std::collections::BTreeMap;

use bytes::Bytes;
use smallvec::{SmallVec, smallvec};

use rsp_wire::asap;
use rsp_wire::parameter::ErrorCause;
use rsp_wire::session::{ENVELOPE_PPID, Envelope, Features, Hello, SessionParameter};

use super::credit::Credit;
use super::outbox::Pending;
use super::{Message, Outgoing, Receipt};
use crate::PPID_ASAP;
use crate::association::{AssociationId, Mapping, Peer, Request, Token};
use crate::config::SessionSettings;

/// What is known of the peer's session layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Greeting {
    /// HELLO is not answered yet, or none came.
    Undecided,
    /// The peer speaks nothing but the RFCs.
    Plain,
    /// Both ends said HELLO.
    Spoken(Hello),
}

/// What a received message turned out to be.
#[derive(Debug)]
pub(super) enum Received {
    /// An ASAP message.
    Control(Box<asap::Message>),
    /// For the application; the number is the send of ours that it acknowledges.
    Data(Message, Option<u64>),
    /// Nothing to do.
    Nothing,
    /// The peer broke the rules: end the association.
    Broken(String),
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) association: AssociationId,
    pub(super) greeting: Greeting,
    /// The peer answered our HELLO with "unrecognized message".
    pub(super) refused_hello: bool,
    settings: SessionSettings,
    max_message: usize,
    features: Features,
    requests: Vec<Request>,
    next_token: u64,
    next_control: u64,
    sent: BTreeMap<u64, (u64, usize)>,
    /// What `sent` counts.
    undelivered: usize,
    credit: Credit,
    /// Control messages the peer has not taken, by token, with their bytes.
    control: BTreeMap<u64, usize>,
    control_bytes: usize,
    peer_expects: u64,
    expects: u64,
    /// Messages that came without an envelope.
    bare: u64,
    untaken: BTreeMap<u64, usize>,
    untaken_bytes: usize,
    acks: SmallVec<[u64; 2]>,
    /// Streams are independent of each other, so that a message may overtake an earlier one.
    pub(super) has_streams: bool,
    /// Our answer to HELLO, while the peer may not have it.
    unheard_hello: Option<u64>,
    /// A cookie went out on this association.
    cookie_set: bool,
    /// The transport does not notice a peer process that hangs: the session layer's heartbeat does.
    pub(super) needs_heartbeat: bool,
}

impl Link {
    pub(super) fn new(association: AssociationId, settings: &SessionSettings, features: Features) -> Self {
        Link {
            association,
            greeting: if settings.extensions { Greeting::Undecided } else { Greeting::Plain },
            refused_hello: false,
            settings: settings.clone(),
            max_message: 0,
            features,
            requests: Vec::new(),
            next_token: 1,
            next_control: 1,
            sent: BTreeMap::new(),
            undelivered: 0,
            credit: Credit::default(),
            control: BTreeMap::new(),
            control_bytes: 0,
            peer_expects: 1,
            expects: 1,
            bare: 0,
            untaken: BTreeMap::new(),
            untaken_bytes: 0,
            acks: SmallVec::new(),
            has_streams: false,
            unheard_hello: None,
            cookie_set: false,
            needs_heartbeat: false,
        }
    }

    /// The association is up.
    pub(super) fn up(&mut self, peer: &Peer) {
        self.max_message = peer.max_message;
        self.has_streams = peer.mapping == Mapping::Sctp;
        self.credit.is_told = peer.mapping == Mapping::Sctp;
        self.needs_heartbeat = !peer.own_heartbeat;
        if peer.mapping == Mapping::PlainAsap {
            self.greeting = Greeting::Plain;
        }
    }

    /// Our HELLO.
    pub(super) fn hello(&mut self, answer: bool, session_id: u64, failover_count: u32) {
        let hello = Hello {
            version: 1,
            answer,
            resumed: failover_count > 0,
            features: self.features,
            session_id,
            failover_count,
            heartbeat_ms: u32::try_from(self.settings.heartbeat_interval.as_millis()).unwrap_or(u32::MAX),
            largest_message: u32::try_from(self.largest()).unwrap_or(u32::MAX),
            receive_window: self.settings.receive_window,
            next: self.expects,
        };
        self.session(SessionParameter::Hello(hello));
        if answer {
            self.unheard_hello = Some(CONTROL | (self.next_control - 1));
        }
    }

    /// The peer said HELLO: its words hold from now on.
    pub(super) fn greeted(&mut self, hello: Hello) {
        self.peer_expects = self.peer_expects.max(hello.next);
        self.greeting = Greeting::Spoken(hello);
    }

    /// What both ends offer.
    pub(super) fn in_force(&self) -> Features {
        match &self.greeting {
            Greeting::Spoken(hello) => Features(hello.features.0 & self.features.0),
            _ => Features::default(),
        }
    }

    /// Both ends offer this.
    pub(super) fn has(&self, feature: Features) -> bool {
        matches!(&self.greeting, Greeting::Spoken(hello) if hello.features.contains(feature))
            && self.features.contains(feature)
    }

    /// Whether a message of this length can ever go to this peer.
    pub(super) fn largest(&self) -> usize {
        let mine = self.max_message.saturating_sub(HEADROOM);
        match &self.greeting {
            Greeting::Spoken(hello) => mine.min(hello.largest_message as usize),
            _ => mine,
        }
    }

    /// Sends a parameter of ASAP_SESSION.
    pub(super) fn session(&mut self, parameter: SessionParameter) {
        self.control(&asap::Message::Session(asap::Session { parameters: smallvec![parameter], unknown: Vec::new() }));
    }

    /// Sends an ASAP message on the control channel.
    pub(super) fn control(&mut self, message: &asap::Message) {
        // The application's parts (cookies) are measured before they come here; all else is small.
        if let Ok(data) = message.to_bytes(self.settings.wire.dialect()) {
            let token = CONTROL | self.next_control;
            self.next_control += 1;
            self.control.insert(token, data.len());
            self.control_bytes += data.len();
            self.requests.push(Request::Send {
                stream: 0,
                ppid: PPID_ASAP,
                unordered: false,
                token: Token(token),
                data,
            });
        }
    }

    /// A cookie for the peer, which nothing said later overtakes.
    pub(super) fn set_cookie(&mut self, cookie: Bytes) {
        self.cookie_set = true;
        self.control(&asap::Message::Cookie(asap::Cookie { cookie, unknown: Vec::new() }));
    }

    /// Sends `pending` with this id if the peer's state and window allow it, and answers whether it did.
    pub(super) fn transmit(&mut self, id: u64, pending: &mut Pending, first_association: bool) -> bool {
        let outgoing = &pending.outgoing;
        let credit = credit(outgoing.data.len());
        let in_flight = self.in_flight();
        if in_flight > 0 && in_flight + credit > self.peer_window() {
            return false;
        }
        let awaits_ack = outgoing.ack && self.has(Features::ACKS);
        let acknowledges = outgoing.answers.filter(|r| r.association == self.association).map(|r| r.id);
        let numbered = outgoing.ack || pending.resend || acknowledges.is_some() || self.peer_expects != id;
        let envelope = match &self.greeting {
            Greeting::Plain => false,
            // Where one message may overtake another each says its number.
            Greeting::Spoken(_) if self.has_streams => true,
            Greeting::Spoken(_) => awaits_ack || pending.resend || acknowledges.is_some() || self.peer_expects != id,
            Greeting::Undecided if numbered || !first_association => return false,
            Greeting::Undecided => false,
        };
        let (ppid, data) = if envelope {
            let envelope = Envelope {
                ack_wanted: awaits_ack,
                resent: pending.resend,
                more_follows: false,
                acknowledges,
                id,
                ppid: outgoing.ppid,
            };
            (ENVELOPE_PPID, envelope.encode(&outgoing.data))
        } else {
            (outgoing.ppid, outgoing.data.clone())
        };
        let (stream, unordered) = match self.keeps_its_place(acknowledges) {
            true => (0, false),
            false => (outgoing.stream, outgoing.unordered),
        };
        let token = self.next_token;
        self.next_token += 1;
        self.requests.push(Request::Send { stream, ppid, unordered, token: Token(token), data });
        self.sent.insert(token, (id, credit));
        self.undelivered += credit;
        self.credit.sent += credit as u64;
        self.peer_expects = self.peer_expects.max(id.saturating_add(1));
        pending.transmitted = true;
        pending.awaits_ack = awaits_ack;
        true
    }

    /// Until HELLO is known to both everything is ordered on stream 0, so that neither it nor a cookie is overtaken; so is, later, an
    /// acknowledgement behind a cookie.
    fn keeps_its_place(&self, acknowledges: Option<u64>) -> bool {
        self.greeting == Greeting::Undecided
            || self.has_streams && (self.unheard_hello.is_some() || acknowledges.is_some() && self.cookie_set)
    }

    /// Application bytes the peer has not taken, as far as we know.
    fn in_flight(&self) -> usize {
        match self.greeting {
            // Who says no TAKEN has only its transport's window.
            Greeting::Plain => self.undelivered,
            _ if self.credit.is_told => usize::try_from(self.credit.untaken()).unwrap_or(usize::MAX),
            _ => self.undelivered,
        }
    }

    /// The peer has a message: its id, if it was the application's.
    pub(super) fn delivered(&mut self, token: Token) -> Option<u64> {
        self.unheard_hello.take_if(|hello| *hello == token.0);
        if let Some(len) = self.control.remove(&token.0) {
            self.control_bytes -= len;
            return None;
        }
        let (id, credit) = self.sent.remove(&token.0)?;
        self.undelivered -= credit;
        Some(id)
    }

    /// The transport refused a message and goes on: its id, if it was the application's.
    pub(super) fn refused(&mut self, token: Token) -> Option<u64> {
        let before = self.undelivered;
        let id = self.delivered(token);
        // The peer never takes it.
        self.credit.sent -= (before - self.undelivered) as u64;
        id
    }

    /// TAKEN: the peer's application has taken so much since the association began.
    ///
    /// # Errors
    /// It was never sent so much.
    pub(super) fn peer_took(&mut self, bytes: u64) -> Result<(), String> {
        self.credit.peer_took(bytes)
    }

    /// A message came in.
    pub(super) fn receive(&mut self, sequence: u64, stream: u16, ppid: u32, unordered: bool, data: Bytes) -> Received {
        match ppid {
            PPID_ASAP if self.control_bytes > self.settings.max_control_bytes => {
                Received::Broken("it asks and does not take the answers".into())
            }
            PPID_ASAP => {
                self.requests.push(Request::Taken { sequence });
                self.receive_control(&data)
            }
            ENVELOPE_PPID if matches!(self.greeting, Greeting::Spoken(_)) => match Envelope::decode(&data) {
                Ok((envelope, _)) if envelope.more_follows => Received::Broken("fragments were not offered".into()),
                Ok((envelope, data)) => self.receive_data(sequence, envelope, stream, unordered, data),
                Err(error) => Received::Broken(error.to_string()),
            },
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
                > (self.settings.receive_window as usize).max(WINDOW_BEFORE_HELLO) + self.max_message
        {
            return Received::Broken("more data than the receive window".into());
        }
        self.untaken.insert(sequence, credit);
        self.untaken_bytes += credit;
        self.expects = self.expects.max(envelope.id.saturating_add(1));
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
    pub(super) fn taken(&mut self, receipt: Receipt) {
        if receipt.association != self.association {
            return;
        }
        if let Some(credit) = self.untaken.remove(&receipt.sequence) {
            self.untaken_bytes -= credit;
            self.credit.taken += credit as u64;
            self.requests.push(Request::Taken { sequence: receipt.sequence });
        }
    }

    /// Messages wait for the application.
    pub(super) fn has_untaken(&self) -> bool {
        !self.untaken.is_empty()
    }

    /// The application acknowledges a message; without effect towards a plain peer or another association.
    pub(super) fn acknowledge(&mut self, receipt: Receipt) {
        if receipt.association == self.association && self.has(Features::ACKS) {
            self.acks.push(receipt.id);
        }
    }

    /// What the transport is to do, acknowledgements gathered into one message, and with it how much was taken.
    pub(super) fn take_requests(&mut self) -> Vec<Request> {
        for ids in std::mem::take(&mut self.acks).chunks(MAX_ACKS) {
            self.session(SessionParameter::Ack(SmallVec::from_slice(ids)));
        }
        let ends = self.requests.iter().any(|request| matches!(request, Request::Close | Request::Abort));
        if matches!(self.greeting, Greeting::Spoken(_)) && !ends {
            let writes = self.requests.iter().any(|request| matches!(request, Request::Send { .. }));
            if let Some(bytes) = self.credit.tell(writes, self.settings.receive_window, self.max_message) {
                self.session(SessionParameter::Taken { bytes });
            }
        }
        std::mem::take(&mut self.requests)
    }

    pub(super) fn request(&mut self, request: Request) {
        self.requests.push(request);
    }

    fn peer_window(&self) -> usize {
        match &self.greeting {
            Greeting::Spoken(hello) => hello.receive_window as usize,
            _ => WINDOW_BEFORE_HELLO,
        }
    }
}

/// What a message counts in a window: tiny ones cost memory too.
pub(super) fn credit(length: usize) -> usize {
    length.max(64)
}

/// Whether the application may send this at all.
pub(super) fn sendable(outgoing: &Outgoing) -> bool {
    !outgoing.data.is_empty() && outgoing.ppid != PPID_ASAP && outgoing.ppid != ENVELOPE_PPID
}

/// Marks the tokens of control messages.
const CONTROL: u64 = 1 << 63;
/// Receive window until HELLO names one, docs/session-wire.md §6.
const WINDOW_BEFORE_HELLO: usize = 65_536;
/// Kept free in a message for the envelope and what may be added to it, docs/session-wire.md §8.
const HEADROOM: usize = 64;
/// Message ids in one ACK.
const MAX_ACKS: usize = 1_000;
