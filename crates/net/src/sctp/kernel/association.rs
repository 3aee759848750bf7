// SPDX-License-Identifier: MIT OR Apache-2.0
//! One association of kernel SCTP, on a socket of its own: how it begins and ends.

mod read;
mod time;
mod transport;
mod write;

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use machine::Time;
use machine::association::{Event, LostReason, Mapping, Peer, PeerIdentity};
use tokio::io::unix::AsyncFd;
use tokio::time::Sleep;

use self::read::Look;
use super::incoming::Incoming;
use super::listener::Restarts;
use super::notification::Notification;
use super::outgoing::Outgoing;
use super::silence::Silence;
use super::socket::{self, ReceiveInfo, SendInfo, Socket};
use crate::tcp::UNSPECIFIED;
use crate::{Clock, KernelSettings, MAX_MESSAGE, Options};

/// An association of the kernel's SCTP.
#[derive(Debug)]
pub(crate) struct KernelAssociation {
    source: Source,
    /// The kernel's number for it (`sctp_assoc_t`); none before it is up.
    id: i32,
    state: State,
    /// Addresses to try when those that are being tried do not answer.
    next_addresses: Vec<SocketAddr>,
    outgoing: Outgoing,
    incoming: Incoming,
    events: VecDeque<Event>,
    /// It is over for this reason, and what the kernel still has to tell of it is being read.
    ending: Option<LostReason>,
    /// We began to end it in order; until then it may take.
    closing: Option<Time>,
    /// The kernel was told so.
    end_sent: bool,
    /// The kernel's buffer is full.
    write_blocked: bool,
    /// Inside a notification of which the beginning was enough.
    skipping: bool,
    silence: Option<Silence>,
    timer: Option<Pin<Box<Sleep>>>,
    clock: Clock,
    options: Options,
    settings: KernelSettings,
    outbound_streams: u16,
    /// Both sides let messages expire (RFC 3758), as far as is known.
    has_lifetime: bool,
    peer: SocketAddr,
    local: SocketAddr,
    /// Where the association goes that a restarted peer made of this one.
    restarts: Weak<Restarts>,
}

#[derive(Debug)]
enum Source {
    Socket(AsyncFd<Socket>),
    /// It was over before it had a socket of its own: all that is left to read of it.
    Past(VecDeque<Item>),
    Closed,
}

/// A message or piece of one, or news.
#[derive(Debug)]
pub(super) enum Item {
    Data { info: ReceiveInfo, data: BytesMut, more: bool },
    News(Notification),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Until then it must be up.
    Connecting(Time),
    Up,
    Ended,
}

impl KernelAssociation {
    /// Begins an association with the peer that has these addresses.
    pub(super) fn connect(addresses: Vec<SocketAddr>, options: Options, settings: KernelSettings) -> Self {
        let now = Clock::new().now();
        let mut association = Self::new(Source::Closed, State::Connecting(now), options, settings, Weak::new());
        association.try_addresses(addresses);
        association
    }

    /// Tries these as addresses of one peer. The kernel takes its own addresses after the first of them, so that those of loopback and the others
    /// are not reached from the same ones: they are tried one after the other.
    fn try_addresses(&mut self, addresses: Vec<SocketAddr>) {
        let first = addresses.first().copied().unwrap_or(UNSPECIFIED);
        let near = |address: &SocketAddr| address.ip().is_loopback() == first.ip().is_loopback();
        let (these, others): (Vec<_>, _) = addresses.into_iter().partition(near);
        let share = if others.is_empty() { 1 } else { 2 };
        self.state = State::Connecting(self.clock.now() + self.options.connect_timeout / share);
        (self.peer, self.next_addresses, self.skipping) = (first, others, false);
        let settings = self.settings;
        let open = |these: &[SocketAddr]| {
            let socket = super::open(these, settings)?;
            if settings.encapsulation_port != 0 {
                socket.set_remote_encapsulation_port(settings.encapsulation_port)?;
            }
            socket.connect(these)?;
            socket.register()
        };
        match socket::or_ipv4(&these, open) {
            Ok(socket) => self.source = Source::Socket(socket),
            Err(error) => self.not_reached(reason(&error)),
        }
    }

    /// These addresses do not answer; perhaps others do.
    fn not_reached(&mut self, reason: LostReason) {
        if self.next_addresses.is_empty() || self.closing.is_some() {
            return self.finish(reason);
        }
        let next = std::mem::take(&mut self.next_addresses);
        self.options.connect_timeout /= 2;
        self.try_addresses(next);
    }

    /// An association that a peer began, on its own socket.
    pub(super) fn accept(
        socket: Socket,
        id: i32,
        outbound_streams: u16,
        options: Options,
        settings: KernelSettings,
        restarts: &Arc<Restarts>,
    ) -> io::Result<Self> {
        let source = Source::Socket(socket.register()?);
        let mut association = Self::new(source, State::Up, options, settings, Arc::downgrade(restarts));
        association.up(id, outbound_streams);
        Ok(association)
    }

    /// An association that was over before it could be accepted: what was received on it is handed up all the same.
    pub(super) fn past(items: VecDeque<Item>, peer: SocketAddr, options: Options, settings: KernelSettings) -> Self {
        let mut association = Self::new(Source::Past(items), State::Up, options, settings, Weak::new());
        association.peer = peer;
        let event = association.up_event(smallvec::smallvec![peer]);
        association.events.push_back(event);
        association
    }

