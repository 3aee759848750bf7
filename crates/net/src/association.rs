// SPDX-License-Identifier: MIT OR Apache-2.0
//! A message-oriented association with one peer (RFC 6458's terms), over whichever transport carries it.

use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use machine::association::{Event, Heartbeat, LostReason, Mapping, Token};
use tokio::net::TcpStream;

use crate::tcp::TcpAssociation;
use crate::transport::Transport;
use crate::{AddressError, Message, NotAvailable, Options, Path, Responder, SendError};

/// An association. Nothing happens on it, neither reading nor writing nor heartbeats, unless [`next`](Self::next) is
/// being awaited, so its owner does little else. What it sends between two calls leaves together in one write.
#[derive(Debug)]
pub struct Association {
    transport: Box<dyn Transport>,
}

impl Association {
    /// Starts connecting to the first of `addresses` that answers, over the TCP mapping, and returns at once. Messages
    /// may be sent before [`Event::Up`]: they leave with the first write. Other transports are
    /// [`Transports`](crate::Transports)' to connect over.
    pub fn connect(addresses: Vec<SocketAddr>, options: Options) -> Self {
        Self::over(Box::new(TcpAssociation::connect(addresses, options)))
    }

    /// Takes over a connection that was accepted. The peer may speak the TCP mapping or plain ASAP:
    /// [`Event::Up`] tells.
    pub fn accept(stream: TcpStream, options: Options) -> Self {
        Self::over(Box::new(TcpAssociation::accept(stream, options)))
    }

    pub(crate) fn over(transport: Box<dyn Transport>) -> Self {
        Association { transport }
    }

    /// What happens next. Dropping the future loses nothing. After [`Event::Lost`] it never returns again.
    pub async fn next(&mut self) -> Event {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// [`next`](Self::next) in poll form.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        self.transport.poll_next(cx)
    }

    /// As [`poll_next`](Self::poll_next) for a server of many: messages may be shown to `responder` first, and after one read the others
    /// have their turn, so pending does not mean that nothing more can be read. The runtime polls again.
    pub fn poll_turn(&mut self, cx: &mut Context<'_>, responder: &mut Responder<'_>) -> Poll<Event> {
        self.transport.poll_turn(cx, responder)
    }

    /// Queues a message. `token` comes back in [`Event::Delivered`] or [`Event::Undelivered`], or in [`Event::NotSent`] if the peer turns out
    /// not to take its stream.
    pub fn send(
        &mut self,
        stream: u16,
        ppid: u32,
        unordered: bool,
        token: Token,
        data: Bytes,
    ) -> Result<(), SendError> {
        self.transport.send(Message { stream, ppid, unordered, lifetime: None, token, data })
    }

    /// As [`send`](Self::send), with all that can be said of a message; what this mapping lacks is
    /// [`SendError::NotAvailable`], and nothing was sent.
    pub fn send_message(&mut self, message: Message) -> Result<(), SendError> {
        self.transport.send(message)
    }

    /// The message with this number has reached whom it is for, which the peer may now be told.
    pub fn taken(&mut self, sequence: u64) {
        self.transport.taken(sequence);
    }

    /// Writes what can be written without waiting. Only needed by an owner that will not await [`next`](Self::next)
    /// soon.
    pub fn flush(&mut self) {
        self.transport.flush();
    }

    /// Uses this heartbeat from now on, as both ends agreed in HELLO.
    pub fn set_heartbeat(&mut self, heartbeat: Heartbeat) {
        self.transport.set_heartbeat(heartbeat);
    }

    /// Asks the peer for a sign of life at once; without one within a heartbeat interval the association is lost.
    pub fn probe(&mut self) {
        self.transport.probe();
    }

    /// Begins an orderly end: no more messages in either direction; [`Event::Lost`] with [`LostReason::Closed`] comes
    /// when all that was sent is acknowledged, or after `close_timeout`.
    pub fn close(&mut self) {
        self.transport.close();
    }

    /// Ends it now.
    pub fn abort(&mut self) {
        self.transport.abort();
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

    /// The peer's address, of several the one messages go to; unspecified until it is connected.
    pub fn peer_addr(&self) -> SocketAddr {
        self.transport.peer_addr()
    }

    /// Our own address on this association; unspecified until it is connected.
    pub fn local_addr(&self) -> SocketAddr {
        self.transport.local_addr()
    }

    /// How messages are carried, while it is up.
    pub fn mapping(&self) -> Option<Mapping> {
        self.transport.mapping()
    }

    /// The largest message an application may send. Up to [`crate::MAX_PAYLOAD`] are carried, envelope included.
    pub fn max_message(&self) -> usize {
        self.transport.max_message()
    }

    /// Bytes queued and not yet written.
    pub fn buffered(&self) -> usize {
        self.transport.buffered()
    }

    /// Messages sent and not yet delivered.
    pub fn outstanding(&self) -> usize {
        self.transport.outstanding()
    }

    /// How long a message takes to the peer and back, smoothed; of several paths, the one messages take.
    pub fn round_trip_time(&self) -> Option<Duration> {
        self.transport.round_trip_time()
    }

    /// The paths to the peer and what is known of each.
    pub fn paths(&self) -> Result<Vec<Path>, NotAvailable> {
        self.transport.paths()
    }

    /// Sends over the path to this address of the peer while it is available.
    pub fn set_primary(&mut self, address: SocketAddr) -> Result<(), NotAvailable> {
        self.transport.set_primary(address)
    }

    /// Takes an address of ours into this association, and tells the peer (RFC 5061). A listener has to be told apart, and afterwards.
    pub fn add_local_address(&mut self, address: IpAddr) -> Result<(), AddressError> {
        self.transport.add_local_address(address)
    }

    /// Takes an address of ours out of this association, and tells the peer.
    pub fn remove_local_address(&mut self, address: IpAddr) -> Result<(), AddressError> {
        self.transport.remove_local_address(address)
    }

    /// Asks the peer to send to this address of ours while it can.
    pub fn set_peer_primary(&mut self, address: IpAddr) -> Result<(), AddressError> {
        self.transport.set_peer_primary(address)
    }
}
