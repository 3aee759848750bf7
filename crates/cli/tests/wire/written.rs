// SPDX-License-Identifier: MIT OR Apache-2.0
//! Everything we can send, re-framed as SCTP, before the judge.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use net::capture::Protocol;
use net::capture::reframe::CaptureWriter;
use rsp_wire::Dialect;

use crate::every_message;
use crate::tshark::{self, Frame};

#[test]
fn tshark_has_no_complaint_about_any_message_we_can_send() {
    for dialect in [Dialect::STANDARD, Dialect::RFC] {
        let folder = tempfile::tempdir().unwrap();
        let capture = folder.path().join("every-message.pcap");
        let mut writer = CaptureWriter::new(File::create(&capture).unwrap()).unwrap();
        let mut expected = Vec::new();
        for (protocol, message) in every_message(dialect) {
            let number = writer.write(Duration::from_secs(1), protocol, SENDER, RECEIVER, &message).unwrap();
            let (asap, enrp) = match protocol {
                Protocol::Asap => (vec![message[0]], vec![]),
                Protocol::Enrp => (vec![], vec![message[0]]),
            };
            expected.push(Frame { number, asap, enrp });
        }
        writer.finish().unwrap();
        let mut seen = tshark::messages(&capture);
        for frame in &mut seen {
            // tshark lists a message quoted in an Operation Error behind the one that quotes it.
            frame.asap.truncate(1);
            frame.enrp.truncate(1);
        }
        assert_eq!(seen, expected);
        assert_eq!(tshark::complaints(&capture), "", "{dialect:?}");
    }
}

#[test]
fn tshark_would_complain_about_a_broken_message() {
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("broken.pcap");
    let mut writer = CaptureWriter::new(File::create(&capture).unwrap()).unwrap();
    let cookie_longer_than_its_message = [11, 0, 0, 12, 0, 13, 0, 100, 1, 2, 3, 4];
    writer.write(Duration::ZERO, Protocol::Asap, SENDER, RECEIVER, &cookie_longer_than_its_message).unwrap();
    writer.finish().unwrap();
    assert!(tshark::complaints(&capture).contains("Malformed"), "{}", tshark::complaints(&capture));
}

#[test]
fn no_type_of_message_is_missing_from_the_test_above() {
    let types = |wanted| -> BTreeSet<u8> {
        let messages = every_message(Dialect::STANDARD);
        messages.iter().filter(|(protocol, _)| *protocol == wanted).map(|(_, message)| message[0]).collect()
    };
    assert_eq!(types(Protocol::Asap), (1..=14).chain([0x3f]).collect());
    assert_eq!(types(Protocol::Enrp), (1..=10).collect());
}

fn every_message(dialect: Dialect) -> Vec<(Protocol, BytesMut)> {
    let asap = every_message::asap().into_iter().map(|message| {
        let mut bytes = BytesMut::new();
        message.encode(dialect, &mut bytes).unwrap();
        (Protocol::Asap, bytes)
    });
    let enrp = every_message::enrp().into_iter().map(|message| {
        let mut bytes = BytesMut::new();
        message.encode(dialect, &mut bytes).unwrap();
        (Protocol::Enrp, bytes)
    });
    asap.chain(enrp).collect()
}

const SENDER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)), 3863);
const RECEIVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2)), 3863);
