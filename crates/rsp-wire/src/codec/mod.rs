// SPDX-License-Identifier: MIT OR Apache-2.0
//! Framing and padding, written once for all messages and parameters: RFC 5354 §3 (parameters) and §4 (messages).

mod cursor;
mod encoder;
mod header;
mod message;
mod reader;

pub(crate) use cursor::Cursor;
pub use encoder::{Dialect, EncodeError, Encoder};
pub(crate) use encoder::{to_bytes, to_tlv};
pub(crate) use header::Header;
pub use header::message_length;
pub(crate) use message::{MessageBody, unknown_message};
pub(crate) use reader::{Parameter, Reader, Report, once};

/// Every parameter and every message starts at a multiple of this.
pub(crate) const ALIGNMENT: usize = 4;

/// Type and length of a parameter; also type, flags and length of a message.
pub(crate) const HEADER_LENGTH: usize = 4;

/// Bytes of padding that follow `length` bytes.
pub(crate) const fn padding(length: usize) -> usize {
    length.wrapping_neg() % ALIGNMENT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_fills_up_to_a_multiple_of_four() {
        assert_eq!([0, 1, 2, 3, 4, 5, 65_535].map(padding), [0, 3, 2, 1, 0, 3, 1]);
    }
}
