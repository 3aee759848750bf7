// SPDX-License-Identifier: MIT OR Apache-2.0
//! A pool user's process: its endpoint, its sessions and an application that asks, wired as crate `rserpool` does.

use std::collections::{BTreeMap, VecDeque};

use bytes::{BufMut, Bytes, BytesMut};
use machine::{Machine, Output, Time};
use rsp_core::config::{EndpointSettings, SessionSettings};
use rsp_core::endpoint::{self, Command, Endpoint, Pool, Reply, RequestId, ResolveError};
use rsp_core::session::{
    FromEndpoint, Message, Outgoing, PuEffect, PuInput, PuItem, PuSession, SelectFailure, SendId, SessionEvent,
    ToEndpoint,
};
use tcp_mapping::Config;

use super::ledger::Ledger;
use super::{Workload, endpoint_config, pool, session_config};
use crate::network::{Awake, Datagram, Owner, Sockets};

/// The process.
#[derive(Debug)]
pub struct UserProcess {
    /// Towards registrars.
    pub endpoint: Endpoint,
    /// What it reported.
    pub endpoint_events: Vec<(Time, endpoint::Event)>,
    /// The application neither sends nor receives.
    pub application_stopped: bool,
    sessions: BTreeMap<u64, UserSession>,
    sockets: Sockets,
    endpoint_settings: EndpointSettings,
    session_settings: SessionSettings,
    workload: Workload,
    requests: BTreeMap<RequestId, u64>,
    next_request: u64,
    /// Sessions that hear of the pool's changes.
    watching: Vec<u64>,
    /// From the endpoint's task to those of the sessions.
    inbox: VecDeque<(u64, FromEndpoint)>,
}

#[derive(Debug)]
struct UserSession {
    machine: PuSession,
    ledger: Ledger,
    /// Received, and not taken by the application yet.
    unread: VecDeque<Message>,
    next_send: Time,
    /// The failover callback returns then.
    callback_done: Option<Time>,
    /// Which failover it answers.
    callback_number: u32,
}

impl UserProcess {
    pub(super) fn new(
        endpoint: Endpoint,
        endpoint_settings: EndpointSettings,
        session_settings: SessionSettings,
        workload: Workload,
        sessions: impl Iterator<Item = PuSession>,
        now: Time,
    ) -> Self {
        let session = |machine| {
            let mut session = UserSession {
                machine,
                ledger: Ledger::default(),
                unread: VecDeque::new(),
                next_send: now,
                callback_done: None,
                callback_number: 0,
            };
            session.machine.handle_input(PuInput::Start, now);
            session
        };
        UserProcess {
            endpoint,
            endpoint_events: Vec::new(),
            application_stopped: false,
            sessions: (1..).zip(sessions.map(session)).collect(),
            sockets: Sockets::new(),
            endpoint_settings,
            session_settings,
            workload,
            requests: BTreeMap::new(),
            next_request: 0,
            watching: Vec::new(),
            inbox: VecDeque::new(),
        }
    }

    /// What became of each session's requests.
    pub fn ledgers(&self) -> impl Iterator<Item = &Ledger> {
        self.sessions.values().map(|session| &session.ledger)
    }

    /// The session machines.
    pub fn machines(&self) -> impl Iterator<Item = &PuSession> {
        self.sessions.values().map(|session| &session.machine)
    }

    /// Everything was asked and answered.
    pub fn is_done(&self) -> bool {
        self.ledgers().all(|ledger| ledger.asked() == self.workload.requests && ledger.is_settled())
    }

    pub(super) fn force_failover(&mut self, report: bool, now: Time) {
        for session in self.sessions.values_mut() {
            session.machine.handle_input(PuInput::ForceFailover { report }, now);
        }
    }

    pub(super) fn wake(&mut self, awake: &mut Awake<'_>) -> Option<Time> {
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
        let deadline = self.work(awake);
        self.sockets.write(awake);
        deadline.into_iter().chain(self.sockets.deadline()).min()
    }

