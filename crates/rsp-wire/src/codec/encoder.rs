// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writes messages and parameters. Padding is written before the next parameter, so no length ever covers it.

use bytes::{BufMut, Bytes, BytesMut};

use super::{HEADER_LENGTH, padding};

/// What differs between implementations on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Dialect {
    /// Message Length covers the last parameter's padding, as RSPLIB does it. RFC 5354 §4 leaves it out.
    pub length_includes_padding: bool,
}

impl Dialect {
    /// As RSPLIB and everybody who talks with it: profiles standard, rsplib and fast.
    pub const STANDARD: Dialect = Dialect { length_includes_padding: true };
    /// The letter of RFC 5354 §4: profile rfc.
    pub const RFC: Dialect = Dialect { length_includes_padding: false };
}

impl Default for Dialect {
    fn default() -> Self {
        Dialect::STANDARD
    }
}

/// Why something has no form on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A message, a parameter or an error cause does not fit its 16 bits of length.
    #[error("{length} bytes do not fit the 16-bit length field: send less in one message")]
    TooLong {
        /// How long it would be.
        length: usize,
    },
}

/// Appends one message, or parameters alone, to a buffer.
///
/// A sender that keeps encoded parameters puts a message together with [`Encoder::message`], [`Encoder::tlv`] for each of
/// them and [`Encoder::finish_message`].
#[derive(Debug)]
pub struct Encoder<'a> {
    out: &'a mut BytesMut,
    start: usize,
}

impl<'a> Encoder<'a> {
    /// Starts parameters without a message around them.
    pub fn parameters(out: &'a mut BytesMut) -> Self {
        let start = out.len();
        Encoder { out, start }
    }

    /// Starts a message: its header, with a length that [`Encoder::finish_message`] fills in.
    pub fn message(out: &'a mut BytesMut, message_type: u8, flags: u8) -> Self {
        let start = out.len();
        out.put_slice(&[message_type, flags, 0, 0]);
        Encoder { out, start }
    }

    /// Bytes written so far, without the padding of the last parameter.
    pub fn len(&self) -> usize {
        self.out.len() - self.start
    }

    /// Whether nothing was written yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a complete parameter encoded before, without the padding after it.
    pub fn tlv(&mut self, tlv: &[u8]) {
        self.pad();
        self.out.put_slice(tlv);
    }

    /// Pads the message and fills in Message Length.
    ///
    /// # Errors
    /// If the message is longer than 65,535 bytes; the buffer is then as it was before the message.
    pub fn finish_message(mut self, dialect: Dialect) -> Result<(), EncodeError> {
        let unpadded = self.len();
        self.pad();
        let length = if dialect.length_includes_padding { self.len() } else { unpadded };
        self.patch_length(self.start, length).inspect_err(|_| self.out.truncate(self.start))
    }

    /// Drops everything written, after an error on the way.
    pub(crate) fn abandon(self) {
        self.out.truncate(self.start);
    }

    /// Writes a parameter or an error cause around what `value` writes.
    pub(crate) fn parameter(
        &mut self,
        parameter_type: u16,
        value: impl FnOnce(&mut Self) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        self.pad();
        let at = self.out.len();
        self.u16(parameter_type);
        self.u16(0);
        value(self)?;
        self.patch_length(at, self.out.len() - at)
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.out.put_u8(value);
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.out.put_u16(value);
    }

    /// Adds a fixed field.
    pub fn u32(&mut self, value: u32) {
        self.out.put_u32(value);
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.out.put_u64(value);
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.out.put_slice(bytes);
    }

    fn pad(&mut self) {
        self.out.put_bytes(0, padding(self.len()));
    }

    /// The length is the second half-word both of a message and of a parameter.
    fn patch_length(&mut self, at: usize, length: usize) -> Result<(), EncodeError> {
        let value = u16::try_from(length).map_err(|_| EncodeError::TooLong { length })?;
        self.out[at + HEADER_LENGTH - 2..at + HEADER_LENGTH].copy_from_slice(&value.to_be_bytes());
        Ok(())
    }
}

/// A message of its own, from what `encode` appends.
pub(crate) fn to_bytes(encode: impl FnOnce(&mut BytesMut) -> Result<(), EncodeError>) -> Result<Bytes, EncodeError> {
    let mut out = BytesMut::new();
    encode(&mut out)?;
    Ok(out.freeze())
}

/// A parameter alone, without the padding after it: what [`Encoder::tlv`] takes.
pub(crate) fn to_tlv(encode: impl FnOnce(&mut Encoder<'_>) -> Result<(), EncodeError>) -> Result<Bytes, EncodeError> {
    to_bytes(|out| encode(&mut Encoder::parameters(out)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_byte(dialect: Dialect) -> Vec<u8> {
        let mut out = BytesMut::from(&b"x"[..]);
        let mut encoder = Encoder::message(&mut out, 11, 0);
        encoder.tlv(b"\0\x0d\0\x05c");
        encoder.finish_message(dialect).expect("it is short");
        out.to_vec()
    }

    //= https://www.rfc-editor.org/rfc/rfc5354#section-4
    //= type=test
    //# If the length of the message is not a multiple of 4 bytes, the sender MUST pad the
    //# message with all zero bytes and this padding is not included in the Message Length field.
    #[test]
    fn message_length_covers_the_last_padding_only_in_the_standard_dialect() {
        assert_eq!(one_byte(Dialect::STANDARD), b"x\x0b\0\0\x0c\0\x0d\0\x05c\0\0\0");
        assert_eq!(one_byte(Dialect::RFC), b"x\x0b\0\0\x09\0\x0d\0\x05c\0\0\0");
    }

    #[test]
    fn what_is_too_long_is_an_error_and_leaves_the_buffer_alone() {
        let mut out = BytesMut::from(&b"x"[..]);
        let mut encoder = Encoder::message(&mut out, 11, 0);
        encoder.tlv(&vec![0; 65_531]);
        assert_eq!(encoder.finish_message(Dialect::RFC), Ok(()), "65,535 bytes just fit");

        out.truncate(1);
        let mut encoder = Encoder::message(&mut out, 11, 0);
        encoder.tlv(&vec![0; 65_531]);
        assert_eq!(encoder.finish_message(Dialect::STANDARD), Err(EncodeError::TooLong { length: 65_536 }));
        assert_eq!(&out[..], b"x");
    }
}
