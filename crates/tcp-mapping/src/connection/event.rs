// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a connection reports.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use machine::association::Token;
use thiserror::Error;

use crate::ChunkError;
use crate::plain::MessageLengthError;

/// What happened on a connection. [`Event::Lost`] is the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The peer's first bytes came: messages flow.
    Up(Kind),
    /// The peer sent a message. Say [`taken`](crate::Connection::taken) when the upper layer has it.
    Message {
        /// Number of the message on this connection, from 0. Its TSN is this number modulo 2^32.
        sequence: u64,
        /// Stream Identifier; 0 on a plain connection.
        stream: u16,
        /// Payload Protocol Identifier; ASAP's on a plain connection.
        ppid: u32,
        /// U bit.
        unordered: bool,
        /// The message.
        data: Bytes,
    },
    /// The peer's upper layer has taken the message sent with this token. On a plain connection: it was written.
    Delivered(Token),
    /// The connection ended before the peer acknowledged the message sent with this token.
    Undelivered(Token),
    /// A deadline was seen this much too late. It was this process that paused, so nothing is declared dead.
    Paused(Duration),
    /// The connection has ended. Close the socket.
    Lost(LostReason),
}

/// What the peer speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The TCP mapping.
    Mapping,
    /// Plain ASAP: no acknowledgements, heartbeats, streams or PPIDs.
    Plain,
}

/// How the socket ended, as its owner saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketEnd {
    /// The peer closed its direction.
    Eof,
    /// Connecting, reading or writing failed.
    Failed(io::ErrorKind),
}

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LostReason {
    /// The peer's INIT did not come within `connect_timeout`.
    #[error("the peer did not open the connection in time")]
    ConnectTimeout,
    /// The peer closed the connection.
    #[error("the peer closed the connection")]
    PeerClosed,
    /// The socket failed.
    #[error("the socket failed: {0}")]
    Socket(io::ErrorKind),
    /// Nothing came for this long, in spite of our heartbeats.
    #[error("the peer was silent for {0:?}")]
    HeartbeatMissed(Duration),
    /// The peer broke the protocol.
    #[error("the peer broke the protocol: {0}")]
    Protocol(ProtocolError),
    /// The peer made us hold more than it may.
    #[error("the peer makes us hold too much: {0}")]
    Overrun(&'static str),
    /// [`close`](crate::Connection::close) or [`abort`](crate::Connection::abort) was called.
    #[error("closed by this side")]
    Closed,
}

/// How the peer broke the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ProtocolError {
    /// Bytes that are no chunk.
    #[error(transparent)]
    Chunk(#[from] ChunkError),
    /// Bytes that are no plain ASAP message.
    #[error(transparent)]
    MessageLength(#[from] MessageLengthError),
    /// Something else came before the INIT.
    #[error("the first chunk was not an INIT")]
    NoInit,
    /// A second INIT.
    #[error("a second INIT")]
    SecondInit,
    /// A TSN that is not the last plus one.
    #[error("DATA with TSN {got} instead of {expected}")]
    Tsn {
        /// The last plus one.
        expected: u32,
        /// What came.
        got: u32,
    },
    /// A stream sequence number that is not the stream's last plus one.
    #[error("DATA on stream {stream} with sequence number {got} instead of {expected}")]
    StreamSequenceNumber {
        /// The stream.
        stream: u16,
        /// The last plus one.
        expected: u16,
        /// What came.
        got: u16,
    },
    /// An ACK although every DATA is acknowledged, or none of the others was written yet.
    #[error("an ACK with nothing to acknowledge")]
    AckOfNothing,
    /// An ACK with a TSN other than that of the oldest DATA not acknowledged.
    #[error("ACK of TSN {got} instead of {expected}")]
    AckTsn {
        /// The oldest DATA not acknowledged.
        expected: u32,
        /// What came.
        got: u32,
    },
}

/// Why a message was not accepted for sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SendError {
    /// The association is not up yet, is closing, or has ended.
    #[error("the association is not up")]
    NotUp,
    /// The message does not fit a DATA chunk.
    #[error("the message has {len} bytes, this transport carries at most {max}: send it in parts")]
    TooLong {
        /// Its length.
        len: usize,
        /// The most that fits.
        max: usize,
    },
    /// A message without a byte: SCTP cannot carry it, so no mapping does.
    #[error("the message is empty, and no mapping carries an empty message")]
    Empty,
    /// The message names a stream or PPID other than 0, which our INIT flags leave out or plain ASAP lacks.
    #[error("a stream or PPID the connection does not carry is not available on this mapping")]
    FieldNotCarried,
}
