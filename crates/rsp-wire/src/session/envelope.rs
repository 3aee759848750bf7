// SPDX-License-Identifier: MIT OR Apache-2.0
//! The envelope of user data that is numbered on the wire, `docs/session-wire.md` §3.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use crate::codec::Cursor;

/// Payload protocol identifier of an envelope: "RSPE".
pub const ENVELOPE_PPID: u32 = 0x5253_5045;

/// What an envelope says about the user data that follows it.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |     Flags     | Header Length |               0               |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                          Message Id (64)                      |
/// |                                                               |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |              Payload Protocol Identifier of the user          |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                 Acknowledged Message Id (64, flag 8)          |
/// |                                                               |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// :                            User data                          :
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope {
    /// Flag 1: the sender waits for the application's acknowledgement.
    pub ack_wanted: bool,
    /// Flag 2: sent before on another association; the application may have seen it.
    pub resent: bool,
    /// Flag 4: the message goes on in the next envelope with its id.
    pub more_follows: bool,
    /// Flag 8: this message is the answer to that one and acknowledges it.
    pub acknowledges: Option<u64>,
    /// Message id, per session and direction, from 1.
    pub id: u64,
    /// The application's own PPID.
    pub ppid: u32,
}

/// The header is cut off, or shorter than its flags ask for: a protocol error that ends the association.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("envelope header of {length} bytes is too short or goes beyond the message")]
pub struct EnvelopeError {
    /// Header Length as received, or the bytes there were.
    pub length: usize,
}

impl Envelope {
    /// The envelope and the user data in it, which shares the memory of `message`.
    ///
    /// # Errors
    /// If the header is not all there.
    pub fn decode(message: &Bytes) -> Result<(Envelope, Bytes), EnvelopeError> {
        let mut header_length = message.len();
        let header = Envelope::header(message, &mut header_length);
        let (envelope, data) = header.ok_or(EnvelopeError { length: header_length })?;
        Ok((envelope, data.to_bytes()))
    }

    /// Header bytes this version does not know are skipped.
    fn header<'a>(message: &'a Bytes, header_length: &mut usize) -> Option<(Envelope, Cursor<'a>)> {
        let mut data = Cursor::new(message);
        let mut fields = data;
        let flags = fields.u8()?;
        *header_length = usize::from(fields.u8()?);
        let mut fields = data.take(*header_length)?;
        fields.u32()?;
        let envelope = Envelope {
            ack_wanted: flags & ACK_WANTED != 0,
            resent: flags & RESENT != 0,
            more_follows: flags & MORE_FOLLOWS != 0,
            id: fields.u64()?,
            ppid: fields.u32()?,
            acknowledges: if flags & ACKNOWLEDGES != 0 { Some(fields.u64()?) } else { None },
        };
        Some((envelope, data))
    }

    /// Appends the header; the user data follows it.
    pub fn encode_header(&self, out: &mut BytesMut) {
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        out.put_u8(
            flag(self.ack_wanted, ACK_WANTED)
                | flag(self.resent, RESENT)
                | flag(self.more_follows, MORE_FOLLOWS)
                | flag(self.acknowledges.is_some(), ACKNOWLEDGES),
        );
        out.put_u8(self.header_length() as u8);
        out.put_u16(0);
        out.put_u64(self.id);
        out.put_u32(self.ppid);
        if let Some(acknowledged) = self.acknowledges {
            out.put_u64(acknowledged);
        }
    }

    /// The envelope with its user data.
    pub fn encode(&self, data: &[u8]) -> Bytes {
        let mut out = BytesMut::with_capacity(self.header_length() + data.len());
        self.encode_header(&mut out);
        out.put_slice(data);
        out.freeze()
    }

    /// Bytes before the user data: 16, or 24 if it acknowledges.
    pub const fn header_length(&self) -> usize {
        if self.acknowledges.is_some() { 24 } else { 16 }
    }
}

impl fmt::Display for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "envelope of message {} with PPID {:#x}", self.id, self.ppid)?;
        if let Some(acknowledged) = self.acknowledges {
            write!(f, ", acknowledges {acknowledged}")?;
        }
        f.write_str(if self.ack_wanted { ", ack wanted" } else { "" })?;
        f.write_str(if self.resent { ", resent" } else { "" })?;
        f.write_str(if self.more_follows { ", more follows" } else { "" })
    }
}

const ACK_WANTED: u8 = 0x01;
const RESENT: u8 = 0x02;
const MORE_FOLLOWS: u8 = 0x04;
const ACKNOWLEDGES: u8 = 0x08;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::hex;

    const PLAIN: Envelope =
        Envelope { ack_wanted: true, resent: false, more_follows: false, acknowledges: None, id: 0x0102, ppid: 33 };

    #[test]
    fn it_is_read_from_the_bytes_of_the_document() {
        let data = Bytes::from_static(b"hi");
        assert_eq!(Envelope::decode(&hex("01 10 0000 0000000000000102 00000021 6869")), Ok((PLAIN, data.clone())));
        let answer = Envelope { ack_wanted: false, resent: true, acknowledges: Some(7), ..PLAIN };
        assert_eq!(
            Envelope::decode(&hex("0a 18 0000 0000000000000102 00000021 0000000000000007 6869")),
            Ok((answer, data))
        );
    }

    #[test]
    fn it_goes_round_even_without_data() {
        let answer = Envelope { resent: true, more_follows: true, acknowledges: Some(u64::MAX), ..PLAIN };
        for (envelope, data) in [(PLAIN, &b"data"[..]), (answer, b"data"), (answer, b"")] {
            assert_eq!(Envelope::decode(&envelope.encode(data)), Ok((envelope, Bytes::from_static(data))));
        }
    }

    #[test]
    fn header_bytes_it_does_not_know_are_skipped() {
        let longer = hex("f1 14 0000 0000000000000102 00000021 cafecafe 6869");
        assert_eq!(Envelope::decode(&longer), Ok((PLAIN, Bytes::from_static(b"hi"))));
    }

    #[test]
    fn a_header_too_short_for_its_flags_is_refused() {
        for bytes in [
            "",
            "01",
            "01 0f 0000 0000000000000102 00000021 6869",
            "08 10 0000 0000000000000102 00000021 0000000000000007",
            "01 10 0000 0000000000000102 000000",
            "01 00 0000 0000000000000102 00000021",
        ] {
            assert!(Envelope::decode(&hex(bytes)).is_err(), "{bytes}");
        }
    }
}
