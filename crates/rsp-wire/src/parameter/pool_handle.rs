// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pool Handle parameter 0x9, RFC 5354 §3.9.
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |         Type = 0x9            |       Length=variable         |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! :                          Pool Handle                          :
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use bytes::Bytes;

use super::parameter_type::POOL_HANDLE;
use crate::codec::{EncodeError, Encoder, Parameter, to_tlv};
use crate::{DecodeError, PoolHandle};

impl PoolHandle {
    pub(crate) fn decode(parameter: &Parameter<'_>) -> Result<Self, DecodeError> {
        if parameter.value.is_empty() {
            return Err(parameter.invalid("pool handle of no bytes"));
        }
        Ok(PoolHandle::new(parameter.value.to_bytes()))
    }

    /// Appends it as a parameter.
    ///
    /// # Errors
    /// If it does not fit 16 bits of length.
    pub fn encode(&self, out: &mut Encoder<'_>) -> Result<(), EncodeError> {
        Self::encode_bytes(self.as_bytes(), out)
    }

    /// Appends a handle of these bytes as a parameter.
    ///
    /// # Errors
    /// As [`PoolHandle::encode`].
    pub fn encode_bytes(handle: &[u8], out: &mut Encoder<'_>) -> Result<(), EncodeError> {
        out.parameter(POOL_HANDLE, |out| {
            out.bytes(handle);
            Ok(())
        })
    }

    /// It alone as a parameter.
    ///
    /// # Errors
    /// As [`PoolHandle::encode`].
    pub fn to_tlv(&self) -> Result<Bytes, EncodeError> {
        to_tlv(|out| self.encode(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{parameter_of, tlv};

    #[test]
    fn a_handle_has_any_bytes_but_not_none() {
        assert_eq!(
            parameter_of("0009 000c 4563686f506f6f6c", |p, _| PoolHandle::decode(&p)),
            Ok(PoolHandle::from("EchoPool"))
        );
        assert!(parameter_of("0009 0004", |p, _| PoolHandle::decode(&p)).is_err());
    }

    #[test]
    fn a_handle_longer_than_rsplib_can_bear_goes_round() {
        let handle = PoolHandle::from("x".repeat(33));
        assert_eq!(parameter_of(&tlv(|out| handle.encode(out)), |p, _| PoolHandle::decode(&p)), Ok(handle));
    }
}
