// SPDX-License-Identifier: MIT OR Apache-2.0
//! The captures of RSPLIB in `vectors/golden`: every message is found, and no other.

use std::collections::BTreeMap;
use std::path::PathBuf;

use net::capture::{CaptureReader, CapturedMessage, Protocol, Skipped, Transport};

fn messages(name: &str) -> Vec<CapturedMessage> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../vectors/golden").join(name);
    let mut reader = CaptureReader::open(&path).unwrap();
    let messages = reader.by_ref().collect::<Result<_, _>>().unwrap();
    assert_eq!(*reader.skipped(), Skipped::default());
    messages
}

/// Messages of each type, in the order of the types' numbers, absent ones left out.
type Counts = Vec<(u8, usize)>;

/// ASAP's and ENRP's messages.
fn counts(messages: &[CapturedMessage]) -> (Counts, Counts) {
    let count = |protocol| {
        let mut counts = BTreeMap::new();
        for message in messages.iter().filter(|message| message.protocol == protocol) {
            *counts.entry(message.bytes[0]).or_default() += 1;
        }
        counts.into_iter().collect()
    };
    (count(Protocol::Asap), count(Protocol::Enrp))
}

#[test]
fn every_message_of_every_capture_is_found() {
    let expect = |name: &str, asap: &[(u8, usize)], enrp: &[(u8, usize)]| {
        assert_eq!(counts(&messages(name)), (asap.to_vec(), enrp.to_vec()), "{name}");
    };
    expect("asap-announce.pcap", &[(5, 3), (6, 3), (10, 24)], &[(1, 10)]);
    expect(
        "asap-basic-v4.pcap",
        &[(1, 6), (2, 1), (3, 6), (4, 1), (5, 3), (6, 3), (7, 1), (8, 1)],
        &[(1, 2), (2, 1), (3, 1), (5, 2), (6, 1)],
    );
    expect("asap-policies.pcap", &[(1, 14), (2, 14), (3, 14), (4, 14), (5, 16), (6, 16), (7, 46), (8, 46)], &[]);
    expect("endpoint-unreachable.pcap", &[(1, 4), (2, 2), (3, 4), (4, 2), (5, 21), (6, 21), (9, 3)], &[]);
    expect(
        "enrp-join-late.pcap",
        &[(1, 3), (2, 3), (3, 3), (4, 3), (5, 1), (6, 1), (7, 13), (8, 13)],
        &[(1, 57), (2, 3), (3, 3), (4, 9), (5, 8), (6, 7)],
    );
    expect(
        "enrp-multicast.pcap",
        &[(1, 2), (2, 1), (3, 2), (4, 1), (5, 1), (6, 1), (7, 9), (8, 9), (10, 141)],
        &[(1, 138), (2, 2), (3, 2), (4, 3), (5, 6), (6, 6)],
    );
    expect(
        "enrp-static.pcap",
        &[(1, 3), (2, 3), (3, 3), (4, 3), (5, 1), (6, 1), (7, 6), (8, 6)],
        &[(1, 58), (2, 3), (3, 3), (4, 12), (5, 8), (6, 7)],
    );
    expect(
        "enrp-takeover.pcap",
        &[(1, 6), (2, 3), (3, 6), (4, 3), (5, 1), (6, 1), (7, 16), (8, 16)],
        &[(1, 91), (2, 4), (3, 4), (4, 12), (5, 8), (6, 7), (7, 1), (8, 1)],
    );
    expect("pe-kill9.pcap", &[(1, 2), (2, 1), (3, 2), (4, 1), (5, 2), (6, 2), (7, 6), (8, 6)], &[]);
    expect(
        "pu-unreachable.pcap",
        &[(1, 3), (2, 1), (3, 3), (4, 1), (5, 3), (6, 3), (7, 8), (8, 7), (9, 2), (11, 6), (12, 2)],
        &[],
    );
}

#[test]
fn the_first_message_of_a_capture_is_described() {
    let first = &messages("asap-basic-v4.pcap")[0];
    assert_eq!((first.frame, first.protocol, first.transport), (5, Protocol::Asap, Transport::Sctp));
    assert_eq!(first.destination, "192.0.2.1:3863".parse().unwrap());
    assert_eq!(first.time.as_secs() / 1_000_000, 1795);
    assert_eq!(first.bytes.len(), usize::from(u16::from_be_bytes([first.bytes[2], first.bytes[3]])));
}

#[test]
fn announcements_by_multicast_are_found_in_udp() {
    let messages = messages("enrp-multicast.pcap");
    let announcement = messages.iter().find(|message| message.bytes[0] == 10).unwrap();
    assert_eq!(announcement.transport, Transport::Udp);
    assert_eq!(announcement.destination, "239.0.0.50:3863".parse().unwrap());
}
