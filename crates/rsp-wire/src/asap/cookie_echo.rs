// SPDX-License-Identifier: MIT OR Apache-2.0
//! ASAP_COOKIE_ECHO, RFC 5352 §2.2.12.

use std::fmt;

use bytes::Bytes;

use super::message_type;
use crate::DecodeError;
use crate::codec::{EncodeError, Encoder, MessageBody, Reader};
use crate::parameter::{UnknownParameter, cookie};

/// ASAP_COOKIE_ECHO, [RFC 5352 §2.2.12](https://www.rfc-editor.org/rfc/rfc5352#section-2.2.12): the last cookie of the PE
/// that failed, for the next one.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |   Type = 0x0c |0|0|0|0|0|0|0|0|        Message Length         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// :                        Cookie Parameter                       :
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CookieEcho {
    /// Cookie: bytes only the application understands.
    pub cookie: Bytes,
    /// What this version does not know.
    pub unknown: Vec<UnknownParameter>,
}

impl MessageBody for CookieEcho {
    const TYPE: u8 = message_type::COOKIE_ECHO;

    fn decode(_flags: u8, reader: Reader<'_, '_>) -> Result<Self, DecodeError> {
        let (cookie, unknown) = cookie::decode_message(reader)?;
        Ok(CookieEcho { cookie, unknown })
    }

    fn encode_value(&self, out: &mut Encoder<'_>) -> Result<(), EncodeError> {
        cookie::encode(&self.cookie, out)?;
        UnknownParameter::encode_all(&self.unknown, out)
    }
}

impl fmt::Display for CookieEcho {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "of {} bytes", self.cookie.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{asap_fails, asap_from, asap_round_trip, hex};

    #[test]
    fn it_is_read_from_rsplibs_bytes() {
        let cookie = hex("00000001000000000a6316e800000000001e8570");
        let message = CookieEcho { cookie, unknown: Vec::new() };
        asap_from("0c00 001c 000d 0018 00000001000000000a6316e800000000001e8570", message);
    }

    #[test]
    fn it_goes_round_with_unknown_parameters() {
        let unknown = vec![UnknownParameter { parameter_type: 0x8099, value: (&b"new"[..]).into() }];
        asap_round_trip(CookieEcho { cookie: Bytes::from_static(b"12345"), unknown });
    }

    #[test]
    fn there_is_one_cookie() {
        asap_fails("0c00 0004");
        asap_fails("0c00 0014 000d 0008 01020304 000d 0008 01020304");
    }
}
