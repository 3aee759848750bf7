// SPDX-License-Identifier: MIT OR Apache-2.0
//! PE Checksum parameter 0xf, RFC 5354 §3.15.
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |            Type = 0xf         |         Length=0x6            |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |           PE Checksum         |          Padding              |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use super::parameter_type::PE_CHECKSUM;
use crate::codec::{EncodeError, Encoder, Parameter};
use crate::{Checksum, DecodeError};

pub(crate) fn decode(parameter: &Parameter<'_>) -> Result<Checksum, DecodeError> {
    let mut value = parameter.value;
    let checksum = value.u16().filter(|_| value.is_empty());
    checksum.map(Checksum).ok_or_else(|| parameter.invalid("wrong length of a PE checksum"))
}

pub(crate) fn encode(checksum: Checksum, out: &mut Encoder<'_>) -> Result<(), EncodeError> {
    out.parameter(PE_CHECKSUM, |out| {
        out.u16(checksum.0);
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{parameter_of, tlv};

    #[test]
    fn a_checksum_has_two_bytes_and_padding() {
        assert_eq!(parameter_of("000f 0006 e7a5 0000", |p, _| decode(&p)), Ok(Checksum(0xe7a5)));
        assert!(parameter_of("000f 0008 e7a5 0000", |p, _| decode(&p)).is_err());
    }

    #[test]
    fn a_checksum_goes_round() {
        let bytes = tlv(|out| encode(Checksum(0xfffe), out));
        assert_eq!(bytes, "000f0006fffe");
        assert_eq!(parameter_of(&bytes, |p, _| decode(&p)), Ok(Checksum(0xfffe)));
    }
}
