// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp decode` on the golden captures.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use bytes::BytesMut;
use net::capture::reframe::CaptureWriter;
use net::capture::{CaptureReader, Protocol};
use rsp_wire::Dialect;
use serde_json::{Value, json};

use crate::tshark::{self, Frame};

#[test]
fn decode_shows_the_messages_tshark_shows_in_the_same_order() {
    for capture in golden_captures() {
        assert_eq!(decoded_frames(&capture), tshark::messages(&capture), "{}", capture.display());
    }
}

#[test]
fn each_message_of_the_golden_captures_is_encoded_again_to_the_same_bytes() {
    let mut count = 0;
    for capture in golden_captures() {
        for message in CaptureReader::open(&capture).unwrap() {
            let message = message.unwrap();
            let mut again = BytesMut::new();
            match message.protocol {
                Protocol::Asap => {
                    let decoded = rsp_wire::asap::Message::decode(&message.bytes).unwrap();
                    decoded.message.encode(Dialect::STANDARD, &mut again).unwrap();
                }
                Protocol::Enrp => {
                    let decoded = rsp_wire::enrp::Message::decode(&message.bytes).unwrap();
                    decoded.message.encode(Dialect::STANDARD, &mut again).unwrap();
                }
            }
            assert_eq!(again, message.bytes, "{} frame {}", capture.display(), message.frame);
            count += 1;
        }
    }
    assert!(count > 1000, "{count} messages");
}

#[test]
fn each_message_is_an_object_with_its_parameters_and_their_fields() {
    let registration = [
        &[1, 0, 0, 52, 0, 9, 0, 8][..],
        b"Echo",
        &[0, 10, 0, 40, 0xaa, 0xaa, 0, 1, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff],
        &[0, 5, 0, 16, 0x1b, 0x58, 0, 1, 0, 1, 0, 8, 192, 0, 2, 7, 0, 8, 0, 8, 0, 0, 0, 1],
    ]
    .concat();
    let folder = tempfile::tempdir().unwrap();
    let capture = written(folder.path(), &[(Protocol::Asap, &registration), (Protocol::Asap, &HEARTBEAT)]);
    let shown = decode(&capture);
    let expected = json!({
        "frame": 1, "protocol": "ASAP", "message": "ASAP_REGISTRATION", "flags": 0,
        "parameters": [
            { "type": 9, "name": "Pool Handle", "pool_handle": "Echo" },
            { "type": 10, "name": "Pool Element", "pe_identifier": 0xaaaa_0001_u32, "home_enrp_server_identifier": 0,
              "registration_life": -1, "parameters": [
                { "type": 5, "name": "TCP Transport", "port": 7000, "transport_use": 1, "parameters": [
                    { "type": 1, "name": "IPv4 Address", "ipv4_address": "192.0.2.7" } ] },
                { "type": 8, "name": "Pool Member Selection Policy", "policy_type": 1, "policy_name": "RR" } ] },
        ],
        "time": 1.0, "source": "192.0.2.1:3863", "destination": "192.0.2.2:40000", "transport": "sctp",
    });
    assert_eq!(shown[0], expected);
    assert_eq!(shown[1]["message"], "ASAP_SESSION");
    assert_eq!(shown[1]["parameters"][0]["value"], 7);
    let line = stdout(&rsp(&["decode", capture.to_str().unwrap()]));
    assert!(line.contains("192.0.2.1:3863 > 192.0.2.2:40000"), "{line}");
    assert!(line.contains("ASAP_REGISTRATION in Echo of PE 0xaaaa0001"), "{line}");
}

#[test]
fn what_is_broken_or_unknown_is_shown_as_far_as_it_can_be_read() {
    let broken = [7, 0, 0, 20, 0, 0, 0, 9, 0, 9, 0, 5, b'E', 0, 0, 0, 0, 14, 0, 99];
    let unknown_parameter = [5, 0, 0, 20, 0, 9, 0, 5, b'E', 0, 0, 0, 0x80, 0x99, 0, 8, 1, 2, 3, 4];
    let folder = tempfile::tempdir().unwrap();
    let messages: [(Protocol, &[u8]); 5] = [
        (Protocol::Asap, &broken),
        (Protocol::Asap, &unknown_parameter),
        (Protocol::Asap, &[62, 9, 0, 8, 1, 2, 3, 4]),
        (Protocol::Enrp, &[63, 0, 0, 4]),
        (Protocol::Enrp, &[1]),
    ];
    let capture = written(folder.path(), &messages);
    let shown = decode(&capture);
    assert_eq!(shown[0]["server_identifier"], 9);
    assert_eq!(shown[0]["parameters"][0]["pool_handle"], "E");
    assert!(shown[0]["error"].is_string(), "{}", shown[0]);
    assert_eq!(shown[1]["parameters"][1], json!({ "type": 0x8099, "name": "Unknown", "data": "01020304" }));
    assert_eq!(shown[1].get("error"), None);
    assert_eq!((&shown[2]["message"], &shown[2]["flags"]), (&json!("ASAP_UNKNOWN_62"), &json!(9)));
    assert_eq!(shown[3]["message"], "ENRP_UNKNOWN_63");
    assert!(shown[4]["error"].is_string(), "{}", shown[4]);
    assert_eq!(stdout(&rsp(&["decode", capture.to_str().unwrap()])).lines().count(), 5);
}

