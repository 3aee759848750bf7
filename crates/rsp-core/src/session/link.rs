// SPDX-License-Identifier: MIT OR Apache-2.0
//! The session layer on one association: HELLO, numbering, envelopes, acknowledgements, credit (`docs/session-wire.md`).

mod receive;
mod transmit;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use smallvec::{SmallVec, smallvec};

use rsp_wire::asap;
use rsp_wire::session::{ENVELOPE_PPID, Features, Hello, SessionParameter};

use super::credit::Credit;
use super::data_association::DataAssociation;
use super::fragments::Fragments;
use super::{Message, Outgoing, take};
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
    /// Cookies the peer has not taken, the same way: it was not the peer who asked for them.
    cookies: BTreeMap<u64, usize>,
    cookie_bytes: usize,
    /// The newest cookie waits until the peer has taken others, and no acknowledgement overtakes it.
    cookie_due: bool,
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
    /// The last of our opening words, HELLO or a cookie's echo, while the peer may not have it.
    unheard: Option<u64>,
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
            cookies: BTreeMap::new(),
            cookie_bytes: 0,
            cookie_due: false,
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
            unheard: None,
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
        self.opening_word();
    }

    /// The newest cookie of the session, before anything else.
    pub(super) fn echo_cookie(&mut self, cookie: Bytes) {
        self.control(&asap::Message::CookieEcho(asap::CookieEcho { cookie, unknown: Vec::new() }));
        self.opening_word();
    }

    /// No user data overtakes what was said just now, nor what was said before it.
    fn opening_word(&mut self) {
        self.unheard = Some(CONTROL | (self.next_control - 1));
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
        if hello.answer {
            // To ours, before which the echo came.
            self.unheard = None;
        }
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

    /// User data in one message of the mapping, which has room for the envelope besides.
    fn carried(&self) -> usize {
        self.max_message
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
        if let Some(bytes) = take(&mut self.control, &token) {
            self.control_bytes -= bytes;
            self.cookies.insert(token, bytes);
            self.cookie_bytes += bytes;
        }
    }

    /// Whether a cookie may go now; if not, because the peer does not take those before it, acknowledgements wait until one may.
    pub(super) fn may_set_cookie(&mut self) -> bool {
        self.cookie_due = self.cookie_bytes > self.settings.max_control_bytes;
        !self.cookie_due
    }

    /// The peer has not taken the last cookie.
    pub(super) fn cookie_waits(&self) -> bool {
        self.cookie.is_some_and(|token| self.cookies.contains_key(&token))
    }

    /// What the transport is to do, acknowledgements gathered into one message, and with it how much was taken.
    pub(super) fn take_requests(&mut self) -> Vec<Request> {
        if !self.cookie_due {
            for ids in std::mem::take(&mut self.acks).chunks(MAX_ACKS) {
                self.session(SessionParameter::Ack(SmallVec::from_slice(ids)));
            }
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
/// What an SCTP transport queues, with room for what else there is.
const MOST_FRAGMENTS_OVER_SCTP: usize = 3 << 20;
/// Message ids in one ACK.
const MAX_ACKS: usize = 1_000;
