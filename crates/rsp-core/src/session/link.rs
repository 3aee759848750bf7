// SPDX-License-Identifier: MIT OR Apache-2.0
//! The session layer on one association: HELLO, numbering, envelopes, acknowledgements, credit (`docs/session-wire.md`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use machine::Time;
use smallvec::{SmallVec, smallvec};

use rsp_wire::asap;
use rsp_wire::parameter::ErrorCause;
use rsp_wire::session::{ENVELOPE_PPID, Envelope, Features, Hello, SessionParameter};

use super::credit::Credit;
use super::data_association::DataAssociation;
use super::fragments::{self, Fragments, Whole};
use super::outbox::Pending;
use super::{Message, Outgoing, Receipt, take};
use crate::PPID_ASAP;
use crate::association::{AssociationId, Heartbeat, Mapping, Peer, Request, Token};
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
    settings: Arc<SessionSettings>,
    max_message: usize,
    features: Features,
    requests: Vec<Request>,
    /// User data goes another way than control.
    pub(super) data: DataAssociation,
    data_requests: Vec<Request>,
    heartbeat: Option<Heartbeat>,
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
    fragments: Fragments,
    /// Of messages that came in fragments, by their last: the others.
    taken_with: BTreeMap<u64, Vec<u64>>,
    /// Fragments the peer does not have yet, of messages that went in several.
    parts: BTreeMap<u64, usize>,
    /// What the transport did not deliver, of what has a lifetime.
    given_up: Vec<Token>,
    acks: SmallVec<[u64; 2]>,
    /// Streams are independent of each other, so that a message may overtake an earlier one.
    pub(super) has_streams: bool,
    /// Our answer to HELLO, while the peer may not have it.
    unheard_hello: Option<u64>,
    /// The last cookie that went out on this association.
    cookie: Option<u64>,
    /// The transport does not notice a peer process that hangs: the session layer's heartbeat does.
    pub(super) needs_heartbeat: bool,
}

