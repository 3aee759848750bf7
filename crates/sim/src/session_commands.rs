// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any bytes as a list of commands, with time, to one end of a session: for property tests and the fuzz target `session`.
//!
//! The application, the endpoint, the transport and the peer are played by the bytes. What always must hold is checked after
//! every command.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use machine::association::{AssociationId, Event, LostReason, Mapping, Peer, PeerIdentity, Request, Token};
use machine::{Machine, Output, Time};
use rsp_core::PPID_ASAP;
use rsp_core::config::{Profile, SessionSettings};
use rsp_core::session::{
    FromEndpoint, Outgoing, PeEffect, PeInput, PeItem, PeSession, PuEffect, PuInput, PuItem, PuOptions, PuSession,
    Receipt, SelectFailure, SendId, ToEndpoint,
};
use rsp_wire::asap::{self, Message};
use rsp_wire::parameter::{
    ErrorCause, OperationError, Policy, PoolElement, Protocol, RegistrationLife, Transport, TransportUse, UserTransport,
};
use rsp_wire::session::{ByeReason, ENVELOPE_PPID, Envelope, Features, Hello, SessionParameter};
use rsp_wire::{Dialect, PeId, ServerId};
use smallvec::smallvec;

use crate::source::Source;

/// Runs the commands that `bytes` stand for. Panics if something does not hold that always must.
pub fn run(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    let mut world = World::new(&mut source);
    for _ in 0..MOST_COMMANDS {
        if source.is_empty() || world.after_the_end > MOST_AFTER_THE_END {
            break;
        }
        world.after_the_end += usize::from(world.ended);
        world.command(&mut source);
    }
    world.finish();
}

/// One end and all it knows of the world.
struct World {
    end: End,
    now: Time,
    deadline: Option<Time>,
    /// The association in use, as its transport sees it.
    link: Option<Link>,
    accepted: u64,
    sends: BTreeSet<SendId>,
    next_send: u64,
    receipts: Vec<Receipt>,
    /// Numbers a peer who keeps to the rules uses: our sends it has not acknowledged, and its own next one.
    seen: VecDeque<u64>,
    peer_next: u64,
    select_pending: bool,
    greeted: bool,
    ended: bool,
    after_the_end: usize,
}

enum End {
    Pu(PuSession),
    Pe(PeSession),
}

struct Link {
    id: AssociationId,
    up: bool,
    max_message: usize,
    sequence: u64,
    untaken: BTreeSet<u64>,
    in_flight: VecDeque<Token>,
}

/// What both ends want, in the same words.
#[derive(Debug)]
enum Wish {
    Association(AssociationId, Request),
    Select,
    Received(Option<Receipt>),
    Outcome(SendId),
    Ended,
    Nothing,
}

impl World {
    fn new(source: &mut Source<'_>) -> Self {
        let profile = Profile::ALL[source.below(4)];
        let settings = SessionSettings {
            extensions: source.below(8) != 0,
            receive_window: [1, 1000, 256 << 10][source.below(3)],
            max_message_size: [0, 1000, 200_000][source.below(3)],
            ..SessionSettings::of(profile)
        };
        let choice = source.byte();
        let (yes, other) = (choice & 1 == 1, choice & 2 == 2);
        let peer = peer(source);
        let (end, link) = if choice & 4 == 4 {
            let link = Link::new(AssociationId(1), Some(&peer));
            (End::Pe(PeSession::new(settings, PeId(7), yes, AssociationId(1), &peer, Time::ZERO)), Some(link))
        } else {
            let options = PuOptions { failover: yes, hold_failover: other, separate: false };
            (End::Pu(PuSession::new(settings, options, SESSION)), None)
        };
        let mut world = World {
            end,
            now: Time::ZERO,
            deadline: None,
            link,
            accepted: 0,
            sends: BTreeSet::new(),
            next_send: 0,
            receipts: Vec::new(),
            seen: VecDeque::new(),
            peer_next: 1,
            select_pending: false,
            greeted: false,
            ended: false,
            after_the_end: 0,
        };
        if choice & 8 == 0 {
            world.pu(PuInput::Start);
        }
        world.settle();
        world
    }

