// SPDX-License-Identifier: MIT OR Apache-2.0
//! One association over the stack, as its owner holds it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use machine::association::{Event, Heartbeat, Mapping, PathState};
use smallvec::SmallVec;

use super::engine::{Attempt, Id};
use super::own_udp_port;
use super::port::UdpPort;
use super::stack::Stack;
use crate::tcp::UNSPECIFIED;
use crate::transport::Transport;
use crate::{Message, NotAvailable, Options, Path, Responder, SendError};

/// An association. Packets are handled whether it is polled or not, events are not.
#[derive(Debug)]
pub(super) struct UdpAssociation {
    stack: Arc<Stack>,
    id: Id,
    /// Held so that they stay open; the first is probably the one it uses.
    ports: SmallVec<[Arc<UdpPort>; 2]>,
    /// Taken from the engine and not handed up yet.
    events: VecDeque<Event>,
    /// Answers made at once, not sent yet, with their PPIDs.
    answers: Vec<(u32, BytesMut)>,
    /// Bytes of answers for which the engine has room.
    room_for_answers: usize,
    /// Messages taken, of which the engine has not heard yet.
    taken: Vec<u64>,
    peer: SocketAddr,
    local: SocketAddr,
    is_up: bool,
}

impl UdpAssociation {
    /// Takes over one that was accepted.
    pub(super) fn accepted(stack: Arc<Stack>, id: Id, ports: SmallVec<[Arc<UdpPort>; 2]>) -> Self {
        let engine = stack.lock(None);
        let peer = engine.peer_addr(id).unwrap_or(UNSPECIFIED);
        let local = engine.local_addr(id).unwrap_or(UNSPECIFIED);
        drop(engine);
        let mut association = Self::new(stack, id, ports);
        (association.peer, association.local) = (peer, local);
        association
    }

    /// Begins to connect. A peer's UDP port is not known: each that it may be is tried.
    pub(super) fn connect(stack: Arc<Stack>, addresses: &[SocketAddr], options: Options) -> Self {
        let mut attempts: Vec<Attempt> = Vec::new();
        let mut ports: SmallVec<[Arc<UdpPort>; 2]> = SmallVec::new();
        for address in addresses.iter().take(MOST_ADDRESSES) {
            let port = match stack.outgoing_port(*address) {
                Ok(port) => port,
                Err(error) => {
                    tracing::warn!(to = %address, %error, "no UDP port to connect from");
                    continue;
                }
            };
            let candidates = candidates(address.port(), stack.encapsulation_port)
                .into_iter()
                .map(|udp| (port.id, with_port(*address, udp)));
            match attempts.iter_mut().find(|attempt| attempt.peer_port == address.port()) {
                Some(attempt) => attempt.to.extend(candidates),
                None => attempts.push(Attempt { peer_port: address.port(), to: candidates.collect() }),
            }
            if ports.iter().all(|known| known.id != port.id) {
                ports.push(port);
            }
        }
        let now = stack.clock.now();
        let id = stack.lock(ports.first()).connect(attempts, None, options, now);
        Self::new(stack, id, ports)
    }

    fn new(stack: Arc<Stack>, id: Id, ports: SmallVec<[Arc<UdpPort>; 2]>) -> Self {
        UdpAssociation {
            stack,
            id,
            ports,
            events: VecDeque::new(),
            answers: Vec::new(),
            room_for_answers: 0,
            taken: Vec::new(),
            peer: UNSPECIFIED,
            local: UNSPECIFIED,
            is_up: false,
        }
    }

    /// Tells the engine what was taken and said, sends that, and fetches what has happened; wakes the owner when something does.
    fn exchange(&mut self, cx: Option<&mut Context<'_>>) {
        let now = self.stack.clock.now();
        let mut engine = self.stack.lock(self.ports.first());
        for sequence in self.taken.drain(..) {
            engine.taken(self.id, sequence, now);
        }
        for (ppid, answer) in self.answers.drain(..) {
            engine.answer(self.id, ppid, &answer);
        }
        engine.flush(self.id, now);
        self.room_for_answers = engine.room_for_answers(self.id);
        if let Some(cx) = cx {
            engine.take_events(self.id, &mut self.events);
            if self.events.is_empty() {
                engine.wake(self.id, cx.waker());
            }
        }
    }

    fn hand_up(&mut self, event: Event) -> Event {
        match &event {
            Event::Up(peer) => {
                self.is_up = true;
                self.peer = peer.addresses.first().copied().unwrap_or(UNSPECIFIED);
                self.local = peer.local;
            }
            Event::Lost(_) => {
                self.is_up = false;
                self.ports.clear();
                // Nothing more comes: its memory is free.
                self.stack.lock(None).release(self.id, self.stack.clock.now());
            }
            _ => {}
        }
        event
    }

