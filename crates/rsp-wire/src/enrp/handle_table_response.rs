// SPDX-License-Identifier: MIT OR Apache-2.0
//! ENRP_HANDLE_TABLE_RESPONSE, RFC 5353 §2.3.

use std::fmt;

use super::{BodyCodec, message_type};
use smallvec::SmallVec;

use crate::codec::{EncodeError, Encoder, Reader};
use crate::parameter::PoolElement;
use crate::parameter::parameter_type::{POOL_ELEMENT, POOL_HANDLE};
use crate::{DecodeError, PoolHandle};

/// ENRP_HANDLE_TABLE_RESPONSE, [RFC 5353 §2.3](https://www.rfc-editor.org/rfc/rfc5353#section-2.3): a part of a handlespace. The
/// order of its entries, and handles that come twice, survive.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |   Type = 0x03 |0|0|0|0|0|0|M|R|        Message Length         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                      Sending Server's ID                      |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                     Receiving Server's ID                     |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// :                 Pool Entry #1 to #n (optional)                :
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandleTableResponse {
    /// R: the request is rejected.
    pub reject: bool,
    /// M: more to send.
    pub more_to_send: bool,
    /// Pool entries in order.
    pub entries: Vec<PoolEntry>,
}

impl BodyCodec for HandleTableResponse {
    const TYPE: u8 = message_type::HANDLE_TABLE_RESPONSE;

    fn decode(flags: u8, reader: &mut Reader<'_, '_>) -> Result<Self, DecodeError> {
        let mut entries: Vec<PoolEntry> = Vec::new();
        while let Some(parameter) = reader.next()? {
            match parameter.parameter_type {
                POOL_HANDLE => entries
                    .push(PoolEntry { pool_handle: PoolHandle::decode(&parameter)?, pool_elements: SmallVec::new() }),
                POOL_ELEMENT => {
                    let element = PoolElement::decode(&parameter, reader.report())?;
                    let entry =
                        entries.last_mut().ok_or_else(|| parameter.invalid("pool element before any handle"))?;
                    entry.pool_elements.push(element);
                }
                _ => reader.other(parameter)?,
            }
        }
        Ok(HandleTableResponse { reject: flags & REJECT != 0, more_to_send: flags & MORE_TO_SEND != 0, entries })
    }

    fn encode_value(&self, out: &mut Encoder<'_>) -> Result<(), EncodeError> {
        self.entries.iter().try_for_each(|entry| {
            entry.pool_handle.encode(out)?;
            entry.pool_elements.iter().try_for_each(|element| element.encode(out))
        })
    }

    fn flags(&self) -> u8 {
        let reject = if self.reject { REJECT } else { 0 };
        let more_to_send = if self.more_to_send { MORE_TO_SEND } else { 0 };
        reject | more_to_send
    }
}

impl fmt::Display for HandleTableResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.reject { "rejected" } else { "with" })?;
        for entry in &self.entries {
            write!(f, " {} [{}]", entry.pool_handle, entry.pool_elements.len())?;
        }
        f.write_str(if self.more_to_send { ", more to send" } else { "" })
    }
}

/// Pool Entry of ENRP_HANDLE_TABLE_RESPONSE: a handle and the PEs that follow it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolEntry {
    /// Pool Handle.
    pub pool_handle: PoolHandle,
    /// At least one by the RFC; an entry without any is read all the same.
    pub pool_elements: SmallVec<[PoolElement; 1]>,
}

/// R
const REJECT: u8 = 0x01;
/// M
const MORE_TO_SEND: u8 = 0x02;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{echo_element, enrp_fails, enrp_from, enrp_round_trip};

    const ELEMENT: &str =
        "000a 0028 aaaa0001 00000000 00002ee0 0004 0010 1b5f 0001 0001 0008 c0000202 0008 0008 00000001";

    fn entry(handle: &str, elements: usize) -> PoolEntry {
        let pool_elements = std::iter::repeat_with(echo_element).take(elements).collect();
        PoolEntry { pool_handle: PoolHandle::from(handle), pool_elements }
    }

    #[test]
    fn entries_are_read_in_their_order_even_if_a_handle_comes_twice() {
        let entries = vec![entry("b", 2), entry("a", 1), entry("b", 1)];
        let bytes = format!(
            "0302 00c4 11111111 22222222 0009 0005 62 000000 {ELEMENT} {ELEMENT}
             0009 0005 61 000000 {ELEMENT} 0009 0005 62 000000 {ELEMENT}"
        );
        enrp_from(&bytes, 0x2222_2222, HandleTableResponse { reject: false, more_to_send: true, entries });
    }

    #[test]
    fn it_goes_round() {
        enrp_round_trip(HandleTableResponse { reject: true, more_to_send: false, entries: Vec::new() });
        enrp_round_trip(HandleTableResponse { reject: false, more_to_send: false, entries: vec![entry("pool", 3)] });
    }

    #[test]
    fn an_element_without_a_handle_is_refused() {
        enrp_fails(&format!("0300 0034 11111111 22222222 {ELEMENT}"));
    }
}
