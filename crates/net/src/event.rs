// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an association reports, in the terms of RFC 6458, the same on every transport.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;

/// What happened on an association. [`Event::Lost`] is the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Messages flow, carried like this.
    Up(Kind),
    /// A message came. Say [`taken`](crate::Association::taken) when it has reached whom it is for.
    Message {
        /// Its number on this association, from 0.
        seq: u64,
        /// Stream; 0 where the transport has none.
        stream: u16,
        /// Payload protocol identifier.
        ppid: u32,
        /// Sent unordered.
        unordered: bool,
        /// The message.
        data: Bytes,
    },
    /// The peer's upper layer has the message sent with this token.
    Delivered(u64),
    /// The association ended before the peer had it. All of them come before [`Event::Lost`], in the order of sending.
    Undelivered(u64),
    /// This process was away for so long that a deadline passed unseen. Nothing was declared dead.
    Paused(Duration),
    /// It is gone, or never came up. Everything received before has been handed up.
    Lost(LostReason),
}

/// How messages are carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// TCP with draft-ietf-rserpool-tcpmapping.
    TcpMapping,
    /// ASAP messages on bare TCP, one after the other: no acknowledgements, heartbeats, streams or PPIDs.
    Plain,
}

/// Why an association is gone.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LostReason {
    /// Nobody listens there.
    #[error("connection refused")]
    Refused,
    /// No address answered within `connect_timeout`, or the peer did not open the association in time.
    #[error("no answer in time")]
    ConnectTimeout,
    /// The peer ended it in order; what that means is for the layer above.
    #[error("closed by the peer")]
    PeerClosed,
    /// The peer or the network broke it off.
    #[error("connection reset")]
    Reset,
    /// The peer was silent for this long, in spite of our heartbeats.
    #[error("no sign of life from the peer for {0:?}")]
    HeartbeatMissed(Duration),
    /// The peer broke the rules of the transport.
    #[error("protocol error: {0}")]
    Protocol(String),
    /// The peer made us hold more than it may.
    #[error("the peer makes us hold too much: {0}")]
    Overrun(&'static str),
    /// This side closed or aborted it.
    #[error("closed by this side")]
    Closed,
    /// Anything else the system says.
    #[error("{0}")]
    Io(io::ErrorKind),
}

impl From<tcp_mapping::Event> for Event {
    fn from(event: tcp_mapping::Event) -> Self {
        use tcp_mapping::Event::*;
        match event {
            Up(kind) => Event::Up(kind.into()),
            Message { seq, stream, ppid, unordered, data } => Event::Message { seq, stream, ppid, unordered, data },
            Delivered(token) => Event::Delivered(token),
            Undelivered(token) => Event::Undelivered(token),
            Paused(late) => Event::Paused(late),
            Lost(reason) => Event::Lost(reason.into()),
        }
    }
}

impl From<tcp_mapping::Kind> for Kind {
    fn from(kind: tcp_mapping::Kind) -> Self {
        match kind {
            tcp_mapping::Kind::Mapping => Kind::TcpMapping,
            tcp_mapping::Kind::Plain => Kind::Plain,
        }
    }
}

impl From<tcp_mapping::LostReason> for LostReason {
    fn from(reason: tcp_mapping::LostReason) -> Self {
        use tcp_mapping::LostReason::*;
        match reason {
            ConnectTimeout => LostReason::ConnectTimeout,
            PeerClosed => LostReason::PeerClosed,
            Socket(kind) => kind.into(),
            HeartbeatMissed(silence) => LostReason::HeartbeatMissed(silence),
            Protocol(error) => LostReason::Protocol(error.to_string()),
            Overrun(what) => LostReason::Overrun(what),
            Closed => LostReason::Closed,
        }
    }
}

impl From<io::ErrorKind> for LostReason {
    fn from(kind: io::ErrorKind) -> Self {
        match kind {
            io::ErrorKind::ConnectionRefused => LostReason::Refused,
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
                LostReason::Reset
            }
            kind => LostReason::Io(kind),
        }
    }
}