    fn command(&mut self, source: &mut Source<'_>) {
        match source.below(16) {
            0 | 1 => self.send(source),
            2 | 3 => self.onwards(source),
            4 => self.delivered(1 + source.below(4)),
            5 => {
                let parameters = (0..1 + source.below(2)).map(|_| self.parameter(source)).collect();
                self.control(Message::Session(asap::Session { parameters, unknown: Vec::new() }));
            }
            6 if !self.greeted || source.below(16) == 15 => self.greet(source),
            6 => self.control(message(source)),
            7..=9 => self.data(source),
            10 | 11 => {
                let receipt = self.receipts.get(self.receipts.len().wrapping_sub(1 + source.below(3))).copied();
                if let Some(receipt) = receipt {
                    match source.below(3) {
                        0 => self.both(PuInput::Acknowledge(receipt), PeInput::Acknowledge(receipt)),
                        _ => self.both(PuInput::Taken(receipt), PeInput::Taken(receipt)),
                    }
                }
            }
            12 => self.wait(Duration::from_millis(u64::from(source.byte()) * [1, 50, 500][source.below(3)])),
            13 => self.wait(self.deadline.map_or(Duration::ZERO, |deadline| deadline.since(self.now))),
            14 => match source.below(4) {
                0 => self.lost(source),
                1 => self.event(Event::Paused),
                2 => self.pu(PuInput::FailoverDone(source.below(3) as u32)),
                _ => self.raw(source),
            },
            _ => self.rare(source),
        }
    }

    fn send(&mut self, source: &mut Source<'_>) {
        let id = SendId(self.next_send);
        self.next_send += 1;
        let outgoing = Outgoing {
            data: vec![1; [1, 10, 100, 1000, 70_000, 0][source.below(6)]].into(),
            stream: source.below(2) as u16,
            unordered: source.below(4) == 0,
            ppid: [0, 0, 5, PPID_ASAP, ENVELOPE_PPID][source.below(20).saturating_sub(15)],
            ack: source.below(2) == 0,
            failover: [None, Some(true), Some(false)][source.below(3)],
            lifetime: [None, None, Some(0), Some(50), Some(100_000)][source.below(5)].map(Duration::from_millis),
            answers: self.receipts.last().copied().filter(|_| source.below(3) == 0),
            only: [None, None, Some(PeId(1)), Some(PeId(2))][source.below(4)],
        };
        self.sends.insert(id);
        self.both(PuInput::Send(id, outgoing.clone()), PeInput::Send(id, outgoing));
    }

    /// What comes next when all goes well, most often.
    fn onwards(&mut self, source: &mut Source<'_>) {
        let connecting = self.link.as_ref().is_some_and(|link| !link.up);
        if std::mem::take(&mut self.select_pending) {
            let unknown = Err(SelectFailure::UnknownPool("no such pool".into()));
            let result = if source.below(16) == 15 { unknown } else { Ok(element(source)) };
            self.pu(PuInput::Endpoint(FromEndpoint::Selected(result)));
        } else if connecting && source.below(8) != 7 {
            let peer = peer(source);
            self.up(&peer);
        } else if connecting {
            self.lost(source);
        } else if !self.greeted && source.below(8) != 7 {
            self.greet(source);
        } else {
            self.pu(PuInput::Endpoint(FromEndpoint::Listed(source.below(4) == 3)));
        }
    }

    fn greet(&mut self, source: &mut Source<'_>) {
        self.greeted = true;
        let hello = SessionParameter::Hello(self.hello(source));
        self.control(Message::Session(asap::Session { parameters: smallvec![hello], unknown: Vec::new() }));
    }

    fn rare(&mut self, source: &mut Source<'_>) {
        match source.below(16) {
            0 => self.both(PuInput::Close, PeInput::Close),
            1 => self.both(PuInput::Abandon, PeInput::Abandon(ByeReason::Refused)),
            2 => self.pe(PeInput::Supersede),
            3 | 4 => self.pe(PeInput::Drain(Duration::from_millis(u64::from(source.byte()) * 10))),
            5 | 6 => self.pe(PeInput::SetCookie(vec![1; [0, 8, 1000, 65_500, 70_000][source.below(5)]].into())),
            7 => {
                // Words of an association that is no more, or not ours.
                let id = AssociationId(u64::from(source.byte()));
                if self.link.as_ref().is_none_or(|link| link.id != id) {
                    self.pu(PuInput::Association(id, Event::Lost(LostReason::Reset)));
                }
            }
            8 => {
                let card = card(source);
                self.both(PuInput::SetBusinessCard(card.clone()), PeInput::SetBusinessCard(card));
            }
            9 | 10 => self.pu(PuInput::Prefer(None, card(source).pool_elements)),
            _ => self.pu(PuInput::ForceFailover { report: source.below(2) == 0 }),
        }
    }

