// SPDX-License-Identifier: MIT OR Apache-2.0
//! ENRP_ERROR, RFC 5353 §2.10.

use std::fmt;

use super::{BodyCodec, message_type};
use crate::DecodeError;
use crate::codec::{EncodeError, Encoder, Reader, once};
use crate::parameter::OperationError;
use crate::parameter::parameter_type::OPERATION_ERROR;

/// ENRP_ERROR, [RFC 5353 §2.10](https://www.rfc-editor.org/rfc/rfc5353#section-2.10): the peer sent what could not be
/// understood. An error in it is never answered.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |   Type = 0x0a |0|0|0|0|0|0|0|0|        Message Length         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                      Sending Server's ID                      |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                     Receiving Server's ID                     |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// :                  Operational Error Parameter                  :
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// Operation Error.
    pub error: OperationError,
}

impl BodyCodec for Error {
    const TYPE: u8 = message_type::ERROR;

    fn decode(_flags: u8, reader: &mut Reader<'_, '_>) -> Result<Self, DecodeError> {
        let mut error = None;
        while let Some(parameter) = reader.next()? {
            match parameter.parameter_type {
                OPERATION_ERROR => once(&mut error, OperationError::decode(&parameter)?, &parameter)?,
                _ => reader.other(parameter)?,
            }
        }
        Ok(Error { error: reader.required(error, "Operation Error")? })
    }

    fn encode_value(&self, out: &mut Encoder<'_>) -> Result<(), EncodeError> {
        self.error.encode(out)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    use crate::enrp::Message;
    use crate::parameter::ErrorCause;
    use crate::testing::{enrp_from, enrp_round_trip, hex};

    #[test]
    fn it_is_read_from_the_bytes_of_the_rfcs_figure() {
        let error = ErrorCause::UnrecognizedParameter(hex("4099 0004")).into();
        enrp_from("0a00 0018 11111111 22222222 000c 000c 0001 0008 4099 0004", 0x2222_2222, Error { error });
    }

    #[test]
    fn it_goes_round() {
        let error = ErrorCause::Other { code: 0xf000, information: Bytes::from_static(b"why") }.into();
        enrp_round_trip(Error { error });
    }

    #[test]
    fn what_is_wrong_in_an_error_message_is_never_answered() {
        for bytes in ["0a00 000c 11111111 22222222", "0a00 0008 11111111", "0a00 0010 11111111 22222222 4099 0004"] {
            assert_eq!(Message::decode(&hex(bytes)).expect_err("it is broken").cause(), None, "{bytes}");
        }
    }
}
