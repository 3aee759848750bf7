// SPDX-License-Identifier: MIT OR Apache-2.0
//! The associations of one process: the real TCP mapping over virtual sockets, as crate `net` drives it over real ones.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;

use bytes::BytesMut;
use machine::association::{AssociationId, Event, LostReason, Mapping, Peer, PeerIdentity, Request};
use machine::{Output, Time};
use smallvec::smallvec;
use tcp_mapping::{Config, Connection, Kind, MAX_MESSAGE, Role};

use super::{End, Kernel, Network};
use crate::world::Dialogue;

/// Which machine of the process an association belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// Accepted, and has not said yet what it is for.
    Door,
    /// The process's endpoint, or its registrar.
    Endpoint,
    /// A session.
    Session(u64),
}

/// Names an association within its process.
pub type Key = (Owner, AssociationId);

/// The associations of one process.
#[derive(Debug)]
pub struct Sockets {
    live: BTreeMap<Key, Socket>,
    /// Closed by their machine, and not done yet.
    closing: Vec<Socket>,
    /// Sends that could not even be queued.
    failed: VecDeque<(Key, Event)>,
}

#[derive(Debug)]
struct Socket {
    connection: Connection,
    end: End,
    local: SocketAddr,
    peer: SocketAddr,
    /// Bytes of an incomplete chunk.
    input: BytesMut,
}

/// What a process works with while it is awake.
#[derive(Debug)]
pub struct Awake<'a> {
    /// The time by its host's clock.
    pub now: Time,
    /// The time by the network's.
    pub at: Time,
    /// Its host's kernel.
    pub kernel: &'a mut Kernel,
    /// The wires.
    pub network: &'a mut Network,
    /// What is said.
    pub dialogue: &'a mut Dialogue,
}

impl Sockets {
    pub(crate) fn new() -> Self {
        Sockets { live: BTreeMap::new(), closing: Vec::new(), failed: VecDeque::new() }
    }

    /// Takes what waits at the listener; `key` names each.
    pub(crate) fn accept(&mut self, config: Config, awake: &mut Awake<'_>, mut key: impl FnMut() -> Key) {
        while let Some((end, local, peer)) = awake.kernel.accept() {
            let connection = Connection::new(Role::Acceptor, config, awake.now);
            self.live.insert(key(), Socket { connection, end, local, peer, input: BytesMut::new() });
        }
    }

    /// An association changes hands.
    pub(crate) fn rename(&mut self, old: Key, new: Key) {
        if let Some(socket) = self.live.remove(&old) {
            self.live.insert(new, socket);
        }
    }

    /// Does what a machine asks.
    pub(crate) fn perform(&mut self, key: Key, request: Request, config: Config, awake: &mut Awake<'_>) {
        if let Request::Connect { to, .. } = request {
            let peer = to[0];
            let (end, local) = awake.kernel.connect(peer, awake.network, awake.at);
            let connection = Connection::new(Role::Connector, config, awake.now);
            self.live.insert(key, Socket { connection, end, local, peer, input: BytesMut::new() });
            return;
        }
        let Some(socket) = self.live.get_mut(&key) else { return };
        match request {
            Request::Connect { .. } => {}
            Request::Send { stream, ppid, unordered, token, data, .. } => {
                if socket.connection.send(stream, ppid, unordered, token, data).is_err() {
                    self.failed.push_back((key, Event::Undelivered(token)));
                }
            }
            Request::Taken { sequence } => socket.connection.taken(sequence),
            Request::Heartbeat(heartbeat) => socket.connection.set_heartbeat(heartbeat, awake.now),
            Request::Probe => socket.connection.probe(awake.now),
            Request::RoundTripTime => self.failed.push_back((key, Event::RoundTripTime(None))),
            Request::Close | Request::Abort => {
                let mut socket = self.live.remove(&key).expect("found above");
                if matches!(request, Request::Close) {
                    socket.connection.close(awake.now);
                } else {
                    socket.connection.abort();
                }
                self.closing.push(socket);
            }
        }
    }

    /// Reads everything that has arrived.
    pub(crate) fn read(&mut self, awake: &mut Awake<'_>) {
        for socket in self.live.values_mut().chain(&mut self.closing) {
            if let Some(readable) = awake.kernel.read(socket.end, awake.at) {
                if !readable.bytes.is_empty() {
                    socket.input.unsplit(readable.bytes);
                    socket.connection.received(&mut socket.input, awake.now);
                }
                if let Some(end) = readable.ended {
                    socket.connection.ended(end);
                }
            }
        }
    }

