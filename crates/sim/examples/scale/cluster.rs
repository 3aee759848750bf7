// SPDX-License-Identifier: MIT OR Apache-2.0
//! Registrars with whole messages between them, in virtual time. Pool elements are what answers at their addresses.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use machine::association::{AssociationId, Event, LostReason, Mapping, Peer, PeerIdentity, Request};
use machine::{Machine, Output, Time};
use nix::time::{ClockId, clock_gettime};
use rsp_core::PPID_ASAP;
use rsp_core::config::{Profile, RegistrarSettings};
use rsp_core::registrar::{Effect, Input, Registrar};
use rsp_wire::asap::{EndpointKeepAliveAck, Message, Registration};
use rsp_wire::parameter::{Policy, PoolElement, Protocol, RegistrationLife, Transport, TransportUse, UserTransport};
use rsp_wire::{Dialect, PeId, PoolHandle, ServerId};
use smallvec::smallvec;

/// The registrars, and what is on its way.
pub(crate) struct Cluster {
    nodes: Vec<Option<Node>>,
    elements: u32,
    now: Time,
    /// Everything takes the same time, so that order is that of sending.
    on_its_way: VecDeque<(Time, usize, Input)>,
    deadlines: BTreeSet<(Time, usize)>,
    messages: u64,
    bytes: u64,
}

struct Node {
    registrar: Registrar,
    next: Option<Time>,
    links: HashMap<AssociationId, End>,
    next_accepted: u64,
    sequence: u64,
}

/// Who is at the other end.
#[derive(Clone, Copy)]
enum End {
    Registrar(usize, AssociationId),
    Process(u32),
}

/// What something has cost.
pub(crate) struct Spent {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    pub(crate) cpu: Duration,
}

impl Spent {
    /// Without `times` as much as that.
    pub(crate) fn less(&self, other: &Spent, times: f64) -> Spent {
        let less = |all: u64, part: u64| all.saturating_sub((part as f64 * times) as u64);
        Spent {
            messages: less(self.messages, other.messages),
            bytes: less(self.bytes, other.bytes),
            cpu: self.cpu.saturating_sub(other.cpu.mul_f64(times)),
        }
    }
}

impl Cluster {
    pub(crate) fn new(registrars: u32, elements: u32) -> Self {
        Cluster {
            nodes: (0..registrars).map(|_| None).collect(),
            elements,
            now: Time::ZERO,
            on_its_way: VecDeque::new(),
            deadlines: BTreeSet::new(),
            messages: 0,
            bytes: 0,
        }
    }

    /// A registrar starts; it is told of all others.
    pub(crate) fn start(&mut self, n: u32) {
        let mut registrar = Registrar::new(ServerId(n + 1), settings(), vec![registrar_ip(n)], u64::from(n));
        let peers = (0..self.nodes.len() as u32).filter(|other| *other != n).map(|n| registrar_at(n, ENRP));
        registrar.handle_input(Input::AsapTransports(vec![transport(registrar_at(n, ASAP))]), self.now);
        registrar.handle_input(Input::EnrpTransports(vec![transport(registrar_at(n, ENRP))]), self.now);
        registrar.handle_input(Input::StaticPeers(peers.collect()), self.now);
        let node = Node { registrar, next: None, links: HashMap::new(), next_accepted: 1, sequence: 0 };
        self.nodes[n as usize] = Some(node);
        self.perform(n as usize);
    }

    /// A registrar dies; its connections are reset.
    pub(crate) fn kill(&mut self, n: u32) {
        let Some(node) = self.nodes[n as usize].take() else { return };
        for end in node.links.into_values() {
            if let End::Registrar(other, id) = end {
                self.send(other, Input::Association(id, Event::Lost(LostReason::Reset)));
            }
        }
    }

    /// PEs a registrar knows.
    pub(crate) fn known(&self, n: u32) -> usize {
        self.nodes[n as usize].as_ref().map_or(0, |node| node.registrar.pool_element_count())
    }

    /// PEs whose home it is.
    pub(crate) fn owned(&self, n: u32) -> usize {
        self.nodes[n as usize].as_ref().map_or(0, |node| node.registrar.status().owned)
    }

    /// What `work` costs, in CPU time of this thread.
    pub(crate) fn measure(&mut self, work: impl FnOnce(&mut Self)) -> Spent {
        let (messages, bytes, start) = (self.messages, self.bytes, cpu());
        work(self);
        Spent { messages: self.messages - messages, bytes: self.bytes - bytes, cpu: cpu() - start }
    }

