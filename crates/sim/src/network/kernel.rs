// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kernel of one host: it accepts, receives and answers also while its process is stopped.

use std::collections::{BTreeMap, VecDeque};
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};

use bytes::{Bytes, BytesMut};
use machine::Time;
use tcp_mapping::SocketEnd;

use super::{Arrival, End, Network, Segment};

/// The sockets of one host.
#[derive(Debug)]
pub struct Kernel {
    address: IpAddr,
    /// Where its process listens.
    listening: Option<u16>,
    backlog: VecDeque<(End, SocketAddr)>,
    sockets: BTreeMap<End, Socket>,
    next_port: u16,
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
        Kernel { address, listening: None, backlog: VecDeque::new(), sockets: BTreeMap::new(), next_port: 20_000 }
    }

    /// Opens a listener, or closes it; who waits to be accepted is reset.
    pub(crate) fn listen(&mut self, port: Option<u16>, network: &mut Network, now: Time) {
        self.listening = port;
        if port.is_none() {
            for (end, _) in std::mem::take(&mut self.backlog) {
                self.sockets.remove(&end);
                network.send(end, Segment::Reset, now);
            }
        }
    }

    pub(super) fn accept(&mut self) -> Option<(End, SocketAddr, SocketAddr)> {
        let (end, peer) = self.backlog.pop_front()?;
        Some((end, self.local(self.listening.unwrap_or(0)), peer))
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

    pub(super) fn read(&mut self, end: End) -> Option<Readable> {
        let socket = self.sockets.get_mut(&end).filter(|socket| socket.news)?;
        socket.news = false;
        Some(Readable { bytes: socket.received.split(), ended: socket.ended })
    }

    /// The process closes the socket, or is gone: unread bytes turn FIN into RST.
    pub(super) fn close(&mut self, end: End, network: &mut Network, now: Time) {
        if let Some(socket) = self.sockets.remove(&end) {
            let segment = if socket.received.is_empty() { Segment::Fin } else { Segment::Reset };
            network.send(end, segment, now);
            network.forget(end);
        }
    }

    /// The process is gone.
    pub(crate) fn close_all(&mut self, network: &mut Network, now: Time) {
        self.listening = None;
        self.backlog.clear();
        let ends: Vec<End> = self.sockets.keys().copied().collect();
        for end in ends {
            self.close(end, network, now);
        }
    }

    /// Takes a segment in, and answers whether the process has something to see.
    pub(crate) fn arrived(&mut self, arrival: Arrival, network: &mut Network, now: Time) -> bool {
        let end = arrival.at;
        if let Segment::Syn = arrival.segment {
            let open = self.listening == Some(arrival.to.port());
            if open {
                self.sockets.insert(end, Socket { connected: true, ..Socket::default() });
                self.backlog.push_back((end, arrival.from));
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
