// SPDX-License-Identifier: MIT OR Apache-2.0
//! A pool element's process: its endpoint, its listener, its sessions and an application that answers, wired as crate `rserpool` does.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use machine::association::{AssociationId, Event, Peer};
use machine::{Machine, Output, Time};
use rsp_core::PPID_ASAP;
use rsp_core::config::{EndpointSettings, SessionSettings};
use rsp_core::endpoint::{self, Command, Endpoint, Home, Life, Register, RegistrationId, Reply};
use rsp_core::session::{Message, Outgoing, PeEffect, PeInput, PeItem, PeSession, SendId};
use rsp_wire::parameter::{Policy, UserTransport};
use rsp_wire::{PeId, asap};
use tcp_mapping::Config;

use super::pool_user::number;
use super::{Plan, endpoint_config, pe_transport, pool, session_config};
use crate::network::{Awake, Datagram, Owner, Sockets};

/// The process.
#[derive(Debug)]
pub struct ElementProcess {
    /// Its identifier.
    pub id: PeId,
    /// Towards registrars.
    pub endpoint: Endpoint,
    /// What it reported.
    pub endpoint_events: Vec<(Time, endpoint::Event)>,
    /// Answers of the registrars.
    pub replies: Vec<(Time, Reply)>,
    /// The application neither receives nor answers.
    pub application_stopped: bool,
    /// Requests answered.
    pub served: u64,
    /// It has drained and is gone.
    pub left: bool,
    /// A registrar has said yes, and nothing has ended that since.
    pub acknowledged: Option<Acknowledged>,
    /// Registrations that were.
    pub registered: usize,
    service: Duration,
    sessions: BTreeMap<u64, ElementSession>,
    by_session_id: BTreeMap<u64, u64>,
    next_session: u64,
    door: BTreeMap<AssociationId, Greeting>,
    next_accepted: u64,
    address: IpAddr,
    registration: RegistrationId,
    /// When it is to register: at its start, and after a first registration found no registrar.
    register_at: Option<Time>,
    sockets: Sockets,
    drain_until: Option<Time>,
    endpoint_settings: EndpointSettings,
    session_settings: SessionSettings,
}

/// What a registrar has said yes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledged {
    /// The first time, by the network's clock.
    pub first: Time,
    /// The last time.
    pub last: Time,
    /// By whom it was the last time.
    pub home: Home,
}

#[derive(Debug)]
struct ElementSession {
    machine: PeSession,
    /// Received, and not taken by the application yet.
    unread: VecDeque<Message>,
    /// Taken; the answer is ready at that time.
    working: VecDeque<(Time, Message)>,
    received: u64,
    sent: u64,
}

/// An association that has not said what it is for.
#[derive(Debug, Default)]
struct Greeting {
    up: Option<(Peer, Time)>,
}

impl ElementProcess {
    pub(super) fn new(id: PeId, address: IpAddr, plan: &Plan, seed: u64) -> Self {
        ElementProcess {
            id,
            address,
            endpoint: Endpoint::new(plan.endpoint.clone(), plan.registrar_addresses(), seed),
            endpoint_events: Vec::new(),
            replies: Vec::new(),
            application_stopped: false,
            served: 0,
            left: false,
            acknowledged: None,
            registered: 0,
            service: plan.workload.service,
            sessions: BTreeMap::new(),
            by_session_id: BTreeMap::new(),
            next_session: 0,
            door: BTreeMap::new(),
            next_accepted: 1,
            registration: RegistrationId(0),
            register_at: Some(Time::ZERO),
            sockets: Sockets::new(),
            drain_until: None,
            endpoint_settings: plan.endpoint.clone(),
            session_settings: plan.session.clone(),
        }
    }

    /// Joins the pool.
    fn register(&mut self, now: Time) {
        self.register_at = None;
        self.registration.0 += 1;
        let register = Register {
            registration: self.registration,
            pool: pool(),
            pe_id: self.id,
            life: Life::For(self.endpoint_settings.default_life),
            policy: Policy::RoundRobin,
            user_transport: UserTransport::Ip(pe_transport(self.address)),
            asap_transport: None,
        };
        self.endpoint.handle_input(endpoint::Input::Command(Command::Register(register)), now);
    }

    /// Leaves the pool: pool users are told first, as `PoolElement::drain` does.
    pub(super) fn drain(&mut self, now: Time) {
        self.acknowledged = None;
        self.register_at = None;
        let time = self.session_settings.drain_timeout;
        self.drain_until = Some(now + time);
        for session in self.sessions.values_mut() {
            session.machine.handle_input(PeInput::Drain(time), now);
        }
        let command = Command::Deregister { registration: self.registration };
        self.endpoint.handle_input(endpoint::Input::Command(command), now);
    }

    /// It has begun to leave its pool.
    pub fn is_leaving(&self) -> bool {
        self.drain_until.is_some()
    }