    fn up(&mut self, peer: &Peer) {
        if let Some(link) = &mut self.link {
            *link = Link::new(link.id, Some(peer));
        }
        (self.peer_next, self.seen, self.greeted) = (1, VecDeque::new(), false);
        self.event(Event::Up(peer.clone()));
    }

    fn delivered(&mut self, count: usize) {
        for _ in 0..count {
            let Some(token) = self.link.as_mut().and_then(|link| link.in_flight.pop_front()) else { return };
            self.event(Event::Delivered(token));
        }
    }

    fn lost(&mut self, source: &mut Source<'_>) {
        let Some(mut link) = self.link.take() else { return };
        let reason = [LostReason::Reset, LostReason::HeartbeatMissed, LostReason::PeerClosed][source.below(3)].clone();
        let undelivered = link.in_flight.drain(..).map(Event::Undelivered);
        for event in undelivered.chain([Event::Lost(reason)]) {
            self.input(PuInput::Association(link.id, event.clone()), PeInput::Association(event));
        }
        self.settle();
    }

    fn data(&mut self, source: &mut Source<'_>) {
        let data = vec![2; [1, 1, 10, 10, 600, 600, 1000, 65_000][source.below(8)]];
        let id = [self.peer_next, self.peer_next, self.peer_next, 0, u64::MAX][source.below(20).saturating_sub(15)];
        if source.below(3) == 0 {
            self.peer_next += 1;
            return self.received(5, data.into());
        }
        let acknowledges = if source.below(2) == 0 { self.seen.pop_front() } else { None };
        let flag = source.byte();
        let envelope = Envelope {
            ack_wanted: flag & 1 == 1,
            resent: flag & 2 == 2,
            more_follows: flag & 0x0c == 0x0c,
            acknowledges,
            id,
            ppid: 5,
        };
        // A fragment keeps its number.
        self.peer_next += u64::from(!envelope.more_follows);
        self.received(ENVELOPE_PPID, envelope.encode(&data));
    }

    fn raw(&mut self, source: &mut Source<'_>) {
        let ppid = [PPID_ASAP, ENVELOPE_PPID, 0][source.below(3)];
        let length = source.below(64);
        self.received(ppid, source.bytes(length));
    }

    fn parameter(&mut self, source: &mut Source<'_>) -> SessionParameter {
        match source.below(8) {
            0..3 => {
                let count = 1 + source.below(3);
                let mut ids: Vec<u64> = self.seen.drain(..count.min(self.seen.len())).collect();
                ids.extend((source.below(16) == 0).then_some(u64::from(source.byte())));
                ids.extend(ids.is_empty().then_some(1));
                SessionParameter::Ack(ids.into())
            }
            3 => SessionParameter::Heartbeat(7),
            4 => SessionParameter::HeartbeatAck(7),
            5 => SessionParameter::Drain { milliseconds: u32::from(source.byte()) * 20 },
            6 if source.below(4) == 0 => SessionParameter::Bye(ByeReason::from(source.below(6) as u16)),
            _ => SessionParameter::Taken { bytes: 1 },
        }
    }

    fn hello(&mut self, source: &mut Source<'_>) -> Hello {
        let right = source.below(16) != 0;
        let limits = [1, 64, 1000, u32::MAX];
        Hello {
            version: 1,
            answer: matches!(self.end, End::Pu(_)) == right,
            resumed: false,
            data: false,
            features: [
                Features::ACKS | Features::HEARTBEAT | Features::DRAIN | Features::FRAGMENTS,
                Features(u32::from(source.byte())),
            ][source.below(2)],
            session_id: if source.below(16) == 0 { 1 } else { SESSION },
            failover_count: source.below(2) as u32,
            heartbeat_ms: [0, 200, 1000, u32::MAX][source.below(4)],
            largest_message: limits[source.below(8).min(3)],
            receive_window: limits[source.below(8).min(3)],
            next: [1, 2, 0, u64::MAX][source.below(32).saturating_sub(28)],
        }
    }

    fn control(&mut self, message: Message) {
        if let Ok(data) = message.to_bytes(Dialect::STANDARD) {
            self.received(PPID_ASAP, data);
        }
    }

