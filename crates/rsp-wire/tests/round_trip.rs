// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any message survives encoding and decoding; any bytes survive being looked at.

mod support;

use bytes::Bytes;
use proptest::prelude::*;
use rsp_wire::describe::Protocol;
use rsp_wire::session::Envelope;
use rsp_wire::{Dialect, asap, describe, enrp, message_length};

use support::{asap_message, enrp_message};

const DIALECTS: [Dialect; 2] = [Dialect::STANDARD, Dialect::RFC];

/// `$decode` and `$message.to_bytes` are each other's opposite, in both dialects.
macro_rules! goes_round {
    ($message:expr, $decode:path, $protocol:expr) => {
        for dialect in DIALECTS {
            let bytes = $message.to_bytes(dialect).expect("it is short");
            let decoded = $decode(&bytes).expect("we wrote it");
            prop_assert_eq!(&decoded.message, &$message);
            prop_assert_eq!(message_length(&bytes), Some(bytes.len()));
            let described = describe(&bytes, $protocol);
            prop_assert_eq!(&described.error, &None);
            prop_assert_eq!(described.message.as_ref(), $message.name());
            let _shown = (decoded.message.to_string(), described.to_string());
        }
    };
}

/// Whatever `$bytes` are: they are refused, or what was read of them goes round.
macro_rules! survives {
    ($bytes:expr, $decode:path, $protocol:expr) => {
        let _shown = describe(&$bytes, $protocol).to_string();
        match $decode(&$bytes) {
            Ok(decoded) => {
                let again = decoded.message.to_bytes(Dialect::STANDARD).expect("it came in one message");
                prop_assert_eq!($decode(&again).expect("we wrote it").message, decoded.message);
            }
            Err(error) => {
                let _reported = (error.to_string(), error.cause());
            }
        }
    };
}

proptest! {
    #[test]
    fn any_asap_message_goes_round(message in asap_message()) {
        goes_round!(message, asap::Message::decode, Protocol::Asap);
    }

    #[test]
    fn any_enrp_message_goes_round(message in enrp_message()) {
        goes_round!(message, enrp::Message::decode, Protocol::Enrp);
    }

    #[test]
    fn a_changed_byte_or_a_cut_never_panics_and_never_makes_a_message_that_does_not_go_round(
        asap in asap_message(),
        enrp in enrp_message(),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
        cut in 0..12_usize,
    ) {
        let spoil = |bytes: Bytes| {
            let mut bytes = bytes.to_vec();
            for (at, byte) in &changes {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            bytes.truncate(bytes.len().saturating_sub(cut));
            if cut % 2 == 0 && bytes.len() >= 4 {
                let length = (bytes.len() as u16).to_be_bytes();
                bytes[2..4].copy_from_slice(&length);
            }
            Bytes::from(bytes)
        };
        let bytes = spoil(asap.to_bytes(Dialect::STANDARD).expect("it is short"));
        survives!(bytes, asap::Message::decode, Protocol::Asap);
        let bytes = spoil(enrp.to_bytes(Dialect::STANDARD).expect("it is short"));
        survives!(bytes, enrp::Message::decode, Protocol::Enrp);
    }

    #[test]
    fn any_bytes_are_an_envelope_that_goes_round_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let bytes = Bytes::from(bytes);
        if let Ok((envelope, data)) = Envelope::decode(&bytes) {
            prop_assert_eq!(Envelope::decode(&envelope.encode(&data)), Ok((envelope, data)));
        }
    }
}
