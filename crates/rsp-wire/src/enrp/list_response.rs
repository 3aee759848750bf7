// SPDX-License-Identifier: MIT OR Apache-2.0
//! ENRP_LIST_RESPONSE, RFC 5353 §2.6.

use std::fmt;

use super::{BodyCodec, message_type};
use crate::DecodeError;
use crate::codec::{EncodeError, Encoder, Reader};
use crate::parameter::ServerInformation;
use crate::parameter::parameter_type::SERVER_INFORMATION;

/// ENRP_LIST_RESPONSE, [RFC 5353 §2.6](https://www.rfc-editor.org/rfc/rfc5353#section-2.6): the registrars the sender knows.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |   Type = 0x06 |0|0|0|0|0|0|0|R|        Message Length         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                      Sending Server's ID                      |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                     Receiving Server's ID                     |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// :         Server Information Parameter of Peer #1 to #n         :
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListResponse {
    /// R: the request is rejected.
    pub reject: bool,
    /// The peers the sender knows.
    pub servers: Vec<ServerInformation>,
}

impl BodyCodec for ListResponse {
    const TYPE: u8 = message_type::LIST_RESPONSE;

    fn decode(flags: u8, reader: &mut Reader<'_, '_>) -> Result<Self, DecodeError> {
        let mut servers = Vec::new();
        while let Some(parameter) = reader.next()? {
            match parameter.parameter_type {
                SERVER_INFORMATION => servers.push(ServerInformation::decode(&parameter, reader.report())?),
                _ => reader.other(parameter)?,
            }
        }
        Ok(ListResponse { reject: flags & REJECT != 0, servers })
    }

    fn encode_value(&self, out: &mut Encoder<'_>) -> Result<(), EncodeError> {
        self.servers.iter().try_for_each(|server| server.encode(out))
    }

    fn flags(&self) -> u8 {
        if self.reject { REJECT } else { 0 }
    }
}

impl fmt::Display for ListResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.reject { "rejected" } else { "with" })?;
        for (i, server) in self.servers.iter().enumerate() {
            write!(f, "{} {server}", if i == 0 { "" } else { ";" })?;
        }
        Ok(())
    }
}

/// R
const REJECT: u8 = 0x01;

#[cfg(test)]
mod tests {
    use super::*;
    use smallvec::smallvec;

    use crate::ServerId;
    use crate::parameter::{Transport, TransportUse};
    use crate::testing::{enrp_fails, enrp_from, enrp_round_trip, transport};

    fn server(id: u32, host: u8) -> ServerInformation {
        let addresses = smallvec![[192, 0, 2, host].into()];
        let transport = Transport { port: 9901, transport_use: TransportUse::DATA_ONLY, addresses, ..transport() };
        ServerInformation { id: ServerId(id), transports: smallvec![transport], unknown: Vec::new() }
    }

    #[test]
    fn it_is_read_from_rsplibs_bytes_with_a_peer_known_by_address_only() {
        let servers = vec![server(0, 3), server(0x2222_2222, 2)];
        enrp_from(
            "0600 003c 11111111 6dd18829 000b 0018 00000000 0004 0010 26ad 0000 0001 0008 c0000203
             000b 0018 22222222 0004 0010 26ad 0000 0001 0008 c0000202",
            0x6dd1_8829,
            ListResponse { reject: false, servers },
        );
    }

    #[test]
    fn it_goes_round() {
        enrp_round_trip(ListResponse { reject: true, servers: Vec::new() });
        enrp_round_trip(ListResponse { reject: false, servers: vec![server(1, 1), server(2, 2)] });
        enrp_fails("0600 0015 11111111 22222222 0009 0005 61 000000 80");
    }
}
