// SPDX-License-Identifier: MIT OR Apache-2.0
//! SCTP over UDP: two engines, a network that loses, repeats and changes packets, and somebody who knows the tags and sends what he likes.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use machine::Time;
use machine::association::{Event, Token};
use net::sctp::udp::Settings;
use net::sctp::udp::engine::{Arrival, Attempt, Engine, Id, ListenerId, PortId};
use net::{Message, Options};

/// Any bytes as a list of commands.
pub fn sctp_udp(data: &[u8]) {
    let mut world = World::new();
    let mut commands = data;
    for _ in 0..MOST_COMMANDS {
        let Some((command, rest)) = commands.split_first() else { break };
        commands = rest;
        world.obey(*command, &mut commands);
    }
    world.end();
}

struct World {
    hosts: [Host; 2],
    listener: ListenerId,
    now: Time,
    wire: VecDeque<(usize, Vec<u8>)>,
    /// The last packet to each: it knows their ports and tags.
    last: [Vec<u8>; 2],
}

struct Host {
    engine: Engine,
    address: SocketAddr,
    id: Option<Id>,
    sent: u64,
    fates: Vec<u64>,
    is_lost: bool,
}

impl World {
    fn new() -> Self {
        let settings = Settings { receive_window: 64 << 10, max_send_bytes: 64 << 10, ..Settings::default() };
        let options = Options { max_untaken_bytes: 16 << 10, ..Options::default() };
        let now = Time::from_millis(1);
        let host = |number: u8| Host {
            engine: Engine::new(settings, [number; 32], now),
            address: SocketAddr::from(([192, 0, 2, number + 1], 9899)),
            id: None,
            sent: 0,
            fates: Vec::new(),
            is_lost: false,
        };
        let mut hosts = [host(0), host(1)];
        let listener = hosts[1].engine.listen(&[PORT], 5, options).expect("nobody has it");
        let to = vec![(PORT, hosts[1].address)];
        hosts[0].id = Some(hosts[0].engine.connect(vec![Attempt { peer_port: 5, to }], Some(7), options, now));
        World { hosts, listener, now, wire: VecDeque::new(), last: [Vec::new(), Vec::new()] }
    }

    fn obey(&mut self, command: u8, rest: &mut &[u8]) {
        let host = usize::from(command >> 7);
        match command & 0x7f {
            0..=39 => {
                self.gather();
                if let Some((to, packet)) = self.wire.pop_front() {
                    self.deliver(to, &packet);
                }
            }
            40..=49 => drop(self.wire.pop_front()),
            50..=54 => {
                let again = self.wire.front().cloned();
                self.wire.extend(again);
            }
            55..=64 => self.pass(Duration::from_millis(u64::from(byte(rest)) * 8)),
            65..=84 => {
                let (size, kind) = (1 + usize::from(byte(rest)) * 16, byte(rest));
                self.send(host, size, kind);
            }
            85..=94 => {
                // One byte of a packet is another, and the checksum is right again.
                let (at, value) = (usize::from(byte(rest)), byte(rest));
                if let Some((_, packet)) = self.wire.front_mut()
                    && let Some(old) = packet.get_mut(at)
                {
                    *old = value;
                    seal(packet);
                }
            }
            95..=112 => {
                let (kind, flags, length) = (byte(rest), byte(rest), usize::from(byte(rest)).min(rest.len()));
                let (value, behind) = rest.split_at(length);
                *rest = behind;
                self.inject(host, kind, flags, value);
            }
            113 => {
                let length = usize::from(byte(rest)).min(rest.len());
                let (datagram, behind) = rest.split_at(length);
                *rest = behind;
                self.deliver(host, datagram);
            }
            114..=116 => {
                let quoted = self.last[1 - host].clone();
                let (to, now) = (self.hosts[1 - host].address, self.now);
                self.hosts[host].engine.unreachable(PORT, to, &quoted[..quoted.len().min(64)], now);
            }
            117..=118 => self.of(host, |engine, id, now| engine.close(id, now)),
            119 => self.of(host, |engine, id, now| engine.abort(id, now)),
            120..=123 => self.of(host, |engine, id, now| engine.probe(id, now)),
            _ => self.look(host, false),
        }
    }

    fn of(&mut self, host: usize, ask: impl FnOnce(&mut Engine, Id, Time)) {
        let now = self.now;
        let Host { engine, id: Some(id), .. } = &mut self.hosts[host] else { return };
        ask(engine, *id, now);
        self.look(host, true);
    }

