// SPDX-License-Identifier: MIT OR Apache-2.0
//! The shell of one TCP-mapping connection: its socket, its buffers and its timer.

mod connect;
mod round_trip_time;

use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice, Read};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use machine::association::{Event, Heartbeat, Mapping};
use machine::{Output, Time};
use socket2::{SockRef, TcpKeepalive};
use tcp_mapping::{Connection, Responder, Role, SocketEnd};
use tokio::io::{AsyncRead, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use crate::transport::{Feature, Message, SendError, Transport};
use crate::{Clock, Options, event, memory};

/// One TCP connection that carries messages.
#[derive(Debug)]
pub(crate) struct TcpAssociation {
    connection: Connection,
    clock: Clock,
    /// The peer's address; before it is connected, unspecified.
    peer: SocketAddr,
    /// Our own, likewise.
    local: SocketAddr,
    socket: Socket,
    /// A write failed. What can still be read is read before this is the end.
    write_failed: Option<io::ErrorKind>,
    /// The beginning of something whose end has not come yet.
    input: BytesMut,
    /// The last read filled its buffer: there is probably more.
    flows: bool,
    /// It has read since it was last pending, and in turns the others come first now.
    had_turn: bool,
    /// `input` holds whole messages for the next turn: the answers to those before them were long.
    put_off: bool,
    timer: Option<Pin<Box<Sleep>>>,
    /// How long a peer that speaks plain ASAP may be unreachable.
    dead_after: Duration,
}

enum Socket {
    Connecting(Connecting),
    Open(TcpStream),
    Closed,
}

/// The attempt to connect, boxed because its type has no name.
type Connecting = Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send + Sync>>;

impl TcpAssociation {
    pub(crate) fn connect(addresses: Vec<SocketAddr>, options: Options) -> Self {
        let connecting = Box::pin(connect::connect(addresses, options.connect_timeout));
        Self::new(Role::Connector, Socket::Connecting(connecting), options)
    }

    pub(crate) fn accept(stream: TcpStream, options: Options) -> Self {
        let mut association = Self::new(Role::Acceptor, Socket::Closed, options);
        association.open(stream);
        association
    }

    fn new(role: Role, socket: Socket, options: Options) -> Self {
        let clock = Clock::new();
        TcpAssociation {
            connection: Connection::new(role, options.mapping(), clock.now()),
            clock,
            peer: UNSPECIFIED,
            local: UNSPECIFIED,
            socket,
            write_failed: None,
            input: BytesMut::new(),
            flows: false,
            had_turn: false,
            put_off: false,
            timer: None,
            dead_after: options.heartbeat.dead_after,
        }
    }

    /// An idle association keeps no memory for what it may have to say.
    fn release(&mut self, is_idle: bool) {
        if is_idle && let Some(memory) = self.connection.take_back() {
            memory::give_back_output(memory);
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>, responder: &mut Option<&mut Responder<'_>>) -> Poll<Event> {
        if self.connection.buffered() >= WRITE_AT_ONCE {
            self.write_out();
        }
        loop {
            match self.connection.poll_output() {
                Output::Effect(event) => {
                    match event {
                        tcp_mapping::Event::Up(kind) => {
                            // The connector waits for our INIT, and the owner may be in no hurry to ask again.
                            self.write_out();
                            if kind == tcp_mapping::Kind::Plain {
                                self.watch_without_heartbeat();
                            }
                        }
                        tcp_mapping::Event::Lost(_) => self.shut(),
                        _ => {}
                    }
                    return Poll::Ready(event::event(event, self.local, self.peer));
                }
                Output::Wait(deadline) => ready!(self.poll_progress(deadline, cx, responder)),
            }
        }
    }

    /// Writes what can be written without waiting.
    fn write_out(&mut self) {
        let Socket::Open(stream) = &self.socket else { return };
        while self.connection.buffered() > 0 && self.write_failed.is_none() {
            let mut slices = [IoSlice::new(&[]); WRITE_SLICES];
            let count = self.connection.slices(&mut slices);
            // writev() would kill a C program by SIGPIPE when the peer is gone.
            let write = || SockRef::from(stream).send_vectored_with_flags(&slices[..count], libc::MSG_NOSIGNAL);
            match stream.try_io(Interest::WRITABLE, write) {
                Ok(written) => self.connection.written(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => self.write_failed = Some(error.kind()),
            }
        }
    }

    /// Connects, writes, reads, and lets a deadline pass, in this order; ready when the machine may have something new
    /// to say.
    fn poll_progress(
        &mut self,
        deadline: Option<Time>,
        cx: &mut Context<'_>,
        responder: &mut Option<&mut Responder<'_>>,
    ) -> Poll<()> {
        match &mut self.socket {
            Socket::Connecting(connecting) => {
                if let Poll::Ready(result) = connecting.as_mut().poll(cx) {
                    match result {
                        Ok(stream) => self.open(stream),
                        Err(error) => self.fail(error.kind()),
                    }
                    return Poll::Ready(());
                }
            }
            Socket::Open(_) => {
                if self.had_turn && self.connection.buffered() > 0 {
                    // First all read, then all write: a peer that is woken by the first answer finds the others when it looks again,
                    // and one that serves several of us is woken once.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                if self.poll_write(cx) || ready!(self.poll_read(cx, responder)) {
                    return Poll::Ready(());
                }
                if let Some(kind) = self.write_failed {
                    self.fail(kind);
                    return Poll::Ready(());
                }
            }
            Socket::Closed => return Poll::Pending,
        }
        let Some(deadline) = deadline else { return Poll::Pending };
        ready!(self.poll_timer(deadline, cx));
        // The runtime may not have told us yet of bytes that came while this process did not run.
        if !self.read_directly(responder) {
            self.connection.handle_timeout(self.clock.now());
        }
        Poll::Ready(())
    }

    /// Writes until nothing is left or the socket takes no more. Whether anything was written.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> bool {
        let before = self.connection.buffered();
        while self.connection.buffered() > 0 && self.write_failed.is_none() {
            let Socket::Open(stream) = &self.socket else { break };
            match stream.poll_write_ready(cx) {
                Poll::Ready(Ok(())) => self.write_out(),
                Poll::Ready(Err(error)) => self.write_failed = Some(error.kind()),
                Poll::Pending => break,
            }
        }
        self.connection.buffered() < before
    }

    /// Reads once. Whether anything came, be it the end; pending if it is the others' turn first.
    fn poll_read(&mut self, cx: &mut Context<'_>, responder: &mut Option<&mut Responder<'_>>) -> Poll<bool> {
        let Socket::Open(stream) = &self.socket else { return Poll::Ready(false) };
        // Asked first, so that an association with nothing to read does nothing for it.
        if !self.put_off && stream.poll_read_ready(cx).is_pending() {
            return Poll::Ready(false);
        }
        if responder.is_some() && std::mem::replace(&mut self.had_turn, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if std::mem::take(&mut self.put_off) {
            let mut buffer = std::mem::take(&mut self.input);
            self.received(&mut buffer, responder);
            self.keep_rest(buffer, false);
            return Poll::Ready(true);
        }
        let most = if responder.is_some() { READ_PER_TURN } else { memory::READ };
        // What comes fast is read in large pieces, however often the end of one is the beginning of a message.
        let is_shared = self.flows || self.input.is_empty();
        let mut buffer = if is_shared { memory::input(&std::mem::take(&mut self.input)) } else { self.more_input() };
        let Socket::Open(stream) = &mut self.socket else { return Poll::Ready(false) };
        let room = buffer.spare_capacity_mut();
        let most = most.min(room.len());
        let mut space = ReadBuf::uninit(&mut room[..most]);
        // Unlike try_read() it knows that a short read has emptied the socket, and saves the one that would fail.
        let result = Pin::new(stream).poll_read(cx, &mut space);
        let count = space.filled().len();
        self.flows = count == most;
        // SAFETY: `space` is the spare capacity of `buffer`, and its first `count` bytes are filled.
        unsafe { buffer.advance_mut(count) };
        match &result {
            Poll::Pending => {}
            Poll::Ready(Err(error)) => self.fail(error.kind()),
            Poll::Ready(Ok(())) if count == 0 => self.end(),
            Poll::Ready(Ok(())) => self.received(&mut buffer, responder),
        }
        self.keep_rest(buffer, is_shared);
        Poll::Ready(result.is_ready())
    }

    /// Reads past the runtime, which learns of readiness only when it gets to ask for it. Whether anything came.
    fn read_directly(&mut self, responder: &mut Option<&mut Responder<'_>>) -> bool {
        let Socket::Open(stream) = &self.socket else { return false };
        let mut bytes = [0; DIRECT_READ];
        match (&*SockRef::from(stream)).read(&mut bytes) {
            Ok(0) => self.end(),
            Ok(count) => {
                let mut buffer = std::mem::take(&mut self.input);
                buffer.extend_from_slice(&bytes[..count]);
                self.received(&mut buffer, responder);
                self.keep_rest(buffer, false);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            Err(error) => self.fail(error.kind()),
        }
        true
    }

    /// What has come of something incomplete, with about as much room behind it: a peer that lets us wait makes us keep no more than it sent.
    fn more_input(&mut self) -> BytesMut {
        let mut buffer = std::mem::take(&mut self.input);
        buffer.reserve(buffer.len().max(LEAST_ROOM));
        buffer
    }

    /// What could not be dealt with yet is kept, apart from the thread's buffer if it lies there.
    fn keep_rest(&mut self, buffer: BytesMut, is_shared: bool) {
        if is_shared {
            if !buffer.is_empty() {
                self.input = BytesMut::from(&buffer[..]);
            }
            memory::give_back_input(buffer);
        } else if !buffer.is_empty() {
            self.input = buffer;
        }
    }

    fn received(&mut self, buffer: &mut BytesMut, responder: &mut Option<&mut Responder<'_>>) {
        let now = self.clock.now();
        self.connection.lend(memory::output());
        match responder {
            None => self.connection.received(buffer, now),
            Some(responder) => {
                while self.connection.received_and_answered(buffer, now, *responder) {
                    let before = self.connection.buffered();
                    self.write_out();
                    if self.connection.buffered() < before {
                        self.put_off = true;
                        break;
                    }
                    // It does not read them, and is dealt with by events.
                }
            }
        }
    }

    fn poll_timer(&mut self, deadline: Time, cx: &mut Context<'_>) -> Poll<()> {
        let at = self.clock.instant(deadline);
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        // Left alone while it would fire early: bytes come far more often than deadlines, and early is harmless.
        if timer.deadline() > at {
            timer.as_mut().reset(at);
        }
        loop {
            ready!(timer.as_mut().poll(cx));
            if timer.deadline() >= at {
                return Poll::Ready(());
            }
            timer.as_mut().reset(at);
        }
    }

    fn open(&mut self, stream: TcpStream) {
        // Answers must not wait for one another, and heartbeats for nothing.
        let prepare = || {
            stream.set_nodelay(true)?;
            Ok::<_, io::Error>((canonical(stream.peer_addr()?), canonical(stream.local_addr()?)))
        };
        match prepare() {
            Ok((peer, local)) => (self.peer, self.local) = (peer, local),
            Err(error) => self.fail(error.kind()),
        }
        self.socket = Socket::Open(stream);
    }

    /// Plain ASAP has no heartbeat: the system asks a silent peer, so that one that vanished without a word is not kept for ever.
    fn watch_without_heartbeat(&self) {
        let Socket::Open(stream) = &self.socket else { return };
        let socket = SockRef::from(stream);
        let (silence, probe) = (self.dead_after / 2, (self.dead_after / 6).max(Duration::from_secs(1)));
        let keepalive = TcpKeepalive::new().with_time(silence.max(probe)).with_interval(probe).with_retries(3);
        let set = socket.set_tcp_keepalive(&keepalive);
        if let Err(error) = set.and_then(|()| socket.set_tcp_user_timeout(Some(self.dead_after))) {
            tracing::debug!(peer = %self.peer, %error, "the system does not watch this connection");
        }
    }

    /// Nothing more can be read.
    fn end(&mut self) {
        self.connection.ended(self.write_failed.map_or(SocketEnd::Eof, SocketEnd::Failed));
    }

    fn fail(&mut self, kind: io::ErrorKind) {
        self.connection.ended(SocketEnd::Failed(kind));
    }

    fn shut(&mut self) {
        self.socket = Socket::Closed;
        self.input = BytesMut::new();
        self.put_off = false;
        self.timer = None;
    }
}

impl Transport for TcpAssociation {
    /// Hands up what has happened; reads, writes and looks at the clock only when nothing is left to hand up, so that
    /// what the owner answers to several messages leaves in one write.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        let poll = self.poll(cx, &mut None);
        self.release(poll.is_pending());
        poll
    }

    /// As [`poll_next`](Self::poll_next), but shows messages to `responder` first, and reads only once before it is pending: a peer that
    /// sends without end does not keep the others waiting.
    fn poll_turn(&mut self, cx: &mut Context<'_>, responder: &mut Responder<'_>) -> Poll<Event> {
        let poll = self.poll(cx, &mut Some(responder));
        self.had_turn &= poll.is_ready();
        self.release(poll.is_pending());
        poll
    }

    fn send(&mut self, message: Message) -> Result<(), SendError> {
        let Message { stream, ppid, unordered, lifetime, token, data } = message;
        if lifetime.is_some() {
            return Err(self.lacks(Feature::Lifetime).into());
        }
        Ok(self.connection.send(stream, ppid, unordered, token, data)?)
    }

    fn taken(&mut self, sequence: u64) {
        self.connection.taken(sequence);
    }

    fn flush(&mut self) {
        self.write_out();
    }

    fn set_heartbeat(&mut self, heartbeat: Heartbeat) {
        self.connection.set_heartbeat(heartbeat, self.clock.now());
    }

    fn probe(&mut self) {
        self.connection.probe(self.clock.now());
    }

    fn close(&mut self) {
        self.connection.close(self.clock.now());
    }

    fn abort(&mut self) {
        // The peer hears a reset, not an end in order, and the kernel keeps nothing that was to be sent.
        if let Socket::Open(stream) = &self.socket
            && let Err(error) = SockRef::from(stream).set_linger(Some(Duration::ZERO))
        {
            tracing::debug!(peer = %self.peer, %error, "the peer will hear of an end in order");
        }
        self.connection.abort();
    }

    fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    fn local_addr(&self) -> SocketAddr {
        self.local
    }

    fn mapping(&self) -> Option<Mapping> {
        self.connection.kind().map(event::mapping)
    }

    fn buffered(&self) -> usize {
        self.connection.buffered()
    }

    fn outstanding(&self) -> usize {
        self.connection.outstanding()
    }

    fn round_trip_time(&self) -> Option<Duration> {
        let Socket::Open(stream) = &self.socket else { return None };
        round_trip_time::of(stream)
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Socket::Connecting(_) => "Connecting",
            Socket::Open(_) => "Open",
            Socket::Closed => "Closed",
        })
    }
}

/// An IPv4 peer of an IPv6 socket is an IPv4 peer.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// The address of a socket that has none yet.
pub(crate) const UNSPECIFIED: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// What is queued is written at once from here on, even while there are events to hand up.
const WRITE_AT_ONCE: usize = 64 << 10;

/// Pieces written together.
const WRITE_SLICES: usize = 64;

/// Bytes read in one turn. Some hundred requests: what the others wait for meanwhile is less than a millisecond.
const READ_PER_TURN: usize = 16 << 10;

/// Room for what follows the beginning of something.
const LEAST_ROOM: usize = 4 << 10;

/// Bytes read past the runtime.
const DIRECT_READ: usize = 4 << 10;
