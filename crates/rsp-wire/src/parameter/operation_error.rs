// SPDX-License-Identifier: MIT OR Apache-2.0
//! Operation Error parameter 0xc with its causes, RFC 5354 §3.12.

use std::fmt;

use bytes::Bytes;
use smallvec::{SmallVec, smallvec};

use super::parameter_type::{OPERATION_ERROR, POLICY, is_transport};
use super::{Policy, Transport};
use crate::DecodeError;
use crate::codec::{Cursor, EncodeError, Encoder, Parameter, Report};

/// One or more causes.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |          Type = 0xc           |       Length=variable         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// :                    one or more Error Causes                   :
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
///
/// and each cause:
///
/// ```text
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |           Cause Code          |       Cause Length            |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// :                 Cause-Specific Information                    :
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationError(pub SmallVec<[ErrorCause; 1]>);

/// An error cause, RFC 5354 §3.12.1 to §3.12.11.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorCause {
    /// 0x0
    Unspecified,
    /// 0x1: the complete parameter, type and length included.
    UnrecognizedParameter(Bytes),
    /// 0x2: the complete message.
    UnrecognizedMessage(Bytes),
    /// 0x3: the offending parameter.
    InvalidValues(Bytes),
    /// 0x4
    NonUniquePeIdentifier,
    /// 0x5: the pool's policy. RSPLIB leaves it out.
    InconsistentPoolPolicy(Option<Policy>),
    /// 0x6
    LackOfResources,
    /// 0x7: the pool's transport.
    InconsistentTransportType(Option<Transport>),
    /// 0x8
    InconsistentDataControlConfiguration,
    /// 0x9
    UnknownPoolHandle,
    /// 0xa
    RejectedDueToSecurityConsiderations,
    /// Any other, RSPLIB's private ones among them; also a known one with information that is not what the RFC says.
    Other {
        /// Cause Code.
        code: u16,
        /// Cause-specific Information.
        information: Bytes,
    },
}

impl OperationError {
    pub(crate) fn decode(parameter: &Parameter<'_>) -> Result<Self, DecodeError> {
        let mut value = parameter.value;
        let mut causes = SmallVec::new();
        while !value.is_empty() {
            let cause =
                Parameter::read(&mut value).ok_or_else(|| parameter.invalid("wrong length of an error cause"))?;
            causes.push(ErrorCause::decode(&cause));
        }
        if causes.is_empty() {
            return Err(parameter.invalid("operation error without a cause"));
        }
        Ok(OperationError(causes))
    }

    /// Appends it as a parameter.
    ///
    /// # Errors
    /// If it does not fit 16 bits of length.
    pub fn encode(&self, out: &mut Encoder<'_>) -> Result<(), EncodeError> {
        out.parameter(OPERATION_ERROR, |out| self.0.iter().try_for_each(|cause| cause.encode(out)))
    }
}

impl ErrorCause {
    /// What is wrong in a cause's information is no reason to lose the error.
    fn decode(cause: &Parameter<'_>) -> Self {
        let (code, information) = (cause.parameter_type, cause.value.to_bytes());
        let known = match code {
            0x0 => Some(ErrorCause::Unspecified),
            0x1 => return ErrorCause::UnrecognizedParameter(information),
            0x2 => return ErrorCause::UnrecognizedMessage(information),
            0x3 => return ErrorCause::InvalidValues(information),
            0x4 => Some(ErrorCause::NonUniquePeIdentifier),
            0x5 => Some(ErrorCause::InconsistentPoolPolicy(None)),
            0x6 => Some(ErrorCause::LackOfResources),
            0x7 => Some(ErrorCause::InconsistentTransportType(None)),
            0x8 => Some(ErrorCause::InconsistentDataControlConfiguration),
            0x9 => Some(ErrorCause::UnknownPoolHandle),
            0xa => Some(ErrorCause::RejectedDueToSecurityConsiderations),
            _ => None,
        };
        let known = if information.is_empty() { known } else { ErrorCause::with_parameter(code, cause.value) };
        known.unwrap_or(ErrorCause::Other { code, information })
    }

    /// A cause whose information is one parameter.
    fn with_parameter(code: u16, mut information: Cursor<'_>) -> Option<Self> {
        let parameter = Parameter::read(&mut information).filter(|_| information.is_empty())?;
        match (code, parameter.parameter_type) {
            (0x5, POLICY) => Some(ErrorCause::InconsistentPoolPolicy(Some(Policy::decode(&parameter).ok()?))),
            (0x7, transport) if is_transport(transport) => {
                // It quotes the pool's transport: what is unknown in there is not for us to report.
                let transport = Transport::decode(&parameter, &mut Report::new()).ok()?;
                Some(ErrorCause::InconsistentTransportType(Some(transport)))
            }
            _ => None,
        }
    }

    fn encode(&self, out: &mut Encoder<'_>) -> Result<(), EncodeError> {
        out.parameter(self.code(), |out| match self {
            ErrorCause::UnrecognizedParameter(information)
            | ErrorCause::UnrecognizedMessage(information)
            | ErrorCause::InvalidValues(information)
            | ErrorCause::Other { information, .. } => {
                out.bytes(information);
                Ok(())
            }
            ErrorCause::InconsistentPoolPolicy(Some(policy)) => policy.encode(out),
            ErrorCause::InconsistentTransportType(Some(transport)) => transport.encode(out),
            _ => Ok(()),
        })
    }

