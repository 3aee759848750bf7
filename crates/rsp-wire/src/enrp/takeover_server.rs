// SPDX-License-Identifier: MIT OR Apache-2.0
//! ENRP_TAKEOVER_SERVER, RFC 5353 §2.9.

use std::fmt;

use super::{BodyCodec, message_type};
use crate::codec::{EncodeError, Encoder, Reader};
use crate::{DecodeError, ServerId};

/// ENRP_TAKEOVER_SERVER, [RFC 5353 §2.9](https://www.rfc-editor.org/rfc/rfc5353#section-2.9): the sender has taken over a
/// dead peer.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |   Type = 0x09 |0|0|0|0|0|0|0|0|        Message Length         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                      Sending Server's ID                      |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                     Receiving Server's ID                     |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                     Targeting Server's ID                     |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakeoverServer {
    /// Targeting Server's ID: whose PEs are taken over.
    pub target: ServerId,
}

impl BodyCodec for TakeoverServer {
    const TYPE: u8 = message_type::TAKEOVER_SERVER;

    fn decode(_flags: u8, reader: &mut Reader<'_, '_>) -> Result<Self, DecodeError> {
        let target = ServerId(reader.u32()?);
        reader.others()?;
        Ok(TakeoverServer { target })
    }

    fn encode_value(&self, out: &mut Encoder<'_>) -> Result<(), EncodeError> {
        out.u32(self.target.0);
        Ok(())
    }
}

impl fmt::Display for TakeoverServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "of registrar {}", self.target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{enrp_fails, enrp_from, enrp_round_trip};

    #[test]
    fn it_is_read_from_the_bytes_of_the_rfcs_figure() {
        enrp_from(
            "0900 0010 11111111 33333333 22222222",
            0x3333_3333,
            TakeoverServer { target: ServerId(0x2222_2222) },
        );
    }

    #[test]
    fn it_goes_round_and_has_a_target() {
        enrp_round_trip(TakeoverServer { target: ServerId(1) });
        enrp_fails("0900 000c 11111111 33333333");
        enrp_fails("0900 0018 11111111 33333333 22222222 000e 0008 00000001");
    }
}
