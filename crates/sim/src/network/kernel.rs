// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kernel of one host: it accepts, receives and answers also while its process is stopped.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};

use bytes::{Bytes, BytesMut};
use machine::Time;
use tcp_mapping::SocketEnd;

use super::{Arrival, Datagram, End, Group, Network, Segment};

/// The sockets of one host.
#[derive(Debug)]
pub struct Kernel {
    address: IpAddr,
    /// Where its process listens.
    listening: BTreeSet<u16>,
    backlog: VecDeque<(End, u16, SocketAddr)>,
    sockets: BTreeMap<End, Socket>,
    next_port: u16,
    datagrams: VecDeque<Datagram>,
    pace: Option<Pace>,
}

/// A process that reads slowly.
#[derive(Debug)]
struct Pace {
    /// Bytes it reads in a millisecond.
    bytes: usize,
    /// The millisecond that goes on, and what may still be read in it.
    millisecond: u64,
    left: usize,
}

#[derive(Debug, Default)]
struct Socket {
    received: BytesMut,
    ended: Option<SocketEnd>,
    connected: bool,
    /// The process has something to see.
    news: bool,
}

/// What a socket has for its process.
#[derive(Debug)]
pub(super) struct Readable {
    pub(super) bytes: BytesMut,
    pub(super) ended: Option<SocketEnd>,
}

impl Kernel {
    pub(crate) fn new(address: IpAddr) -> Self {
        Kernel {
            address,
            listening: BTreeSet::new(),
            backlog: VecDeque::new(),
            sockets: BTreeMap::new(),
            next_port: 20_000,
            datagrams: VecDeque::new(),
            pace: None,
        }
    }

    /// Opens a listener.
    pub(crate) fn listen(&mut self, port: u16) {
        self.listening.insert(port);
    }

    /// Closes all listeners; who waits to be accepted is reset.
    pub(crate) fn listen_no_more(&mut self, network: &mut Network, now: Time) {
        self.listening.clear();
        for (end, ..) in std::mem::take(&mut self.backlog) {
            self.sockets.remove(&end);
            network.send(end, Segment::Reset, now);
        }
    }

    /// Its process reads no more than this many bytes in a millisecond; `None` = all there is.
    pub(crate) fn read_slowly(&mut self, bytes: Option<usize>) {
        self.pace = bytes.map(|bytes| Pace { bytes: bytes.max(1), millisecond: 0, left: bytes.max(1) });
    }

    pub(super) fn accept(&mut self) -> Option<(End, SocketAddr, SocketAddr)> {
        let (end, port, peer) = self.backlog.pop_front()?;
        Some((end, self.local(port), peer))
    }

    /// Multicast from this host.
    pub(crate) fn announce(&self, group: Group, port: u16, data: &Bytes, network: &mut Network, now: Time) {
        network.announce(group, self.local(port), data, now);
    }

    /// Keeps a datagram for its process, while there is room.
    pub(crate) fn datagram_arrived(&mut self, datagram: Datagram) -> bool {
        let has_room = self.datagrams.len() < MOST_DATAGRAMS;
        if has_room {
            self.datagrams.push_back(datagram);
        }
        has_room
    }

    /// A datagram for its process.
    pub(crate) fn datagram(&mut self) -> Option<Datagram> {
        self.datagrams.pop_front()
    }

    /// When a process that reads slowly reads on.
    pub(crate) fn read_again(&self, now: Time) -> Option<Time> {
        let unread = self.pace.as_ref().is_some_and(|pace| pace.left == 0 && self.sockets.values().any(|it| it.news));
        unread.then(|| Time::from_millis(now.as_micros() / 1_000 + 1))
    }

    pub(super) fn connect(&mut self, to: SocketAddr, network: &mut Network, now: Time) -> (End, SocketAddr) {
        self.next_port = self.next_port.checked_add(1).unwrap_or(20_000);
        let local = self.local(self.next_port);
        let end = network.connect(local, to, now);
        self.sockets.insert(end, Socket::default());
        (end, local)
    }

