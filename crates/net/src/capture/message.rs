// SPDX-License-Identifier: MIT OR Apache-2.0
//! One message found in a capture.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

/// An ASAP or ENRP message as it was captured, not yet decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapturedMessage {
    /// The frame that completed the message, counted from 1 as tshark's `frame.number`.
    pub frame: u32,
    /// When that frame was captured, since 1970-01-01 UTC.
    pub time: Duration,
    /// Which protocol's message it is.
    pub protocol: Protocol,
    /// Who sent it.
    pub source: SocketAddr,
    /// Where it went.
    pub destination: SocketAddr,
    /// What carried it.
    pub transport: Transport,
    /// The message, from its type to its last padding byte.
    pub bytes: Bytes,
}

/// The two protocols of reliable server pooling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// Aggregate Server Access Protocol, RFC 5352.
    Asap,
    /// Endpoint Handlespace Redundancy Protocol, RFC 5353.
    Enrp,
}

impl Protocol {
    /// The SCTP payload protocol identifier, RFC 5352 §6.4 and RFC 5353 §7.4.
    pub const fn ppid(self) -> u32 {
        match self {
            Protocol::Asap => 11,
            Protocol::Enrp => 12,
        }
    }

    /// The protocol of a payload protocol identifier, `None` for application data.
    pub const fn from_ppid(ppid: u32) -> Option<Self> {
        match ppid {
            11 => Some(Protocol::Asap),
            12 => Some(Protocol::Enrp),
            _ => None,
        }
    }

    /// The registered port, for every transport protocol.
    pub const fn port(self) -> u16 {
        match self {
            Protocol::Asap => 3863,
            Protocol::Enrp => 9901,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Protocol::Asap => "ASAP",
            Protocol::Enrp => "ENRP",
        })
    }
}

/// What carried a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// SCTP over IP.
    Sctp,
    /// SCTP over UDP, RFC 6951.
    SctpOverUdp,
    /// TCP with the mapping of draft-ietf-rserpool-tcpmapping-03.
    TcpMapping,
    /// TCP with bare ASAP messages.
    Tcp,
    /// UDP: announcements and presence.
    Udp,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Transport::Sctp => "sctp",
            Transport::SctpOverUdp => "sctp/udp",
            Transport::TcpMapping => "tcp mapping",
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
        })
    }
}
