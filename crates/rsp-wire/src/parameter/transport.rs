// SPDX-License-Identifier: MIT OR Apache-2.0
//! Transport parameters, RFC 5354 §3.1 to §3.7 and §3.16.

use std::net::IpAddr;

use bytes::Bytes;
use smallvec::SmallVec;

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
}

/// An IP transport address: protocol, port and one or more addresses.
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

/// User Transport of a pool element, RFC 5354 §3.10.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum UserTransport {
    /// DCCP, SCTP, TCP, UDP or UDP-Lite.
    Ip(Transport),
    /// Opaque Transport, RFC 5354 §3.16: bytes only the application understands.
    Opaque(Bytes),
}