#[test]
fn a_file_that_is_no_capture_or_cut_short_ends_with_an_error_that_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let fails = |path: &Path, status: i32, says: &str| {
        let output = rsp(&["decode", "-o", "json", path.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{said}");
        assert!(said.contains(says) && said.contains(path.to_str().unwrap()), "{said}");
        stdout(&output)
    };
    let path = folder.path().join("missing.pcap");
    fails(&path, 1, "No such file");
    std::fs::write(&path, "no capture").unwrap();
    fails(&path, 1, "no pcap or pcapng file");
    let path = written(folder.path(), &[(Protocol::Asap, &HEARTBEAT), (Protocol::Asap, &HEARTBEAT)]);
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    assert_eq!(fails(&path, 1, "cut off").lines().count(), 1, "the message before is shown");
    assert_eq!(rsp(&["decode"]).status.code(), Some(2));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let capture = golden_captures().remove(0);
    let mut child = Command::new(env!("CARGO_BIN_EXE_rsp"))
        .args(["decode", "-o", "json"])
        .arg(capture)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

/// A capture of these messages, a frame each.
fn written(folder: &Path, messages: &[(Protocol, &[u8])]) -> PathBuf {
    let path = folder.join("written.pcap");
    let mut writer = CaptureWriter::new(std::fs::File::create(&path).unwrap()).unwrap();
    let (source, destination) = ("192.0.2.1:3863".parse().unwrap(), "192.0.2.2:40000".parse().unwrap());
    for (protocol, message) in messages {
        writer.write(Duration::from_secs(1), *protocol, source, destination, message).unwrap();
    }
    writer.finish().unwrap();
    path
}

/// ASAP_SESSION with a session heartbeat.
const HEARTBEAT: [u8; 16] = [0x3f, 0, 0, 16, 0xbf, 3, 0, 12, 0, 0, 0, 0, 0, 0, 0, 7];

/// The frames in which `rsp decode` finds messages, none of them broken.
pub(crate) fn decoded_frames(capture: &Path) -> Vec<Frame> {
    let mut frames: Vec<Frame> = Vec::new();
    for message in decode(capture) {
        let number = message["frame"].as_u64().unwrap() as u32;
        if frames.last().is_none_or(|frame| frame.number != number) {
            frames.push(Frame { number, asap: Vec::new(), enrp: Vec::new() });
        }
        let frame = frames.last_mut().unwrap();
        let name = message["message"].as_str().unwrap();
        match message["protocol"].as_str().unwrap() {
            "ASAP" => frame.asap.push(message_type(&ASAP, name)),
            "ENRP" => frame.enrp.push(message_type(&ENRP, name)),
            other => panic!("{other} is no protocol of ours"),
        }
        assert_eq!(message.get("error"), None, "{} frame {number}", capture.display());
    }
    frames
}

fn message_type(names: &[&str], name: &str) -> u8 {
    if name == "ASAP_SESSION" {
        return 0x3f;
    }
    let at =
        names.iter().position(|known| *known == name).unwrap_or_else(|| panic!("{name} is no message of the RFCs"));
    at as u8 + 1
}

/// The objects `rsp decode -o json` prints.
pub(crate) fn decode(capture: &Path) -> Vec<Value> {
    let output = rsp(&["decode", "-o", "json", capture.to_str().unwrap()]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub(crate) fn rsp(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rsp")).args(args).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn golden_captures() -> Vec<PathBuf> {
    let folder = tshark::repository().join("vectors/golden");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let captures: Vec<_> = files.filter(|path| path.extension().is_some_and(|extension| extension == "pcap")).collect();
    assert_eq!(captures.len(), 10);
    captures
}

/// RFC 5352 §2.2, from type 1 on.
const ASAP: [&str; 14] = [
    "ASAP_REGISTRATION",
    "ASAP_DEREGISTRATION",
    "ASAP_REGISTRATION_RESPONSE",
    "ASAP_DEREGISTRATION_RESPONSE",
    "ASAP_HANDLE_RESOLUTION",
    "ASAP_HANDLE_RESOLUTION_RESPONSE",
    "ASAP_ENDPOINT_KEEP_ALIVE",
    "ASAP_ENDPOINT_KEEP_ALIVE_ACK",
    "ASAP_ENDPOINT_UNREACHABLE",
    "ASAP_SERVER_ANNOUNCE",
    "ASAP_COOKIE",
    "ASAP_COOKIE_ECHO",
    "ASAP_BUSINESS_CARD",
    "ASAP_ERROR",
];

/// RFC 5353 §2, from type 1 on.
const ENRP: [&str; 10] = [
    "ENRP_PRESENCE",
    "ENRP_HANDLE_TABLE_REQUEST",
    "ENRP_HANDLE_TABLE_RESPONSE",
    "ENRP_HANDLE_UPDATE",
    "ENRP_LIST_REQUEST",
    "ENRP_LIST_RESPONSE",
    "ENRP_INIT_TAKEOVER",
    "ENRP_INIT_TAKEOVER_ACK",
    "ENRP_TAKEOVER_SERVER",
    "ENRP_ERROR",
];
