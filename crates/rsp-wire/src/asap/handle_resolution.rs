// SPDX-License-Identifier: MIT OR Apache-2.0
//! ASAP_HANDLE_RESOLUTION, RFC 5352 §2.2.5.

use std::fmt;

use super::message_type;
use crate::codec::{EncodeError, Encoder, MessageBody, Reader, once};
use crate::parameter::parameter_type::{self, POOL_HANDLE};
use crate::parameter::{UnknownParameter, handle_resolution};
use crate::{DecodeError, PoolHandle};

/// ASAP_HANDLE_RESOLUTION, [RFC 5352 §2.2.5](https://www.rfc-editor.org/rfc/rfc5352#section-2.2.5): who is in a pool, with the
/// option of draft-dreibholz-rserpool-asap-hropt.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |   Type = 0x05 |0|0|0|0|0|0|0|S|        Message Length         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// :                     Pool Handle Parameter                     :
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// :              Handle Resolution option (optional)              :
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandleResolution {
    /// S: send updates while the association lives.
    pub subscribe: bool,
    /// Pool Handle.
    pub pool_handle: PoolHandle,
    /// 0x803f: how many items; 0 = the registrar's default, 0xffffffff = as many as possible.
    pub items: Option<u32>,
    /// What this version does not know.
    pub unknown: Vec<UnknownParameter>,
}

impl MessageBody for HandleResolution {
    const TYPE: u8 = message_type::HANDLE_RESOLUTION;

    fn decode(flags: u8, mut reader: Reader<'_, '_>) -> Result<Self, DecodeError> {
        let (mut pool_handle, mut items) = (None, None);
        while let Some(parameter) = reader.next()? {
            match parameter.parameter_type {
                POOL_HANDLE => once(&mut pool_handle, PoolHandle::decode(&parameter)?, &parameter)?,
                parameter_type::HANDLE_RESOLUTION => {
                    once(&mut items, handle_resolution::decode(&parameter)?, &parameter)?;
                }
                _ => reader.other(parameter)?,
            }
        }
        let pool_handle = reader.required(pool_handle, "Pool Handle")?;
        Ok(HandleResolution { subscribe: flags & SUBSCRIBE != 0, pool_handle, items, unknown: reader.unknown })
    }

    fn encode_value(&self, out: &mut Encoder<'_>) -> Result<(), EncodeError> {
        self.pool_handle.encode(out)?;
        if let Some(items) = self.items {
            handle_resolution::encode(items, out)?;
        }
        UnknownParameter::encode_all(&self.unknown, out)
    }

    fn flags(&self) -> u8 {
        if self.subscribe { SUBSCRIBE } else { 0 }
    }
}

/// A request as it nearly always comes: no subscription, nothing unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsualResolution<'a> {
    /// Pool Handle.
    pub pool_handle: &'a [u8],
    /// As in [`HandleResolution`].
    pub items: Option<u32>,
}

impl<'a> UsualResolution<'a> {
    /// Reads the one message in `bytes` where it lies, if it is such a request. For any other, and whenever in doubt, `None`: then
    /// [`Message::decode`](super::Message::decode) says what it is.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let [message_type, flags, length @ ..] = *bytes.first_chunk::<4>()?;
        let length = usize::from(u16::from_be_bytes(length));
        if message_type != message_type::HANDLE_RESOLUTION || flags & SUBSCRIBE != 0 || length != bytes.len() {
            return None;
        }
        let (pool_handle, option) = parameter(&bytes[4..], POOL_HANDLE)?;
        if option.is_empty() {
            return Some(UsualResolution { pool_handle, items: None });
        }
        let (items, rest) = parameter(option, parameter_type::HANDLE_RESOLUTION)?;
        let items = u32::from_be_bytes(items.try_into().ok()?);
        rest.is_empty().then_some(UsualResolution { pool_handle, items: Some(items) })
    }
}

/// The value of the parameter `bytes` begins with, if it is of this type and not empty, and what follows its padding.
fn parameter(bytes: &[u8], parameter_type: u16) -> Option<(&[u8], &[u8])> {
    let [t1, t0, l1, l0] = *bytes.first_chunk::<4>()?;
    let length = usize::from(u16::from_be_bytes([l1, l0]));
    let value = bytes.get(4..length).filter(|value| !value.is_empty())?;
    (u16::from_be_bytes([t1, t0]) == parameter_type).then_some((value, bytes.get(length.next_multiple_of(4)..)?))
}

impl HandleResolution {
    /// Items of option 0x803f: as many as possible.
    pub const ALL_ITEMS: u32 = 0xffff_ffff;
}

impl fmt::Display for HandleResolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "of {}", self.pool_handle)?;
        if let Some(items) = self.items {
            write!(f, ", {items:#x} items")?;
        }
        f.write_str(if self.subscribe { ", with updates" } else { "" })
    }
}

/// S
const SUBSCRIBE: u8 = 0x01;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{asap_fails, asap_from, asap_round_trip};

    #[test]
    fn it_is_read_from_rsplibs_bytes() {
        let pool_handle = PoolHandle::from("NoSuchPool");
        let message = HandleResolution { subscribe: false, pool_handle, items: Some(1), unknown: Vec::new() };
        asap_from("0500 001c 0009 000e 4e6f53756368506f6f6c 0000 803f 0008 00000001", message);
    }

    #[test]
    fn it_goes_round_with_unknown_parameters() {
        let unknown = vec![UnknownParameter { parameter_type: 0x8099, value: (&b"new"[..]).into() }];
        asap_round_trip(HandleResolution { subscribe: true, pool_handle: PoolHandle::from("p"), items: None, unknown });
    }

    #[test]
    fn there_is_one_handle_and_at_most_one_option() {
        asap_fails("0500 000c 803f 0008 00000001");
        asap_fails("0500 001c 0009 0005 61 000000 803f 0008 00000001 803f 0008 00000001");
        asap_fails("0500 0018 0009 0005 61 000000 803f 000c 00000001 00000000");
    }
}
