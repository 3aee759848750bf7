// SPDX-License-Identifier: MIT OR Apache-2.0
//! Parameter Types and their names, RFC 5354 §3, Table 1.

/// IPv4 Address, §3.1
pub const IPV4_ADDRESS: u16 = 0x1;
/// IPv6 Address, §3.2
pub const IPV6_ADDRESS: u16 = 0x2;
/// DCCP Transport, §3.3
pub const DCCP_TRANSPORT: u16 = 0x3;
/// SCTP Transport, §3.4
pub const SCTP_TRANSPORT: u16 = 0x4;
/// TCP Transport, §3.5
pub const TCP_TRANSPORT: u16 = 0x5;
/// UDP Transport, §3.6
pub const UDP_TRANSPORT: u16 = 0x6;
/// UDP-Lite, §3.7
pub const UDP_LITE_TRANSPORT: u16 = 0x7;
/// Pool Member Selection Policy, §3.8
pub const POLICY: u16 = 0x8;
/// Pool Handle, §3.9
pub const POOL_HANDLE: u16 = 0x9;
/// Pool Element, §3.10
pub const POOL_ELEMENT: u16 = 0xa;
/// Server Information, §3.11
pub const SERVER_INFORMATION: u16 = 0xb;
/// Operation Error, §3.12
pub const OPERATION_ERROR: u16 = 0xc;
/// Cookie, §3.13
pub const COOKIE: u16 = 0xd;
/// PE Identifier, §3.14
pub const PE_IDENTIFIER: u16 = 0xe;
/// PE Checksum, §3.15
pub const PE_CHECKSUM: u16 = 0xf;
/// Opaque Transport, §3.16
pub const OPAQUE_TRANSPORT: u16 = 0x10;
/// Handle Resolution option, draft-dreibholz-rserpool-asap-hropt
pub const HANDLE_RESOLUTION: u16 = 0x803f;
/// HELLO, `docs/session-wire.md`
pub const SESSION_HELLO: u16 = 0xbf01;
/// ACK
pub const SESSION_ACK: u16 = 0xbf02;
/// HEARTBEAT
pub const SESSION_HEARTBEAT: u16 = 0xbf03;
/// HEARTBEAT_ACK
pub const SESSION_HEARTBEAT_ACK: u16 = 0xbf04;
/// DRAIN
pub const SESSION_DRAIN: u16 = 0xbf05;
/// BYE
pub const SESSION_BYE: u16 = 0xbf06;
/// TAKEN
pub const SESSION_TAKEN: u16 = 0xbf07;

/// The name of a parameter type, as in Table 1.
pub const fn name(parameter_type: u16) -> Option<&'static str> {
    Some(match parameter_type {
        IPV4_ADDRESS => "IPv4 Address",
        IPV6_ADDRESS => "IPv6 Address",
        DCCP_TRANSPORT => "DCCP Transport",
        SCTP_TRANSPORT => "SCTP Transport",
        TCP_TRANSPORT => "TCP Transport",
        UDP_TRANSPORT => "UDP Transport",
        UDP_LITE_TRANSPORT => "UDP-Lite",
        POLICY => "Pool Member Selection Policy",
        POOL_HANDLE => "Pool Handle",
        POOL_ELEMENT => "Pool Element",
        SERVER_INFORMATION => "Server Information",
        OPERATION_ERROR => "Operation Error",
        COOKIE => "Cookie",
        PE_IDENTIFIER => "PE Identifier",
        PE_CHECKSUM => "PE Checksum",
        OPAQUE_TRANSPORT => "Opaque Transport",
        HANDLE_RESOLUTION => "Handle Resolution",
        SESSION_HELLO => "HELLO",
        SESSION_ACK => "ACK",
        SESSION_HEARTBEAT => "HEARTBEAT",
        SESSION_HEARTBEAT_ACK => "HEARTBEAT_ACK",
        SESSION_DRAIN => "DRAIN",
        SESSION_BYE => "BYE",
        SESSION_TAKEN => "TAKEN",
        _ => return None,
    })
}

/// Whether every ASAP and ENRP implementation of ours knows it. The session parameters are known in ASAP_SESSION only.
pub const fn is_common(parameter_type: u16) -> bool {
    matches!(parameter_type, IPV4_ADDRESS..=OPAQUE_TRANSPORT | HANDLE_RESOLUTION)
}

/// Whether it is an IP transport.
pub(crate) const fn is_transport(parameter_type: u16) -> bool {
    matches!(parameter_type, DCCP_TRANSPORT..=UDP_LITE_TRANSPORT)
}