impl Link {
    pub(super) fn new(association: AssociationId, settings: &Arc<SessionSettings>, features: Features) -> Self {
        Link {
            association,
            greeting: if settings.extensions { Greeting::Undecided } else { Greeting::Plain },
            refused_hello: false,
            settings: Arc::clone(settings),
            max_message: 0,
            features,
            requests: Vec::new(),
            data: DataAssociation::Shared,
            data_requests: Vec::new(),
            heartbeat: None,
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
            fragments: Fragments::default(),
            taken_with: BTreeMap::new(),
            parts: BTreeMap::new(),
            given_up: Vec::new(),
            acks: SmallVec::new(),
            has_streams: false,
            unheard_hello: None,
            cookie: None,
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

    /// The association for user data is up.
    pub(super) fn data_up(&mut self, peer: &Peer) {
        self.max_message = peer.max_message;
        self.has_streams = peer.mapping == Mapping::Sctp;
        self.credit.is_told = peer.mapping == Mapping::Sctp;
        self.data_requests.extend(self.heartbeat.map(Request::Heartbeat));
    }

    /// This end takes a second association for user data.
    pub(super) fn offer_separate_data(&mut self) {
        self.features = self.features | Features::SEPARATE_DATA;
    }

    /// Our HELLO on the association for user data; what it is known by.
    pub(super) fn data_hello(&mut self, session_id: u64, failover_count: u32) -> Token {
        let hello = Hello { data: true, ..self.hello_of(false, session_id, failover_count) };
        let at = self.requests.len();
        self.session(SessionParameter::Hello(hello));
        self.data_requests.extend(self.requests.drain(at..));
        Token(CONTROL | (self.next_control - 1))
    }

    /// One of two associations is gone: nothing more goes there, and the other one is ended.
    pub(super) fn other_is_gone(&mut self, data_is_gone: bool) {
        if self.data.id().is_none() {
            return;
        }
        let (gone, other) = match data_is_gone {
            true => (&mut self.data_requests, &mut self.requests),
            false => (&mut self.requests, &mut self.data_requests),
        };
        gone.clear();
        other.push(Request::Abort);
        self.data = DataAssociation::Awaited(self.data.id());
    }

    /// Our HELLO.
    pub(super) fn hello(&mut self, answer: bool, session_id: u64, failover_count: u32) {
        let hello = self.hello_of(answer, session_id, failover_count);
        self.session(SessionParameter::Hello(hello));
        if answer {
            self.unheard_hello = Some(CONTROL | (self.next_control - 1));
        }
    }

    fn hello_of(&self, answer: bool, session_id: u64, failover_count: u32) -> Hello {
        Hello {
            version: 1,
            answer,
            resumed: failover_count > 0,
            data: false,
            features: self.features,
            session_id,
            failover_count,
            heartbeat_ms: u32::try_from(self.settings.heartbeat_interval.as_millis()).unwrap_or(u32::MAX),
            largest_message: u32::try_from(self.takes()).unwrap_or(u32::MAX),
            receive_window: self.settings.receive_window,
            next: self.expects,
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

    /// The longest message that can ever go to this peer.
    pub(super) fn largest(&self) -> usize {
        let carried = self.carried();
        match &self.greeting {
            Greeting::Spoken(hello) if self.has(Features::FRAGMENTS) && carried > 0 => {
                let most = if self.has_streams { MOST_FRAGMENTS_OVER_SCTP } else { usize::MAX };
                most.min(hello.largest_message as usize)
            }
            Greeting::Spoken(hello) => carried.min(hello.largest_message as usize),
            // What is longer than one message carries waits until it is known whether the peer takes fragments.
            Greeting::Undecided if self.features.contains(Features::FRAGMENTS) => usize::MAX,
            _ => carried,
        }
    }

    /// User data in one message of the mapping.
    fn carried(&self) -> usize {
        self.max_message.saturating_sub(HEADROOM)
    }

    /// The longest message this end takes.
    fn takes(&self) -> usize {
        match self.features.contains(Features::FRAGMENTS) {
            true => self.settings.max_message_size,
            false => self.carried(),
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
                lifetime: None,
                token: Token(token),
                data,
            });
        }
    }

    /// A cookie for the peer, which nothing said later overtakes.
    pub(super) fn set_cookie(&mut self, cookie: Bytes) {
        self.control(&asap::Message::Cookie(asap::Cookie { cookie, unknown: Vec::new() }));
        let token = CONTROL | (self.next_control - 1);
        self.cookie = Some(token);
        // It was not the peer who asked for it.
        if let Some(bytes) = self.control.get_mut(&token) {
            self.control_bytes -= std::mem::take(bytes);
        }
    }

    /// The peer has not taken the last cookie.
    pub(super) fn cookie_waits(&self) -> bool {
        self.cookie.is_some_and(|token| self.control.contains_key(&token))
    }

    /// Sends `pending` with this id if the peer's state and window allow it, and answers whether it did.
    pub(super) fn transmit(&mut self, id: u64, pending: &mut Pending, first_association: bool, now: Time) -> bool {
        if !self.data.is_ready() {
            return false;
        }
        let outgoing = &pending.outgoing;
        let carried = self.carried();
        let in_fragments = outgoing.data.len() > carried;
        let credit = match in_fragments {
            true => fragments::split(&outgoing.data, carried).map(|(piece, _)| credit(piece.len())).sum(),
            false => credit(outgoing.data.len()),
        };
        let in_flight = self.in_flight();
        let window = self.peer_window();
        // The quarter is what the peer may keep to itself of what it took.
        if in_flight > window / 4 && in_flight + credit > window {
            return false;
        }
        let awaits_ack = outgoing.ack && self.has(Features::ACKS);
        let acknowledges = outgoing.answers.filter(|r| r.association == self.association).map(|r| r.id);
        if acknowledges.is_some() && self.data.is_separate() && self.cookie_waits() {
            // The cookie goes another way, and comes first.
            return false;
        }
        let numbered =
            in_fragments || outgoing.ack || pending.resend || acknowledges.is_some() || self.peer_expects != id;
        let enveloped = match &self.greeting {
            Greeting::Plain => false,
            // Where one message may overtake another each says its number.
            Greeting::Spoken(_) if self.has_streams => true,
            Greeting::Spoken(_) => {
                in_fragments || awaits_ack || pending.resend || acknowledges.is_some() || self.peer_expects != id
            }
            Greeting::Undecided if numbered || !first_association => return false,
            Greeting::Undecided => false,
        };
        let (stream, unordered) = match self.keeps_its_place(acknowledges) {
            true => (0, false),
            // Fragments follow one another in order.
            false => (outgoing.stream, outgoing.unordered && !in_fragments),
        };
        let ppid = outgoing.ppid;
        let envelope =
            Envelope { ack_wanted: awaits_ack, resent: pending.resend, more_follows: false, acknowledges, id, ppid };
        // One fragment given up would leave the others without an end, and a bare message that is lost is missing in the count.
        let is_limited = self.has_streams && !in_fragments && self.greeting != Greeting::Undecided;
        let lifetime = pending.expires.filter(|_| is_limited).map(|at| at.since(now));
        if in_fragments {
            let mut parts = 0;
            for (piece, more_follows) in fragments::split(&outgoing.data, carried) {
                parts += 1;
                let data = Envelope { more_follows, ..envelope }.encode(&piece);
                self.send(id, (stream, unordered), ENVELOPE_PPID, lifetime, data, piece.len());
            }
            self.parts.insert(id, parts);
        } else if enveloped {
            let data = envelope.encode(&outgoing.data);
            self.send(id, (stream, unordered), ENVELOPE_PPID, lifetime, data, outgoing.data.len());
        } else {
            self.send(id, (stream, unordered), ppid, lifetime, outgoing.data.clone(), outgoing.data.len());
        }
        self.peer_expects = self.peer_expects.max(id.saturating_add(1));
        pending.transmitted = true;
        pending.awaits_ack = awaits_ack;
        true
    }

    /// Hands a message with so many bytes of user data to the transport.
    fn send(
        &mut self,
        id: u64,
        (stream, unordered): (u16, bool),
        ppid: u32,
        lifetime: Option<Duration>,
        data: Bytes,
        len: usize,
    ) {
        let credit = credit(len);
        let token = self.next_token;
        self.next_token += 1;
        let request = Request::Send { stream, ppid, unordered, lifetime, token: Token(token), data };
        match self.data.is_separate() {
            true => self.data_requests.push(request),
            false => self.requests.push(request),
        }
        self.sent.insert(token, (id, credit));
        self.undelivered += credit;
        self.credit.sent += credit as u64;
    }

    /// Until HELLO is known to both everything is ordered on stream 0, so that neither it nor a cookie is overtaken; so is, later, an
    /// acknowledgement behind a cookie.
    fn keeps_its_place(&self, acknowledges: Option<u64>) -> bool {
        self.greeting == Greeting::Undecided
            || self.has_streams && (self.unheard_hello.is_some() || acknowledges.is_some() && self.cookie.is_some())
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
        if let Some(len) = take(&mut self.control, &token.0) {
            self.control_bytes -= len;
            return None;
        }
        let (id, credit) = take(&mut self.sent, &token.0)?;
        self.undelivered -= credit;
        if let Some(parts) = self.parts.get_mut(&id) {
            *parts -= 1;
            if *parts > 0 {
                return None;
            }
            take(&mut self.parts, &id);
        }
        Some(id)
    }

    /// The transport refused a message and goes on: its id, if it was the application's.
    pub(super) fn refused(&mut self, token: Token) -> Option<u64> {
        let before = self.undelivered;
        // What is refused of a message in fragments is refused of the whole.
        if let Some((id, _)) = self.sent.get(&token.0) {
            take(&mut self.parts, id);
        }
        let id = self.delivered(token);
        // The peer never takes it.
        self.credit.refused((before - self.undelivered) as u64);
        id
    }

    /// The application's message with this token.
    pub(super) fn sent_as(&self, token: Token) -> Option<u64> {
        self.sent.get(&token.0).map(|(id, _)| *id)
    }

    /// The transport gave up a message with a lifetime, or is about to say that it is lost altogether.
    pub(super) fn undelivered(&mut self, token: Token) {
        self.given_up.push(token);
    }

    /// It is not lost: which messages it gave up. The peer may have them all the same.
    pub(super) fn take_given_up(&mut self) -> Vec<u64> {
        let tokens = std::mem::take(&mut self.given_up);
        let before = self.undelivered;
        let ids = tokens.into_iter().filter_map(|token| self.delivered(token)).collect();
        self.credit.given_up((before - self.undelivered) as u64);
        ids
    }

    /// TAKEN: the peer's application has taken so much since the association began.
    ///
    /// # Errors
    /// It was never sent so much.
    pub(super) fn peer_took(&mut self, bytes: u64) -> Result<(), String> {
        self.credit.peer_took(bytes)
    }

    /// A message came in on the association for user data.
    pub(super) fn receive_on_data(
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
    pub(super) fn receive(&mut self, sequence: u64, stream: u16, ppid: u32, unordered: bool, data: Bytes) -> Received {
        match ppid {
            PPID_ASAP => self.receive_any(sequence, stream, ppid, unordered, data),
            _ if self.data.is_separate() => Received::Broken("data on the association for control".into()),
            _ => self.receive_any(sequence, stream, ppid, unordered, data),
        }
    }

    fn receive_any(&mut self, sequence: u64, stream: u16, ppid: u32, unordered: bool, data: Bytes) -> Received {
        match ppid {
            PPID_ASAP if self.control_bytes > self.settings.max_control_bytes => {
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
    pub(super) fn taken(&mut self, receipt: Receipt) {
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
    pub(super) fn has_untaken(&self) -> bool {
        self.untaken.len() > self.fragments.pieces()
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

    /// What the transport of the association for user data is to do.
    pub(super) fn take_data_requests(&mut self) -> Vec<Request> {
        std::mem::take(&mut self.data_requests)
    }

    pub(super) fn request_data(&mut self, request: Request) {
        self.data_requests.push(request);
    }

    pub(super) fn request(&mut self, request: Request) {
        if let Request::Heartbeat(heartbeat) = &request {
            self.heartbeat = Some(*heartbeat);
        }
        if self.data.id().is_some() {
            self.data_requests.push(request.clone());
        }
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
/// Kept free in a message for the envelope and what may be added to it, docs/session-wire.md §9.
const HEADROOM: usize = 64;
/// What an SCTP transport queues, with room for what else there is.
const MOST_FRAGMENTS_OVER_SCTP: usize = 3 << 20;
/// Message ids in one ACK.
const MAX_ACKS: usize = 1_000;
