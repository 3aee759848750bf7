// SPDX-License-Identifier: MIT OR Apache-2.0
//! ASAP_SERVER_ANNOUNCE, RFC 5352 §2.2.10.

use std::fmt;

use smallvec::SmallVec;

use super::message_type;
use crate::codec::{EncodeError, Encoder, MessageBody, Reader};
use crate::parameter::parameter_type::{SCTP_TRANSPORT, TCP_TRANSPORT};
use crate::parameter::{Transport, UnknownParameter};
use crate::{DecodeError, ServerId};

/// ASAP_SERVER_ANNOUNCE, [RFC 5352 §2.2.10](https://www.rfc-editor.org/rfc/rfc5352#section-2.2.10): here is a registrar.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |   Type = 0x0a |0|0|0|0|0|0|0|0|        Message Length         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                       Server Identifier                       |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// :        Transport Param #1 to #n (SCTP or TCP, optional)       :
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerAnnounce {
    /// Server Identifier of the sender.
    pub server_id: ServerId,
    /// Where it serves ASAP. RSPLIB leaves it out: its address is where the announcement came from.
    pub transports: SmallVec<[Transport; 1]>,
    /// What this version does not know.
    pub unknown: Vec<UnknownParameter>,
}

impl MessageBody for ServerAnnounce {
    const TYPE: u8 = message_type::SERVER_ANNOUNCE;

    //= https://www.rfc-editor.org/rfc/rfc5352#section-2.2.10
    //# Only SCTP and TCP Transport parameters are allowed for use within the
    //# SERVER_ANNOUNCE message.
    fn decode(_flags: u8, mut reader: Reader<'_, '_>) -> Result<Self, DecodeError> {
        let server_id = ServerId(reader.u32()?);
        let mut transports = SmallVec::new();
        while let Some(parameter) = reader.next()? {
            match parameter.parameter_type {
                SCTP_TRANSPORT | TCP_TRANSPORT => transports.push(Transport::decode(&parameter, reader.report())?),
                _ => reader.other(parameter)?,
            }
        }
        Ok(ServerAnnounce { server_id, transports, unknown: reader.unknown })
    }

    fn encode_value(&self, out: &mut Encoder<'_>) -> Result<(), EncodeError> {
        out.u32(self.server_id.0);
        self.transports.iter().try_for_each(|transport| transport.encode(out))?;
        UnknownParameter::encode_all(&self.unknown, out)
    }
}

impl fmt::Display for ServerAnnounce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "of registrar {}", self.server_id)?;
        self.transports.iter().try_for_each(|transport| write!(f, ", {transport}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{asap_fails, asap_from, asap_round_trip, transport};

    #[test]
    fn it_is_read_from_rsplibs_bytes() {
        let message =
            ServerAnnounce { server_id: ServerId(0x1111_1111), transports: SmallVec::new(), unknown: Vec::new() };
        asap_from("0a00 0008 11111111", message);
    }

    #[test]
    fn it_goes_round_with_transports_and_unknown_parameters() {
        let unknown = vec![UnknownParameter { parameter_type: 0x8099, value: (&b"new"[..]).into() }];
        asap_round_trip(ServerAnnounce {
            server_id: ServerId(1),
            transports: (1..4).map(|_| transport()).collect(),
            unknown,
        });
    }

    #[test]
    fn a_registrar_is_reached_by_sctp_or_tcp_only() {
        asap_fails("0a00 0018 11111111 0006 0010 0f17 0000 0001 0008 c0000201");
        asap_fails("0a00 0006 1111");
    }
}
