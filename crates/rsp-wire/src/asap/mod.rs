// SPDX-License-Identifier: MIT OR Apache-2.0
//! ASAP messages, RFC 5352 §2.2.

mod message;

pub use message::*;
