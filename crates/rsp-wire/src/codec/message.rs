// SPDX-License-Identifier: MIT OR Apache-2.0
//! What every message has, and what happens to unknown ones, RFC 5354 §4.

use super::{EncodeError, Encoder, Header, Reader};
use crate::DecodeError;

/// A message behind its header.
pub(crate) trait MessageBody: Sized {
    /// Message Type.
    const TYPE: u8;

    /// Reads Message Value.
    fn decode(flags: u8, reader: Reader<'_, '_>) -> Result<Self, DecodeError>;

    /// Writes Message Value.
    fn encode_value(&self, out: &mut Encoder<'_>) -> Result<(), EncodeError>;

    /// Message Flags.
    fn flags(&self) -> u8 {
        0
    }

    /// [`MessageBody::TYPE`] of a value.
    fn message_type(&self) -> u8 {
        Self::TYPE
    }
}

/// What to do with a message of unknown type. The reserved bits 10 and 11 are treated as 00.
//= https://www.rfc-editor.org/rfc/rfc5354#section-4
//# Message Types are encoded such that the two bits of the highest
//# order specify the action that must be taken if the message
//# receiver does not recognize the Message Type.
pub(crate) fn unknown_message(header: &Header<'_>) -> DecodeError {
    let message = header.message.to_bytes();
    match header.message_type >> 6 {
        0b01 => DecodeError::UnrecognizedMessage { message },
        _ => DecodeError::DiscardMessage { message },
    }
}
