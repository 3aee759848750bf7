// SPDX-License-Identifier: MIT OR Apache-2.0
//! A message-oriented association with one peer (RFC 6458's terms), over whichever transport carries it.

use std::net::SocketAddr;
use std::task::{Context, Poll};

use bytes::Bytes;
use machine::association::{Event, Heartbeat, LostReason, Mapping, Token};
use tokio::net::TcpStream;

use crate::tcp::TcpAssociation;
use crate::{MAX_MESSAGE, Options, Responder, SendError, event};

/// An association. Nothing happens on it, neither reading nor writing nor heartbeats, unless [`next`](Self::next) is
/// being awaited, so its owner does little else. What it sends between two calls leaves together in one write.
#[derive(Debug)]
pub struct Association {
    transport: Transport,
}

#[derive(Debug)]
enum Transport {
    Tcp(Box<TcpAssociation>),
}

impl Association {
    /// Starts connecting to the first of `addresses` that answers, over the TCP mapping, and returns at once. Messages
    /// may be sent before [`Event::Up`]: they leave with the first write.
    pub fn connect(addresses: Vec<SocketAddr>, options: Options) -> Self {
        Association { transport: Transport::Tcp(Box::new(TcpAssociation::connect(addresses, options))) }
    }

    /// Takes over a connection that was accepted. The peer may speak the TCP mapping or plain ASAP:
    /// [`Event::Up`] tells.
    pub fn accept(stream: TcpStream, options: Options) -> Self {
        Association { transport: Transport::Tcp(Box::new(TcpAssociation::accept(stream, options))) }
    }

    /// What happens next. Dropping the future loses nothing. After [`Event::Lost`] it never returns again.
    pub async fn next(&mut self) -> Event {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// [`next`](Self::next) in poll form.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        match &mut self.transport {
            Transport::Tcp(tcp) => tcp.poll_next(cx),
        }
    }

    /// As [`poll_next`](Self::poll_next) for a server of many: messages are shown to `responder` first, and after one read the others
    /// have their turn, so pending does not mean that nothing more can be read. The runtime polls again.
    pub fn poll_turn(&mut self, cx: &mut Context<'_>, responder: &mut Responder<'_>) -> Poll<Event> {
        match &mut self.transport {
            Transport::Tcp(tcp) => tcp.poll_turn(cx, responder),
        }
    }

    /// Queues a message. `token` comes back in [`Event::Delivered`] or [`Event::Undelivered`].
    pub fn send(
        &mut self,
        stream: u16,
        ppid: u32,
        unordered: bool,
        token: Token,
        data: Bytes,
    ) -> Result<(), SendError> {
        match &mut self.transport {
            Transport::Tcp(tcp) => tcp.connection.send(stream, ppid, unordered, token, data),
        }
    }

    /// The message with this number has reached whom it is for, which the peer may now be told.
    pub fn taken(&mut self, sequence: u64) {
        match &mut self.transport {
            Transport::Tcp(tcp) => tcp.connection.taken(sequence),
        }
    }

    /// Writes what can be written without waiting. Only needed by an owner that will not await [`next`](Self::next)
    /// soon.
    pub fn flush(&mut self) {
        match &mut self.transport {
            Transport::Tcp(tcp) => tcp.flush(),
        }
    }

    /// Uses this heartbeat from now on, as both ends agreed in HELLO.
    pub fn set_heartbeat(&mut self, heartbeat: Heartbeat) {
        match &mut self.transport {
            Transport::Tcp(tcp) => tcp.connection.set_heartbeat(heartbeat, tcp.clock.now()),
        }
    }

    /// Asks the peer for a sign of life at once; without one within a heartbeat interval the association is lost.
    pub fn probe(&mut self) {
        match &mut self.transport {
            Transport::Tcp(tcp) => tcp.connection.probe(tcp.clock.now()),
        }
    }

    /// Begins an orderly end: no more messages in either direction; [`Event::Lost`] with [`LostReason::Closed`] comes
    /// when all that was sent is acknowledged, or after `close_timeout`.
    pub fn close(&mut self) {
        match &mut self.transport {
            Transport::Tcp(tcp) => tcp.connection.close(tcp.clock.now()),
        }
    }

    /// Ends it now.
    pub fn abort(&mut self) {
        match &mut self.transport {
            Transport::Tcp(tcp) => tcp.connection.abort(),
        }
    }

    /// Closes in order and waits for the end. Spawn it to be rid of an association.
    pub async fn finish(mut self) -> LostReason {
        self.close();
        loop {
            if let Event::Lost(reason) = self.next().await {
                return reason;
            }
        }
    }

    /// The peer's address; unspecified until it is connected.
    pub fn peer_addr(&self) -> SocketAddr {
        match &self.transport {
            Transport::Tcp(tcp) => tcp.peer,
        }
    }

    /// Our own address on this association; unspecified until it is connected.
    pub fn local_addr(&self) -> SocketAddr {
        match &self.transport {
            Transport::Tcp(tcp) => tcp.local,
        }
    }

    /// How messages are carried, while it is up.
    pub fn mapping(&self) -> Option<Mapping> {
        match &self.transport {
            Transport::Tcp(tcp) => tcp.connection.kind().map(event::mapping),
        }
    }

    /// The largest message an application may send. Up to [`crate::MAX_PAYLOAD`] are carried, envelope included.
    pub fn max_message(&self) -> usize {
        match &self.transport {
            Transport::Tcp(_) => MAX_MESSAGE,
        }
    }

    /// Bytes queued and not yet written.
    pub fn buffered(&self) -> usize {
        match &self.transport {
            Transport::Tcp(tcp) => tcp.connection.buffered(),
        }
    }

    /// Messages sent and not yet delivered.
    pub fn outstanding(&self) -> usize {
        match &self.transport {
            Transport::Tcp(tcp) => tcp.connection.outstanding(),
        }
    }
}
