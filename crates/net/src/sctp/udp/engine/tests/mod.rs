// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two engines and the wire between them.

mod bad_input;
mod delivery;
mod handshake;
mod window;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use machine::Time;
use machine::association::{Event, LostReason, Token};

use super::*;
use crate::sctp::udp::packet::{Header, put_chunk, put_header, seal};
use crate::{Message, SendError};

/// A host with one engine, one UDP port and one association.
struct Host {
    engine: Engine,
    address: SocketAddr,
    id: Option<Id>,
    events: Vec<Event>,
}

/// A client, a server that listens on SCTP port 5, and what is on its way between them.
struct Pair {
    client: Host,
    server: Host,
    listener: ListenerId,
    now: Time,
    /// Datagrams on their way, and to whom.
    wire: VecDeque<(Side, Vec<u8>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    ToClient,
    ToServer,
}

const PORT: PortId = PortId(0);
const SERVER_PORT: u16 = 5;

impl Host {
    fn new(address: &str, seed: u8, settings: Settings) -> Self {
        let engine = Engine::new(settings, [seed; 32], Time::ZERO);
        Host { engine, address: address.parse().unwrap(), id: None, events: Vec::new() }
    }

    fn id(&self) -> Id {
        self.id.unwrap()
    }

    fn collect(&mut self) {
        let Some(id) = self.id else { return };
        while let Some(event) = self.engine.next_event(id) {
            if let Event::Message { sequence, .. } = &event {
                self.engine.taken(id, *sequence, Time::ZERO);
            }
            self.events.push(event);
        }
    }

    fn messages(&self) -> Vec<&[u8]> {
        fn data(event: &Event) -> Option<&[u8]> {
            match event {
                Event::Message { data, .. } => Some(data),
                _ => None,
            }
        }
        self.events.iter().filter_map(data).collect()
    }

    fn lost(&self) -> Option<&LostReason> {
        self.events.iter().find_map(|event| match event {
            Event::Lost(reason) => Some(reason),
            _ => None,
        })
    }

    fn fates(&self) -> (Vec<u64>, Vec<u64>) {
        let (mut delivered, mut undelivered) = (Vec::new(), Vec::new());
        for event in &self.events {
            match event {
                Event::Delivered(Token(token)) => delivered.push(*token),
                Event::Undelivered(Token(token)) => undelivered.push(*token),
                _ => {}
            }
        }
        (delivered, undelivered)
    }

    fn send(&mut self, token: u64, data: impl Into<Bytes>) -> Result<(), SendError> {
        self.send_on(0, false, token, data)
    }

    fn send_on(&mut self, stream: u16, unordered: bool, token: u64, data: impl Into<Bytes>) -> Result<(), SendError> {
        let (token, data) = (Token(token), data.into());
        self.engine.send(self.id(), Message { stream, ppid: 11, unordered, lifetime: None, token, data })
    }
}

impl Pair {
    fn new() -> Self {
        Self::with(Settings::default(), Options::default())
    }

    fn with(settings: Settings, options: Options) -> Self {
        let mut server = Host::new("192.0.2.2:9899", 2, settings);
        let client = Host::new("192.0.2.1:40000", 1, settings);
        let listener = server.engine.listen(&[PORT], SERVER_PORT, options).unwrap();
        Pair { client, server, listener, now: Time::from_millis(1000), wire: VecDeque::new() }
    }

    /// A client whose association is up, and the server's end of it.
    fn connected() -> Self {
        let mut pair = Self::new();
        pair.connect();
        pair
    }

    fn connect(&mut self) {
        self.begin(Options::default());
        self.run();
        assert!(matches!(self.client.events[..], [Event::Up(_)]), "{:?}", self.client.events);
        assert!(matches!(self.server.events[..], [Event::Up(_)]), "{:?}", self.server.events);
    }

    fn begin(&mut self, options: Options) {
        let attempt = Attempt { peer_port: SERVER_PORT, to: vec![(PORT, self.server.address)] };
        self.client.id = Some(self.client.engine.connect(vec![attempt], None, options, self.now));
    }

    /// Puts on the wire what the engines want sent.
    fn gather(&mut self) {
        for host in [&mut self.client, &mut self.server] {
            if let Some(id) = host.id {
                host.engine.flush(id, self.now);
            }
        }
        let (client, server) = (self.client.address, self.server.address);
        for transmit in self.client.engine.take_transmits() {
            if transmit.to == server {
                self.wire.push_back((Side::ToServer, transmit.packet));
            }
        }
        for transmit in self.server.engine.take_transmits() {
            if transmit.to == client {
                self.wire.push_back((Side::ToClient, transmit.packet));
            }
        }
    }

    fn deliver(&mut self, side: Side, packet: &[u8]) {
        let (host, from) = match side {
            Side::ToClient => (&mut self.client, self.server.address),
            Side::ToServer => (&mut self.server, self.client.address),
        };
        let arrival = Arrival { port: PORT, from, to: Some(host.address.ip()) };
        host.engine.receive(&arrival, packet, self.now);
        self.look();
    }

    /// Takes events and what was accepted.
    fn look(&mut self) {
        if self.server.id.is_none() {
            self.server.id = self.server.engine.accept(self.listener, Waker::noop());
        }
        self.client.collect();
        self.server.collect();
    }

    /// Until nothing is on its way.
    fn run(&mut self) {
        self.run_through(|_, _| true);
    }

    /// The same over a network that passes what `passes` says.
    fn run_through(&mut self, mut passes: impl FnMut(Side, &[u8]) -> bool) {
        for _ in 0..100_000 {
            self.gather();
            let Some((side, packet)) = self.wire.pop_front() else { return self.look() };
            if passes(side, &packet) {
                self.deliver(side, &packet);
            }
        }
        panic!("they never stop");
    }

    /// Lets time pass in steps, and what happens meanwhile happen.
    fn pass(&mut self, time: Duration, mut passes: impl FnMut(Side, &[u8]) -> bool) {
        let until = self.now + time;
        while self.now < until {
            let next = [self.client.engine.deadline(), self.server.engine.deadline()].into_iter().flatten().min();
            self.now = next.unwrap_or(until).clamp(self.now + Duration::from_micros(100), until.max(self.now));
            self.client.engine.handle_timeout(self.now);
            self.server.engine.handle_timeout(self.now);
            self.look();
            self.run_through(&mut passes);
        }
    }

    /// The first packet on the wire whose first chunk is of this kind, taken from it.
    fn take(&mut self, kind: u8) -> Vec<u8> {
        self.gather();
        let at = self.wire.iter().position(|(_, packet)| Packet::parse(packet).unwrap().first().kind == kind);
        self.wire.remove(at.expect("it is on its way")).unwrap().1
    }

    /// A packet of the client's as the server would get it, with any tag.
    fn forged(&self, side: Side, tag: u32, kind: u8, flags: u8, value: &[u8]) -> Vec<u8> {
        let path = self.client.engine.get(self.client.id()).unwrap().path;
        let (source_port, destination_port) = match side {
            Side::ToServer => (path.local_port, path.peer_port),
            Side::ToClient => (path.peer_port, path.local_port),
        };
        let mut packet = Vec::new();
        put_header(&mut packet, Header { source_port, destination_port, tag });
        put_chunk(&mut packet, kind, flags, &[value]);
        seal(&mut packet);
        packet
    }
}

fn kinds(packet: &[u8]) -> Vec<u8> {
    Packet::parse(packet).unwrap().chunks().map(|chunk| chunk.kind).collect()
}
