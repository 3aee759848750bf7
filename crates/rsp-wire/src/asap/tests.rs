// SPDX-License-Identifier: MIT OR Apache-2.0
//! What holds for all ASAP messages.

use super::*;
use crate::parameter::ErrorCause;
use crate::testing::{asap_decode, hex};

//= https://www.rfc-editor.org/rfc/rfc5354#section-4
//= type=test
//# Message Types are encoded such that the two bits of the highest
//# order specify the action that must be taken if the message
//# receiver does not recognize the Message Type.
#[test]
fn the_two_highest_bits_say_what_happens_to_an_unknown_message() {
    for discarded in ["0000 0004", "0f00 0004", "3e00 0004", "8100 0004", "c100 0004", "ff00 0004"] {
        assert_eq!(asap_decode(discarded).expect_err("it is unknown").cause(), None, "{discarded}");
    }
    for reported in ["4000 0008 01020304", "7f00 0004"] {
        let cause = asap_decode(reported).expect_err("it is unknown").cause();
        assert_eq!(cause, Some(ErrorCause::UnrecognizedMessage(hex(reported))));
    }
}

#[test]
fn unknown_parameters_of_nested_ones_are_reported_too() {
    let decoded = asap_decode(
        "0100 003c 0009 0005 61 000000
         000a 0030 00000007 00000000 ffffffff 0005 0019 1b5f 0001 c099 0005 62 000000 0001 0008 7f000001
         0008 0008 00000001",
    );
    assert!(decoded.is_err(), "the transport's length is wrong");
    let decoded = asap_decode(
        "0100 0048 0009 0005 61 000000
         000a 0033 00000007 00000000 ffffffff 0005 0018 1b5f 0001 c099 0005 62 000000 0001 0008 7f000001
         0008 0008 00000001 c098 0005 63 000000 c097 0004",
    );
    assert!(decoded.is_err(), "the pool element ends in the middle of a parameter");
    let decoded = asap_decode(
        "0100 0048 0009 0005 61 000000
         000a 003c 00000007 00000000 ffffffff 0005 0018 1b5f 0001 c099 0005 62 000000 0001 0008 7f000001
         0008 0008 00000001 c098 0005 63 000000 c097 0004",
    )
    .expect("all is framed right");
    assert_eq!(decoded.report[..], [hex("c099 0005 62"), hex("c098 0005 63"), hex("c097 0004")]);
    let error = decoded.unrecognized().expect("there is something to report");
    let answer = Message::from(Error { error, unknown: Vec::new() });
    assert_eq!(
        answer.to_bytes(Dialect::RFC).expect("it is short"),
        hex("0e00 0028 000c 0024 0001 0009 c099 0005 62 000000 0001 0009 c098 0005 63 000000 0001 0008 c097 0004")
    );
}

#[test]
fn what_is_too_long_for_a_message_is_an_error_and_never_a_wrong_length() {
    let mut out = BytesMut::from(&b"before"[..]);
    for length in [65_523, 65_524, 65_528, 65_535, 65_536, 200_000] {
        let cookie = Message::from(Cookie { cookie: vec![7; length].into(), unknown: Vec::new() });
        assert!(
            matches!(cookie.encode(Dialect::STANDARD, &mut out), Err(EncodeError::TooLong { .. })) || length < 65_525
        );
    }
    out.clear();
    out.extend_from_slice(b"before");
    let cookie = Message::from(Cookie { cookie: vec![7; 200_000].into(), unknown: Vec::new() });
    assert_eq!(cookie.encode(Dialect::RFC, &mut out), Err(EncodeError::TooLong { length: 200_004 }));
    assert_eq!(&out[..], b"before");
}
