// SPDX-License-Identifier: MIT OR Apache-2.0
//! ASAP_HANDLE_RESOLUTION_RESPONSE, RFC 5352 §2.2.6.

use std::fmt;

use super::message_type;
use crate::codec::{EncodeError, Encoder, MessageBody, Reader, once};
use crate::parameter::parameter_type::{OPERATION_ERROR, POLICY, POOL_ELEMENT, POOL_HANDLE};
use crate::parameter::{OperationError, Policy, PoolElement, UnknownParameter};
use crate::{DecodeError, PoolHandle};

/// ASAP_HANDLE_RESOLUTION_RESPONSE, [RFC 5352 §2.2.6](https://www.rfc-editor.org/rfc/rfc5352#section-2.2.6): the
/// members of a pool, as an answer or as an update.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |   Type = 0x06 |0|0|0|0|0|0|0|A|        Message Length         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// :                     Pool Handle Parameter                     :
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// :             Overall PE Selection Policy (optional)            :
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// :            Pool Element Parameter 1 to N (optional)           :
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// :                  Operational Error (optional)                 :
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandleResolutionResponse {
    /// A: updates will be sent.
    pub accept_updates: bool,
    /// Pool Handle.
    pub pool_handle: PoolHandle,
    /// Overall PE selection policy; absent = Round Robin.
    pub policy: Option<Policy>,
    /// Pool Elements, the first choice first.
    pub pool_elements: Vec<PoolElement>,
    /// Present = the resolution failed.
    pub error: Option<OperationError>,
    /// What this version does not know.
    pub unknown: Vec<UnknownParameter>,
}

impl MessageBody for HandleResolutionResponse {
    const TYPE: u8 = message_type::HANDLE_RESOLUTION_RESPONSE;

    fn decode(flags: u8, mut reader: Reader<'_, '_>) -> Result<Self, DecodeError> {
        let (mut pool_handle, mut policy, mut error) = (None, None, None);
        let mut pool_elements = Vec::new();
        while let Some(parameter) = reader.next()? {
            match parameter.parameter_type {
                POOL_HANDLE => once(&mut pool_handle, PoolHandle::decode(&parameter)?, &parameter)?,
                POLICY => once(&mut policy, Policy::decode(&parameter)?, &parameter)?,
                POOL_ELEMENT => pool_elements.push(PoolElement::decode(&parameter, reader.report())?),
                OPERATION_ERROR => once(&mut error, OperationError::decode(&parameter)?, &parameter)?,
                _ => reader.other(parameter)?,
            }
        }
        let pool_handle = reader.required(pool_handle, "Pool Handle")?;
        let accept_updates = flags & ACCEPT_UPDATES != 0;
        Ok(HandleResolutionResponse {
            accept_updates,
            pool_handle,
            policy,
            pool_elements,
            error,
            unknown: reader.unknown,
        })
    }

    fn encode_value(&self, out: &mut Encoder<'_>) -> Result<(), EncodeError> {
        self.pool_handle.encode(out)?;
        if let Some(policy) = &self.policy {
            policy.encode(out)?;
        }
        self.pool_elements.iter().try_for_each(|element| element.encode(out))?;
        if let Some(error) = &self.error {
            error.encode(out)?;
        }
        UnknownParameter::encode_all(&self.unknown, out)
    }

    fn flags(&self) -> u8 {
        if self.accept_updates { ACCEPT_UPDATES } else { 0 }
    }
}

impl HandleResolutionResponse {
    /// The pool's policy, with the default the RFC gives.
    //= https://www.rfc-editor.org/rfc/rfc5352#section-2.2.6
    //# If not present, a Round-Robin overall pool member selection
    //# policy is assumed.
    pub fn pool_policy(&self) -> &Policy {
        self.policy.as_ref().unwrap_or(&Policy::RoundRobin)
    }

    /// Message Flags of a response that is put together from encoded parameters, see [`Encoder::message`].
    pub const fn flags_for(accept_updates: bool) -> u8 {
        if accept_updates { ACCEPT_UPDATES } else { 0 }
    }
}

impl fmt::Display for HandleResolutionResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.error {
            Some(error) => write!(f, "for {}: {error}", self.pool_handle)?,
            None => {
                write!(f, "for {}: {}", self.pool_handle, self.pool_policy())?;
                self.pool_elements.iter().try_for_each(|element| write!(f, "; {element}"))?;
            }
        }
        f.write_str(if self.accept_updates { "; updates will follow" } else { "" })
    }
}

/// A
const ACCEPT_UPDATES: u8 = 0x01;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameter::ErrorCause;
    use crate::testing::{asap_fails, asap_from, asap_round_trip, echo_element};

    fn of_nobody() -> HandleResolutionResponse {
        HandleResolutionResponse {
            accept_updates: false,
            pool_handle: PoolHandle::from("EchoPool"),
            policy: None,
            pool_elements: Vec::new(),
            error: None,
            unknown: Vec::new(),
        }
    }

    #[test]
    fn both_answers_are_read_from_rsplibs_bytes() {
        let mut element = echo_element();
        element.home = crate::ServerId(0x1111_1111);
        let response =
            HandleResolutionResponse { policy: Some(Policy::RoundRobin), pool_elements: vec![element], ..of_nobody() };
        asap_from(
            "0600 0040 0009 000c 4563686f506f6f6c 0008 0008 00000001 000a 0028 aaaa0001 11111111 00002ee0
             0004 0010 1b5f 0001 0001 0008 c0000202 0008 0008 00000001",
            response,
        );
        let error = Some(ErrorCause::UnknownPoolHandle.into());
        asap_from(
            "0600 0018 0009 000c 4563686f506f6f6c 000c 0008 0009 0004",
            HandleResolutionResponse { error, ..of_nobody() },
        );
    }

    #[test]
    fn it_goes_round_with_unknown_parameters() {
        let unknown = vec![UnknownParameter { parameter_type: 0x8099, value: (&b"new"[..]).into() }];
        let mut first = echo_element();
        first.policy = Policy::Other { policy_type: 9, data: (&b"x"[..]).into() };
        let pool_elements = vec![first, echo_element()];
        asap_round_trip(HandleResolutionResponse { accept_updates: true, pool_elements, unknown, ..of_nobody() });
    }

    //= https://www.rfc-editor.org/rfc/rfc5352#section-2.2.6
    //= type=test
    //# If not present, a Round-Robin overall pool member selection
    //# policy is assumed.
    #[test]
    fn without_a_policy_it_is_round_robin() {
        assert_eq!(of_nobody().pool_policy(), &Policy::RoundRobin);
    }

    #[test]
    fn policy_and_error_stand_once() {
        asap_fails("0600 001c 0009 0005 61 000000 0008 0008 00000001 0008 0008 00000001");
        asap_fails("0600 001c 0009 0005 61 000000 000c 0008 0009 0004 000c 0008 0009 0004");
        asap_fails("0600 000c 0008 0008 00000001");
    }
}
