// SPDX-License-Identifier: MIT OR Apache-2.0
//! The inputs that abort RSPLIB 3.5 (its inventory, §8, 1 to 7) as this crate sees them, and lengths that lie in every place.
//! What of them is not a matter of bytes (an empty selection, a peer that is not kept) is tested in the core.

use std::fs;
use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;

use bytes::Bytes;
use rsp_wire::describe::Protocol as Whose;
use rsp_wire::parameter::{
    ErrorCause, Policy, PoolElement, Protocol, RegistrationLife, ServerInformation, Transport, TransportUse,
    UserTransport,
};
use rsp_wire::{Checksum, Dialect, PeId, PoolHandle, ServerId, asap, describe, enrp};

#[test]
fn a_pool_handle_beyond_32_bytes_is_a_message_like_any_other() {
    for length in [32, 33, 256, 60_000] {
        let message = asap::Message::from(asap::HandleResolution {
            subscribe: false,
            pool_handle: PoolHandle::new(vec![b'x'; length]),
            items: None,
            unknown: Vec::new(),
        });
        let bytes = message.to_bytes(Dialect::STANDARD).expect("it fits");
        assert_eq!(asap::Message::decode(&bytes).expect("it is sound").message, message);
    }
}

#[test]
fn an_unknown_parameter_in_a_transport_leaves_no_transport_without_an_address() {
    let only_unknown = b"\x0a\0\0\x18\x11\x11\x11\x11\0\x04\0\x10\x0f\x17\0\0\x80\x99\0\x08abcd";
    let error = asap::Message::decode(&Bytes::from_static(only_unknown)).expect_err("there is no address");
    let quoted = Bytes::from_static(&only_unknown[8..]);
    assert_eq!(error.cause(), Some(ErrorCause::InvalidValues(quoted)));

    let padded =
        b"\x0a\0\0\x20\x11\x11\x11\x11\0\x04\0\x18\x0f\x17\0\0\x80\x99\0\x05a\xff\xff\xff\0\x01\0\x08\xc0\0\x02\x01";
    let message = asap::Message::decode(&Bytes::from_static(padded)).expect("the padding is skipped").message;
    let asap::Message::ServerAnnounce(announce) = message else { panic!("it is another message: {message:?}") };
    assert_eq!(announce.transports[0].addresses[..], [IpAddr::from([192, 0, 2, 1])]);
}

#[test]
fn a_tcp_transport_with_two_addresses_is_refused() {
    let bytes =
        b"\x0a\0\0\x20\x11\x11\x11\x11\0\x05\0\x18\x0f\x17\0\0\0\x01\0\x08\xc0\0\x02\x01\0\x01\0\x08\xc0\0\x02\x02";
    assert!(asap::Message::decode(&Bytes::from_static(bytes)).is_err());
    let mut sctp = *bytes;
    sctp[9] = 4;
    assert!(asap::Message::decode(&Bytes::copy_from_slice(&sctp)).is_ok(), "SCTP may have two");
}

#[test]
fn a_parameter_shorter_than_its_header_never_moves_backwards() {
    for length in 0..4 {
        let bytes = [0x0a, 0, 0, 0x18, 1, 1, 1, 1, 0, 4, 0, 0x10, 0x0f, 0x17, 0, 0, 0x80, 0x99, 0, length, 0, 0, 0, 0];
        assert!(asap::Message::decode(&Bytes::copy_from_slice(&bytes)).is_err(), "{length}");
        assert!(describe(&Bytes::copy_from_slice(&bytes), Whose::Asap).error.is_some());
    }
}

#[test]
fn a_pool_element_with_33_and_33_addresses_fits_a_handle_table_response() {
    let entry =
        enrp::PoolEntry { pool_handle: PoolHandle::from("big"), pool_elements: [element(33)].into_iter().collect() };
    let body = enrp::HandleTableResponse { reject: false, more_to_send: false, entries: vec![entry] };
    let message = enrp::Message { sender: ServerId(1), receiver: ServerId(2), body: body.into(), unknown: Vec::new() };
    let bytes = message.to_bytes(Dialect::STANDARD).expect("it fits");
    assert_eq!(enrp::Message::decode(&bytes).expect("it is sound").message, message);
    assert!(element(4000).to_tlv().is_err(), "what does not fit is an error");
}

