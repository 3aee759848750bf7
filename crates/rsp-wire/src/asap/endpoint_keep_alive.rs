// SPDX-License-Identifier: MIT OR Apache-2.0
//! ASAP_ENDPOINT_KEEP_ALIVE, RFC 5352 §2.2.7.

use std::fmt;

use super::message_type;
use crate::codec::{EncodeError, Encoder, MessageBody, Reader, once};
use crate::parameter::parameter_type::{PE_IDENTIFIER, POOL_HANDLE};
use crate::parameter::{UnknownParameter, pe_identifier};
use crate::{DecodeError, PeId, PoolHandle, ServerId};

/// ASAP_ENDPOINT_KEEP_ALIVE, [RFC 5352 §2.2.7](https://www.rfc-editor.org/rfc/rfc5352#section-2.2.7): is this PE alive?
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |   Type = 0x07 |0|0|0|0|0|0|0|H|        Message Length         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                       Server Identifier                       |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// :                     Pool Handle Parameter                     :
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// :             PE Identifier Parameter (RSPLIB, ours)            :
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointKeepAlive {
    /// H: the sender wants to be the receiver's home registrar.
    pub home: bool,
    /// Server Identifier of the sender.
    pub server_id: ServerId,
    /// Pool Handle.
    pub pool_handle: PoolHandle,
    /// RSPLIB's extension, ours too: which PE is meant.
    pub pe_id: Option<PeId>,
    /// What this version does not know.
    pub unknown: Vec<UnknownParameter>,
}

impl MessageBody for EndpointKeepAlive {
    const TYPE: u8 = message_type::ENDPOINT_KEEP_ALIVE;

    fn decode(flags: u8, mut reader: Reader<'_, '_>) -> Result<Self, DecodeError> {
        let server_id = ServerId(reader.u32()?);
        let (mut pool_handle, mut pe_id) = (None, None);
        while let Some(parameter) = reader.next()? {
            match parameter.parameter_type {
                POOL_HANDLE => once(&mut pool_handle, PoolHandle::decode(&parameter)?, &parameter)?,
                PE_IDENTIFIER => once(&mut pe_id, pe_identifier::decode(&parameter)?, &parameter)?,
                _ => reader.other(parameter)?,
            }
        }
        let pool_handle = reader.required(pool_handle, "Pool Handle")?;
        Ok(EndpointKeepAlive { home: flags & HOME != 0, server_id, pool_handle, pe_id, unknown: reader.unknown })
    }

    fn encode_value(&self, out: &mut Encoder<'_>) -> Result<(), EncodeError> {
        out.u32(self.server_id.0);
        self.pool_handle.encode(out)?;
        if let Some(pe_id) = self.pe_id {
            pe_identifier::encode(pe_id, out)?;
        }
        UnknownParameter::encode_all(&self.unknown, out)
    }

    fn flags(&self) -> u8 {
        if self.home { HOME } else { 0 }
    }
}

impl fmt::Display for EndpointKeepAlive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "from registrar {} to {}", self.server_id, self.pool_handle)?;
        if let Some(pe_id) = self.pe_id {
            write!(f, " PE {pe_id}")?;
        }
        f.write_str(if self.home { ", new home" } else { "" })
    }
}

/// H
const HOME: u8 = 0x01;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{asap_fails, asap_from, asap_round_trip};

    #[test]
    fn it_is_read_with_and_without_rsplibs_extension() {
        let pool_handle = PoolHandle::from("EchoPool");
        let (server_id, pe_id) = (ServerId(0x2222_2222), Some(PeId(0xaaaa_0001)));
        let message = EndpointKeepAlive { home: true, server_id, pool_handle, pe_id, unknown: Vec::new() };
        asap_from("0701 001c 22222222 0009 000c 4563686f506f6f6c 000e 0008 aaaa0001", message.clone());
        let by_the_rfc = EndpointKeepAlive { home: false, pe_id: None, ..message };
        asap_from("0700 0014 22222222 0009 000c 4563686f506f6f6c", by_the_rfc);
    }

    #[test]
    fn it_goes_round_with_unknown_parameters() {
        let unknown = vec![UnknownParameter { parameter_type: 0x8099, value: (&b"new"[..]).into() }];
        let (server_id, pool_handle) = (ServerId(1), PoolHandle::from("p"));
        asap_round_trip(EndpointKeepAlive { home: false, server_id, pool_handle, pe_id: None, unknown });
    }

    #[test]
    fn server_identifier_and_handle_must_be_there() {
        asap_fails("0700 0004");
        asap_fails("0700 0007 222222");
        asap_fails("0700 0008 22222222");
    }
}
