// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a transport has to do: an association, a port and a listener, in the terms of RFC 6458. One implementation for each
//! mapping and back end; everything above sees [`Association`](crate::Association) and [`Listener`](crate::Listener).

use std::fmt::Debug;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use machine::association::{Event, Heartbeat, Mapping, PathState, Token};
use thiserror::Error;

use crate::{BindError, MAX_MESSAGE, Options, Responder};

/// One association. What each method means stands at [`Association`](crate::Association)'s.
pub(crate) trait Transport: Debug + Send + Sync {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Event>;

    /// A transport that gains nothing from answering at once has everything go the usual way.
    fn poll_turn(&mut self, cx: &mut Context<'_>, _responder: &mut Responder<'_>) -> Poll<Event> {
        self.poll_next(cx)
    }

    fn send(&mut self, message: Message) -> Result<(), SendError>;
    fn taken(&mut self, sequence: u64);
    fn flush(&mut self);
    fn set_heartbeat(&mut self, heartbeat: Heartbeat);
    fn probe(&mut self);
    fn close(&mut self);
    fn abort(&mut self);
    fn peer_addr(&self) -> SocketAddr;
    fn local_addr(&self) -> SocketAddr;
    fn mapping(&self) -> Option<Mapping>;
    fn buffered(&self) -> usize;
    fn outstanding(&self) -> usize;
    fn round_trip_time(&self) -> Option<Duration>;

    fn max_message(&self) -> usize {
        MAX_MESSAGE
    }

    fn paths(&self) -> Result<Vec<Path>, NotAvailable> {
        Err(self.lacks(Feature::Paths))
    }

    fn set_primary(&mut self, _address: SocketAddr) -> Result<(), NotAvailable> {
        Err(self.lacks(Feature::Paths))
    }

    fn add_local_address(&mut self, _address: IpAddr) -> Result<(), AddressError> {
        Err(self.lacks(Feature::AddIp).into())
    }

    fn remove_local_address(&mut self, _address: IpAddr) -> Result<(), AddressError> {
        Err(self.lacks(Feature::AddIp).into())
    }

    fn set_peer_primary(&mut self, _address: IpAddr) -> Result<(), AddressError> {
        Err(self.lacks(Feature::AddIp).into())
    }

    /// The error for a feature this mapping does not have.
    fn lacks(&self, feature: Feature) -> NotAvailable {
        NotAvailable { feature, mapping: self.mapping().unwrap_or(Mapping::Tcp) }
    }
}

/// Makes associations and listeners of SCTP, from whichever back end this process uses.
pub(crate) trait Sctp: Debug + Send + Sync {
    fn connect(&self, addresses: Vec<SocketAddr>, options: Options) -> Box<dyn Transport>;
    /// All addresses have the same port; 0 means any free one.
    fn reserve(&self, addresses: &[SocketAddr], options: Options) -> Result<Box<dyn Port>, BindError>;
}

/// A port that is ours and refuses associations.
pub(crate) trait Port: Debug + Send {
    fn local_addrs(&self) -> Vec<SocketAddr>;
    fn listen(self: Box<Self>) -> Result<Box<dyn Accept>, BindError>;
}

/// A port on which associations come in. Dropping it takes no new ones; those that are there go on.
pub(crate) trait Accept: Debug + Send + Sync {
    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<Box<dyn Transport>>;

    fn add_local_address(&self, _address: IpAddr) -> Result<(), AddressError> {
        Err(NotAvailable { feature: Feature::AddIp, mapping: Mapping::Sctp }.into())
    }

    fn remove_local_address(&self, _address: IpAddr) -> Result<(), AddressError> {
        Err(NotAvailable { feature: Feature::AddIp, mapping: Mapping::Sctp }.into())
    }
}

/// A message to send, with what seed 004 §5.2.2 and RFC 6458 §5.3.4 let the sender say of it.
#[derive(Debug, Clone)]
pub struct Message {
    /// Stream; only 0 where the mapping has none.
    pub stream: u16,
    /// Payload protocol identifier.
    pub ppid: u32,
    /// Need not keep its place.
    pub unordered: bool,
    /// Given up when it could not be delivered for this long; not available over TCP.
    pub lifetime: Option<Duration>,
    /// Comes back as `Delivered` or `Undelivered`.
    pub token: Token,
    /// The message.
    pub data: Bytes,
}

/// One way to a peer. What the back end does not know is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// The peer's address at its end.
    pub address: SocketAddr,
    /// [`PathState::Available`] or [`PathState::Unreachable`].
    pub state: PathState,
    /// Messages take this one while they can.
    pub primary: bool,
    /// Smoothed round-trip time.
    pub srtt: Option<Duration>,
    /// Retransmission timeout.
    pub rto: Option<Duration>,
    /// Largest packet it carries, in bytes.
    pub pmtu: Option<usize>,
    /// Congestion window, in bytes.
    pub cwnd: Option<usize>,
}

/// An optional feature of a transport, seed 004 §5.2.2 and §5.2.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Feature {
    /// A message that is given up after a time.
    Lifetime,
    /// Several paths, and what is known of each.
    Paths,
    /// Adding and removing addresses while associations live (RFC 5061).
    AddIp,
}

/// This mapping, or this system, does not have the feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{feature} is not available on {}", name(*mapping))]
pub struct NotAvailable {
    /// What was asked for.
    pub feature: Feature,
    /// Where.
    pub mapping: Mapping,
}

/// Why a local address was not added, removed or preferred.
#[derive(Debug, Error)]
pub enum AddressError {
    /// This mapping, this system or this peer does not have it.
    #[error(transparent)]
    NotAvailable(#[from] NotAvailable),
    /// The system does not let us: it is not an address of this host, or the last one.
    #[error("the system refuses: {0}")]
    Refused(#[from] io::Error),
}

/// Why a message was not accepted for sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SendError {
    /// Empty, too long, or the association is not up.
    #[error(transparent)]
    Refused(#[from] tcp_mapping::SendError),
    /// The peer does not read: so many bytes wait already.
    #[error("{0} bytes wait to be sent already: the peer does not read them")]
    Full(usize),
    /// It asks for what this mapping does not have.
    #[error(transparent)]
    NotAvailable(#[from] NotAvailable),
}

impl Feature {
    /// What it is, in words.
    pub fn name(self) -> &'static str {
        match self {
            Feature::Lifetime => "a lifetime of messages",
            Feature::Paths => "path information",
            Feature::AddIp => "adding and removing addresses",
        }
    }
}

impl std::fmt::Display for Feature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl SendError {
    /// What its sender hears of a message that was refused: an association that has ended or is full takes it no more, another one may;
    /// all else is the message's own fault.
    pub fn fate(&self, token: Token) -> Event {
        match self {
            SendError::Refused(tcp_mapping::SendError::NotUp) => Event::Undelivered(token),
            SendError::Refused(_) | SendError::Full(_) | SendError::NotAvailable(_) => Event::NotSent(token),
        }
    }
}

fn name(mapping: Mapping) -> &'static str {
    match mapping {
        Mapping::Sctp => "SCTP here",
        Mapping::Tcp => "the TCP mapping",
        Mapping::PlainAsap => "plain ASAP over TCP",
    }
}
