// SPDX-License-Identifier: MIT OR Apache-2.0
//! Handle Resolution option 0x803f, draft-dreibholz-rserpool-asap-hropt §2.
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |        Type = 0x803f         |            Length=8            |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                             Items                             |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use super::parameter_type::HANDLE_RESOLUTION;
use crate::DecodeError;
use crate::codec::{EncodeError, Encoder, Parameter};

pub(crate) fn decode(parameter: &Parameter<'_>) -> Result<u32, DecodeError> {
    let mut value = parameter.value;
    let items = value.u32().filter(|_| value.is_empty());
    items.ok_or_else(|| parameter.invalid("wrong length of a Handle Resolution option"))
}

pub(crate) fn encode(items: u32, out: &mut Encoder<'_>) -> Result<(), EncodeError> {
    out.parameter(HANDLE_RESOLUTION, |out| {
        out.u32(items);
        Ok(())
    })
}
