// SPDX-License-Identifier: MIT OR Apache-2.0
//! ENRP_PRESENCE, RFC 5353 §2.1.

use std::fmt;

use super::{BodyCodec, message_type};
use crate::codec::{EncodeError, Encoder, Reader, once};
use crate::parameter::parameter_type::{PE_CHECKSUM, SERVER_INFORMATION};
use crate::parameter::{ServerInformation, pe_checksum};
use crate::{Checksum, DecodeError};

/// ENRP_PRESENCE, [RFC 5353 §2.1](https://www.rfc-editor.org/rfc/rfc5353#section-2.1): a registrar is there, and the
/// checksum of the PEs it owns. The text calls R "reply required"; the figure forgets it.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |   Type = 0x01 |0|0|0|0|0|0|0|R|        Message Length         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                      Sending Server's ID                      |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                     Receiving Server's ID                     |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// :                       PE Checksum Param                       :
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// :              Server Information Param (optional)              :
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presence {
    /// Flag 0x01: the receiver answers with its own presence.
    pub reply_required: bool,
    /// PE Checksum.
    pub checksum: Option<Checksum>,
    /// Server Information of the sender.
    pub server_information: Option<ServerInformation>,
}

impl BodyCodec for Presence {
    const TYPE: u8 = message_type::PRESENCE;

    fn decode(flags: u8, reader: &mut Reader<'_, '_>) -> Result<Self, DecodeError> {
        let (mut checksum, mut server_information) = (None, None);
        while let Some(parameter) = reader.next()? {
            match parameter.parameter_type {
                PE_CHECKSUM => once(&mut checksum, pe_checksum::decode(&parameter)?, &parameter)?,
                SERVER_INFORMATION => {
                    let information = ServerInformation::decode(&parameter, reader.report())?;
                    once(&mut server_information, information, &parameter)?;
                }
                _ => reader.other(parameter)?,
            }
        }
        Ok(Presence { reply_required: flags & REPLY_REQUIRED != 0, checksum, server_information })
    }

    fn encode_value(&self, out: &mut Encoder<'_>) -> Result<(), EncodeError> {
        if let Some(checksum) = self.checksum {
            pe_checksum::encode(checksum, out)?;
        }
        self.server_information.as_ref().map_or(Ok(()), |information| information.encode(out))
    }

    fn flags(&self) -> u8 {
        if self.reply_required { REPLY_REQUIRED } else { 0 }
    }
}

impl fmt::Display for Presence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.reply_required { "reply required" } else { "no reply required" })?;
        if let Some(checksum) = self.checksum {
            write!(f, ", checksum {checksum}")?;
        }
        match &self.server_information {
            Some(information) => write!(f, ", {information}"),
            None => Ok(()),
        }
    }
}

const REPLY_REQUIRED: u8 = 0x01;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ServerId;
    use crate::testing::{enrp_fails, enrp_from, enrp_round_trip, transport};

    #[test]
    fn it_is_read_from_rsplibs_bytes() {
        let transport = crate::parameter::Transport {
            port: 9901,
            transport_use: crate::parameter::TransportUse::DATA_ONLY,
            addresses: smallvec::smallvec![[192, 0, 2, 1].into()],
            ..transport()
        };
        let information = ServerInformation {
            id: ServerId(0x1111_1111),
            transports: smallvec::smallvec![transport],
            unknown: Vec::new(),
        };
        let message =
            Presence { reply_required: true, checksum: Some(Checksum(0xe7a5)), server_information: Some(information) };
        enrp_from(
            "0101 002c 11111111 5d318b53 000f 0006 e7a5 0000 000b 0018 11111111 0004 0010 26ad 0000 0001 0008 c0000201",
            0x5d31_8b53,
            message,
        );
    }

    #[test]
    fn it_goes_round_without_its_parameters() {
        enrp_round_trip(Presence { reply_required: false, checksum: None, server_information: None });
    }

    #[test]
    fn each_parameter_stands_once_at_most() {
        enrp_fails("0100 001c 11111111 00000000 000f 0006 e7a5 0000 000f 0006 e7a5 0000");
        enrp_fails("0100 000a 11111111 0000");
        enrp_fails("0100 0014 11111111 00000000 000b 0008 11111111");
    }
}
