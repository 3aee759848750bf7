// SPDX-License-Identifier: MIT OR Apache-2.0
//! IPv4 Address parameter 0x1 and IPv6 Address parameter 0x2, RFC 5354 §3.1 and §3.2.
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |   Type = 0x1 or 0x2           |   Length = 0x8 or 0x14        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! :                  IPv4 Address or IPv6 Address                 :
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use std::net::IpAddr;

use super::parameter_type::{IPV4_ADDRESS, IPV6_ADDRESS};
use crate::DecodeError;
use crate::codec::{EncodeError, Encoder, Parameter};

/// An IPv4-mapped IPv6 address stays one.
pub(crate) fn decode(parameter: &Parameter<'_>) -> Result<IpAddr, DecodeError> {
    let mut value = parameter.value;
    let address = match parameter.parameter_type {
        IPV4_ADDRESS => value.array::<4>().map(IpAddr::from),
        _ => value.array::<16>().map(IpAddr::from),
    };
    address.filter(|_| value.is_empty()).ok_or_else(|| parameter.invalid("wrong length of an IP address"))
}

pub(crate) fn encode(address: &IpAddr, out: &mut Encoder<'_>) -> Result<(), EncodeError> {
    match address {
        IpAddr::V4(v4) => out.parameter(IPV4_ADDRESS, |out| {
            out.bytes(&v4.octets());
            Ok(())
        }),
        IpAddr::V6(v6) => out.parameter(IPV6_ADDRESS, |out| {
            out.bytes(&v6.octets());
            Ok(())
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{parameter_of, tlv};

    #[test]
    fn both_families_are_read_from_real_bytes() {
        assert_eq!(parameter_of("0001 0008 c0000201", |p, _| decode(&p)), Ok(IpAddr::from([192, 0, 2, 1])));
        let mapped = "0002 0014 00000000000000000000ffff c0000201";
        assert_eq!(parameter_of(mapped, |p, _| decode(&p)), Ok("::ffff:192.0.2.1".parse().expect("an address")));
    }

    #[test]
    fn an_address_goes_round_and_a_wrong_length_is_refused() {
        let address: IpAddr = "2001:db8::1".parse().expect("an address");
        let bytes = tlv(|out| encode(&address, out));
        assert_eq!(parameter_of(&bytes, |p, _| decode(&p)), Ok(address));
        for wrong in ["0001 0007 c00002", "0001 0009 c000020100", "0002 0008 c0000201", "0001 0004"] {
            assert!(parameter_of(wrong, |p, _| decode(&p)).is_err(), "{wrong}");
        }
    }
}
