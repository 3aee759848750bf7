// SPDX-License-Identifier: MIT OR Apache-2.0
//! DCCP, SCTP, TCP, UDP and UDP-Lite Transport parameters 0x3 to 0x7, RFC 5354 §3.3 to §3.7.

use std::fmt;
use std::net::IpAddr;

use bytes::Bytes;
use smallvec::SmallVec;

use super::ip_address;
use super::parameter_type::{
    DCCP_TRANSPORT, IPV4_ADDRESS, IPV6_ADDRESS, SCTP_TRANSPORT, TCP_TRANSPORT, UDP_LITE_TRANSPORT, UDP_TRANSPORT,
};
use crate::DecodeError;
use crate::codec::{EncodeError, Encoder, Parameter, Reader, Report, to_tlv};

/// Which protocol a [`Transport`] speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// 0x3, with its Service Code.
    Dccp {
        /// DCCP Service Code.
        service_code: u32,
    },
    /// 0x4, the only one with several addresses.
    Sctp,
    /// 0x5
    Tcp,
    /// 0x6
    Udp,
    /// 0x7
    UdpLite,
}

/// Transport Use, RFC 5354 §3.4. In the other transports the half-word is reserved; we read and write it there too, as RSPLIB
/// and tshark do, because the TCP mapping carries control and data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TransportUse(pub u16);

impl TransportUse {
    /// DATA ONLY
    pub const DATA_ONLY: TransportUse = TransportUse(0);
    /// DATA plus CONTROL
    pub const DATA_PLUS_CONTROL: TransportUse = TransportUse(1);
    /// Control only, ours: in an ASAP Transport that pool users are to know, as user data has a transport of its own (docs/session-wire.md §8).
    pub const CONTROL_ONLY: TransportUse = TransportUse(2);
}

/// An IP transport address: protocol, port and one or more addresses.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |      Type = 0x3 to 0x7        |      Length = variable        |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |             Port              |          Transport Use        |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                 DCCP Service Code (DCCP only)                 |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// :            IPv4 or IPv6 Address #1 to #n (n > 1: SCTP)        :
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Transport {
    /// Protocol.
    pub protocol: Protocol,
    /// Port.
    pub port: u16,
    /// Transport Use.
    pub transport_use: TransportUse,
    /// At least one; exactly one unless the protocol is SCTP.
    pub addresses: SmallVec<[IpAddr; 1]>,
}

impl Transport {
    /// Unknown parameters inside are treated as their type asks for, but have no place to be kept.
    //= https://www.rfc-editor.org/rfc/rfc5354#section-3.4
    //# at least one IP address parameter MUST
    //# be present in an SCTP Transport parameter.
    pub(crate) fn decode(parameter: &Parameter<'_>, report: &mut Report) -> Result<Self, DecodeError> {
        let mut reader = Reader::parameter(parameter, report);
        let port = reader.u16()?;
        let transport_use = TransportUse(reader.u16()?);
        let protocol = match parameter.parameter_type {
            DCCP_TRANSPORT => Protocol::Dccp { service_code: reader.u32()? },
            SCTP_TRANSPORT => Protocol::Sctp,
            TCP_TRANSPORT => Protocol::Tcp,
            UDP_TRANSPORT => Protocol::Udp,
            UDP_LITE_TRANSPORT => Protocol::UdpLite,
            _ => return Err(parameter.unexpected()),
        };
        let mut addresses = SmallVec::new();
        while let Some(nested) = reader.next()? {
            match nested.parameter_type {
                IPV4_ADDRESS | IPV6_ADDRESS => addresses.push(ip_address::decode(&nested)?),
                _ => reader.other(nested)?,
            }
        }
        match (protocol, addresses.len()) {
            (_, 0) => Err(parameter.invalid("transport without an IP address")),
            (Protocol::Sctp, _) | (_, 1) => Ok(Transport { protocol, port, transport_use, addresses }),
            _ => Err(parameter.invalid("only an SCTP transport has several IP addresses")),
        }
    }

    /// Appends it as a parameter.
    ///
    /// # Errors
    /// If it has more addresses than 16 bits of length hold.
    pub fn encode(&self, out: &mut Encoder<'_>) -> Result<(), EncodeError> {
        out.parameter(self.parameter_type(), |out| {
            out.u16(self.port);
            out.u16(self.transport_use.0);
            if let Protocol::Dccp { service_code } = self.protocol {
                out.u32(service_code);
            }
            self.addresses.iter().try_for_each(|address| ip_address::encode(address, out))
        })
    }