    /// Sessions open now.
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }

    pub(super) fn wake(&mut self, awake: &mut Awake<'_>) -> Option<Time> {
        let (config, next, door) = (self.session_config(), &mut self.next_accepted, &mut self.door);
        self.sockets.accept(config, awake, || {
            *next += 2;
            let id = AssociationId(*next);
            door.insert(id, Greeting::default());
            (Owner::Door, id)
        });
        self.sockets.read(awake);
        while let Some(Datagram { from, data, .. }) = awake.kernel.datagram() {
            self.endpoint.handle_input(endpoint::Input::Announcement { from, data }, awake.now);
        }
        self.work(awake);
        self.sockets.handle_timeout(awake.now);
        self.work(awake);
        self.endpoint.handle_timeout(awake.now);
        for session in self.sessions.values_mut() {
            session.machine.handle_timeout(awake.now);
        }
        self.end_silence(awake);
        if self.register_at.is_some_and(|at| at <= awake.now) {
            self.register(awake.now);
        }
        let deadline = self.work(awake);
        if self.drain_until.is_some_and(|until| until <= awake.now || self.sessions.is_empty()) && !self.left {
            awake.dialogue.say(awake.at, || format!("drained, {} sessions left", self.sessions.len()));
            self.left = true;
            awake.kernel.listen_no_more(awake.network, awake.at);
        }
        self.sockets.write(awake);
        let silence = self.door.values().filter_map(|greeting| Some(greeting.up.as_ref()?.1)).min();
        let register = self.register_at;
        let drain = self.drain_until.filter(|_| !self.left);
        deadline.into_iter().chain(silence).chain(drain).chain(register).chain(self.sockets.deadline()).min()
    }

    /// The application's turn: every request is answered after the service time, and the answer acknowledges it. Whether it did anything, and when it
    /// wants to do more.
    fn answer(&mut self, now: Time) -> (bool, Option<Time>) {
        if self.application_stopped {
            return (false, None);
        }
        let mut busy = false;
        for session in self.sessions.values_mut() {
            while let Some(message) = session.unread.pop_front() {
                busy = true;
                session.take(message, now + self.service, now);
            }
            while let Some((_, message)) = session.working.pop_front_if(|(at, _)| *at <= now) {
                busy = true;
                session.sent += 1;
                self.served += 1;
                if session.sent % COOKIE_EVERY == 0 {
                    let cookie = Bytes::copy_from_slice(&number(&message.data).to_be_bytes());
                    session.machine.handle_input(PeInput::SetCookie(cookie), now);
                }
                let outgoing = Outgoing { answers: Some(message.receipt), ..Outgoing::from(message.data) };
                session.machine.handle_input(PeInput::Send(SendId(session.sent), outgoing), now);
            }
        }
        (busy, self.sessions.values().filter_map(|session| Some(session.working.front()?.0)).min())
    }

    fn work(&mut self, awake: &mut Awake<'_>) -> Option<Time> {
        loop {
            let deadline = self.perform(awake);
            let Some(((owner, id), event)) = self.sockets.next_event(awake) else {
                let (busy, next) = self.answer(awake.now);
                if busy {
                    continue;
                }
                return deadline.into_iter().chain(next).min();
            };
            match owner {
                Owner::Door => self.greet(id, event, awake),
                Owner::Endpoint => self.endpoint.handle_input(endpoint::Input::Association(id, event), awake.now),
                Owner::Session(number) => {
                    if let Some(session) = self.sessions.get_mut(&number) {
                        session.machine.handle_input(PeInput::Association(event), awake.now);
                    }
                }
            }
        }
    }

    /// Role by first message: a registrar says KEEP_ALIVE, everyone else wants a session.
    fn greet(&mut self, id: AssociationId, event: Event, awake: &mut Awake<'_>) {
        let Some(greeting) = self.door.get_mut(&id) else { return };
        match (greeting.up.take(), event) {
            (None, Event::Up(peer)) => greeting.up = Some((peer, awake.now + self.session_settings.hello_wait)),
            (None, _) | (Some(_), Event::Lost(_)) => drop(self.door.remove(&id)),
            // It says nothing about who is there.
            (up @ Some(_), Event::Paused) => greeting.up = up,
            (Some((peer, _)), first) if is_keep_alive(&first) => {
                self.door.remove(&id);
                self.sockets.rename((Owner::Door, id), (Owner::Endpoint, id));
                for event in [Event::Up(peer), first] {
                    self.endpoint.handle_input(endpoint::Input::Association(id, event), awake.now);
                }
            }
            (Some((peer, _)), first) => self.open(id, &peer, Some(first), awake.now),
        }
    }

    /// `hello_wait` of silence is a session, too.
    fn end_silence(&mut self, awake: &mut Awake<'_>) {
        let silent = |(id, greeting): (&AssociationId, &Greeting)| {
            greeting.up.clone().filter(|(_, until)| *until <= awake.now).map(|(peer, _)| (*id, peer))
        };
        for (id, peer) in self.door.iter().filter_map(silent).collect::<Vec<_>>() {
            self.open(id, &peer, None, awake.now);
        }
    }

    fn open(&mut self, id: AssociationId, peer: &Peer, first: Option<Event>, now: Time) {
        self.door.remove(&id);
        self.next_session += 1;
        let key = self.next_session;
        self.sockets.rename((Owner::Door, id), (Owner::Session(key), ACCEPTED));
        let mut machine = PeSession::new(self.session_settings.clone(), self.id, true, ACCEPTED, peer, now);
        if let Some(first) = first {
            machine.handle_input(PeInput::Association(first), now);
        }
        if let Some(until) = self.drain_until {
            machine.handle_input(PeInput::Drain(until.since(now)), now);
        }
        let (unread, working) = (VecDeque::new(), VecDeque::new());
        self.sessions.insert(key, ElementSession { machine, unread, working, received: 0, sent: 0 });
    }

    /// Does what the machines want, and answers their first deadline.
    fn perform(&mut self, awake: &mut Awake<'_>) -> Option<Time> {
        let keys: Vec<u64> = self.sessions.keys().copied().collect();
        let mut deadlines: Vec<Time> = Vec::new();
        for key in keys {
            deadlines.extend(self.perform_session(key, awake));
        }
        loop {
            match self.endpoint.poll_output() {
                Output::Effect(endpoint::Effect::Association(id, request)) => {
                    let config = endpoint_config(&self.endpoint_settings);
                    self.sockets.perform((Owner::Endpoint, id), request, config, awake);
                }
                Output::Effect(endpoint::Effect::Reply(reply)) => {
                    awake.dialogue.say(awake.at, || format!("{reply:?}"));
                    self.replied(&reply, awake);
                    self.replies.push((awake.at, reply));
                }
                Output::Effect(endpoint::Effect::Event(event)) => {
                    awake.dialogue.say(awake.at, || event.to_string());
                    self.endpoint_events.push((awake.at, event));
                }
                Output::Wait(deadline) => break deadlines.extend(deadline),
            }
        }
        deadlines.into_iter().min()
    }

    fn replied(&mut self, reply: &Reply, awake: &Awake<'_>) {
        match reply {
            Reply::Registered { home, .. } if self.drain_until.is_none() => {
                self.registered += 1;
                let first = self.acknowledged.map_or(awake.at, |before| before.first);
                self.acknowledged = Some(Acknowledged { first, last: awake.at, home: *home });
            }
            Reply::RegistrationFailed { ended: true, .. } if self.drain_until.is_none() => {
                self.acknowledged = None;
                self.register_at = Some(awake.now + RESTART);
            }
            _ => {}
        }
    }

    fn perform_session(&mut self, key: u64, awake: &mut Awake<'_>) -> Option<Time> {
        loop {
            let config = self.session_config();
            let session = self.sessions.get_mut(&key)?;
            let effect = match session.machine.poll_output() {
                Output::Wait(deadline) => return deadline,
                Output::Effect(effect) => effect,
            };
            match effect {
                PeEffect::Association(request) => {
                    self.sockets.perform((Owner::Session(key), ACCEPTED), request, config, awake);
                }
                PeEffect::Deliver(PeItem::Cookie(_)) => {
                    assert_eq!(session.received, 0, "a cookie comes before any data")
                }
                PeEffect::Deliver(PeItem::BusinessCard(_)) => {}
                PeEffect::Deliver(PeItem::Data(message)) => {
                    session.received += 1;
                    if self.application_stopped {
                        session.unread.push_back(message);
                    } else {
                        session.take(message, awake.now + self.service, awake.now);
                    }
                }
                PeEffect::Outcome(..) => {}
                PeEffect::Data(request) => panic!("{request:?} for an association that was not offered"),
                PeEffect::Greeted { session_id, .. } => {
                    if let Some(old) = self.by_session_id.insert(session_id, key).filter(|old| *old != key)
                        && let Some(old) = self.sessions.get_mut(&old)
                    {
                        old.machine.handle_input(PeInput::Supersede, awake.now);
                    }
                }
                PeEffect::Event(event) => awake.dialogue.say(awake.at, || format!("session {key}: {event:?}")),
                PeEffect::Ended(end) => {
                    awake.dialogue.say(awake.at, || format!("session {key} ended: {end}"));
                    self.sessions.remove(&key);
                    return None;
                }
            }
        }
    }

    fn session_config(&self) -> Config {
        session_config(&self.session_settings)
    }
}

impl ElementSession {
    fn take(&mut self, message: Message, ready: Time, now: Time) {
        self.machine.handle_input(PeInput::Taken(message.receipt), now);
        self.working.push_back((ready, message));
    }
}

fn is_keep_alive(event: &Event) -> bool {
    matches!(event, Event::Message { ppid: PPID_ASAP, data, .. }
        if matches!(asap::Message::decode(data), Ok(decoded) if matches!(decoded.message, asap::Message::EndpointKeepAlive(_))))
}

/// The association's identifier in its session.
const ACCEPTED: AssociationId = AssociationId(1);
/// Until an application that found no registrar is started again.
const RESTART: Duration = Duration::from_millis(200);
/// A cookie goes with every eighth answer.
const COOKIE_EVERY: u64 = 8;
