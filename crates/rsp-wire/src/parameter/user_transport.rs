// SPDX-License-Identifier: MIT OR Apache-2.0
//! User Transport of a pool element, RFC 5354 §3.10, and the Opaque Transport parameter 0x10, RFC 5354 §3.16.

use std::fmt;

use bytes::Bytes;

use super::Transport;
use super::parameter_type::{OPAQUE_TRANSPORT, is_transport};
use crate::DecodeError;
use crate::codec::{EncodeError, Encoder, Parameter, Report, to_tlv};

/// User Transport of a pool element, RFC 5354 §3.10.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |            Type = 0x10        |        Length=variable        |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// :                    Opaque Transport Data                      :
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum UserTransport {
    /// DCCP, SCTP, TCP, UDP or UDP-Lite.
    Ip(Transport),
    /// Opaque Transport, RFC 5354 §3.16: bytes only the application understands.
    Opaque(Bytes),
}

impl UserTransport {
    /// Whether a parameter of this type is one.
    pub(crate) fn is_one(parameter_type: u16) -> bool {
        is_transport(parameter_type) || parameter_type == OPAQUE_TRANSPORT
    }

    pub(crate) fn decode(parameter: &Parameter<'_>, report: &mut Report) -> Result<Self, DecodeError> {
        match parameter.parameter_type {
            OPAQUE_TRANSPORT => Ok(UserTransport::Opaque(parameter.value.to_bytes())),
            _ => Transport::decode(parameter, report).map(UserTransport::Ip),
        }
    }

    /// Appends it as a parameter.
    ///
    /// # Errors
    /// If it does not fit 16 bits of length.
    pub fn encode(&self, out: &mut Encoder<'_>) -> Result<(), EncodeError> {
        match self {
            UserTransport::Ip(transport) => transport.encode(out),
            UserTransport::Opaque(data) => out.parameter(OPAQUE_TRANSPORT, |out| {
                out.bytes(data);
                Ok(())
            }),
        }
    }

    /// It alone as a parameter, without the padding after it.
    ///
    /// # Errors
    /// As [`UserTransport::encode`].
    pub fn to_tlv(&self) -> Result<Bytes, EncodeError> {
        to_tlv(|out| self.encode(out))
    }
}

impl fmt::Display for UserTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UserTransport::Ip(transport) => transport.fmt(f),
            UserTransport::Opaque(data) => write!(f, "opaque transport of {} bytes", data.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{parameter_of, tlv};

    fn decode(bytes: &str) -> Result<UserTransport, DecodeError> {
        parameter_of(bytes, |p, report| UserTransport::decode(&p, report))
    }

    #[test]
    fn opaque_data_is_kept_as_it_came() {
        assert_eq!(decode("0010 0007 616263 00"), Ok(UserTransport::Opaque(Bytes::from_static(b"abc"))));
    }

    #[test]
    fn an_opaque_transport_goes_round() {
        let transport = UserTransport::Opaque(Bytes::from_static(b"/run/echo"));
        assert_eq!(decode(&tlv(|out| transport.encode(out))), Ok(transport));
    }
}
