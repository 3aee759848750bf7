// SPDX-License-Identifier: MIT OR Apache-2.0
//! ASAP_ERROR, RFC 5352 §2.2.14.

use std::fmt;

use super::message_type;
use crate::DecodeError;
use crate::codec::{EncodeError, Encoder, MessageBody, Reader, once};
use crate::parameter::parameter_type::OPERATION_ERROR;
use crate::parameter::{OperationError, UnknownParameter};

/// ASAP_ERROR, [RFC 5352 §2.2.14](https://www.rfc-editor.org/rfc/rfc5352#section-2.2.14): the peer sent what could not be
/// understood. An error in it is never answered.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |   Type = 0x0e |0|0|0|0|0|0|0|0|        Message Length         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// :                  Operational Error Parameter                  :
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// Operation Error.
    pub error: OperationError,
    /// What this version does not know.
    pub unknown: Vec<UnknownParameter>,
}

impl MessageBody for Error {
    const TYPE: u8 = message_type::ERROR;

    fn decode(_flags: u8, mut reader: Reader<'_, '_>) -> Result<Self, DecodeError> {
        let mut error = None;
        while let Some(parameter) = reader.next()? {
            match parameter.parameter_type {
                OPERATION_ERROR => once(&mut error, OperationError::decode(&parameter)?, &parameter)?,
                _ => reader.other(parameter)?,
            }
        }
        let error = reader.required(error, "Operation Error")?;
        Ok(Error { error, unknown: reader.unknown })
    }

    fn encode_value(&self, out: &mut Encoder<'_>) -> Result<(), EncodeError> {
        self.error.encode(out)?;
        UnknownParameter::encode_all(&self.unknown, out)
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
    use crate::parameter::ErrorCause;
    use crate::testing::{asap_decode, asap_from, asap_round_trip, hex};

    #[test]
    fn it_is_read_from_the_bytes_of_the_rfcs_figure() {
        let error = ErrorCause::UnrecognizedMessage(hex("7f000004")).into();
        asap_from("0e00 0010 000c 000c 0002 0008 7f000004", Error { error, unknown: Vec::new() });
    }

    #[test]
    fn it_goes_round_with_unknown_parameters() {
        let unknown = vec![UnknownParameter { parameter_type: 0x8099, value: (&b"new"[..]).into() }];
        asap_round_trip(Error { error: ErrorCause::Unspecified.into(), unknown });
    }

    #[test]
    fn what_is_wrong_in_an_error_message_is_never_answered() {
        for bytes in ["0e00 0004", "0e00 0008 000c 0004", "0e00 0010 000c 0008 0000 0004 4099 0004"] {
            let error = asap_decode(bytes).expect_err("it is broken");
            assert_eq!(error.cause(), None, "{bytes}");
        }
        let decoded = asap_decode("0e00 0010 000c 0008 0000 0004 c099 0004").expect("it is sound");
        assert!(decoded.report.is_empty(), "a report of an unknown parameter would be an answer too");
    }
}
