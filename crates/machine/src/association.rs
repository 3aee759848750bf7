// SPDX-License-Identifier: MIT OR Apache-2.0
//! The boundary between a core and the transport below it, in the terms of RFC 6458: message-oriented associations.
//!
//! The core owns the decision, the shell owns the socket. A core asks with [`Request`]s and hears [`Event`]s. An identifier is never reused; events of
//! an association the core has closed are ignored. A payload is kept once, by whoever sent it: transports report tokens.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use smallvec::SmallVec;

/// An association for as long as the process lives: even numbers are drawn by the core that connects, odd ones by the shell that accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AssociationId(pub u64);

/// Comes back with the fate of a message; the sender chooses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// Which transport carries an association.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// SCTP, by the kernel or over UDP.
    Sctp,
    /// TCP with the TCP mapping.
    Tcp,
}

/// How an association carries messages; decides what is available on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mapping {
    /// SCTP (0x01): kernel or over UDP.
    Sctp,
    /// TCP (0x02): draft-ietf-rserpool-tcpmapping.
    Tcp,
    /// ASAP framed by its Message Length on a bare TCP connection, as RFC 5352 §3.3 allows between PU and registrar: resolution, reports and updates only.
    PlainAsap,
}

/// Who the peer has proved to be. TLS and rights will add more.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum PeerIdentity {
    /// Nothing is known of it but its address.
    #[default]
    Anonymous,
}

/// What the shell knows of an association that is up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The peer's addresses with its port; over TCP there is one.
    pub addresses: SmallVec<[SocketAddr; 1]>,
    /// Our own address on this association.
    pub local: SocketAddr,
    /// All our addresses on it where there may be several; empty over TCP.
    pub local_addresses: SmallVec<[IpAddr; 1]>,
    /// How messages travel.
    pub mapping: Mapping,
    /// The transport itself notices a peer process that no longer answers. The kernel's SCTP does not, as the peer's kernel answers for it.
    pub own_heartbeat: bool,
    /// Largest message an application may send in one piece, in bytes: what the transport carries, less the 64 bytes that are kept for an envelope.
    pub max_message: usize,
    /// Who it is.
    pub identity: PeerIdentity,
}

/// What happens to an association.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It is up: connected, or accepted by the shell.
    Up(Peer),
    /// A message arrived. Every message is answered by [`Request::Taken`] with its `sequence`, some time.
    Message {
        /// Position among the messages received on this association.
        sequence: u64,
        /// Stream, 0 where the mapping has none.
        stream: u16,
        /// Payload protocol identifier.
        ppid: u32,
        /// Sent unordered.
        unordered: bool,
        /// The message.
        data: Bytes,
    },
    /// The peer has the message.
    Delivered(Token),
    /// The association ended before the peer had it, or its lifetime was over. Those of an end all come before [`Event::Lost`], in the order they were sent.
    Undelivered(Token),
    /// The transport does not carry this message, a stream it does not have for instance; the association goes on.
    NotSent(Token),
    /// We were asleep (stopped, suspended, starved) for longer than a heartbeat interval. Nothing was declared dead.
    Paused,
    /// One of the paths to a multi-homed peer changed; the association goes on (RFC 6458 §6.1.2).
    PathChange {
        /// The peer's address at the end of that path.
        address: SocketAddr,
        /// What became of it.
        state: PathState,
    },
    /// Answers [`Request::RoundTripTime`]; `None` where it is not known.
    RoundTripTime(Option<std::time::Duration>),
    /// It is gone, or never came up. Everything received before has been handed up.
    Lost(LostReason),
}

/// What became of a path to a peer, RFC 6458 §6.1.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PathState {
    /// It can be used, again or for the first time.
    Available,
    /// Nothing came back over it: messages take another one.
    Unreachable,
    /// The peer added the address.
    Added,
    /// The peer removed the address.
    Removed,
    /// The peer prefers this path.
    Primary,
    /// The peer has shown that it is there.
    Confirmed,
}

/// Why an association is gone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LostReason {
    /// Nobody listens there.
    #[error("connection refused")]
    Refused,
    /// No answer within `connect_timeout`.
    #[error("no answer in time")]
    ConnectTimeout,
    /// The peer ended it in order; what that means is for the layer above.
    #[error("closed by the peer")]
    PeerClosed,
    /// The peer or the network broke it off.
    #[error("connection reset")]
    Reset,
    /// The peer began the association anew: it was started again and knows nothing of what came before (RFC 9260 §5.2.4).
    #[error("the peer was restarted")]
    Restarted,
    /// Nothing received for interval x misses.
    #[error("no heartbeat from the peer")]
    HeartbeatMissed,
    /// The peer broke the rules of the mapping.
    #[error("protocol error: {0}")]
    Protocol(String),
    /// The peer sent more than it was allowed to.
    #[error("the peer sent more than it may: {0}")]
    Overrun(String),
    /// This side closed or aborted it: for the shell, which keeps the socket until then. Cores have forgotten it by now.
    #[error("closed by this side")]
    Closed,
    /// Anything else the system says.
    #[error("{0}")]
    Io(String),
}

/// What a core asks of an association.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Open one, to the first of these addresses that answers.
    Connect {
        /// By which transport.
        protocol: Protocol,
        /// Where to.
        to: SmallVec<[SocketAddr; 1]>,
    },
    /// Send a message. Never waits; whoever must not flood counts what is not yet `Delivered`.
    Send {
        /// Stream, ignored where the mapping has none.
        stream: u16,
        /// Payload protocol identifier.
        ppid: u32,
        /// Need not keep its place.
        unordered: bool,
        /// Given up if it could not be delivered for so long, then `Undelivered` comes back while the association goes on. Where the transport
        /// cannot do so it is sent all the same.
        lifetime: Option<std::time::Duration>,
        /// Comes back as `Delivered` or `Undelivered`.
        token: Token,
        /// The message.
        data: Bytes,
    },
    /// The message with this sequence has been taken by whom it was for.
    Taken {
        /// From [`Event::Message`].
        sequence: u64,
    },
    /// Use this heartbeat from now on.
    Heartbeat(Heartbeat),
    /// Ask the peer for a sign of life at once; it is lost without one within a heartbeat interval.
    Probe,
    /// Tell how long a message takes to the peer and back: [`Event::RoundTripTime`].
    RoundTripTime,
    /// Send what is queued, then end it in order. No further event comes.
    Close,
    /// End it now. No further event comes.
    Abort,
}

/// The mapping's own heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heartbeat {
    /// A heartbeat goes out when nothing came for this long.
    pub interval: std::time::Duration,
    /// The peer is dead when nothing came for this long.
    pub dead_after: std::time::Duration,
}
