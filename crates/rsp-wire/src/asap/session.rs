// SPDX-License-Identifier: MIT OR Apache-2.0
//! ASAP_SESSION, `docs/session-wire.md` §2.

use std::fmt;

use smallvec::SmallVec;

use super::message_type;
use crate::DecodeError;
use crate::codec::{EncodeError, Encoder, MessageBody, Reader};
use crate::parameter::UnknownParameter;
use crate::session::SessionParameter;

/// ASAP_SESSION, `docs/session-wire.md` §1 and §2: what a pool user and a pool element of ours say to each other.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |   Type = 0x3f |0|0|0|0|0|0|0|0|        Message Length         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// :            Parameters 0xbf01 to 0xbf07, one or more           :
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Parameters, to be handled in the order they stand.
    pub parameters: SmallVec<[SessionParameter; 1]>,
    /// What this version does not know.
    pub unknown: Vec<UnknownParameter>,
}

impl MessageBody for Session {
    const TYPE: u8 = message_type::SESSION;

    fn decode(_flags: u8, mut reader: Reader<'_, '_>) -> Result<Self, DecodeError> {
        let mut parameters = SmallVec::new();
        while let Some(parameter) = reader.next()? {
            match SessionParameter::decode(&parameter)? {
                Some(known) => parameters.push(known),
                None => reader.other(parameter)?,
            }
        }
        Ok(Session { parameters, unknown: reader.unknown })
    }

    fn encode_value(&self, out: &mut Encoder<'_>) -> Result<(), EncodeError> {
        self.parameters.iter().try_for_each(|parameter| parameter.encode(out))?;
        UnknownParameter::encode_all(&self.unknown, out)
    }
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, parameter) in self.parameters.iter().enumerate() {
            write!(f, "{}{parameter}", if i == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smallvec::smallvec;

    use crate::session::ByeReason;
    use crate::testing::{asap_fails, asap_from, asap_round_trip};

    #[test]
    fn parameters_are_read_in_their_order() {
        let parameters = smallvec![
            SessionParameter::Ack(smallvec![1, 2]),
            SessionParameter::Taken { bytes: 0x0102_0304_0506 },
            SessionParameter::Bye(ByeReason::Drained),
        ];
        asap_from(
            "3f00 002c bf02 0014 0000000000000001 0000000000000002 bf07 000c 0000010203040506 bf06 0008 0001 0000",
            Session { parameters, unknown: Vec::new() },
        );
    }

    #[test]
    fn it_goes_round_with_unknown_parameters() {
        let unknown = vec![UnknownParameter { parameter_type: 0xbf08, value: (&b"new"[..]).into() }];
        asap_round_trip(Session { parameters: smallvec![SessionParameter::HeartbeatAck(7)], unknown });
    }

    #[test]
    fn other_parameters_do_not_belong_there() {
        asap_fails("3f00 000c 000d 0008 00000001");
        asap_fails("3f00 0008 0099 0004");
    }
}