    fn received(&mut self, ppid: u32, data: Bytes) {
        let Some(link) = self.link.as_mut().filter(|link| link.up && !data.is_empty()) else { return };
        let sequence = link.sequence;
        link.sequence += 1;
        link.untaken.insert(sequence);
        self.event(Event::Message { sequence, stream: 0, ppid, unordered: false, data });
    }

    fn event(&mut self, event: Event) {
        let Some(link) = &self.link else { return };
        self.both(PuInput::Association(link.id, event.clone()), PeInput::Association(event));
    }

    fn both(&mut self, pu: PuInput, pe: PeInput) {
        self.input(pu, pe);
        self.settle();
    }

    fn input(&mut self, pu: PuInput, pe: PeInput) {
        match &mut self.end {
            End::Pu(session) => session.handle_input(pu, self.now),
            End::Pe(session) => session.handle_input(pe, self.now),
        }
    }

    fn pu(&mut self, input: PuInput) {
        if let End::Pu(session) = &mut self.end {
            session.handle_input(input, self.now);
            self.settle();
        }
    }

    fn pe(&mut self, input: PeInput) {
        if let End::Pe(session) = &mut self.end {
            session.handle_input(input, self.now);
            self.settle();
        }
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        match &mut self.end {
            End::Pu(session) => session.handle_timeout(self.now),
            End::Pe(session) => session.handle_timeout(self.now),
        }
        self.settle();
        assert!(self.deadline.is_none_or(|deadline| deadline > self.now), "a deadline that does not move");
    }

    /// Ends it, and counts.
    fn finish(&mut self) {
        self.both(PuInput::Abandon, PeInput::Abandon(ByeReason::Closed));
        assert!(self.ended && self.sends.is_empty());
        assert_eq!(self.deadline, None);
    }

    fn settle(&mut self) {
        while let Some(wish) = self.wish() {
            self.perform(wish);
        }
        assert!(!self.ended || self.sends.is_empty(), "sends without an outcome: {:?}", self.sends);
    }

    fn wish(&mut self) -> Option<Wish> {
        match &mut self.end {
            End::Pu(session) => match session.poll_output() {
                Output::Wait(deadline) => self.deadline = deadline,
                Output::Effect(effect) => return Some(effect.into()),
            },
            End::Pe(session) => match session.poll_output() {
                Output::Wait(deadline) => self.deadline = deadline,
                Output::Effect(effect) => return Some(effect.into()),
            },
        }
        None
    }

    fn perform(&mut self, wish: Wish) {
        assert!(!self.ended || matches!(wish, Wish::Outcome(_) | Wish::Nothing), "{wish:?} after the end");
        match wish {
            Wish::Association(id, Request::Connect { .. }) => {
                assert!(
                    self.link.is_none() && id.0 > self.accepted,
                    "one association at a time, each with its own number"
                );
                self.accepted = id.0;
                self.link = Some(Link::new(id, None));
            }
            Wish::Association(id, request) => self.request(id, request),
            Wish::Select => assert!(!std::mem::replace(&mut self.select_pending, true), "two questions at a time"),
            Wish::Received(receipt) => self.receipts.extend(receipt),
            Wish::Outcome(send) => assert!(self.sends.remove(&send), "a second outcome of {send:?}"),
            Wish::Ended => self.ended = true,
            Wish::Nothing => {}
        }
    }

    fn request(&mut self, id: AssociationId, request: Request) {
        // It may be gone by the time the end hears of it.
        let Some(link) = self.link.as_mut().filter(|link| link.id == id) else {
            panic!("{request:?} for {id:?}, which is no more")
        };
        match request {
            Request::Connect { .. } => {}
            Request::Send { token, ppid, data, .. } => {
                assert!(link.up, "sent before it is up");
                let most = match ppid {
                    PPID_ASAP => 65_535,
                    ENVELOPE_PPID => link.max_message + 64,
                    _ => link.max_message,
                };
                assert!(data.len() <= most && !data.is_empty(), "{} bytes", data.len());
                link.in_flight.push_back(token);
                if ppid == ENVELOPE_PPID {
                    let bytes = data;
                    let (envelope, _) = Envelope::decode(&bytes).expect("it wrote it");
                    self.seen.push_back(envelope.id);
                }
            }
            Request::Taken { sequence } => assert!(link.untaken.remove(&sequence), "taken twice, or never received"),
            Request::Heartbeat(_) | Request::Probe | Request::RoundTripTime => {}
            Request::Close | Request::Abort => self.link = None,
        }
    }
}

