// SPDX-License-Identifier: MIT OR Apache-2.0
//! Cookie parameter 0xd, RFC 5354 §3.13: an arbitrary byte string.
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |            Type = 0xd         |       Length=variable         |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! :                             Cookie                            :
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use bytes::Bytes;

use super::UnknownParameter;
use super::parameter_type::COOKIE;
use crate::DecodeError;
use crate::codec::{EncodeError, Encoder, Parameter, Reader, once};

fn decode(parameter: &Parameter<'_>) -> Bytes {
    parameter.value.to_bytes()
}

pub(crate) fn encode(cookie: &[u8], out: &mut Encoder<'_>) -> Result<(), EncodeError> {
    out.parameter(COOKIE, |out| {
        out.bytes(cookie);
        Ok(())
    })
}

/// Reads a message that is nothing but a cookie.
pub(crate) fn decode_message(mut reader: Reader<'_, '_>) -> Result<(Bytes, Vec<UnknownParameter>), DecodeError> {
    let mut cookie = None;
    while let Some(parameter) = reader.next()? {
        match parameter.parameter_type {
            COOKIE => once(&mut cookie, decode(&parameter), &parameter)?,
            _ => reader.other(parameter)?,
        }
    }
    Ok((reader.required(cookie, "Cookie")?, reader.unknown))
}
