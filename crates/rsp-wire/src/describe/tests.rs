// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is shown of whole, broken and unknown messages.

use super::parameter::DEEPEST;
use super::*;
use crate::testing::hex;

fn shown(protocol: Protocol, bytes: &str) -> String {
    describe(&hex(bytes), protocol).to_string()
}

#[test]
fn a_message_is_shown_with_all_its_parameters() {
    assert_eq!(
        shown(
            Protocol::Asap,
            "0100 003c 0009 0009 506f6f6c32 000000
             000a 002c bbbb0002 00000000 00015f90 0004 0010 1bbe 0001 0001 0008 c0000202 0008 000c 00000002 00000007"
        ),
        "ASAP_REGISTRATION flags=0x00
  Pool Handle (0x9) pool_handle=Pool2
  Pool Element (0xa) pe_identifier=0xbbbb0002 home_enrp_server_identifier=0x0 registration_life=90000
    SCTP Transport (0x4) port=7102 transport_use=1
      IPv4 Address (0x1) ipv4_address=192.0.2.2
    Pool Member Selection Policy (0x8) policy_type=0x2 policy_name=WRR weight=7"
    );
    assert_eq!(
        shown(Protocol::Enrp, "0403 000c 11111111 00000000 0001 0000"),
        "ENRP_HANDLE_UPDATE flags=0x03 takeover_suggested=true sending_server_id=0x11111111 receiving_server_id=0x0 \
         update_action=DEL_PE\n  error: Message Length does not fit the 16 bytes received"
    );
}

#[test]
fn unknown_messages_and_parameters_are_shown_as_data() {
    assert_eq!(shown(Protocol::Asap, "3e01 0007 010203"), "ASAP_UNKNOWN_62 flags=0x01 data=010203");
    assert_eq!(shown(Protocol::Enrp, "3f00 0004"), "ENRP_UNKNOWN_63 flags=0x00");
    assert_eq!(
        shown(Protocol::Asap, "3f00 0014 bf06 0008 0001 0000 8099 0005 61 000000"),
        "ASAP_SESSION flags=0x00\n  BYE (0xbf06) reason=1 reason_name=drained\n  Unknown (0x8099) data=61"
    );
}

#[test]
fn a_broken_message_is_shown_as_far_as_it_can_be_read() {
    assert_eq!(
        shown(Protocol::Asap, "0b00 0014 000d 0006 0102 0000 000e 0008 0102"),
        "ASAP_COOKIE flags=0x00 data=000e00080102\n  Cookie (0xd) cookie=0102\n  \
         error: Message Length does not fit the 18 bytes received"
    );
    assert_eq!(
        shown(Protocol::Asap, "0a00 0018 11111111 0004 0010 1b5f 0001 0001 0007 c00002 00"),
        "ASAP_SERVER_ANNOUNCE flags=0x00 server_identifier=0x11111111
  SCTP Transport (0x4) port=7007 transport_use=1
    IPv4 Address (0x1) data=c00002
  error: wrong length of an IP address (0x0001, 7 bytes)"
    );
    assert_eq!(
        shown(Protocol::Asap, ""),
        "ASAP_UNKNOWN_0 flags=0x00\n  error: Message Length does not fit the 0 bytes received"
    );
}

#[test]
fn an_error_shows_its_causes_and_what_they_quote() {
    assert_eq!(
        shown(
            Protocol::Asap,
            "0e00 0026 000c 0022 0001 000c c099 0008 01020304 0005 000c 0008 0008 00000001 0009 0006 0102"
        ),
        "ASAP_ERROR flags=0x00
  Operation Error (0xc)
    Unrecognized Parameter (0x1)
      Unknown (0xc099) data=01020304
    Inconsistent Pooling Policy (0x5)
      Pool Member Selection Policy (0x8) policy_type=0x1 policy_name=RR
    Unknown Pool Handle (0x9) data=0102"
    );
}

#[test]
fn errors_that_quote_errors_end_somewhere() {
    let mut bytes = vec![0x0e, 0, 0xff, 0xfc];
    while bytes.len() < 65_532 {
        let left = (65_532 - bytes.len()) as u16;
        bytes.extend_from_slice(&if bytes.len() % 8 == 4 { 0x000c_u16 } else { 0x0003 }.to_be_bytes());
        bytes.extend_from_slice(&left.to_be_bytes());
    }
    let described = describe(&bytes.into(), Protocol::Asap);
    let mut depth = 0;
    let mut nested = described.parameters.first();
    while let Some(parameter) = nested {
        depth += 1;
        nested = parameter.causes.first().or(parameter.parameters.first());
    }
    assert_eq!(depth, DEEPEST + 1, "the last one is data");
}