    /// All PEs register, each process of them with one registrar.
    pub(crate) fn register_all(&mut self) {
        let alive: Vec<usize> = (0..self.nodes.len()).filter(|n| self.nodes[*n].is_some()).collect();
        for process in 0..self.elements.div_ceil(PER_PROCESS) {
            let home = alive[process as usize % alive.len()];
            let id = self.associate(home, process);
            for element in elements(process, self.elements) {
                self.asap(home, id, &registration(process, element));
            }
            self.run(Duration::from_millis(1));
        }
        self.run(Duration::from_millis(10));
    }

    /// The association of a process with its registrar.
    fn associate(&mut self, home: usize, process: u32) -> AssociationId {
        let node = self.nodes[home].as_mut().expect("it lives");
        let id = AssociationId(u64::from(process) * 2 + FIRST_PROCESS);
        if node.links.insert(id, End::Process(process)).is_none() {
            let up = Event::Up(peer(process_at(process), registrar_at(home as u32, ASAP)));
            self.send(home, Input::Association(id, up));
        }
        id
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let arrival = self.on_its_way.front().map(|(at, ..)| *at);
            let deadline = self.deadlines.first().map(|(at, _)| *at);
            let Some(next) = arrival.into_iter().chain(deadline).min().filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            if arrival.is_some_and(|at| at <= self.now) {
                let (_, n, input) = self.on_its_way.pop_front().expect("just seen");
                self.arrive(n, input);
            } else if let Some((_, n)) = self.deadlines.pop_first() {
                let Some(node) = self.nodes[n].as_mut() else { continue };
                node.next = None;
                node.registrar.handle_timeout(self.now);
                self.perform(n);
            }
        }
        self.now = end;
    }

    fn arrive(&mut self, n: usize, input: Input) {
        let Some(node) = self.nodes[n].as_mut() else { return };
        if let Input::Association(id, Event::Lost(_)) = &input {
            node.links.remove(id);
        }
        node.registrar.handle_input(input, self.now);
        self.perform(n);
    }

    fn perform(&mut self, n: usize) {
        loop {
            let Some(node) = self.nodes[n].as_mut() else { return };
            match node.registrar.poll_output() {
                Output::Effect(Effect::Association(id, request)) => self.request(n, id, request),
                Output::Effect(_) => {}
                Output::Wait(next) => {
                    if let Some(before) = std::mem::replace(&mut node.next, next).filter(|before| next != Some(*before))
                    {
                        self.deadlines.remove(&(before, n));
                    }
                    self.deadlines.extend(next.map(|next| (next, n)));
                    return;
                }
            }
        }
    }

    fn request(&mut self, n: usize, id: AssociationId, request: Request) {
        let node = self.nodes[n].as_mut().expect("it has just said so");
        match request {
            Request::Connect { to, .. } => self.connect(n, id, to[0]),
            Request::Send { ppid, token, data, .. } => {
                let Some(end) = node.links.get(&id).copied() else { return };
                node.registrar.handle_input(Input::Association(id, Event::Delivered(token)), self.now);
                self.messages += 1;
                self.bytes += data.len() as u64;
                match end {
                    End::Registrar(other, there) => self.message(other, there, ppid, data),
                    End::Process(process) => self.answer(n, id, process, &data),
                }
            }
            Request::Close | Request::Abort => {
                if let Some(End::Registrar(other, there)) = node.links.remove(&id) {
                    self.send(other, Input::Association(there, Event::Lost(LostReason::PeerClosed)));
                }
            }
            Request::Taken { .. } | Request::Heartbeat(_) | Request::Probe | Request::RoundTripTime => {}
        }
    }

    fn connect(&mut self, n: usize, id: AssociationId, to: SocketAddr) {
        let local = registrar_at(n as u32, 20_000);
        if let Some(process) = process_of(to) {
            self.link(n, id, End::Process(process));
            return self.send(n, Input::Association(id, Event::Up(peer(to, local))));
        }
        let other =
            (0..self.nodes.len()).find(|other| registrar_ip(*other as u32) == to.ip()).expect("it has been told");
        let Some(node) = self.nodes[other].as_mut() else {
            return self.send(n, Input::Association(id, Event::Lost(LostReason::Refused)));
        };
        node.next_accepted += 2;
        let there = AssociationId(node.next_accepted);
        self.link(n, id, End::Registrar(other, there));
        self.link(other, there, End::Registrar(n, id));
        self.send(other, Input::Association(there, Event::Up(peer(local, to))));
        self.send(n, Input::Association(id, Event::Up(peer(to, local))));
    }

    fn link(&mut self, n: usize, id: AssociationId, end: End) {
        self.nodes[n].as_mut().expect("it lives").links.insert(id, end);
    }

    /// A pool element answers keep-alives, and registers with whoever says that it is its home.
    fn answer(&mut self, n: usize, id: AssociationId, process: u32, data: &Bytes) {
        let Ok(decoded) = Message::decode(data) else { return };
        let Message::EndpointKeepAlive(keep_alive) = decoded.message else { return };
        let Some(pe_id) = keep_alive.pe_id else { return };
        let ack = EndpointKeepAliveAck { pool_handle: keep_alive.pool_handle, pe_id, unknown: Vec::new() };
        self.asap(n, id, &Message::EndpointKeepAliveAck(ack));
        if keep_alive.home {
            self.asap(n, id, &registration(process, pe_id.0));
        }
    }

    fn asap(&mut self, n: usize, id: AssociationId, message: &Message) {
        let data = message.to_bytes(Dialect::RFC).expect("it is short");
        self.message(n, id, PPID_ASAP, data);
    }

    fn message(&mut self, n: usize, id: AssociationId, ppid: u32, data: Bytes) {
        let Some(node) = self.nodes[n].as_mut() else { return };
        node.sequence += 1;
        let event = Event::Message { sequence: node.sequence, stream: 0, ppid, unordered: false, data };
        self.send(n, Input::Association(id, event));
    }

    fn send(&mut self, n: usize, input: Input) {
        self.on_its_way.push_back((self.now + WAY, n, input));
    }
}

