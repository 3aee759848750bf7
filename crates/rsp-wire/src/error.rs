// SPDX-License-Identifier: MIT OR Apache-2.0
//! What decoding answers: the message and what to report of it, or why it could not be read.

use bytes::Bytes;
use smallvec::SmallVec;

use crate::parameter::{ErrorCause, OperationError};

/// A message that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded<M> {
    /// The message.
    pub message: M,
    /// Unknown parameters whose type asks for a report (action bits 11), complete with type and length.
    pub report: SmallVec<[Bytes; 0]>,
}

impl<M> Decoded<M> {
    /// What an ASAP_ERROR or ENRP_ERROR to the sender says about the parameters it asks to be told of: a cause for each, as far as
    /// they fit one message.
    //= https://www.rfc-editor.org/rfc/rfc5354#section-3.12.2
    //# If a message contains multiple unrecognized parameters,
    //# multiple error causes are used.
    pub fn unrecognized(&self) -> Option<OperationError> {
        let mut room = LARGEST_QUOTE;
        let causes: SmallVec<[ErrorCause; 1]> = self
            .report
            .iter()
            .map_while(|parameter| {
                room = room.checked_sub(parameter.len() + CAUSE_AND_PADDING)?;
                Some(ErrorCause::UnrecognizedParameter(parameter.clone()))
            })
            .collect();
        (!causes.is_empty()).then_some(OperationError(causes))
    }
}

/// Why bytes are not a message. The offending bytes share the memory they were received in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Message Length is below 4, or is not that of the bytes received.
    #[error("Message Length does not fit the {} bytes received", message.len())]
    MessageLength {
        /// All bytes received.
        message: Bytes,
    },
    /// The message type is unknown and its bits do not ask for a report.
    #[error("unknown message type {:#04x}, to be discarded", message_type(message))]
    DiscardMessage {
        /// The complete message.
        message: Bytes,
    },
    /// The message type is unknown and its bits are 01.
    #[error("unknown message type {:#04x}, to be reported", message_type(message))]
    UnrecognizedMessage {
        /// The complete message.
        message: Bytes,
    },
    /// A parameter is unknown and its bits are 00.
    #[error("unknown parameter {:#06x}, message to be discarded", parameter_type(parameter))]
    DiscardParameter {
        /// Type, length and value.
        parameter: Bytes,
    },
    /// A parameter is unknown and its bits are 01.
    #[error("unknown parameter {:#06x}, message to be discarded and reported", parameter_type(parameter))]
    UnrecognizedParameter {
        /// Type, length and value.
        parameter: Bytes,
    },
    /// A parameter or fixed field is broken, misplaced or repeated.
    #[error("{reason} ({:#06x}, {} bytes)", parameter_type(offending), offending.len())]
    InvalidValues {
        /// What is wrong.
        reason: &'static str,
        /// The innermost parameter with sound framing around it, or the message.
        offending: Bytes,
    },
    /// A mandatory parameter is not there.
    #[error("{what} is missing")]
    Missing {
        /// Its name in the RFC.
        what: &'static str,
        /// The parameter or message that should contain it.
        enclosing: Bytes,
    },
    /// Something is wrong in an error message. It is not answered: two ends would answer each other for ever.
    #[error("in an error message: {0}")]
    InErrorMessage(Box<DecodeError>),
}

impl DecodeError {
    /// The cause to report to the sender, RFC 5354 §3.12; `None` = discard silently. What is too long to be quoted in a message
    /// becomes an Unspecified Error.
    pub fn cause(&self) -> Option<ErrorCause> {
        let quoted = |cause: fn(Bytes) -> ErrorCause, bytes: &Bytes| match bytes.len() {
            0..=LARGEST_QUOTE => cause(bytes.clone()),
            _ => ErrorCause::Unspecified,
        };
        match self {
            DecodeError::DiscardMessage { .. }
            | DecodeError::DiscardParameter { .. }
            | DecodeError::InErrorMessage(_) => None,
            DecodeError::MessageLength { .. } => Some(ErrorCause::Unspecified),
            DecodeError::UnrecognizedMessage { message } => Some(quoted(ErrorCause::UnrecognizedMessage, message)),
            DecodeError::UnrecognizedParameter { parameter } => {
                Some(quoted(ErrorCause::UnrecognizedParameter, parameter))
            }
            DecodeError::InvalidValues { offending: bytes, .. } | DecodeError::Missing { enclosing: bytes, .. } => {
                Some(quoted(ErrorCause::InvalidValues, bytes))
            }
        }
    }
}

fn message_type(message: &Bytes) -> u8 {
    message.first().copied().unwrap_or_default()
}

fn parameter_type(parameter: &Bytes) -> u16 {
    parameter.first_chunk().copied().map(u16::from_be_bytes).unwrap_or_default()
}

/// What an error message can quote: 65,535 bytes less the headers of the message, both server identifiers of ENRP, the
/// Operation Error, the cause, and padding.
const LARGEST_QUOTE: usize = 65_535 - 4 - 8 - 4 - CAUSE_AND_PADDING;

/// Cause Code, Cause Length, and padding at its largest.
const CAUSE_AND_PADDING: usize = 4 + 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_has_the_cause_the_rfc_names() {
        let bytes = Bytes::from_static(b"\x40\x99\0\x04");
        let quote = || bytes.clone();
        assert_eq!(DecodeError::DiscardMessage { message: quote() }.cause(), None);
        assert_eq!(DecodeError::DiscardParameter { parameter: quote() }.cause(), None);
        assert_eq!(
            DecodeError::UnrecognizedMessage { message: quote() }.cause(),
            Some(ErrorCause::UnrecognizedMessage(quote()))
        );
        let unrecognized = DecodeError::UnrecognizedParameter { parameter: quote() };
        assert_eq!(unrecognized.cause(), Some(ErrorCause::UnrecognizedParameter(quote())));
        assert_eq!(DecodeError::InErrorMessage(Box::new(unrecognized)).cause(), None);
        assert_eq!(
            DecodeError::Missing { what: "Cookie", enclosing: quote() }.cause(),
            Some(ErrorCause::InvalidValues(quote()))
        );
        assert_eq!(DecodeError::MessageLength { message: quote() }.cause(), Some(ErrorCause::Unspecified));
    }

    #[test]
    fn a_report_holds_no_more_than_one_message_carries() {
        let long = Bytes::from(vec![0xc0; 40_000]);
        let decoded = Decoded { message: (), report: SmallVec::from_vec(vec![long.clone(), long]) };
        assert_eq!(decoded.unrecognized().map(|error| error.0.len()), Some(1));
        assert_eq!(
            DecodeError::UnrecognizedMessage { message: vec![0x40; 65_535].into() }.cause(),
            Some(ErrorCause::Unspecified)
        );
    }
}
