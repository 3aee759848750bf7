// SPDX-License-Identifier: MIT OR Apache-2.0
//! What `<rsp.h>` calls: each function checks its arguments, calls safe Rust and translates the result. The header documents them.

pub(crate) mod callback;
pub mod element;
pub mod message;
pub mod pool;
pub mod setup;
pub mod sockets;
pub mod wait;
