// SPDX-License-Identifier: MIT OR Apache-2.0
//! ENRP_HANDLE_UPDATE, RFC 5353 §2.4.

use std::fmt;

use super::{BodyCodec, message_type};
use crate::codec::{EncodeError, Encoder, Reader, once};
use crate::parameter::PoolElement;
use crate::parameter::parameter_type::{POOL_ELEMENT, POOL_HANDLE};
use crate::{DecodeError, PoolHandle};

/// ENRP_HANDLE_UPDATE, [RFC 5353 §2.4](https://www.rfc-editor.org/rfc/rfc5353#section-2.4): a PE has registered,
/// re-registered or gone. T is from draft-dreibholz-rserpool-enrp-takeover.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |   Type = 0x04 |0|0|0|0|0|0|0|T|        Message Length         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                      Sending Server's ID                      |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                     Receiving Server's ID                     |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |        Update Action          |        (reserved)             |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// :                     Pool Handle Parameter                     :
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// :                     Pool Element Parameter                    :
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandleUpdate {
    /// T: takeover suggested.
    pub takeover_suggested: bool,
    /// Update Action.
    pub action: UpdateAction,
    /// The pool.
    pub pool_handle: PoolHandle,
    /// The PE.
    pub pool_element: PoolElement,
}

impl BodyCodec for HandleUpdate {
    const TYPE: u8 = message_type::HANDLE_UPDATE;

    fn decode(flags: u8, reader: &mut Reader<'_, '_>) -> Result<Self, DecodeError> {
        let action = UpdateAction::from(reader.u16()?);
        let _reserved = reader.u16()?;
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
        Ok(HandleUpdate {
            takeover_suggested: flags & TAKEOVER_SUGGESTED != 0,
            action,
            pool_handle: reader.required(pool_handle, "Pool Handle")?,
            pool_element: reader.required(pool_element, "Pool Element")?,
        })
    }

    fn encode_value(&self, out: &mut Encoder<'_>) -> Result<(), EncodeError> {
        out.u16(self.action.number());
        out.u16(0);
        self.pool_handle.encode(out)?;
        self.pool_element.encode(out)
    }

    fn flags(&self) -> u8 {
        if self.takeover_suggested { TAKEOVER_SUGGESTED } else { 0 }
    }
}

impl fmt::Display for HandleUpdate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} in {}", self.action, self.pool_element, self.pool_handle)?;
        f.write_str(if self.takeover_suggested { ", takeover suggested" } else { "" })
    }
}

/// Update Action of ENRP_HANDLE_UPDATE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UpdateAction {
    /// 0x0000 ADD_PE
    AddPe,
    /// 0x0001 DEL_PE
    DelPe,
    /// Reserved by IETF.
    Other(u16),
}

impl UpdateAction {
    /// Its number on the wire.
    pub const fn number(self) -> u16 {
        match self {
            UpdateAction::AddPe => 0x0000,
            UpdateAction::DelPe => 0x0001,
            UpdateAction::Other(number) => number,
        }
    }
}

impl From<u16> for UpdateAction {
    fn from(number: u16) -> Self {
        match number {
            0x0000 => UpdateAction::AddPe,
            0x0001 => UpdateAction::DelPe,
            other => UpdateAction::Other(other),
        }
    }
}

impl fmt::Display for UpdateAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UpdateAction::AddPe => f.write_str("ADD_PE"),
            UpdateAction::DelPe => f.write_str("DEL_PE"),
            UpdateAction::Other(number) => write!(f, "action {number:#06x}"),
        }
    }
}

/// T
const TAKEOVER_SUGGESTED: u8 = 0x01;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ServerId;
    use crate::testing::{echo_element, enrp_fails, enrp_from, enrp_round_trip, transport};

    const ELEMENT: &str =
        "000a 0028 aaaa0001 00000000 00002ee0 0004 0010 1b5f 0001 0001 0008 c0000202 0008 0008 00000001";

    #[test]
    fn it_is_read_from_the_bytes_of_the_rfcs_figure() {
        let pool_element = echo_element();
        let pool_handle = PoolHandle::from("EchoPool");
        let message = HandleUpdate { takeover_suggested: true, action: UpdateAction::DelPe, pool_handle, pool_element };
        enrp_from(&format!("0401 0044 11111111 00000000 0001 0000 0009 000c 4563686f506f6f6c {ELEMENT}"), 0, message);
    }

    #[test]
    fn it_goes_round_with_an_asap_transport() {
        let mut pool_element = echo_element();
        pool_element.home = ServerId(7);
        pool_element.asap_transport = Some(transport());
        let action = UpdateAction::Other(0x0203);
        enrp_round_trip(HandleUpdate {
            takeover_suggested: false,
            action,
            pool_handle: PoolHandle::from("p"),
            pool_element,
        });
    }

    #[test]
    fn action_handle_and_element_must_be_there() {
        enrp_fails("0400 000c 11111111 00000000");
        enrp_fails("0400 0010 11111111 00000000 0000 0000");
        enrp_fails("0400 0018 11111111 00000000 0000 0000 0009 0005 61 000000");
        enrp_fails(&format!("0400 0038 11111111 00000000 0000 0000 {ELEMENT}"));
    }
}
