// SPDX-License-Identifier: MIT OR Apache-2.0
//! Message Types of ENRP and their names, RFC 5353 §2, Figure 1.

/// ENRP_PRESENCE
pub const PRESENCE: u8 = 0x01;
/// ENRP_HANDLE_TABLE_REQUEST
pub const HANDLE_TABLE_REQUEST: u8 = 0x02;
/// ENRP_HANDLE_TABLE_RESPONSE
pub const HANDLE_TABLE_RESPONSE: u8 = 0x03;
/// ENRP_HANDLE_UPDATE
pub const HANDLE_UPDATE: u8 = 0x04;
/// ENRP_LIST_REQUEST
pub const LIST_REQUEST: u8 = 0x05;
/// ENRP_LIST_RESPONSE
pub const LIST_RESPONSE: u8 = 0x06;
/// ENRP_INIT_TAKEOVER
pub const INIT_TAKEOVER: u8 = 0x07;
/// ENRP_INIT_TAKEOVER_ACK
pub const INIT_TAKEOVER_ACK: u8 = 0x08;
/// ENRP_TAKEOVER_SERVER
pub const TAKEOVER_SERVER: u8 = 0x09;
/// ENRP_ERROR
pub const ERROR: u8 = 0x0a;

/// The name of a message type in the RFC.
pub const fn name(message_type: u8) -> Option<&'static str> {
    Some(match message_type {
        PRESENCE => "ENRP_PRESENCE",
        HANDLE_TABLE_REQUEST => "ENRP_HANDLE_TABLE_REQUEST",
        HANDLE_TABLE_RESPONSE => "ENRP_HANDLE_TABLE_RESPONSE",
        HANDLE_UPDATE => "ENRP_HANDLE_UPDATE",
        LIST_REQUEST => "ENRP_LIST_REQUEST",
        LIST_RESPONSE => "ENRP_LIST_RESPONSE",
        INIT_TAKEOVER => "ENRP_INIT_TAKEOVER",
        INIT_TAKEOVER_ACK => "ENRP_INIT_TAKEOVER_ACK",
        TAKEOVER_SERVER => "ENRP_TAKEOVER_SERVER",
        ERROR => "ENRP_ERROR",
        _ => return None,
    })
}
