// SPDX-License-Identifier: MIT OR Apache-2.0
//! The TCP mapping of Reliable Server Pooling, draft-ietf-rserpool-tcpmapping-03.
//!
//! A TCP connection carries chunks shaped like SCTP's. They give it what RSerPool needs and TCP lacks: message
//! boundaries, heartbeats, streams and payload protocol identifiers, and to know which messages the peer's upper layer
//! has taken. [`Chunk`] turns chunks into bytes and back, [`Connection`] is the state machine of one connection. Neither
//! knows a socket or a clock.
//!
//! The draft leaves its section 4, the operation, open. Ours in short: the connector speaks first with INIT, the
//! acceptor answers with its own; a stream that does not start with INIT is plain ASAP ([`plain`], RFC 5352 §3.3).
//! Every DATA is acknowledged once the upper layer has [taken](Connection::taken) it. Silence is broken by HEARTBEAT,
//! and too long a silence ends the connection.

#![forbid(unsafe_code)]

mod ack_chunk;
mod chunk;
mod connection;
mod data_chunk;
mod heartbeat_chunk;
mod init_chunk;
pub mod plain;

pub use ack_chunk::AckChunk;
pub use chunk::{Chunk, ChunkError, UnknownChunk};
pub use connection::{
    Config, Connection, Event, Kind, LostReason, ProtocolError, Responder, Role, SendError, SocketEnd,
};
pub use data_chunk::DataChunk;
pub use heartbeat_chunk::{HeartbeatAckChunk, HeartbeatChunk};
pub use init_chunk::{InitChunk, InitFlags};

/// Payload protocol identifier of ASAP messages.
pub const PPID_ASAP: u32 = 11;

/// The most user data a DATA chunk with all its fields can carry: 65,535 - 16.
pub const MAX_PAYLOAD: usize = 65_519;

/// The largest message an application may send: [`MAX_PAYLOAD`] less the 64 bytes kept for the session's envelope.
pub const MAX_MESSAGE: usize = MAX_PAYLOAD - 64;
