// SPDX-License-Identifier: MIT OR Apache-2.0
//! Plain ASAP over TCP (RFC 5352 §3.3): messages one after the other, framed by their own length.
//!
//! RFC 5354 §4: byte 0 is the type, byte 1 the flags, bytes 2 and 3 the Message Length. Whether that length counts the
//! padding of the last parameter differs between implementations; the next message starts on a multiple of four in
//! either case.

use bytes::{Buf, Bytes, BytesMut};

use crate::chunk::padded;

/// A Message Length below the four bytes of its header. Nothing after it can be framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an ASAP message says its length is {0}, which is less than its header")]
pub struct MessageLengthError(pub u16);

/// Takes the next message, with its padding, out of `buffer`, or answers `None` while it is incomplete.
pub fn take_message(buffer: &mut BytesMut) -> Result<Option<Bytes>, MessageLengthError> {
    let Some(whole) = whole_message(buffer)? else { return Ok(None) };
    // Copied: ASAP messages are short, and must not keep the read buffer alive.
    let message = Bytes::copy_from_slice(&buffer[..whole]);
    buffer.advance(whole);
    Ok(Some(message))
}

/// How many bytes the next message takes, with its padding; `None` while it is incomplete.
pub(crate) fn whole_message(bytes: &[u8]) -> Result<Option<usize>, MessageLengthError> {
    let Some(&[_, _, high, low]) = bytes.first_chunk::<4>() else { return Ok(None) };
    let length = u16::from_be_bytes([high, low]);
    if length < 4 {
        return Err(MessageLengthError(length));
    }
    let whole = padded(length.into());
    Ok((whole <= bytes.len()).then_some(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_may_count_the_last_padding_or_not() {
        let with = [5u8, 0, 0, 12, 0, 9, 0, 5, b'a', 0, 0, 0];
        let without = [5u8, 0, 0, 9, 0, 9, 0, 5, b'a', 0, 0, 0];
        let mut buffer = BytesMut::from(&[&with[..], &without, &with[..11]].concat()[..]);
        assert_eq!(take_message(&mut buffer), Ok(Some(Bytes::copy_from_slice(&with))));
        assert_eq!(take_message(&mut buffer), Ok(Some(Bytes::copy_from_slice(&without))));
        assert_eq!(take_message(&mut buffer), Ok(None));
        assert_eq!(buffer.len(), 11);
    }

    #[test]
    fn a_length_less_than_the_header_is_an_error() {
        assert_eq!(take_message(&mut BytesMut::from(&[5u8, 0, 0, 3][..])), Err(MessageLengthError(3)));
    }

    #[test]
    fn the_longest_message_is_taken_whole() {
        let mut buffer = BytesMut::zeroed(65_536);
        buffer[2..4].copy_from_slice(&[0xff, 0xff]);
        assert_eq!(take_message(&mut buffer).map(|m| m.map(|m| m.len())), Ok(Some(65_536)));
    }
}