    fn send(&mut self, host: usize, size: usize, kind: u8) {
        let Host { engine, id: Some(id), sent, .. } = &mut self.hosts[host] else { return };
        let lifetime = (kind & 0xc0 == 0xc0).then_some(Duration::from_millis(50));
        let (stream, unordered, token) = (u16::from(kind & 7), kind & 8 != 0, Token(*sent));
        let message = Message { stream, ppid: 11, unordered, lifetime, token, data: Bytes::from(vec![kind; size]) };
        if engine.send(*id, message).is_ok() {
            *sent += 1;
        }
        engine.flush(*id, self.now);
    }

    /// A chunk of any kind with the right ports and tag.
    fn inject(&mut self, host: usize, kind: u8, flags: u8, value: &[u8]) {
        let Some(header) = self.last[host].get(..12) else { return };
        let mut packet = header.to_vec();
        packet.extend([kind, flags]);
        packet.extend((value.len() as u16 + 4).to_be_bytes());
        packet.extend(value);
        packet.resize(packet.len().next_multiple_of(4), 0);
        seal(&mut packet);
        self.deliver(host, &packet);
    }

    fn gather(&mut self) {
        for from in 0..2 {
            for transmit in self.hosts[from].engine.take_transmits() {
                assert_eq!(transmit.to, self.hosts[1 - from].address, "to whom nobody spoke");
                self.last[1 - from].clone_from(&transmit.packet);
                if self.wire.len() < 64 {
                    self.wire.push_back((1 - from, transmit.packet));
                }
            }
        }
    }

    fn deliver(&mut self, to: usize, packet: &[u8]) {
        let (from, now) = (self.hosts[1 - to].address, self.now);
        let arrival = Arrival { port: PORT, from, to: Some(self.hosts[to].address.ip()) };
        self.hosts[to].engine.receive(&arrival, packet, now);
        self.look(to, true);
        self.gather();
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        for host in 0..2 {
            self.hosts[host].engine.handle_timeout(self.now);
            let next = self.hosts[host].engine.deadline();
            assert!(next.is_none_or(|next| next > self.now), "a deadline that is never over");
            self.look(host, true);
        }
        self.gather();
    }

    /// Takes what has happened, and what came.
    fn look(&mut self, host: usize, takes: bool) {
        if host == 1 && self.hosts[1].id.is_none() {
            self.hosts[1].id = self.hosts[1].engine.accept(self.listener, Waker::noop());
        }
        let now = self.now;
        let Host { engine, id: Some(id), sent, fates, is_lost, .. } = &mut self.hosts[host] else { return };
        while let Some(event) = engine.next_event(*id) {
            assert!(!*is_lost, "{event:?} after the end");
            match event {
                Event::Message { sequence, .. } if takes => engine.taken(*id, sequence, now),
                Event::Delivered(Token(token)) | Event::Undelivered(Token(token)) => {
                    assert!(token < *sent, "a fate of what was not sent");
                    fates.push(token);
                }
                Event::Lost(_) => *is_lost = true,
                _ => {}
            }
        }
    }

    fn end(mut self) {
        for host in 0..2 {
            self.of(host, |engine, id, now| engine.abort(id, now));
            let Host { engine, id, sent, fates, is_lost, .. } = &mut self.hosts[host];
            fates.sort_unstable();
            assert!(id.is_none() || *is_lost, "it did not end");
            assert!(fates.iter().copied().eq(0..*sent), "{sent} were sent, and of these the fate is known: {fates:?}");
            if let Some(id) = id.take() {
                engine.release(id, self.now);
            }
            assert!(engine.len() <= 64, "{} associations", engine.len());
        }
    }
}

fn byte(rest: &mut &[u8]) -> u8 {
    let Some((first, behind)) = rest.split_first() else { return 0 };
    *rest = behind;
    *first
}

/// Writes the checksum (RFC 9260 appendix A), bit by bit.
fn seal(packet: &mut [u8]) {
    if packet.len() < 12 {
        return;
    }
    packet[8..12].fill(0);
    let crc = packet.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 })
    });
    packet[8..12].copy_from_slice(&(!crc).to_le_bytes());
}

const PORT: PortId = PortId(0);

/// Enough for any story.
const MOST_COMMANDS: usize = 4096;