    /// What happens next on any of them.
    pub(crate) fn next_event(&mut self, awake: &mut Awake<'_>) -> Option<(Key, Event)> {
        if let Some(failed) = self.failed.pop_front() {
            return Some(failed);
        }
        let (key, event) = self.live.iter_mut().find_map(|(key, socket)| match socket.connection.poll_output() {
            Output::Effect(event) => Some((*key, translate(event, socket.local, socket.peer))),
            Output::Wait(_) => None,
        })?;
        if let Some(socket) = self.live.get(&key) {
            awake.dialogue.heard(awake.at, socket.peer, &event);
        }
        if let Event::Lost(_) = event {
            let socket = self.live.remove(&key).expect("its event was just read");
            socket.shut(awake);
        }
        Some((key, event))
    }

    /// Writes everything.
    pub(crate) fn write(&mut self, awake: &mut Awake<'_>) {
        for socket in self.live.values_mut().chain(&mut self.closing) {
            socket.write(awake);
        }
        self.closing.retain_mut(|socket| {
            while let Output::Effect(event) = socket.connection.poll_output() {
                if let tcp_mapping::Event::Lost(_) = event {
                    awake.kernel.close(socket.end, awake.network, awake.at);
                    return false;
                }
            }
            true
        });
    }

    /// Lets deadlines pass; only after everything was read.
    pub(crate) fn handle_timeout(&mut self, now: Time) {
        for socket in self.live.values_mut().chain(&mut self.closing) {
            socket.connection.handle_timeout(now);
        }
    }

    /// The first deadline, when there are no events left.
    pub(crate) fn deadline(&mut self) -> Option<Time> {
        self.live.values_mut().chain(&mut self.closing).filter_map(|socket| socket.deadline()).min()
    }
}

impl Socket {
    fn deadline(&mut self) -> Option<Time> {
        // Events were read before: this answers `Wait`.
        match self.connection.poll_output() {
            Output::Wait(deadline) => deadline,
            Output::Effect(event) => unreachable!("{event:?} was not read"),
        }
    }

    fn write(&mut self, awake: &mut Awake<'_>) {
        let mut bytes = BytesMut::new();
        while self.connection.buffered() > 0 {
            let mut slices = [io::IoSlice::new(&[]); 64];
            let count = self.connection.slices(&mut slices);
            let written: usize = slices[..count].iter().map(|slice| slice.len()).sum();
            slices[..count].iter().for_each(|slice| bytes.extend_from_slice(slice));
            self.connection.written(written);
        }
        awake.kernel.write(self.end, bytes.freeze(), awake.network, awake.at);
    }

    fn shut(self, awake: &mut Awake<'_>) {
        awake.kernel.close(self.end, awake.network, awake.at);
    }
}

/// From the words of the TCP mapping to those of the cores, as crate `net` does.
fn translate(event: tcp_mapping::Event, local: SocketAddr, peer: SocketAddr) -> Event {
    use tcp_mapping::Event::*;
    match event {
        Up(kind) => Event::Up(Peer {
            addresses: smallvec![peer],
            local,
            mapping: match kind {
                Kind::Mapping => Mapping::Tcp,
                Kind::Plain => Mapping::PlainAsap,
            },
            max_message: MAX_MESSAGE,
            identity: PeerIdentity::Anonymous,
            local_addresses: Default::default(),
            own_heartbeat: true,
        }),
        Message { sequence, stream, ppid, unordered, data } => {
            Event::Message { sequence, stream, ppid, unordered, data }
        }
        Delivered(token) => Event::Delivered(token),
        Undelivered(token) => Event::Undelivered(token),
        Paused(_) => Event::Paused,
        Lost(reason) => Event::Lost(lost(reason)),
    }
}

fn lost(reason: tcp_mapping::LostReason) -> LostReason {
    use tcp_mapping::LostReason::*;
    match reason {
        ConnectTimeout => LostReason::ConnectTimeout,
        PeerClosed => LostReason::PeerClosed,
        Socket(io::ErrorKind::ConnectionRefused) => LostReason::Refused,
        Socket(_) => LostReason::Reset,
        HeartbeatMissed(_) => LostReason::HeartbeatMissed,
        Protocol(error) => LostReason::Protocol(error.to_string()),
        Overrun(what) => LostReason::Overrun(what.to_owned()),
        Closed => LostReason::Closed,
    }
}