    /// Cause Code.
    pub fn code(&self) -> u16 {
        match self {
            ErrorCause::Unspecified => 0x0,
            ErrorCause::UnrecognizedParameter(_) => 0x1,
            ErrorCause::UnrecognizedMessage(_) => 0x2,
            ErrorCause::InvalidValues(_) => 0x3,
            ErrorCause::NonUniquePeIdentifier => 0x4,
            ErrorCause::InconsistentPoolPolicy(_) => 0x5,
            ErrorCause::LackOfResources => 0x6,
            ErrorCause::InconsistentTransportType(_) => 0x7,
            ErrorCause::InconsistentDataControlConfiguration => 0x8,
            ErrorCause::UnknownPoolHandle => 0x9,
            ErrorCause::RejectedDueToSecurityConsiderations => 0xa,
            ErrorCause::Other { code, .. } => *code,
        }
    }

    /// The name of a Cause Code, as in Table 2; RSPLIB's private ones as its notes name them.
    pub fn name(code: u16) -> Option<&'static str> {
        Some(match code {
            0x0 => "Unspecified Error",
            0x1 => "Unrecognized Parameter",
            0x2 => "Unrecognized Message",
            0x3 => "Invalid Values",
            0x4 => "Non-unique PE Identifier",
            0x5 => "Inconsistent Pooling Policy",
            0x6 => "Lack of Resources",
            0x7 => "Inconsistent Transport Type",
            0x8 => "Inconsistent Data/Control Configuration",
            0x9 => "Unknown Pool Handle",
            0xa => "Rejected due to security considerations",
            0x10 => "Invalid Message (RSPLIB)",
            0x11 => "Invalid Value (RSPLIB)",
            0x100a => "Wrong Protocol (RSPLIB)",
            0x100b => "Unsupported Policy (RSPLIB)",
            0xf007 | 0xf008 => "No Usable Address (RSPLIB)",
            _ => return None,
        })
    }
}

impl From<ErrorCause> for OperationError {
    fn from(cause: ErrorCause) -> Self {
        OperationError(smallvec![cause])
    }
}

impl fmt::Display for OperationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, cause) in self.0.iter().enumerate() {
            write!(f, "{}{cause}", if i == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl fmt::Display for ErrorCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match ErrorCause::name(self.code()) {
            Some(name) => f.write_str(name)?,
            None => write!(f, "Cause {:#06x}", self.code())?,
        }
        match self {
            ErrorCause::InconsistentPoolPolicy(Some(policy)) => write!(f, ": the pool has {}", policy.short_name()),
            ErrorCause::InconsistentTransportType(Some(transport)) => {
                write!(f, ": the pool has {}", transport.protocol)
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{parameter_of, tlv};

    fn decode(bytes: &str) -> Result<OperationError, DecodeError> {
        parameter_of(bytes, |p, _| OperationError::decode(&p))
    }

    #[test]
    fn rsplibs_errors_are_read_from_its_bytes() {
        assert_eq!(decode("000c 0008 0009 0004"), Ok(ErrorCause::UnknownPoolHandle.into()));
        let private = decode("000c 0008 f008 0004").expect("it is sound");
        assert_eq!(private, ErrorCause::Other { code: 0xf008, information: Bytes::new() }.into());
        assert_eq!(private.to_string(), "No Usable Address (RSPLIB)");
    }

    #[test]
    fn causes_go_round_with_padding_between_them_and_none_after_the_last() {
        let bytes = "000c 0039 0001 0009 8099 0005 61 000000 0005 0010 0008 000c 00000002 00000007
            0007 0014 0004 0010 0007 0000 0001 0008 c0000201 0003 0005 8a";
        let bytes: String = bytes.split_whitespace().collect();
        let error = decode(&bytes).expect("it is sound");
        assert_eq!(
            error.to_string(),
            "Unrecognized Parameter, Inconsistent Pooling Policy: the pool has WRR, \
             Inconsistent Transport Type: the pool has SCTP, Invalid Values"
        );
        assert_eq!(tlv(|out| error.encode(out)), bytes);
    }

    #[test]
    fn information_that_is_not_what_the_rfc_says_is_kept_as_it_came() {
        for bytes in
            ["000c000d 0005 0009 00080005 01", "000c000c 0009 0008 01020304", "000c0010 0007 000c 00040008 00070000"]
        {
            let error = decode(bytes).expect("the causes are framed right");
            assert!(matches!(error.0[..], [ErrorCause::Other { .. }]), "{bytes}");
            assert_eq!(tlv(|out| error.encode(out)), bytes.replace(' ', ""));
        }
    }

    #[test]
    fn a_cause_length_that_lies_is_refused() {
        for bytes in ["000c 0004", "000c 0008 0009 0003", "000c 0008 0009 0005", "000c 0006 0009"] {
            assert!(decode(bytes).is_err(), "{bytes}");
        }
    }
}
