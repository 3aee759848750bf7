// SPDX-License-Identifier: MIT OR Apache-2.0
//! ASAP_ENDPOINT_KEEP_ALIVE_ACK, RFC 5352 §2.2.8.

use std::fmt;

use super::{message_type, pe_reference};
use crate::codec::{EncodeError, Encoder, MessageBody, Reader};
use crate::parameter::UnknownParameter;
use crate::{DecodeError, PeId, PoolHandle};

/// ASAP_ENDPOINT_KEEP_ALIVE_ACK, [RFC 5352 §2.2.8](https://www.rfc-editor.org/rfc/rfc5352#section-2.2.8): a PE answers a keep-alive.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |   Type = 0x08 |0|0|0|0|0|0|0|0|        Message Length         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// :                     Pool Handle Parameter                     :
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// :                    PE Identifier Parameter                    :
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointKeepAliveAck {
    /// Pool Handle.
    pub pool_handle: PoolHandle,
    /// PE Identifier.
    pub pe_id: PeId,
    /// What this version does not know.
    pub unknown: Vec<UnknownParameter>,
}

impl MessageBody for EndpointKeepAliveAck {
    const TYPE: u8 = message_type::ENDPOINT_KEEP_ALIVE_ACK;

    fn decode(_flags: u8, reader: Reader<'_, '_>) -> Result<Self, DecodeError> {
        let reference = pe_reference::decode(reader, false)?;
        Ok(EndpointKeepAliveAck {
            pool_handle: reference.pool_handle,
            pe_id: reference.pe_id,
            unknown: reference.unknown,
        })
    }

    fn encode_value(&self, out: &mut Encoder<'_>) -> Result<(), EncodeError> {
        pe_reference::encode(&self.pool_handle, self.pe_id, None, &self.unknown, out)
    }
}

impl fmt::Display for EndpointKeepAliveAck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "of PE {} in {}", self.pe_id, self.pool_handle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{asap_fails, asap_from, asap_round_trip};

    #[test]
    fn it_is_read_from_rsplibs_bytes() {
        let message = EndpointKeepAliveAck {
            pool_handle: PoolHandle::from("EchoPool"),
            pe_id: PeId(0xaaaa_0001),
            unknown: Vec::new(),
        };
        asap_from("0800 0018 0009 000c 4563686f506f6f6c 000e 0008 aaaa0001", message);
    }

    #[test]
    fn it_goes_round_with_unknown_parameters() {
        let unknown = vec![UnknownParameter { parameter_type: 0x8099, value: (&b"new"[..]).into() }];
        asap_round_trip(EndpointKeepAliveAck { pool_handle: PoolHandle::from("p"), pe_id: PeId(1), unknown });
    }

    #[test]
    fn the_parameters_must_be_there_once() {
        asap_fails("0800 000c 000e 0008 aaaa0001");
        asap_fails("0800 000c 0009 0005 61 000000");
        asap_fails("0800 001c 0009 0005 61 000000 000e 0008 aaaa0001 000e 0008 aaaa0001");
        asap_fails("0800 001c 0009 0005 61 000000 000e 0008 aaaa0001 000c 0008 0009 0004");
    }
}