    /// The application's turn: requests go out at its pace, while the window has room. Whether it did anything, and when it wants to do more.
    fn ask(&mut self, now: Time) -> (bool, Option<Time>) {
        if self.application_stopped {
            return (false, None);
        }
        let (mut busy, mut next) = (false, None);
        for session in self.sessions.values_mut() {
            while let Some(message) = session.unread.pop_front() {
                busy = true;
                session.take(message, now);
            }
            if session.callback_done.take_if(|at| *at <= now).is_some() {
                busy = true;
                session.machine.handle_input(PuInput::FailoverDone(session.callback_number), now);
            }
            let Workload { requests, gap, window, .. } = self.workload;
            // A full window opens with an outcome, which is a turn of its own.
            let has_room = |ledger: &Ledger| ledger.asked() < requests && ledger.outstanding() < window;
            while session.next_send <= now && has_room(&session.ledger) {
                busy = true;
                let number = session.ledger.ask(now);
                let size = self.workload.size(number);
                let outgoing = Outgoing { ack: true, ..Outgoing::from(request(number, size)) };
                session.machine.handle_input(PuInput::Send(SendId(number), outgoing), now);
                session.next_send = now + gap;
            }
            let send = Some(session.next_send).filter(|_| has_room(&session.ledger));
            next = next.into_iter().chain(session.callback_done).chain(send).min();
        }
        (busy, next)
    }

    fn work(&mut self, awake: &mut Awake<'_>) -> Option<Time> {
        loop {
            let deadline = self.perform(awake);
            if let Some((number, news)) = self.inbox.pop_front() {
                self.input(number, PuInput::Endpoint(news), awake.now);
            } else if let Some(((owner, id), event)) = self.sockets.next_event(awake) {
                match owner {
                    Owner::Session(number) => self.input(number, PuInput::Association(id, event), awake.now),
                    Owner::Endpoint | Owner::Door => {
                        self.endpoint.handle_input(endpoint::Input::Association(id, event), awake.now);
                    }
                }
            } else {
                let (busy, next) = self.ask(awake.now);
                if !busy {
                    return deadline.into_iter().chain(next).min();
                }
            }
        }
    }

    fn input(&mut self, number: u64, input: PuInput, now: Time) {
        if let Some(session) = self.sessions.get_mut(&number) {
            session.machine.handle_input(input, now);
        }
    }

    /// Does what the machines want, and answers their first deadline.
    fn perform(&mut self, awake: &mut Awake<'_>) -> Option<Time> {
        let numbers: Vec<u64> = self.sessions.keys().copied().collect();
        let mut deadlines: Vec<Time> = Vec::new();
        for number in numbers {
            deadlines.extend(self.perform_session(number, awake));
        }
        loop {
            match self.endpoint.poll_output() {
                Output::Effect(endpoint::Effect::Association(id, request)) => {
                    let config = endpoint_config(&self.endpoint_settings);
                    self.sockets.perform((Owner::Endpoint, id), request, config, awake);
                }
                Output::Effect(endpoint::Effect::Reply(reply)) => self.reply(reply),
                Output::Effect(endpoint::Effect::Event(event)) => {
                    awake.dialogue.say(awake.at, || event.to_string());
                    self.endpoint_events.push((awake.now, event));
                }
                Output::Wait(deadline) => break deadlines.extend(deadline),
            }
        }
        deadlines.into_iter().min()
    }