impl Link {
    fn new(id: AssociationId, peer: Option<&Peer>) -> Self {
        Link {
            id,
            up: peer.is_some(),
            max_message: peer.map_or(0, |peer| peer.max_message),
            sequence: 0,
            untaken: BTreeSet::new(),
            in_flight: VecDeque::new(),
        }
    }
}

impl From<PuEffect> for Wish {
    fn from(effect: PuEffect) -> Self {
        match effect {
            PuEffect::Association(id, request) => Wish::Association(id, request),
            PuEffect::Endpoint(ToEndpoint::Select { .. }) => Wish::Select,
            PuEffect::Endpoint(_) => Wish::Nothing,
            PuEffect::Deliver(PuItem::Data(message)) => Wish::Received(Some(message.receipt)),
            PuEffect::Deliver(_) => Wish::Received(None),
            PuEffect::Outcome(send, _) => Wish::Outcome(send),
            PuEffect::Ended(_) => Wish::Ended,
            PuEffect::Event(_) => Wish::Nothing,
        }
    }
}

impl From<PeEffect> for Wish {
    fn from(effect: PeEffect) -> Self {
        match effect {
            PeEffect::Association(request) => Wish::Association(AssociationId(1), request),
            PeEffect::Data(request) => panic!("{request:?} for an association that was not offered"),
            PeEffect::Deliver(PeItem::Data(message)) => Wish::Received(Some(message.receipt)),
            PeEffect::Deliver(_) => Wish::Received(None),
            PeEffect::Outcome(send, _) => Wish::Outcome(send),
            PeEffect::Ended(_) => Wish::Ended,
            PeEffect::Greeted { .. } => Wish::Nothing,
            PeEffect::Event(_) => Wish::Nothing,
        }
    }
}

fn message(source: &mut Source<'_>) -> Message {
    let unknown = Vec::new();
    match source.below(5) {
        0 => asap::Cookie { cookie: source.bytes(8), unknown }.into(),
        1 => asap::CookieEcho { cookie: source.bytes(8), unknown }.into(),
        2 => {
            let cause = ErrorCause::UnrecognizedMessage(source.bytes(4));
            asap::Error { error: OperationError(smallvec![cause]), unknown }.into()
        }
        3 => card(source).into(),
        _ => asap::HandleResolution { subscribe: false, pool_handle: "web".into(), items: None, unknown }.into(),
    }
}

fn card(source: &mut Source<'_>) -> asap::BusinessCard {
    let pool_elements = (0..source.below(4)).map(|_| element(source)).collect();
    asap::BusinessCard { pool_handle: "web".into(), pool_elements, unknown: Vec::new() }
}

fn peer(source: &mut Source<'_>) -> Peer {
    let mapping = [Mapping::Tcp, Mapping::Sctp, Mapping::PlainAsap][source.below(16).saturating_sub(13)];
    Peer {
        addresses: smallvec![([192, 0, 2, 1], 7000).into()],
        local: ([192, 0, 2, 2], 7000).into(),
        mapping,
        max_message: 65_455,
        identity: PeerIdentity::Anonymous,
        local_addresses: Default::default(),
        own_heartbeat: mapping == Mapping::Tcp,
    }
}

fn element(source: &mut Source<'_>) -> PoolElement {
    PoolElement {
        id: PeId(source.below(4) as u32),
        home: ServerId::NONE,
        life: RegistrationLife(-1),
        user_transport: UserTransport::Ip(Transport {
            protocol: [Protocol::Tcp, Protocol::Sctp, Protocol::Udp][source.below(16).saturating_sub(13)],
            port: 7000,
            transport_use: TransportUse::DATA_PLUS_CONTROL,
            addresses: smallvec![[192, 0, 2, 1].into()],
        }),
        policy: Policy::RoundRobin,
        asap_transport: None,
        unknown: Vec::new(),
    }
}

/// Ours, if we are the pool user.
const SESSION: u64 = 0xabc;
const MOST_COMMANDS: usize = 2_000;
const MOST_AFTER_THE_END: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn no_list_of_commands_breaks_a_session(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
            run(&bytes);
        }
    }
}
