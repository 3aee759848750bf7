// SPDX-License-Identifier: MIT OR Apache-2.0
//! The session layer's own messages between pool user and pool element, specified in `docs/session-wire.md`.

mod envelope;
mod hello;
mod parameter;

pub use envelope::{ENVELOPE_PPID, Envelope, EnvelopeError};
pub use hello::{Features, Hello};
pub use parameter::{ByeReason, SessionParameter};
