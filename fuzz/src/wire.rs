// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages: decode, show, encode, decode, compare.

use bytes::Bytes;
use rsp_wire::describe::Protocol;
use rsp_wire::session::Envelope;
use rsp_wire::{Dialect, asap, describe, enrp, message_length};

/// ASAP messages, and envelopes, which begin with the same two kinds of bytes.
pub fn asap(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    let described = describe(&bytes, Protocol::Asap);
    let _shown = described.to_string();
    match asap::Message::decode(&bytes) {
        Ok(decoded) => {
            assert_eq!(described.error, None);
            let _shown = (decoded.message.to_string(), decoded.unrecognized());
            for dialect in [Dialect::STANDARD, Dialect::RFC] {
                // What came in one message may be up to 3 bytes longer by counting the last padding.
                let Ok(again) = decoded.message.to_bytes(dialect) else {
                    assert!(data.len() > 65_000);
                    continue;
                };
                assert_eq!(message_length(&again), Some(again.len()));
                assert_eq!(asap::Message::decode(&again).expect("we wrote it").message, decoded.message);
            }
        }
        Err(error) => answer(&error),
    }
    if let Ok((envelope, data)) = Envelope::decode(&bytes) {
        assert_eq!(Envelope::decode(&envelope.encode(&data)), Ok((envelope, data)));
    }
}

/// ENRP messages.
pub fn enrp(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    let described = describe(&bytes, Protocol::Enrp);
    let _shown = described.to_string();
    match enrp::Message::decode(&bytes) {
        Ok(decoded) => {
            assert_eq!(described.error, None);
            let _shown = (decoded.message.to_string(), decoded.unrecognized());
            for dialect in [Dialect::STANDARD, Dialect::RFC] {
                let Ok(again) = decoded.message.to_bytes(dialect) else {
                    assert!(data.len() > 65_000);
                    continue;
                };
                assert_eq!(enrp::Message::decode(&again).expect("we wrote it").message, decoded.message);
            }
        }
        Err(error) => answer(&error),
    }
}

/// What is reported of broken bytes must itself be a message that fits.
fn answer(error: &rsp_wire::DecodeError) {
    let _shown = error.to_string();
    if let Some(cause) = error.cause() {
        let answer = asap::Message::from(asap::Error { error: cause.into(), unknown: Vec::new() });
        let bytes = answer.to_bytes(Dialect::STANDARD).expect("what is too long is not quoted");
        assert_eq!(asap::Message::decode(&bytes).expect("we wrote it").message, answer);
    }
}
