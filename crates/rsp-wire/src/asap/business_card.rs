// SPDX-License-Identifier: MIT OR Apache-2.0
//! ASAP_BUSINESS_CARD, RFC 5352 §2.2.13.

use std::fmt;

use super::message_type;
use crate::codec::{EncodeError, Encoder, MessageBody, Reader, once};
use crate::parameter::parameter_type::{POOL_ELEMENT, POOL_HANDLE};
use crate::parameter::{PoolElement, UnknownParameter};
use crate::{DecodeError, PoolHandle};

/// ASAP_BUSINESS_CARD, [RFC 5352 §2.2.13](https://www.rfc-editor.org/rfc/rfc5352#section-2.2.13): the pool of a peer and in
/// which order to fail over to its elements.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |   Type = 0x0d |0|0|0|0|0|0|0|0|        Message Length         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// :                     Pool Handle Parameter                     :
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// :                 Pool Element Parameter-1 to -N                :
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusinessCard {
    /// Pool Handle.
    pub pool_handle: PoolHandle,
    /// Preferred failover order.
    pub pool_elements: Vec<PoolElement>,
    /// What this version does not know.
    pub unknown: Vec<UnknownParameter>,
}

impl MessageBody for BusinessCard {
    const TYPE: u8 = message_type::BUSINESS_CARD;

    fn decode(_flags: u8, mut reader: Reader<'_, '_>) -> Result<Self, DecodeError> {
        let mut pool_handle = None;
        let mut pool_elements = Vec::new();
        while let Some(parameter) = reader.next()? {
            match parameter.parameter_type {
                POOL_HANDLE => once(&mut pool_handle, PoolHandle::decode(&parameter)?, &parameter)?,
                POOL_ELEMENT => pool_elements.push(PoolElement::decode(&parameter, reader.report())?),
                _ => reader.other(parameter)?,
            }
        }
        let pool_handle = reader.required(pool_handle, "Pool Handle")?;
        Ok(BusinessCard { pool_handle, pool_elements, unknown: reader.unknown })
    }

    fn encode_value(&self, out: &mut Encoder<'_>) -> Result<(), EncodeError> {
        self.pool_handle.encode(out)?;
        self.pool_elements.iter().try_for_each(|element| element.encode(out))?;
        UnknownParameter::encode_all(&self.unknown, out)
    }
}

impl fmt::Display for BusinessCard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "of {}", self.pool_handle)?;
        self.pool_elements.iter().try_for_each(|element| write!(f, "; {element}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{asap_fails, asap_from, asap_round_trip, echo_element};

    const ELEMENT: &str =
        "000a 0028 aaaa0001 00000000 00002ee0 0004 0010 1b5f 0001 0001 0008 c0000202 0008 0008 00000001";

    #[test]
    fn it_is_read_from_the_bytes_of_the_rfcs_figure() {
        let pool_elements = vec![echo_element(), echo_element()];
        let message = BusinessCard { pool_handle: PoolHandle::from("EchoPool"), pool_elements, unknown: Vec::new() };
        asap_from(&format!("0d00 0060 0009 000c 4563686f506f6f6c {ELEMENT} {ELEMENT}"), message);
    }

    #[test]
    fn it_goes_round_with_unknown_parameters() {
        let unknown = vec![UnknownParameter { parameter_type: 0x8099, value: (&b"new"[..]).into() }];
        asap_round_trip(BusinessCard { pool_handle: PoolHandle::from("p"), pool_elements: Vec::new(), unknown });
    }

    #[test]
    fn there_is_one_handle() {
        asap_fails(&format!("0d00 002c {ELEMENT}"));
        asap_fails("0d00 0014 0009 0005 61 000000 0009 0005 61 000000");
    }
}
