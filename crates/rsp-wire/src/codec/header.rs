// SPDX-License-Identifier: MIT OR Apache-2.0
//! The header all ASAP and ENRP messages start with, RFC 5354 §4.

use bytes::Bytes;

use super::{Cursor, HEADER_LENGTH, padding};
use crate::DecodeError;

/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// | Message Type  |   Msg Flags   |        Message Length         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// :                        Message Value                          :
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header<'a> {
    pub(crate) message_type: u8,
    pub(crate) flags: u8,
    /// The message from its type on, as long as Message Length says.
    pub(crate) message: Cursor<'a>,
    /// Message Value.
    pub(crate) value: Cursor<'a>,
}

impl<'a> Header<'a> {
    /// Reads the header of the one message in `bytes`. Message Length may cover the last parameter's padding or not; where it
    /// does not, the padding may be there or not.
    pub(crate) fn decode(bytes: &'a Bytes) -> Result<Self, DecodeError> {
        Header::read(bytes).ok_or_else(|| DecodeError::MessageLength { message: bytes.clone() })
    }

    fn read(bytes: &'a Bytes) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        let message_type = cursor.u8()?;
        let flags = cursor.u8()?;
        let length = usize::from(cursor.u16()?);
        let message = Cursor::new(bytes).take(length)?;
        let value = cursor.take(length.checked_sub(HEADER_LENGTH)?)?;
        (cursor.remaining() <= padding(length)).then_some(Header { message_type, flags, message, value })
    }
}

/// How many bytes of a stream the message takes that starts with `header`, padding included: this is how plain ASAP is framed over
/// TCP. `None` as long as fewer than four bytes are there. A Message Length below 4 counts as 4, so that decoding reports it.
pub fn message_length(header: &[u8]) -> Option<usize> {
    let [_, _, high, low] = *header.first_chunk()?;
    let length = usize::from(u16::from_be_bytes([high, low]));
    Some((length + padding(length)).max(HEADER_LENGTH))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value_of(bytes: &'static [u8]) -> Option<Vec<u8>> {
        Header::read(&Bytes::from_static(bytes)).map(|header| header.value.as_slice().to_vec())
    }

    #[test]
    fn padding_may_be_counted_or_not_and_be_there_or_not() {
        assert_eq!(value_of(b"\x01\0\0\x08abcd"), Some(b"abcd".to_vec()));
        assert_eq!(value_of(b"\x01\0\0\x07abc\0"), Some(b"abc".to_vec()));
        assert_eq!(value_of(b"\x01\0\0\x07abc"), Some(b"abc".to_vec()));
    }

    #[test]
    fn a_length_that_does_not_fit_the_bytes_is_refused() {
        for bytes in [
            &b""[..],
            b"\x01\0\0",
            b"\x01\0\0\0",
            b"\x01\0\0\x03",
            b"\x01\0\0\x05",
            b"\x01\0\0\x04a",
            b"\x01\0\0\x07abc\0\0",
            b"\x01\0\xff\xff",
        ] {
            assert_eq!(value_of(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn a_stream_is_cut_at_the_padded_length() {
        assert_eq!(message_length(b"\x01\0\0"), None);
        assert_eq!(message_length(b"\x01\0\0\x09"), Some(12));
        assert_eq!(message_length(b"\x01\0\0\0"), Some(4));
        assert_eq!(message_length(b"\x01\0\xff\xff"), Some(65_536));
    }
}
