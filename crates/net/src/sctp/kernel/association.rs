// SPDX-License-Identifier: MIT OR Apache-2.0
//! One association of kernel SCTP, on a socket of its own: its queues, its timer and what the kernel tells of it.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use machine::Time;
use machine::association::{Event, Heartbeat, LostReason, Mapping, PathState, Peer, PeerIdentity};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::Sleep;

use super::incoming::{Arrived, BadPiece, Incoming};
use super::listener::Restarts;
use super::liveness::{Liveness, Verdict};
use super::notification::Notification;
use super::outgoing::Outgoing;
use super::socket::{self, ReceiveInfo, Received, SendInfo, Socket};
use crate::tcp::UNSPECIFIED;
use crate::transport::{AddressError, Feature, Message, NotAvailable, Path, SendError, Transport};
use crate::{Clock, KernelSettings, MAX_MESSAGE, MAX_PAYLOAD, Options, memory};

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
    liveness: Option<Liveness>,
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

/// When to ask the kernel for what it has.
#[derive(Debug, Clone, Copy)]
enum Look {
    /// When the runtime has been told that there is something.
    WhenReady,
    /// Past the runtime, which is told only when it gets to ask.
    Now,
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
            liveness: None,
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

    /// Writes until nothing is left or the kernel takes no more.
    fn poll_write(&mut self, cx: &mut Context<'_>) {
        self.write_out();
        while self.write_blocked {
            let Source::Socket(socket) = &self.source else { return };
            let Poll::Ready(Ok(mut guard)) = socket.poll_write_ready(cx) else { return };
            // Only the kernel knows: if it is still full, the attempt says so.
            guard.clear_ready();
            self.write_blocked = false;
            self.write_out();
        }
    }

    fn write_out(&mut self) {
        if self.state != State::Up || self.write_blocked || self.ending.is_some() {
            return;
        }
        let Source::Socket(socket) = &self.source else { return };
        let mut held = 0;
        while let Some((message, context)) = self.outgoing.front() {
            let more = self.outgoing.more() && held < MOST_HELD;
            held = if more { held + 1 } else { 0 };
            let urgent = if self.outgoing.fills() { socket::SACK_IMMEDIATELY } else { 0 };
            let unordered = if message.unordered { socket::UNORDERED } else { 0 };
            let info = SendInfo {
                association: self.id,
                stream: message.stream,
                flags: urgent | unordered,
                ppid: message.ppid,
                context,
                lifetime: message.lifetime,
            };
            match socket.get_ref().send(info, &message.data, more) {
                Ok(()) => self.outgoing.front_sent(|| self.clock.now()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.write_blocked = true;
                    return;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // A stream the peer does not have. The other messages are none the worse.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    self.events.extend(self.outgoing.front_refused().map(Event::Undelivered));
                }
                // It is over, and the kernel says why to whoever reads.
                Err(_) => return,
            }
        }
        if self.closing.is_some() && !self.end_sent && self.outgoing.waiting_bytes() == 0 {
            self.end_sent = true;
            let end = SendInfo { association: self.id, flags: socket::END, ..SendInfo::default() };
            // If it fails the association is over already.
            let _ = socket.get_ref().send(end, &[], false);
        }
    }