    pub(super) fn write(&self, end: End, bytes: Bytes, network: &mut Network, now: Time) {
        if self.sockets.contains_key(&end) && !bytes.is_empty() {
            network.send(end, Segment::Data(bytes), now);
        }
    }

    pub(super) fn read(&mut self, end: End, now: Time) -> Option<Readable> {
        let socket = self.sockets.get_mut(&end).filter(|socket| socket.news)?;
        let most = match &mut self.pace {
            None => usize::MAX,
            Some(pace) => pace.take(socket.received.len(), now),
        };
        let bytes = socket.received.split_to(most.min(socket.received.len()));
        socket.news = !socket.received.is_empty();
        if socket.news && bytes.is_empty() {
            return None;
        }
        // What ended it comes behind the bytes.
        Some(Readable { bytes, ended: socket.ended.filter(|_| !socket.news) })
    }

    /// The process closes the socket, or is gone: unread bytes turn FIN into RST.
    pub(super) fn close(&mut self, end: End, network: &mut Network, now: Time) {
        if let Some(socket) = self.sockets.remove(&end) {
            let segment = if socket.received.is_empty() { Segment::Fin } else { Segment::Reset };
            network.send(end, segment, now);
            network.forget(end);
        }
    }

    /// The host has lost its power: nobody is told, and it remembers nothing.
    pub(crate) fn vanish(&mut self, network: &mut Network) {
        let next_port = self.next_port;
        *self = Kernel { next_port, ..Kernel::new(self.address) };
        network.leave_groups(self.address);
    }

    /// The process is gone.
    pub(crate) fn close_all(&mut self, network: &mut Network, now: Time) {
        self.listening.clear();
        self.backlog.clear();
        self.datagrams.clear();
        self.pace = None;
        network.leave_groups(self.address);
        let ends: Vec<End> = self.sockets.keys().copied().collect();
        for end in ends {
            self.close(end, network, now);
        }
    }

    /// Takes a segment in, and answers whether the process has something to see.
    pub(crate) fn arrived(&mut self, arrival: Arrival, network: &mut Network, now: Time) -> bool {
        let end = arrival.at;
        if let Segment::Syn = arrival.segment {
            let open = self.listening.contains(&arrival.to.port());
            if open {
                self.sockets.insert(end, Socket { connected: true, ..Socket::default() });
                self.backlog.push_back((end, arrival.to.port(), arrival.from));
            }
            network.send(end, if open { Segment::SynAck } else { Segment::Reset }, now);
            return open;
        }
        let Some(socket) = self.sockets.get_mut(&end) else {
            if matches!(arrival.segment, Segment::Data(_)) {
                network.send(end, Segment::Reset, now);
            }
            return false;
        };
        match arrival.segment {
            Segment::Syn => {}
            Segment::SynAck => {
                socket.connected = true;
                return false;
            }
            Segment::Data(bytes) => socket.received.extend_from_slice(&bytes),
            Segment::Fin => socket.ended = socket.ended.or(Some(SocketEnd::Eof)),
            Segment::Reset => {
                let kind = if socket.connected { ErrorKind::ConnectionReset } else { ErrorKind::ConnectionRefused };
                socket.ended = socket.ended.or(Some(SocketEnd::Failed(kind)));
            }
        }
        socket.news = true;
        true
    }

    fn local(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.address, port)
    }
}

impl Pace {
    fn take(&mut self, wanted: usize, now: Time) -> usize {
        let millisecond = now.as_micros() / 1_000;
        if millisecond != self.millisecond {
            (self.millisecond, self.left) = (millisecond, self.bytes);
        }
        let taken = wanted.min(self.left);
        self.left -= taken;
        taken
    }
}

/// Datagrams a socket keeps for a process that does not read: some 200 KiB of small ones.
const MOST_DATAGRAMS: usize = 256;
