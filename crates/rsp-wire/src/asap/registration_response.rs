// SPDX-License-Identifier: MIT OR Apache-2.0
//! ASAP_REGISTRATION_RESPONSE, RFC 5352 §2.2.3.

use std::fmt;

use super::{message_type, pe_reference};
use crate::codec::{EncodeError, Encoder, MessageBody, Reader};
use crate::parameter::{OperationError, UnknownParameter};
use crate::{DecodeError, PeId, PoolHandle};

/// ASAP_REGISTRATION_RESPONSE, [RFC 5352 §2.2.3](https://www.rfc-editor.org/rfc/rfc5352#section-2.2.3): the registrar answers a registration.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |   Type = 0x03 |0|0|0|0|0|0|0|R|        Message Length         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// :                     Pool Handle Parameter                     :
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// :                    PE Identifier Parameter                    :
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// :                  Operational Error (optional)                 :
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrationResponse {
    /// R: the registration was rejected.
    pub reject: bool,
    /// Pool Handle.
    pub pool_handle: PoolHandle,
    /// PE Identifier.
    pub pe_id: PeId,
    /// Why it was rejected; without R a warning.
    pub error: Option<OperationError>,
    /// What this version does not know.
    pub unknown: Vec<UnknownParameter>,
}

impl MessageBody for RegistrationResponse {
    const TYPE: u8 = message_type::REGISTRATION_RESPONSE;

    fn decode(flags: u8, reader: Reader<'_, '_>) -> Result<Self, DecodeError> {
        let pe_reference::PeReference { pool_handle, pe_id, error, unknown } = pe_reference::decode(reader, true)?;
        Ok(RegistrationResponse { reject: flags & REJECT != 0, pool_handle, pe_id, error, unknown })
    }

    fn encode_value(&self, out: &mut Encoder<'_>) -> Result<(), EncodeError> {
        pe_reference::encode(&self.pool_handle, self.pe_id, self.error.as_ref(), &self.unknown, out)
    }

    fn flags(&self) -> u8 {
        if self.reject { REJECT } else { 0 }
    }
}

impl fmt::Display for RegistrationResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = if self.reject { "rejected" } else { "accepted" };
        write!(f, "PE {} in {} {outcome}", self.pe_id, self.pool_handle)?;
        pe_reference::fmt_error(self.error.as_ref(), f)
    }
}

/// R
const REJECT: u8 = 0x01;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameter::ErrorCause;
    use crate::testing::{asap_fails, asap_from, asap_round_trip};

    #[test]
    fn it_is_read_from_rsplibs_bytes() {
        let (pool_handle, pe_id) = (PoolHandle::from("EchoPool"), PeId(0xaaaa_0001));
        let message = RegistrationResponse { reject: false, pool_handle, pe_id, error: None, unknown: Vec::new() };
        asap_from("0300 0018 0009 000c 4563686f506f6f6c 000e 0008 aaaa0001", message.clone());
        let error = Some(ErrorCause::Other { code: 0xf008, information: (&[][..]).into() }.into());
        asap_from(
            "0301 0020 0009 000c 4563686f506f6f6c 000e 0008 aaaa0001 000c 0008 f008 0004",
            RegistrationResponse { reject: true, error, ..message },
        );
    }

    #[test]
    fn it_goes_round_with_unknown_parameters() {
        let unknown = vec![UnknownParameter { parameter_type: 0x8099, value: (&b"new"[..]).into() }];
        let error = Some(ErrorCause::LackOfResources.into());
        asap_round_trip(RegistrationResponse {
            reject: true,
            pool_handle: PoolHandle::from("p"),
            pe_id: PeId(1),
            error,
            unknown,
        });
    }

    #[test]
    fn the_parameters_must_be_there_once() {
        asap_fails("0300 000c 000e 0008 aaaa0001");
        asap_fails("0300 0024 0009 0005 61 000000 000e 0008 aaaa0001 000c 0008 0009 0004 000c 0008 0009 0004");
    }
}