    /// It alone as a parameter.
    ///
    /// # Errors
    /// As [`Transport::encode`].
    pub fn to_tlv(&self) -> Result<Bytes, EncodeError> {
        to_tlv(|out| self.encode(out))
    }

    /// Its Parameter Type.
    pub fn parameter_type(&self) -> u16 {
        match self.protocol {
            Protocol::Dccp { .. } => DCCP_TRANSPORT,
            Protocol::Sctp => SCTP_TRANSPORT,
            Protocol::Tcp => TCP_TRANSPORT,
            Protocol::Udp => UDP_TRANSPORT,
            Protocol::UdpLite => UDP_LITE_TRANSPORT,
        }
    }
}

/// `SCTP 192.0.2.1,192.0.2.2:7007 data+control`
impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.protocol)?;
        for (i, address) in self.addresses.iter().enumerate() {
            let separator = if i == 0 { "" } else { "," };
            match address {
                IpAddr::V4(v4) => write!(f, "{separator}{v4}")?,
                IpAddr::V6(v6) => write!(f, "{separator}[{v6}]")?,
            }
        }
        write!(f, ":{} {}", self.port, self.transport_use)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Protocol::Dccp { service_code } => write!(f, "DCCP service {service_code:#010x}"),
            Protocol::Sctp => f.write_str("SCTP"),
            Protocol::Tcp => f.write_str("TCP"),
            Protocol::Udp => f.write_str("UDP"),
            Protocol::UdpLite => f.write_str("UDP-Lite"),
        }
    }
}

impl fmt::Display for TransportUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            TransportUse::DATA_ONLY => f.write_str("data"),
            TransportUse::DATA_PLUS_CONTROL => f.write_str("data+control"),
            TransportUse::CONTROL_ONLY => f.write_str("control only"),
            TransportUse(other) => write!(f, "use {other:#06x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use smallvec::smallvec;

    use super::*;
    use crate::testing::{parameter_of, tlv};

    fn decode(bytes: &str) -> Result<Transport, DecodeError> {
        parameter_of(bytes, |p, report| Transport::decode(&p, report))
    }

    #[test]
    fn an_sctp_transport_is_read_from_rsplibs_bytes() {
        let decoded =
            decode("0004 0028 8d68 0000 0001 0008 c0000201 0001 0008 c0000202 0001 0008 c0000203 0001 0008 c0000204");
        let transport = Transport {
            protocol: Protocol::Sctp,
            port: 36200,
            transport_use: TransportUse::DATA_ONLY,
            addresses: (1..=4).map(|n| IpAddr::from([192, 0, 2, n])).collect(),
        };
        assert_eq!(transport.to_string(), "SCTP 192.0.2.1,192.0.2.2,192.0.2.3,192.0.2.4:36200 data");
        assert_eq!(decoded, Ok(transport));
    }

    #[test]
    fn each_protocol_goes_round() {
        let dccp = Protocol::Dccp { service_code: 0x5253_5031 };
        for protocol in [dccp, Protocol::Sctp, Protocol::Tcp, Protocol::Udp, Protocol::UdpLite] {
            let addresses = smallvec!["2001:db8::7".parse().expect("an address")];
            let transport = Transport { protocol, port: 7, transport_use: TransportUse::DATA_PLUS_CONTROL, addresses };
            assert_eq!(decode(&tlv(|out| transport.encode(out))), Ok(transport));
        }
    }

    #[test]
    fn addresses_must_be_there_and_only_sctp_has_several() {
        assert!(decode("0004 0008 1b5f 0001").is_err());
        assert!(decode("0004 0006 1b5f").is_err());
        let two = "0018 1b5f 0001 0001 0008 c0000201 0001 0008 c0000202";
        assert!(decode(&format!("0004 {two}")).is_ok());
        for one_address_only in ["0003", "0005", "0006", "0007"] {
            assert!(decode(&format!("{one_address_only} {two}")).is_err(), "{one_address_only}");
        }
    }

    #[test]
    fn an_unknown_parameter_and_its_padding_are_skipped() {
        let transport =
            decode("0005 001d 1b5f 0001 8099 0005 61 000000 0001 0008 c0000201 8099 0005 61").expect("it is skipped");
        assert_eq!(transport.addresses[..], [IpAddr::from([192, 0, 2, 1])]);
        assert!(decode("0005 0010 1b5f 0001 8099 0005 61 000000").is_err(), "no address is left");
        assert!(decode("0005 0010 1b5f 0001 8099 0003 61 000000").is_err(), "a length below 4");
        assert!(
            decode("0005 0014 1b5f 0001 0009 0004 0001 0008 c0000201").is_err(),
            "a Pool Handle does not belong here"
        );
    }
}