#[test]
fn a_response_without_elements_and_weights_of_0_go_round() {
    let message = asap::Message::from(asap::HandleResolutionResponse {
        accept_updates: false,
        pool_handle: PoolHandle::from("none"),
        policy: Some(Policy::WeightedRandom { weight: 0 }),
        pool_elements: Vec::new(),
        error: None,
        unknown: Vec::new(),
    });
    let bytes = message.to_bytes(Dialect::STANDARD).expect("it fits");
    assert_eq!(asap::Message::decode(&bytes).expect("it is sound").message, message);
}

#[test]
fn a_presence_with_server_identifier_0_is_read_for_what_it_is() {
    let information = ServerInformation {
        id: ServerId::NONE,
        transports: [transport(Protocol::Sctp, 1)].into_iter().collect(),
        unknown: Vec::new(),
    };
    let body = enrp::Presence {
        reply_required: false,
        checksum: Some(Checksum(0xffff)),
        server_information: Some(information),
    };
    let message =
        enrp::Message { sender: ServerId::NONE, receiver: ServerId::NONE, body: body.into(), unknown: Vec::new() };
    let bytes = message.to_bytes(Dialect::STANDARD).expect("it fits");
    assert_eq!(enrp::Message::decode(&bytes).expect("it is sound").message, message);
}

/// In each message of the vectors, each half-word in turn is set to values a length might lie with.
#[test]
fn no_half_word_of_any_vector_can_make_decoding_panic() {
    let mut looked_at = 0;
    for (folder, whose) in [("asap", Whose::Asap), ("session", Whose::Asap), ("enrp", Whose::Enrp)] {
        for original in vectors(folder) {
            for at in 0..original.len().saturating_sub(1) {
                for lie in [0, 1, 3, 4, 5, 7, 8, 0x7fff, 0x8000, 0xfffc, 0xffff, original.len() as u16] {
                    let mut bytes = original.clone();
                    bytes[at..at + 2].copy_from_slice(&lie.to_be_bytes());
                    look_at(bytes.into(), whose);
                    looked_at += 1;
                }
            }
            for end in 0..original.len() {
                look_at(Bytes::copy_from_slice(&original[..end]), whose);
            }
        }
    }
    assert!(looked_at > 30_000, "{looked_at}");
}

fn look_at(bytes: Bytes, whose: Whose) {
    let error = describe(&bytes, whose).error;
    let again = match whose {
        Whose::Asap => asap::Message::decode(&bytes).map(|decoded| decoded.message.to_bytes(Dialect::RFC)),
        Whose::Enrp => enrp::Message::decode(&bytes).map(|decoded| decoded.message.to_bytes(Dialect::RFC)),
    };
    if let Ok(again) = again {
        assert_eq!(error, None);
        again.expect("it came in one message");
    }
}

/// The bytes of all vectors in a folder, one after the other where a file has several: broken enough as it is.
fn vectors(folder: &str) -> Vec<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors").join(folder);
    let mut messages = Vec::new();
    for entry in fs::read_dir(path).expect("the folder is part of the repository") {
        let text = fs::read_to_string(entry.expect("readable").path()).expect("readable");
        let mut bytes = Vec::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if line.starts_with('=') {
                messages.extend((!bytes.is_empty()).then(|| std::mem::take(&mut bytes)));
            } else {
                let hex = line.split(';').next().unwrap_or_default();
                bytes.extend(hex.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).expect("hexadecimal")));
            }
        }
    }
    messages
}

fn element(addresses: u16) -> PoolElement {
    PoolElement {
        id: PeId(1),
        home: ServerId(1),
        life: RegistrationLife(60),
        user_transport: UserTransport::Ip(transport(Protocol::Sctp, addresses)),
        policy: Policy::RoundRobin,
        asap_transport: Some(transport(Protocol::Sctp, addresses)),
        unknown: Vec::new(),
    }
}

fn transport(protocol: Protocol, addresses: u16) -> Transport {
    let addresses = (0..addresses).map(|n| Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, n).into()).collect();
    Transport { protocol, port: 3863, transport_use: TransportUse::DATA_ONLY, addresses }
}
