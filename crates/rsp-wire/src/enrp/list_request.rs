// SPDX-License-Identifier: MIT OR Apache-2.0
//! ENRP_LIST_REQUEST, RFC 5353 §2.5.

use std::fmt;

use super::{BodyCodec, message_type};
use crate::DecodeError;
use crate::codec::{EncodeError, Encoder, Reader};

/// ENRP_LIST_REQUEST, [RFC 5353 §2.5](https://www.rfc-editor.org/rfc/rfc5353#section-2.5): a registrar asks a peer for the
/// registrars it knows.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |   Type = 0x05 |0|0|0|0|0|0|0|0|        Message Length         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                      Sending Server's ID                      |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                     Receiving Server's ID                     |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListRequest;

impl BodyCodec for ListRequest {
    const TYPE: u8 = message_type::LIST_REQUEST;

    fn decode(_flags: u8, reader: &mut Reader<'_, '_>) -> Result<Self, DecodeError> {
        reader.others()?;
        Ok(ListRequest)
    }

    fn encode_value(&self, _out: &mut Encoder<'_>) -> Result<(), EncodeError> {
        Ok(())
    }
}

impl fmt::Display for ListRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("of all registrars")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{enrp_fails, enrp_from, enrp_round_trip};

    #[test]
    fn it_is_read_from_rsplibs_bytes() {
        enrp_from("0500 000c 11111111 5d318b53", 0x5d31_8b53, ListRequest);
    }

    #[test]
    fn it_goes_round_and_has_no_parameters() {
        enrp_round_trip(ListRequest);
        enrp_fails("0500 0014 11111111 22222222 0009 0005 61 000000");
    }
}