    /// Answers messages at the head of what has happened, as far as `responder` can.
    fn answer(&mut self, responder: &mut Responder<'_>) {
        // Where there is none, the owner gets the messages, and is told what becomes of its answers.
        let waiting: usize = self.answers.iter().map(|(_, answer)| answer.len()).sum();
        let mut room = MOST_ANSWERS.min(self.room_for_answers).saturating_sub(waiting);
        while room > 0 {
            let Some(Event::Message { sequence, stream: 0, ppid, unordered: false, data }) = self.events.front() else {
                return;
            };
            let mut answer = BytesMut::new();
            if !responder(self.stack.clock.now(), *ppid, data, &mut answer) {
                return;
            }
            room = room.saturating_sub(answer.len());
            self.answers.push((*ppid, answer));
            self.taken.push(*sequence);
            self.events.pop_front();
        }
    }

    /// An owner that sends before it polls again must not be overtaken.
    fn send_answers(&mut self) {
        if !self.answers.is_empty() {
            self.exchange(None);
        }
    }
}

impl Transport for UdpAssociation {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        if self.events.is_empty() {
            self.exchange(Some(cx));
        }
        match self.events.pop_front() {
            Some(event) => Poll::Ready(self.hand_up(event)),
            None => Poll::Pending,
        }
    }

    fn poll_turn(&mut self, cx: &mut Context<'_>, responder: &mut Responder<'_>) -> Poll<Event> {
        // Each time around sends the answers to what the last one fetched.
        for _ in 0..MOST_ROUNDS {
            if self.events.is_empty() {
                self.exchange(Some(cx));
                if self.events.is_empty() {
                    return Poll::Pending;
                }
            }
            self.answer(responder);
            if let Some(event) = self.events.pop_front() {
                return Poll::Ready(self.hand_up(event));
            }
        }
        self.exchange(None);
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn send(&mut self, message: Message) -> Result<(), SendError> {
        self.send_answers();
        self.room_for_answers = self.room_for_answers.saturating_sub(message.data.len());
        self.stack.lock(self.ports.first()).send(self.id, message)
    }

    fn taken(&mut self, sequence: u64) {
        self.taken.push(sequence);
    }

    fn flush(&mut self) {
        self.exchange(None);
    }

    fn set_heartbeat(&mut self, heartbeat: Heartbeat) {
        let now = self.stack.clock.now();
        self.stack.lock(self.ports.first()).set_heartbeat(self.id, heartbeat, now);
    }

    fn probe(&mut self) {
        let now = self.stack.clock.now();
        self.stack.lock(self.ports.first()).probe(self.id, now);
    }

    fn close(&mut self) {
        self.exchange(None);
        self.events.retain(|event| !matches!(event, Event::Message { .. }));
        let now = self.stack.clock.now();
        self.stack.lock(self.ports.first()).close(self.id, now);
    }

    fn abort(&mut self) {
        self.events.retain(|event| !matches!(event, Event::Message { .. }));
        let now = self.stack.clock.now();
        self.stack.lock(self.ports.first()).abort(self.id, now);
    }

    fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    fn local_addr(&self) -> SocketAddr {
        self.local
    }

    fn mapping(&self) -> Option<Mapping> {
        self.is_up.then_some(Mapping::Sctp)
    }

    fn buffered(&self) -> usize {
        let waiting: usize = self.answers.iter().map(|(_, answer)| answer.len()).sum();
        waiting + self.stack.lock(None).buffered(self.id)
    }

    fn outstanding(&self) -> usize {
        self.stack.lock(None).outstanding(self.id)
    }

    fn round_trip_time(&self) -> Option<Duration> {
        self.stack.lock(None).path(self.id)?.rtt
    }

    fn paths(&self) -> Result<Vec<Path>, NotAvailable> {
        let Some(path) = self.stack.lock(None).path(self.id) else { return Ok(Vec::new()) };
        let state = if path.is_up { PathState::Available } else { PathState::Unreachable };
        let (srtt, pmtu) = (path.rtt, Some(path.mtu));
        Ok(vec![Path { address: self.peer, state, primary: true, srtt, rto: None, pmtu, cwnd: path.cwnd }])
    }

    fn set_primary(&mut self, address: SocketAddr) -> Result<(), NotAvailable> {
        if address == self.peer { Ok(()) } else { Err(self.lacks(crate::Feature::Paths)) }
    }
}

impl Drop for UdpAssociation {
    fn drop(&mut self) {
        let now = self.stack.clock.now();
        self.stack.lock(self.ports.first()).release(self.id, now);
    }
}

fn with_port(address: SocketAddr, port: u16) -> SocketAddr {
    // A link-local address is none without its interface.
    let mut address = address;
    address.set_port(port);
    address
}

/// The UDP ports a peer with this SCTP port may have.
fn candidates(sctp_port: u16, encapsulation_port: u16) -> SmallVec<[u16; 2]> {
    let mut candidates = SmallVec::from_slice(&[own_udp_port(sctp_port), encapsulation_port]);
    candidates.retain(|port| *port != 0);
    candidates.dedup();
    candidates
}

/// More addresses than any host has that a peer's entry names.
const MOST_ADDRESSES: usize = 16;

/// Bytes of answers that may wait until they are sent.
const MOST_ANSWERS: usize = 64 << 10;

/// Batches of messages answered before the others have their turn.
const MOST_ROUNDS: usize = 4;