    /// Reads what is there. Ready when it was worth a look at the queues.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Source::Socket(socket) = &self.source {
            if self.incoming.untaken_bytes() >= self.options.max_untaken_bytes {
                // The kernel's receive window closes.
                return Poll::Pending;
            }
            // The only way out with nothing read: the runtime keeps the waker only when it is asked while nothing is ready.
            if let Err(error) = ready!(socket.poll_read_ready(cx)) {
                self.finish(reason(&error));
                return Poll::Ready(());
            }
            if self.read_some(Look::WhenReady).is_ready() {
                return Poll::Ready(());
            }
        }
        self.read_some(Look::WhenReady)
    }

    /// Reads a few items, or finds that there is nothing.
    fn read_some(&mut self, look: Look) -> Poll<()> {
        let mut buffer = memory::input();
        let mut result = Poll::Pending;
        for _ in 0..ITEMS_PER_READ {
            if self.incoming.untaken_bytes() >= self.options.max_untaken_bytes || self.state == State::Ended {
                break;
            }
            let Some(item) = self.next_item(&mut buffer, look) else { break };
            result = Poll::Ready(());
            match item {
                Ok(Some(item)) => self.handle(item),
                Ok(None) => {}
                Err(reason) => self.finish(reason),
            }
        }
        memory::give_back_input(buffer);
        result
    }

    /// The next item, nothing yet known of it, or the end; `None` if there is none now.
    fn next_item(&mut self, buffer: &mut BytesMut, look: Look) -> Option<Result<Option<Item>, LostReason>> {
        let received = match &mut self.source {
            Source::Closed => return None,
            Source::Past(items) => {
                let gone = LostReason::Reset;
                return Some(items.pop_front().map(Some).ok_or_else(|| self.ending.take().unwrap_or(gone)));
            }
            Source::Socket(socket) => {
                if buffer.capacity() - buffer.len() < LEAST_ROOM {
                    buffer.reserve(memory::READ);
                }
                match look {
                    Look::WhenReady => socket.try_io(Interest::READABLE, |socket| socket.receive(buffer)),
                    Look::Now => socket.get_ref().receive(buffer),
                }
            }
        };
        match received {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => match self.ending.take() {
                // All that the kernel had to tell has been read.
                Some(reason) => Some(Err(reason)),
                None => {
                    self.nothing_to_tell();
                    None
                }
            },
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Some(Ok(None)),
            Err(error) => Some(Err(self.ending.take().unwrap_or_else(|| reason(&error)))),
            Ok(Received { length: 0, .. }) => Some(Err(self.ending.take().unwrap_or(LostReason::PeerClosed))),
            Ok(received) => Some(Ok(item(received, buffer, &mut self.skipping))),
        }
    }

    fn nothing_to_tell(&mut self) {
        self.outgoing.report_expired(&mut self.events);
        if self.incoming.is_partial() {
            // It may well have something to tell, and waits until the message is read.
            return;
        }
        if self.outgoing.nothing_to_tell()
            && let Source::Socket(socket) = &self.source
            && let Err(error) = socket.get_ref().ask_if_dry(self.id)
        {
            tracing::debug!(peer = %self.peer, %error, "the kernel does not say what was delivered");
        }
    }

    fn handle(&mut self, item: Item) {
        match item {
            Item::News(news) => self.handle_news(news),
            // After close() nothing more is handed up.
            Item::Data { info, more, .. } if self.closing.is_some() => self.incoming.dropped(info, more),
            Item::Data { info, data, more } => match self.incoming.piece(info, data, more) {
                Ok(None) => {}
                Ok(Some(Arrived { sequence, info: ReceiveInfo { stream, unordered, ppid, .. }, data })) => {
                    self.events.push_back(Event::Message { sequence, stream, ppid, unordered, data });
                }
                Err(BadPiece::TooLong) => {
                    let what = format!("a message of more than {MAX_PAYLOAD} bytes");
                    self.abort_for(LostReason::Overrun(what));
                }
                Err(BadPiece::OfAnother) => {
                    let what = "a message of pieces that do not belong together";
                    self.abort_for(LostReason::Protocol(what.to_owned()));
                }
            },
        }
    }

    fn handle_news(&mut self, news: Notification) {
        match news {
            Notification::Up { association, outbound_streams } => {
                if matches!(self.state, State::Connecting(_)) {
                    self.state = State::Up;
                    self.up(association, outbound_streams);
                }
            }
            Notification::Lost { aborted, .. } => {
                self.end_with(if aborted { LostReason::Reset } else { LostReason::HeartbeatMissed });
            }
            // Our own timer is quicker than the kernel's patience.
            Notification::CannotStart => self.not_reached(LostReason::Refused),
            Notification::Ended { .. } => self.end_with(LostReason::PeerClosed),
            Notification::Restarted { association, outbound_streams } => {
                self.restarted(association, outbound_streams);
            }
            Notification::Path { address, state } => {
                tracing::debug!(peer = %self.peer, %address, ?state, "path change");
                if state == PathState::Primary {
                    self.peer = address;
                }
                if self.state == State::Up && self.ending.is_none() {
                    self.events.push_back(Event::PathChange { address, state });
                }
            }
            Notification::SendFailed { context } => self.outgoing.failed(context),
            Notification::Dry => {
                self.ask_what_was_given_up();
                self.outgoing.dry(&mut self.events);
            }
            Notification::PartialDeliveryAborted => self.incoming.drop_partial(),
            // Nothing can be sent any more; SCTP_SHUTDOWN_COMP follows when the rest has arrived.
            Notification::Shutdown | Notification::Other => {}
        }
    }

    fn ask_what_was_given_up(&mut self) {
        if self.outgoing.may_expire()
            && let Source::Socket(socket) = &self.source
            && let Ok(abandoned) = socket.get_ref().abandoned(self.id)
        {
            self.outgoing.gave_up(abandoned, self.clock.now());
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
        self.liveness = Some(Liveness::new(self.options.heartbeat, packets, self.clock.now()));
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

    fn primary(&self) -> Option<SocketAddr> {
        let Source::Socket(socket) = &self.source else { return None };
        socket.get_ref().primary_path(self.id).ok().map(|path| path.address)
    }

    /// The socket, if this system and the peer can change addresses, and the address with our port.
    fn changing(&self, address: IpAddr) -> Result<(&Socket, SocketAddr), AddressError> {
        match &self.source {
            Source::Socket(socket) if socket.get_ref().supports(self.id, socket::ASCONF_SUPPORTED) => {
                Ok((socket.get_ref(), SocketAddr::new(address, self.local.port())))
            }
            _ => Err(self.lacks(Feature::AddIp).into()),
        }
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let opening = if let State::Connecting(deadline) = self.state { Some(deadline) } else { None };
        let silence = self.liveness.as_ref().map(Liveness::deadline);
        let Some(deadline) = [opening, self.closing, silence].into_iter().flatten().min() else {
            return Poll::Pending;
        };
        let at = self.clock.instant(deadline);
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        if timer.deadline() != at {
            timer.as_mut().reset(at);
        }
        timer.as_mut().poll(cx)
    }

    fn handle_timeout(&mut self) {
        let now = self.clock.now();
        if self.closing.is_some_and(|deadline| deadline <= now) {
            return self.abort_for(LostReason::Closed);
        }
        if let State::Connecting(deadline) = self.state {
            let late = now.since(deadline);
            if deadline > now {
            } else if late > self.options.connect_timeout {
                self.state = State::Connecting(now + self.options.connect_timeout);
                self.paused(late);
            } else {
                self.not_reached(LostReason::ConnectTimeout);
            }
            return;
        }
        let Source::Socket(socket) = &self.source else { return };
        let Some(liveness) = &mut self.liveness else { return };
        if now < liveness.deadline() {
            return;
        }
        // Without an answer the association is gone, and reading tells why.
        let Ok(packets) = socket.get_ref().packets_received(self.id) else {
            self.liveness = None;
            return;
        };
        match liveness.check(packets, now) {
            Verdict::Fine => {}
            Verdict::Ask => self.ask(),
            Verdict::Paused(late) => {
                self.ask();
                self.paused(late);
            }
            Verdict::Dead => self.abort_for(LostReason::HeartbeatMissed),
        }
    }

    fn ask(&self) {
        let Source::Socket(socket) = &self.source else { return };
        if let Err(error) = socket.get_ref().heartbeat_now(self.id) {
            tracing::debug!(peer = %self.peer, %error, "no heartbeat");
        }
    }

    fn paused(&mut self, late: Duration) {
        tracing::info!(peer = %self.peer, ?late, "this process was paused: nothing is declared dead");
        self.events.push_back(Event::Paused);
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

    /// Reads what the kernel says of the messages when an association ends, and none of the peer's.
    fn read_outcomes(&mut self) {
        let mut buffer = memory::input();
        for _ in 0..MOST_OUTCOMES {
            if !matches!(self.source, Source::Socket(_)) {
                break;
            }
            match self.next_item(&mut buffer, Look::Now) {
                Some(Ok(Some(Item::News(Notification::SendFailed { context })))) => self.outgoing.failed(context),
                Some(Ok(Some(Item::News(Notification::Dry)))) => self.outgoing.dry(&mut self.events),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => break,
            }
            buffer.clear();
        }
        memory::give_back_input(buffer);
    }

    fn finish(&mut self, reason: LostReason) {
        if self.state == State::Ended {
            return;
        }
        tracing::debug!(local = %self.local, peer = %self.peer, %reason, "association lost");
        self.state = State::Ended;
        self.source = Source::Closed;
        self.timer = None;
        self.liveness = None;
        self.incoming.drop_partial();
        self.outgoing.end(self.clock.now(), &mut self.events);
        self.events.push_back(Event::Lost(reason));
    }
}

impl Transport for KernelAssociation {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        self.poll(cx)
    }

    fn send(&mut self, message: Message) -> Result<(), SendError> {
        use tcp_mapping::SendError::{Empty, FieldNotCarried, NotUp, TooLong};
        let len = message.data.len();
        if self.state == State::Ended || self.closing.is_some() {
            return Err(NotUp.into());
        }
        if message.lifetime.is_some() && !self.has_lifetime {
            return Err(self.lacks(Feature::Lifetime).into());
        }
        match len {
            0 => return Err(Empty.into()),
            _ if len > MAX_PAYLOAD => return Err(TooLong { len, max: MAX_PAYLOAD }.into()),
            _ if self.state == State::Up && message.stream >= self.outbound_streams => {
                return Err(FieldNotCarried.into());
            }
            _ => {}
        }
        let waiting = self.outgoing.waiting_bytes();
        if waiting + len > self.settings.max_send_bytes && waiting > 0 {
            return Err(SendError::Full(waiting));
        }
        self.outgoing.push(message);
        Ok(())
    }

    fn taken(&mut self, sequence: u64) {
        self.incoming.taken(sequence);
    }

    fn flush(&mut self) {
        self.write_out();
    }

    fn set_heartbeat(&mut self, heartbeat: Heartbeat) {
        self.options.heartbeat = heartbeat;
        if let Some(liveness) = &mut self.liveness {
            liveness.set(heartbeat, self.clock.now());
        }
    }

    fn probe(&mut self) {
        let (Source::Socket(socket), Some(liveness)) = (&self.source, &mut self.liveness) else { return };
        let Ok(packets) = socket.get_ref().packets_received(self.id) else { return };
        liveness.probe(packets, self.clock.now());
        self.ask();
    }

    fn close(&mut self) {
        if self.state != State::Ended && self.closing.is_none() {
            self.closing = Some(self.clock.now() + self.options.close_timeout);
            self.write_out();
        }
    }

    fn abort(&mut self) {
        self.abort_for(LostReason::Closed);
    }

    fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    fn local_addr(&self) -> SocketAddr {
        self.local
    }

    fn mapping(&self) -> Option<Mapping> {
        (self.state == State::Up).then_some(Mapping::Sctp)
    }

    fn buffered(&self) -> usize {
        self.outgoing.waiting_bytes()
    }

    fn outstanding(&self) -> usize {
        self.outgoing.outstanding()
    }

    fn round_trip_time(&self) -> Option<Duration> {
        let Source::Socket(socket) = &self.source else { return None };
        socket.get_ref().primary_path(self.id).ok().map(|path| path.srtt)
    }

    fn paths(&self) -> Result<Vec<Path>, NotAvailable> {
        let Source::Socket(socket) = &self.source else { return Ok(Vec::new()) };
        let socket = socket.get_ref();
        let primary = self.primary();
        let addresses = socket.peer_addresses(self.id).unwrap_or_default();
        let known = addresses.into_iter().filter_map(|address| socket.path(self.id, address).ok());
        Ok(known
            .map(|path| Path {
                address: path.address,
                state: if path.active { PathState::Available } else { PathState::Unreachable },
                primary: Some(path.address) == primary,
                srtt: Some(path.srtt),
                rto: Some(path.rto),
                pmtu: Some(path.mtu as usize),
                cwnd: Some(path.cwnd as usize),
            })
            .collect())
    }

    fn set_primary(&mut self, address: SocketAddr) -> Result<(), NotAvailable> {
        let missing = self.lacks(Feature::Paths);
        let Source::Socket(socket) = &self.source else { return Err(missing) };
        socket.get_ref().set_primary(self.id, address).map_err(|_| missing)?;
        self.peer = address;
        Ok(())
    }

    fn add_local_address(&mut self, address: IpAddr) -> Result<(), AddressError> {
        let (socket, address) = self.changing(address)?;
        Ok(socket.add_addresses(&[address])?)
    }

    fn remove_local_address(&mut self, address: IpAddr) -> Result<(), AddressError> {
        let (socket, address) = self.changing(address)?;
        Ok(socket.remove_addresses(&[address])?)
    }

    fn set_peer_primary(&mut self, address: IpAddr) -> Result<(), AddressError> {
        let (socket, address) = self.changing(address)?;
        Ok(socket.set_peer_primary(self.id, address)?)
    }
}

/// What the kernel gave, once it is whole enough to be of use.
fn item(received: Received, buffer: &mut BytesMut, skipping: &mut bool) -> Option<Item> {
    let data = buffer.split_to(received.length);
    if !received.notification {
        return Some(Item::Data { info: received.info, data, more: received.more });
    }
    // SCTP_SEND_FAILED_EVENT carries the message: what we want of it stands at its beginning.
    if std::mem::replace(skipping, received.more) { None } else { Some(Item::News(Notification::parse(&data))) }
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

/// Messages handed to the kernel before it may send them. It keeps them even when its buffer is full and nothing is on its way, so they must be fewer
/// than fill it.
const MOST_HELD: usize = 16;

/// Read before what they brought is handed up.
const ITEMS_PER_READ: usize = 64;

/// Room to read into; a longer message comes in pieces.
const LEAST_ROOM: usize = 4 << 10;

/// Read at most when we end an association ourselves.
const MOST_OUTCOMES: usize = 16 << 10;
