// SPDX-License-Identifier: MIT OR Apache-2.0
//! TCP connections and multicast datagrams between virtual hosts: what the kernels and the wires in between do, in virtual time.
//!
//! A connection is two directions, each a queue of segments that keeps its order whatever the boxes on the way do to their timing. Datagrams keep none.

mod boxes;
mod cuts;
mod datagrams;
mod kernel;
mod sockets;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use machine::{Rng, Time};

use cuts::Cuts;
use datagrams::Datagrams;

pub use boxes::NetworkBox;
pub use cuts::Cut;
pub use datagrams::{Datagram, Group};
pub use kernel::Kernel;
pub use sockets::{Awake, Key, Owner, Sockets};

/// One end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct End {
    connection: u64,
    accepted: bool,
}

impl End {
    fn other(self) -> End {
        End { accepted: !self.accepted, ..self }
    }
}

/// What travels.
#[derive(Debug, Clone)]
pub enum Segment {
    /// SYN
    Syn,
    /// SYN ACK: the listening kernel has accepted.
    SynAck,
    /// Bytes.
    Data(Bytes),
    /// The sender sends no more.
    Fin,
    /// The sender knows no such connection, or has given it up.
    Reset,
}

/// A segment that has arrived.
#[derive(Debug)]
pub struct Arrival {
    /// At this end.
    pub at: End,
    /// Of this host.
    pub host: IpAddr,
    /// From there.
    pub from: SocketAddr,
    /// To there.
    pub to: SocketAddr,
    /// What.
    pub segment: Segment,
}

/// Hosts are told apart by their addresses; between any two of them stand the same boxes, and perhaps a cut.
#[derive(Debug)]
pub struct Network {
    boxes: Vec<NetworkBox>,
    rng: Rng,
    connections: u64,
    directions: BTreeMap<End, Direction>,
    /// When the first segment of the direction towards this end arrives.
    arrivals: BTreeSet<(Time, u64, End)>,
    order: u64,
    cuts: Cuts,
    /// Segments stopped at a cut, by the direction's end; they are sent again when it heals.
    held: Vec<End>,
    datagrams: Datagrams,
}

/// On the way to one end.
#[derive(Debug)]
struct Direction {
    from: SocketAddr,
    to: SocketAddr,
    queue: VecDeque<Segment>,
    last: Time,
}

impl Network {
    /// A network of these boxes.
    pub fn new(boxes: Vec<NetworkBox>, seed: u64) -> Self {
        Network {
            boxes,
            rng: Rng::new(seed),
            connections: 0,
            directions: BTreeMap::new(),
            arrivals: BTreeSet::new(),
            order: 0,
            cuts: Cuts::default(),
            held: Vec::new(),
            datagrams: Datagrams::default(),
        }
    }

    /// Begins a connection; its first segment is on its way.
    pub fn connect(&mut self, from: SocketAddr, to: SocketAddr, now: Time) -> End {
        self.connections += 1;
        let end = End { connection: self.connections, accepted: false };
        let direction = |from, to| Direction { from, to, queue: VecDeque::new(), last: Time::ZERO };
        self.directions.insert(end.other(), direction(from, to));
        self.directions.insert(end, direction(to, from));
        self.send(end, Segment::Syn, now);
        end
    }

    /// Sends from this end.
    pub fn send(&mut self, from: End, segment: Segment, now: Time) {
        let to = from.other();
        match (segment, self.boxes.iter().find_map(NetworkBox::mtu)) {
            (Segment::Data(mut bytes), Some(mtu)) => {
                while !bytes.is_empty() {
                    let piece = bytes.split_to(mtu.min(bytes.len()));
                    self.enqueue(to, Segment::Data(piece), now);
                }
            }
            (segment, _) => self.enqueue(to, segment, now),
        }
    }

    fn enqueue(&mut self, to: End, segment: Segment, now: Time) {
        let Some(direction) = self.directions.get_mut(&to) else { return };
        direction.queue.push_back(segment);
        self.schedule(to, now);
    }

    /// Segments keep their order, so none arrives before the one sent before it.
    fn schedule(&mut self, to: End, now: Time) {
        let Some(direction) = self.directions.get_mut(&to) else { return };
        let at = self.boxes.iter().fold(now, |at, network_box| network_box.delay(at, &mut self.rng));
        direction.last = direction.last.max(at);
        self.order += 1;
        self.arrivals.insert((direction.last, self.order, to));
    }

    /// When the next segment or datagram arrives.
    pub fn next(&self) -> Option<Time> {
        let segment = self.arrivals.first().map(|(at, ..)| *at);
        segment.into_iter().chain(self.datagrams.next()).min()
    }

    /// A segment that has arrived by now.
    pub fn arrive(&mut self, now: Time) -> Option<Arrival> {
        while self.arrivals.first().is_some_and(|(at, ..)| *at <= now) {
            let (_, _, at) = self.arrivals.pop_first()?;
            // Its process has closed it.
            let Some(direction) = self.directions.get_mut(&at) else { continue };
            let (from, to) = (direction.from, direction.to);
            if self.cuts.stops_streams(from.ip(), to.ip()) {
                self.held.push(at);
                continue;
            }
            let segment = direction.queue.pop_front().expect("as many arrivals as segments");
            return Some(Arrival { at, host: to.ip(), from, to, segment });
        }
        None
    }

    /// This does not pass between these two any more, and nobody is told.
    pub fn cut(&mut self, a: IpAddr, b: IpAddr, cut: Cut) {
        self.cuts.cut(a, b, cut);
    }

    /// It passes again; TCP has kept what was stopped.
    pub fn heal(&mut self, a: IpAddr, b: IpAddr, now: Time) {
        self.cuts.heal(a, b);
        self.send_held(now);
    }

    /// The host has no power: nothing reaches it, and it answers nothing.
    pub fn power(&mut self, host: IpAddr, on: bool, now: Time) {
        self.cuts.power(host, on);
        self.send_held(now);
    }

    /// What is still cut comes back to `held`.
    fn send_held(&mut self, now: Time) {
        for end in std::mem::take(&mut self.held) {
            self.schedule(end, now);
        }
    }

    /// Nobody is at this end any more: what is on its way to it is for nobody.
    fn forget(&mut self, end: End) {
        self.directions.remove(&end);
    }
}
