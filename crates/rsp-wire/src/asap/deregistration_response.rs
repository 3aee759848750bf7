// SPDX-License-Identifier: MIT OR Apache-2.0
//! ASAP_DEREGISTRATION_RESPONSE, RFC 5352 §2.2.4.

use std::fmt;

use super::{message_type, pe_reference};
use crate::codec::{EncodeError, Encoder, MessageBody, Reader};
use crate::parameter::{OperationError, UnknownParameter};
use crate::{DecodeError, PeId, PoolHandle};

/// ASAP_DEREGISTRATION_RESPONSE, [RFC 5352 §2.2.4](https://www.rfc-editor.org/rfc/rfc5352#section-2.2.4): the registrar confirms that a
/// PE has left, or tells it that its registration life has run out.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |   Type = 0x04 |0|0|0|0|0|0|0|0|        Message Length         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// :                     Pool Handle Parameter                     :
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// :                    PE Identifier Parameter                    :
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// :                  Operational Error (optional)                 :
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeregistrationResponse {
    /// Pool Handle.
    pub pool_handle: PoolHandle,
    /// PE Identifier.
    pub pe_id: PeId,
    /// What went wrong; absent if nothing did.
    pub error: Option<OperationError>,
    /// What this version does not know.
    pub unknown: Vec<UnknownParameter>,
}

impl MessageBody for DeregistrationResponse {
    const TYPE: u8 = message_type::DEREGISTRATION_RESPONSE;

    fn decode(_flags: u8, reader: Reader<'_, '_>) -> Result<Self, DecodeError> {
        let pe_reference::PeReference { pool_handle, pe_id, error, unknown } = pe_reference::decode(reader, true)?;
        Ok(DeregistrationResponse { pool_handle, pe_id, error, unknown })
    }

    fn encode_value(&self, out: &mut Encoder<'_>) -> Result<(), EncodeError> {
        pe_reference::encode(&self.pool_handle, self.pe_id, self.error.as_ref(), &self.unknown, out)
    }
}

impl fmt::Display for DeregistrationResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PE {} from {}", self.pe_id, self.pool_handle)?;
        pe_reference::fmt_error(self.error.as_ref(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameter::ErrorCause;
    use crate::testing::{asap_fails, asap_from, asap_round_trip};

    #[test]
    fn it_is_read_from_rsplibs_bytes() {
        let (pool_handle, pe_id) = (PoolHandle::from("EchoPool"), PeId(0xaaaa_0001));
        let message = DeregistrationResponse { pool_handle, pe_id, error: None, unknown: Vec::new() };
        asap_from("0400 0018 0009 000c 4563686f506f6f6c 000e 0008 aaaa0001", message.clone());
        let error = Some(ErrorCause::Other { code: 0xf008, information: (&[][..]).into() }.into());
        asap_from(
            "0400 0020 0009 000c 4563686f506f6f6c 000e 0008 aaaa0001 000c 0008 f008 0004",
            DeregistrationResponse { error, ..message },
        );
    }

    #[test]
    fn it_goes_round_with_unknown_parameters() {
        let unknown = vec![UnknownParameter { parameter_type: 0x8099, value: (&b"new"[..]).into() }];
        let error = Some(ErrorCause::LackOfResources.into());
        asap_round_trip(DeregistrationResponse { pool_handle: PoolHandle::from("p"), pe_id: PeId(1), error, unknown });
    }

    #[test]
    fn the_parameters_must_be_there_once() {
        asap_fails("0400 000c 000e 0008 aaaa0001");
        asap_fails("0400 0024 0009 0005 61 000000 000e 0008 aaaa0001 000c 0008 0009 0004 000c 0008 0009 0004");
    }
}
