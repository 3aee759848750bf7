// SPDX-License-Identifier: MIT OR Apache-2.0
//! Server Information parameter 0xb, RFC 5354 §3.11.

use std::fmt;

use smallvec::SmallVec;

use super::parameter_type::{SCTP_TRANSPORT, SERVER_INFORMATION, TCP_TRANSPORT};
use super::{Transport, UnknownParameter};
use crate::codec::{EncodeError, Encoder, Parameter, Reader, Report};
use crate::{DecodeError, ServerId};

/// A registrar and where its peers reach it.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |         Type = 0xb            |       Length=variable         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                           Server ID                           |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// :                       Server Transport                        :
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerInformation {
    /// Server ID. RSPLIB lists peers it knows only by address as [`ServerId::NONE`].
    pub id: ServerId,
    /// Server Transport: one by the RFC; ours may give one per transport protocol.
    pub transports: SmallVec<[Transport; 1]>,
    /// What this version does not know.
    pub unknown: Vec<UnknownParameter>,
}

impl ServerInformation {
    pub(crate) fn decode(parameter: &Parameter<'_>, report: &mut Report) -> Result<Self, DecodeError> {
        let mut reader = Reader::parameter(parameter, report);
        let id = ServerId(reader.u32()?);
        let mut transports = SmallVec::new();
        while let Some(nested) = reader.next()? {
            match nested.parameter_type {
                SCTP_TRANSPORT | TCP_TRANSPORT => transports.push(Transport::decode(&nested, reader.report())?),
                _ => reader.other(nested)?,
            }
        }
        reader.required(transports.first(), "Server Transport")?;
        Ok(ServerInformation { id, transports, unknown: reader.unknown })
    }

    /// Appends it as a parameter.
    ///
    /// # Errors
    /// If it does not fit 16 bits of length.
    pub fn encode(&self, out: &mut Encoder<'_>) -> Result<(), EncodeError> {
        out.parameter(SERVER_INFORMATION, |out| {
            out.u32(self.id.0);
            self.transports.iter().try_for_each(|transport| transport.encode(out))?;
            UnknownParameter::encode_all(&self.unknown, out)
        })
    }
}

impl fmt::Display for ServerInformation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "registrar {}", self.id)?;
        for (i, transport) in self.transports.iter().enumerate() {
            write!(f, "{}{transport}", if i == 0 { " at " } else { ", " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{parameter_of, tlv};

    fn decode(bytes: &str) -> Result<ServerInformation, DecodeError> {
        parameter_of(bytes, |p, report| ServerInformation::decode(&p, report))
    }

    #[test]
    fn server_information_is_read_from_rsplibs_bytes_even_with_identifier_0() {
        let information = decode("000b 0018 00000000 0004 0010 26ad 0000 0001 0008 c0000203").expect("it is sound");
        assert_eq!(information.to_string(), "registrar 0x00000000 at SCTP 192.0.2.3:9901 data");
    }

    #[test]
    fn several_transports_and_unknown_parameters_go_round() {
        let bytes = "000b002d222222220004001026ad000000010008c00002020005001026ad000100010008c00002028099000561";
        let information = decode(bytes).expect("it is sound");
        assert_eq!((information.transports.len(), information.unknown.len()), (2, 1));
        assert_eq!(tlv(|out| information.encode(out)), bytes);
    }

    #[test]
    fn a_server_without_a_stream_transport_is_refused() {
        assert!(decode("000b 0008 22222222").is_err());
        assert!(decode("000b 0007 222222").is_err());
        assert!(decode("000b 0018 22222222 0006 0010 26ad 0000 0001 0008 c0000203").is_err(), "UDP");
    }
}
