// SPDX-License-Identifier: MIT OR Apache-2.0
//! The envelope of user data that is numbered on the wire.

/// Payload protocol identifier of an envelope: "RSPE".
pub const ENVELOPE_PPID: u32 = 0x5253_5045;

/// What an envelope says about the user data that follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope {
    /// Flag 1: the sender waits for the application's acknowledgement.
    pub ack_wanted: bool,
    /// Flag 2: sent before on another association; the application may have seen it.
    pub resent: bool,
    /// Flag 4: the message goes on in the next envelope (part 4; reserved).
    pub more_follows: bool,
    /// Flag 8: this message is the answer to that one and acknowledges it.
    pub acknowledges: Option<u64>,
    /// Message id, per session and direction, from 1.
    pub id: u64,
    /// The application's own PPID.
    pub ppid: u32,
}
