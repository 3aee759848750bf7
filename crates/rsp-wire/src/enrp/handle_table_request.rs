// SPDX-License-Identifier: MIT OR Apache-2.0
//! ENRP_HANDLE_TABLE_REQUEST, RFC 5353 §2.2.

use std::fmt;

use super::{BodyCodec, message_type};
use crate::DecodeError;
use crate::codec::{EncodeError, Encoder, Reader};

/// ENRP_HANDLE_TABLE_REQUEST, [RFC 5353 §2.2](https://www.rfc-editor.org/rfc/rfc5353#section-2.2): a registrar asks a peer for its
/// handlespace.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |   Type = 0x02 |0|0|0|0|0|0|0|W|        Message Length         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                      Sending Server's ID                      |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                     Receiving Server's ID                     |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandleTableRequest {
    /// W: only the receiver's own PEs.
    pub own_children_only: bool,
}

impl BodyCodec for HandleTableRequest {
    const TYPE: u8 = message_type::HANDLE_TABLE_REQUEST;

    fn decode(flags: u8, reader: &mut Reader<'_, '_>) -> Result<Self, DecodeError> {
        reader.others()?;
        Ok(HandleTableRequest { own_children_only: flags & OWN_CHILDREN_ONLY != 0 })
    }

    fn encode_value(&self, _out: &mut Encoder<'_>) -> Result<(), EncodeError> {
        Ok(())
    }

    fn flags(&self) -> u8 {
        if self.own_children_only { OWN_CHILDREN_ONLY } else { 0 }
    }
}

impl fmt::Display for HandleTableRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.own_children_only { "of its own children only" } else { "of all" })
    }
}

/// W
const OWN_CHILDREN_ONLY: u8 = 0x01;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{enrp_fails, enrp_from, enrp_round_trip};

    #[test]
    fn it_is_read_from_rsplibs_bytes() {
        enrp_from("0201 000c 11111111 22222222", 0x2222_2222, HandleTableRequest { own_children_only: true });
    }

    #[test]
    fn it_goes_round_and_has_no_parameters() {
        enrp_round_trip(HandleTableRequest { own_children_only: false });
        enrp_fails("0200 0014 11111111 22222222 0009 0005 61 000000");
    }
}
