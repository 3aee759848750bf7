// SPDX-License-Identifier: MIT OR Apache-2.0
//! Parameters this version does not know.

use std::fmt;

use bytes::Bytes;

use crate::codec::{EncodeError, Encoder};

/// A parameter this version does not know. It survives decoding and is encoded again after the known ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownParameter {
    /// Parameter Type; its two highest bits say what a receiver does that does not know it.
    pub parameter_type: u16,
    /// Parameter Value without padding.
    pub value: Bytes,
}

impl UnknownParameter {
    /// Appends all of these.
    pub(crate) fn encode_all(unknown: &[UnknownParameter], out: &mut Encoder<'_>) -> Result<(), EncodeError> {
        unknown.iter().try_for_each(|u| {
            out.parameter(u.parameter_type, |out| {
                out.bytes(&u.value);
                Ok(())
            })
        })
    }
}

impl fmt::Display for UnknownParameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown parameter {:#06x} of {} bytes", self.parameter_type, self.value.len())
    }
}