    fn perform_session(&mut self, number: u64, awake: &mut Awake<'_>) -> Option<Time> {
        let config: Config = session_config(&self.session_settings);
        loop {
            let session = self.sessions.get_mut(&number)?;
            let effect = match session.machine.poll_output() {
                Output::Wait(deadline) => return deadline,
                Output::Effect(effect) => effect,
            };
            match effect {
                PuEffect::Association(id, request) => {
                    self.sockets.perform((Owner::Session(number), id), request, config, awake);
                }
                PuEffect::Endpoint(ask) => self.ask_endpoint(number, ask, awake.now),
                PuEffect::Deliver(PuItem::Data(message)) if self.application_stopped => {
                    session.unread.push_back(message);
                }
                PuEffect::Deliver(PuItem::Data(message)) => session.take(message, awake.now),
                PuEffect::Deliver(item) => {
                    awake.dialogue.say(awake.at, || format!("session {number}: {item:?}"));
                    if let PuItem::Failover { number, from, to, cause, .. } = item {
                        session.callback_number = number;
                        session.ledger.failed_over(awake.now, from, to.pe, cause);
                        session.callback_done = self.workload.callback.map(|time| awake.now + time);
                    }
                }
                PuEffect::Outcome(send, outcome) => session.ledger.outcome(send.0, &outcome),
                PuEffect::Event(event) => {
                    awake.dialogue.say(awake.at, || format!("session {number}: {event:?}"));
                    if let SessionEvent::StrayAcknowledgement(_) = event {
                        session.ledger.stray += 1;
                    }
                }
                PuEffect::Ended(result) => {
                    awake.dialogue.say(awake.at, || format!("session {number} ended: {result:?}"));
                    session.ledger.ended = Some((awake.now, result));
                }
            }
        }
    }

    fn ask_endpoint(&mut self, number: u64, ask: ToEndpoint, now: Time) {
        let command = match ask {
            ToEndpoint::Select { avoid } => {
                self.next_request += 1;
                let request = RequestId(self.next_request);
                self.requests.insert(request, number);
                Command::Select { request, pool: pool(), avoid, offers: Default::default() }
            }
            ToEndpoint::Report(pe_id) => {
                if let Some(session) = self.sessions.get_mut(&number) {
                    session.ledger.reports.push((now, pe_id));
                }
                Command::Report { pool: pool(), pe_id }
            }
            ToEndpoint::Watch => {
                self.watching.push(number);
                Command::Watch { pool: pool() }
            }
            ToEndpoint::Unwatch => {
                self.watching.retain(|watching| *watching != number);
                Command::Unwatch { pool: pool() }
            }
        };
        self.endpoint.handle_input(endpoint::Input::Command(command), now);
    }

    fn reply(&mut self, reply: Reply) {
        match reply {
            Reply::Selected { request, result, .. } => {
                let Some(number) = self.requests.remove(&request) else { return };
                let result = result.map(|element| (*element).clone()).map_err(failure);
                self.inbox.push_back((number, FromEndpoint::Selected(result)));
            }
            Reply::PoolChanged { pool, gone: false } => {
                for number in &self.watching {
                    let target = self.sessions.get(number).and_then(|session| session.machine.target());
                    if let Some(target) = target {
                        self.inbox.push_back((*number, FromEndpoint::Listed(lists(&pool, target.pe))));
                    }
                }
            }
            _ => {}
        }
    }
}

impl UserSession {
    fn take(&mut self, message: Message, now: Time) {
        self.ledger.answered(number(&message.data), now);
        self.machine.handle_input(PuInput::Taken(message.receipt), now);
    }
}

fn lists(pool: &Pool, pe: rsp_wire::PeId) -> bool {
    !pool.complete || pool.elements.iter().any(|element| element.id == pe)
}

fn failure(error: ResolveError) -> SelectFailure {
    let text = error.to_string();
    match error {
        ResolveError::NoRegistrar { .. } | ResolveError::Timeout { .. } => SelectFailure::NoRegistrar(text),
        ResolveError::UnknownPool { .. } => SelectFailure::UnknownPool(text),
        _ => SelectFailure::Other(text),
    }
}

fn request(number: u64, size: usize) -> Bytes {
    let mut data = BytesMut::with_capacity(size.max(8));
    data.put_u64(number);
    data.resize(size.max(8), 0);
    data.freeze()
}

/// The request a message carries or answers.
pub(super) fn number(data: &Bytes) -> u64 {
    data.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}
