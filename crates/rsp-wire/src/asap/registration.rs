// SPDX-License-Identifier: MIT OR Apache-2.0
//! ASAP_REGISTRATION, RFC 5352 §2.2.1.

use std::fmt;

use super::message_type;
use crate::codec::{EncodeError, Encoder, MessageBody, Reader, once};
use crate::parameter::parameter_type::{POOL_ELEMENT, POOL_HANDLE};
use crate::parameter::{PoolElement, UnknownParameter};
use crate::{DecodeError, PoolHandle};

/// ASAP_REGISTRATION, [RFC 5352 §2.2.1](https://www.rfc-editor.org/rfc/rfc5352#section-2.2.1): a PE enters a pool, or renews
/// or changes its registration.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |   Type = 0x01 |0|0|0|0|0|0|0|0|        Message Length         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// :                     Pool Handle Parameter                     :
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// :                     Pool Element Parameter                    :
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Pool Handle.
    pub pool_handle: PoolHandle,
    /// Pool Element.
    pub pool_element: PoolElement,
    /// What this version does not know.
    pub unknown: Vec<UnknownParameter>,
}

impl MessageBody for Registration {
    const TYPE: u8 = message_type::REGISTRATION;

    fn decode(_flags: u8, mut reader: Reader<'_, '_>) -> Result<Self, DecodeError> {
        let (mut pool_handle, mut pool_element) = (None, None);
        while let Some(parameter) = reader.next()? {
            match parameter.parameter_type {
                POOL_HANDLE => once(&mut pool_handle, PoolHandle::decode(&parameter)?, &parameter)?,
                POOL_ELEMENT => {
                    once(&mut pool_element, PoolElement::decode(&parameter, reader.report())?, &parameter)?;
                }
                _ => reader.other(parameter)?,
            }
        }
        let pool_handle = reader.required(pool_handle, "Pool Handle")?;
        let pool_element = reader.required(pool_element, "Pool Element")?;
        Ok(Registration { pool_handle, pool_element, unknown: reader.unknown })
    }

    fn encode_value(&self, out: &mut Encoder<'_>) -> Result<(), EncodeError> {
        self.pool_handle.encode(out)?;
        self.pool_element.encode(out)?;
        UnknownParameter::encode_all(&self.unknown, out)
    }
}

impl fmt::Display for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "in {} of {}", self.pool_handle, self.pool_element)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{asap_fails, asap_from, asap_round_trip, echo_element};

    const ELEMENT: &str =
        "000a 0028 aaaa0001 00000000 00002ee0 0004 0010 1b5f 0001 0001 0008 c0000202 0008 0008 00000001";

    #[test]
    fn it_is_read_from_rsplibs_bytes() {
        let message = Registration {
            pool_handle: PoolHandle::from("EchoPool"),
            pool_element: echo_element(),
            unknown: Vec::new(),
        };
        asap_from(&format!("0100 0038 0009 000c 4563686f506f6f6c {ELEMENT}"), message);
    }

    #[test]
    fn it_goes_round_with_unknown_parameters() {
        let unknown = vec![UnknownParameter { parameter_type: 0x8099, value: (&b"new"[..]).into() }];
        let mut pool_element = echo_element();
        pool_element.unknown = unknown.clone();
        asap_round_trip(Registration { pool_handle: PoolHandle::from("p"), pool_element, unknown });
    }

    #[test]
    fn the_parameters_must_be_there_once_and_no_other() {
        asap_fails("0100 0008 0009 0004");
        asap_fails("0100 000c 0009 0005 61 000000");
        asap_fails(&format!("0100 002c {ELEMENT}"));
        asap_fails(&format!("0100 003c 0009 0005 61 000000 {ELEMENT} 000d 0008 00000001"));
        asap_fails(&format!("0100 003c 0009 0005 61 000000 {ELEMENT} 803f 0008 00000001"));
    }
}