    fn new(source: Source, state: State, options: Options, settings: KernelSettings, restarts: Weak<Restarts>) -> Self {
        KernelAssociation {
            source,
            id: 0,
            state,
            next_addresses: Vec::new(),
            outgoing: Outgoing::default(),
            incoming: Incoming::default(),
            events: VecDeque::new(),
            ending: None,
            closing: None,
            end_sent: false,
            write_blocked: false,
            skipping: false,
            silence: None,
            timer: None,
            clock: Clock::new(),
            options,
            settings,
            outbound_streams: 0,
            has_lifetime: true,
            peer: UNSPECIFIED,
            local: UNSPECIFIED,
            restarts,
        }
    }

    /// Hands up what has happened; writes, reads and looks at the clock only when nothing is left to hand up, so that what the owner answers to
    /// several messages leaves together.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Poll::Ready(event);
            }
            if self.state == State::Ended {
                return Poll::Pending;
            }
            self.poll_write(cx);
            // Writing may have brought news too.
            if self.poll_read(cx).is_ready() || !self.events.is_empty() {
                continue;
            }
            ready!(self.poll_timer(cx));
            // What came while this process did not run is heard first.
            if self.read_some(Look::Now).is_pending() {
                self.handle_timeout();
            }
        }
    }

    fn end_with(&mut self, reason: LostReason) {
        let reason = if self.closing.is_some() { LostReason::Closed } else { reason };
        self.ending.get_or_insert(reason);
    }

    /// The kernel goes on with the same association on the same socket; for us it is another one.
    fn restarted(&mut self, association: i32, outbound_streams: u16) {
        let Source::Socket(socket) = std::mem::replace(&mut self.source, Source::Closed) else { return };
        match self.restarts.upgrade() {
            Some(restarts) => restarts.push(socket.into_inner(), association, outbound_streams),
            // Nobody listens on this port, so nobody can be spoken to.
            None => abort(socket.get_ref(), association),
        }
        self.outgoing.restarted();
        self.finish(LostReason::Restarted);
    }

    fn up(&mut self, id: i32, outbound_streams: u16) {
        (self.id, self.outbound_streams) = (id, outbound_streams);
        let Source::Socket(socket) = &self.source else { return };
        let socket = socket.get_ref();
        let mut addresses = socket.peer_addresses(id).unwrap_or_default();
        let primary = socket.primary_path(id).map(|path| path.address);
        self.peer = primary.ok().or_else(|| addresses.first().copied()).unwrap_or(self.peer);
        // The first is the one messages go to.
        addresses.sort_by_key(|address| *address != self.peer);
        self.local = local_address(socket, id, self.peer);
        self.has_lifetime = socket.supports(id, socket::PR_SUPPORTED);
        let packets = socket.packets_received(id).unwrap_or_default();
        self.silence = Some(Silence::new(self.options.heartbeat, packets, self.clock.now()));
        let event = self.up_event(addresses.into());
        self.events.push_back(event);
    }

    fn up_event(&self, addresses: smallvec::SmallVec<[SocketAddr; 1]>) -> Event {
        let mut ours = match &self.source {
            Source::Socket(socket) => socket.get_ref().local_addresses(self.id).unwrap_or_default(),
            _ => Vec::new(),
        };
        // The kernel has them in the order of its interfaces; the first is the one packets leave from.
        ours.sort_by_key(|address| *address != self.local);
        Event::Up(Peer {
            addresses,
            local: self.local,
            local_addresses: ours.iter().map(SocketAddr::ip).collect(),
            mapping: Mapping::Sctp,
            own_heartbeat: false,
            max_message: MAX_MESSAGE,
            identity: PeerIdentity::Anonymous,
        })
    }

    /// Ends it at once; what the kernel says of the messages is heard first.
    fn abort_for(&mut self, reason: LostReason) {
        if let Source::Socket(socket) = &self.source
            && self.state == State::Up
        {
            abort(socket.get_ref(), self.id);
            self.ending = Some(reason.clone());
            self.read_outcomes();
        }
        self.finish(reason);
    }

    fn finish(&mut self, reason: LostReason) {
        if self.state == State::Ended {
            return;
        }
        tracing::debug!(local = %self.local, peer = %self.peer, %reason, "association lost");
        self.state = State::Ended;
        self.source = Source::Closed;
        self.timer = None;
        self.silence = None;
        self.incoming.drop_partial();
        self.outgoing.end(self.clock.now(), &mut self.events);
        self.events.push_back(Event::Lost(reason));
    }
}

/// Sends an ABORT; if that fails there is nothing to abort.
fn abort(socket: &Socket, association: i32) {
    let info = SendInfo { association, flags: socket::ABORT, ..SendInfo::default() };
    let _ = socket.send(info, &[], false);
}

/// Of our addresses on this association, the one packets to the peer leave from.
fn local_address(socket: &Socket, association: i32, peer: SocketAddr) -> SocketAddr {
    let ours = socket.local_addresses(association).unwrap_or_default();
    let any = if peer.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let route = || {
        let probe = UdpSocket::bind(any)?;
        probe.connect(peer)?;
        probe.local_addr()
    };
    let near = route().ok().and_then(|near| ours.iter().find(|address| address.ip() == near.ip()));
    near.or(ours.first()).copied().unwrap_or(UNSPECIFIED)
}

/// Why a system call ended it.
pub(super) fn reason(error: &io::Error) -> LostReason {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => LostReason::Refused,
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
            LostReason::Reset
        }
        io::ErrorKind::TimedOut => LostReason::HeartbeatMissed,
        kind => LostReason::Io(kind.to_string()),
    }
}