/// Profile standard, without what PEs and registrars say to each other while nothing happens: keep-alives are a row of `docs/performance.md`.
fn settings() -> RegistrarSettings {
    let mut settings = RegistrarSettings::of(Profile::Standard);
    settings.keep_alive_interval = Duration::from_secs(1_000_000);
    settings.limits.pool_elements = 4_000_000;
    settings.limits.pool_elements_per_pool = 4_000_000;
    settings.limits.associations = 1_000_000;
    settings.limits.connections_opened = 1_000_000;
    settings
}

/// A hundred PEs in each pool.
fn registration(process: u32, element: u32) -> Message {
    let transport = transport(process_at(process));
    Message::Registration(Registration {
        pool_handle: PoolHandle::from(format!("pool-{}", element / 100).as_str()),
        pool_element: PoolElement {
            id: PeId(element),
            home: ServerId::NONE,
            life: RegistrationLife::INFINITE,
            user_transport: UserTransport::Ip(transport.clone()),
            policy: Policy::RoundRobin,
            asap_transport: Some(transport),
            unknown: Vec::new(),
        },
        unknown: Vec::new(),
    })
}

fn elements(process: u32, all: u32) -> std::ops::Range<u32> {
    process * PER_PROCESS..((process + 1) * PER_PROCESS).min(all)
}

fn peer(there: SocketAddr, here: SocketAddr) -> Peer {
    Peer {
        addresses: smallvec![there],
        local: here,
        mapping: Mapping::Tcp,
        max_message: 65_000,
        identity: PeerIdentity::Anonymous,
        local_addresses: Default::default(),
        own_heartbeat: true,
    }
}

fn transport(at: SocketAddr) -> Transport {
    Transport {
        protocol: Protocol::Tcp,
        port: at.port(),
        transport_use: TransportUse::DATA_PLUS_CONTROL,
        addresses: smallvec![at.ip()],
    }
}

fn registrar_ip(n: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0001 + n))
}

fn registrar_at(n: u32, port: u16) -> SocketAddr {
    SocketAddr::new(registrar_ip(n), port)
}

fn process_at(process: u32) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::from_bits(0x0b00_0001 + process)), 7_000)
}

fn process_of(address: SocketAddr) -> Option<u32> {
    let IpAddr::V4(ip) = address.ip() else { return None };
    (ip.octets()[0] == 11).then(|| ip.to_bits() - 0x0b00_0001)
}

fn cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("every thread has this clock").into()
}

/// Bytes of memory in use.
pub(crate) fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").expect("this is Linux");
    let pages: u64 = text.split_whitespace().nth(1).and_then(|pages| pages.parse().ok()).expect("the second number");
    pages * 4096
}

/// PEs of one process.
const PER_PROCESS: u32 = 50;
const WAY: Duration = Duration::from_micros(100);
const ASAP: u16 = 3863;
const ENRP: u16 = 9901;
/// Behind the identifiers of associations between registrars.
const FIRST_PROCESS: u64 = 1_000_001;
