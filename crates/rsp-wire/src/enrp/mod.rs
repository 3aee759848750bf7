// SPDX-License-Identifier: MIT OR Apache-2.0
//! ENRP messages, RFC 5353 §2.

mod message;

pub use message::*;
