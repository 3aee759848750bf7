// SPDX-License-Identifier: MIT OR Apache-2.0
//! PE Identifier parameter 0xe, RFC 5354 §3.14.
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |            Type = 0xe         |         Length=0x8            |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                         PE Identifier                         |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use super::parameter_type::PE_IDENTIFIER;
use crate::codec::{EncodeError, Encoder, Parameter};
use crate::{DecodeError, PeId};

pub(crate) fn decode(parameter: &Parameter<'_>) -> Result<PeId, DecodeError> {
    let mut value = parameter.value;
    let id = value.u32().filter(|_| value.is_empty());
    id.map(PeId).ok_or_else(|| parameter.invalid("wrong length of a PE identifier"))
}

pub(crate) fn encode(id: PeId, out: &mut Encoder<'_>) -> Result<(), EncodeError> {
    out.parameter(PE_IDENTIFIER, |out| {
        out.u32(id.0);
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{parameter_of, tlv};

    #[test]
    fn an_identifier_has_four_bytes() {
        assert_eq!(parameter_of("000e 0008 aaaa0001", |p, _| decode(&p)), Ok(PeId(0xaaaa_0001)));
        assert!(parameter_of("000e 0007 aaaa00 00", |p, _| decode(&p)).is_err());
        assert!(parameter_of("000e 000c aaaa0001 00000000", |p, _| decode(&p)).is_err());
    }

    #[test]
    fn an_identifier_goes_round() {
        assert_eq!(parameter_of(&tlv(|out| encode(PeId(7), out)), |p, _| decode(&p)), Ok(PeId(7)));
    }
}
