// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reliable Server Pooling on the wire: messages and parameters <-> bytes. Knows no state, no clock and no socket.
//!
//! - [`asap`]: the 14 messages of RFC 5352 §2.2, and `ASAP_SESSION` of `docs/session-wire.md`
//! - [`enrp`]: the 10 messages of RFC 5353 §2
//! - [`parameter`]: the parameters of RFC 5354 §3, the policies of RFC 5356 and the option 0x803f
//! - [`mod@describe`]: any message as a tree of names and values
//! - [`session`]: the session parameters and the data envelope of `docs/session-wire.md`
#![forbid(unsafe_code)]

pub mod asap;
mod codec;
pub mod describe;
pub mod enrp;
mod error;
mod id;
pub mod parameter;
pub mod session;
#[cfg(test)]
mod testing;

pub use codec::{Dialect, EncodeError, Encoder, message_length};
pub use describe::describe;
pub use error::{DecodeError, Decoded};
pub use id::{Checksum, PeId, PoolHandle, ServerId};
