// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the recorder makes of frames: SCTP stays, what carries our messages another way becomes SCTP, the rest is left out.

use std::time::Duration;

use crate::frames::{SECTION, SECTION_HEADER, block, data, ethernet, ipv4, message, pcap, sctp, tcp, udp};
use net::capture::{CaptureReader, CapturedMessage, FrameReader, Limits, LinkType, Recorder, Skipped, Transport};

const ETHERNET: u32 = 1;
const RAW: u32 = 101;
const SYN: u8 = 2;
const ACK: u8 = 16;

/// What the recorder writes for a capture file.
fn record(file: &[u8], ports: &[u16]) -> (Vec<u8>, Skipped) {
    let mut written = Vec::new();
    let mut recorder = Recorder::new(&mut written, ports.to_vec(), &Limits::default()).unwrap();
    let mut frames = FrameReader::with_limits(file, Limits::default()).unwrap();
    while let Some(frame) = frames.next_frame().unwrap() {
        recorder.record(&frame).unwrap();
    }
    recorder.finish().unwrap();
    let (skipped, length) = (*recorder.skipped(), recorder.written());
    drop(recorder);
    assert_eq!(length, written.len() as u64);
    (written, skipped)
}

/// The frames of a file: interface, time, bytes.
fn frames(file: &[u8]) -> Vec<(Option<String>, Duration, Vec<u8>)> {
    let mut reader = FrameReader::with_limits(file, Limits::default()).unwrap();
    let mut frames = Vec::new();
    while let Some(frame) = reader.next_frame().unwrap() {
        assert_eq!(frame.link, Some(LinkType::Raw));
        frames.push((frame.interface.map(str::to_owned), frame.time, frame.bytes.to_vec()));
    }
    frames
}

fn messages(file: &[u8]) -> Vec<CapturedMessage> {
    CaptureReader::new(file).unwrap().collect::<Result<_, _>>().unwrap()
}

/// A chunk of the TCP mapping with all its fields, unordered on stream 5.
fn chunk(ppid: u32, payload: &[u8]) -> Vec<u8> {
    let mut chunk = data(4, 1, ppid, payload);
    chunk[8..12].copy_from_slice(&[0, 5, 0, 9]);
    chunk.resize(chunk.len().next_multiple_of(4), 0);
    chunk
}

/// An SCTP packet with its checksum, found by bringing it through the recorder.
fn with_checksum(packet: Vec<u8>) -> Vec<u8> {
    frames(&record(&pcap(RAW, &[ipv4(132, &packet)]), &[]).0)[0].2[20..].to_vec()
}

#[test]
fn messages_of_the_tcp_mapping_become_sctp_with_their_stream_and_identifier() {
    let stream = [&[1, 0, 0, 4][..], &chunk(11, &message(1, 12)), &chunk(77, b"data"), &chunk(12, &message(2, 4000))];
    let packets = [tcp(7000, 1, SYN, &[]), tcp(7000, 2, ACK, &stream.concat())];
    let (file, skipped) = record(&pcap(RAW, &packets), &[]);
    assert_eq!(skipped, Skipped::default());
    let found = messages(&file);
    assert_eq!(found.iter().map(|found| found.bytes.to_vec()).collect::<Vec<_>>(), [message(1, 12), message(2, 4000)]);
    for found in &found {
        assert_eq!((found.transport, found.time), (Transport::Sctp, Duration::new(2, 1000)));
        assert_eq!(
            (found.source.to_string(), found.destination.to_string()),
            ("192.0.2.1:40000".into(), "192.0.2.2:7000".into())
        );
    }
    let frames = frames(&file);
    assert_eq!(frames.len(), 2 + 3, "the last one in three fragments");
    let application = &frames[1].2[32..];
    assert_eq!(
        (application[1], &application[8..12], &application[12..20]),
        (7, &[0, 5, 0, 9][..], &b"\0\0\0\x4ddata"[..])
    );
}

#[test]
fn bare_asap_becomes_sctp_and_announcements_stay_udp() {
    let packets = [
        tcp(3863, 1, SYN, &[]),
        tcp(3863, 2, ACK, &message(5, 8)),
        udp(1, 3863, &message(10, 8)),
        udp(9901, 9901, &message(1, 8)),
    ];
    let found = messages(&record(&pcap(RAW, &packets), &[]).0);
    assert_eq!(
        found.iter().map(|found| found.transport).collect::<Vec<_>>(),
        [Transport::Sctp, Transport::Udp, Transport::Udp]
    );
}

#[test]
fn a_checksum_left_to_the_network_card_is_filled_in_and_a_wrong_one_stays() {
    let left_out = sctp(&[data(3, 1, 11, &message(1, 8))]);
    let mut wrong = left_out.clone();
    wrong[8..12].copy_from_slice(&[1, 2, 3, 4]);
    let (file, _) = record(&pcap(RAW, &[ipv4(132, &left_out), ipv4(132, &wrong)]), &[]);
    let frames = frames(&file);
    assert_ne!(frames[0].2[28..32], [0; 4]);
    assert_eq!(frames[0].2[..28], ipv4(132, &left_out)[..28]);
    assert_eq!(frames[1].2, ipv4(132, &wrong));
}

#[test]
fn sctp_over_udp_stays_on_port_9899_and_is_unpacked_from_any_other() {
    let [one, two] = [1, 2].map(|tsn| with_checksum(sctp(&[data(3, tsn, 11, &message(1, 8))])));
    let (file, _) = record(&pcap(RAW, &[udp(40000, 9899, &one), udp(40000, 3863, &two)]), &[]);
    let frames = frames(&file);
    assert_eq!(frames[0].2, udp(40000, 9899, &one));
    assert_eq!((frames[1].2[9], &frames[1].2[20..]), (132, &two[..]));
    assert_eq!(messages(&file).len(), 2);
    let text = String::from_utf8_lossy(&file).into_owned();
    assert!(text.contains("carried by UDP, port 40000 to port 3863"), "{text}");
}

#[test]
fn interfaces_and_times_are_kept() {
    let interface = |name: &[u8; 4]| {
        let mut body = vec![ETHERNET as u8, 0, 0, 0, 0, 0, 0, 0];
        body.extend([&[2, 0, 4, 0][..], name, &[9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0]].concat());
        block(1, &body)
    };
    let packet = |interface: u8, nanoseconds: u32| {
        let packet = ethernet(&ipv4(132, &sctp(&[data(3, 1, 11, &message(1, 8))])));
        let mut body = vec![interface, 0, 0, 0, 0, 0, 0, 0];
        body.extend(nanoseconds.to_le_bytes());
        body.extend([(packet.len() as u32).to_le_bytes(); 2].concat());
        body.extend(packet);
        block(6, &body)
    };
    let file = [
        block(SECTION_HEADER, &SECTION),
        interface(b"eth0"),
        interface(b"eth1"),
        packet(1, 7),
        packet(0, 123_456_789),
        packet(1, 999_999_999),
    ];
    let (file, _) = record(&file.concat(), &[]);
    let seen: Vec<_> = frames(&file).into_iter().map(|(interface, time, _)| (interface, time.as_nanos())).collect();
    let expected = [("eth1", 7), ("eth0", 123_456_789), ("eth1", 999_999_999)];
    assert_eq!(seen, expected.map(|(name, time)| (Some(name.to_owned()), time)));
}

#[test]
fn what_is_not_ours_is_left_out_and_what_has_another_port_when_ports_are_named() {
    let sctp = ipv4(132, &sctp(&[data(3, 1, 11, &message(1, 8))]));
    let packets = [
        udp(1, 53, b"a question"),
        tcp(80, 1, SYN, &[]),
        tcp(80, 2, ACK, b"GET / HTTP/1.1\r\n\r\n"),
        ipv4(1, b"ping"),
        sctp,
        tcp(7000, 1, SYN, &[]),
        tcp(7000, 2, ACK, &[&[1, 0, 0, 4][..], &chunk(11, &message(1, 12))].concat()),
        udp(1, 3863, &message(10, 8)),
    ];
    let count = |ports: &[u16]| frames(&record(&pcap(RAW, &packets), ports).0).len();
    assert_eq!((count(&[]), count(&[7000]), count(&[40000, 1]), count(&[4])), (3, 1, 2, 0));
}

#[test]
fn a_connection_that_began_before_the_capture_is_picked_up_at_a_segment_that_begins_with_a_message() {
    let middle = [3, 0, 0, 8, 0, 0, 0, 1];
    let packets = [
        tcp(3863, 100, ACK, &chunk(11, &message(1, 12))[8..]),
        tcp(3863, 200, ACK, &[&middle[..], &chunk(11, &message(2, 40))].concat()),
        tcp(3863, 200 + 8 + 56, ACK, &chunk(11, &message(3, 12))),
    ];
    let (file, skipped) = record(&pcap(RAW, &packets), &[]);
    assert_eq!(messages(&file).iter().map(|found| found.bytes[0]).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(skipped, Skipped { without_beginning: 1, ..Skipped::default() });
}

#[test]
fn a_file_is_continued_in_another_one_that_stands_for_itself() {
    let mut recorder = Recorder::new(Vec::new(), Vec::new(), &Limits::default()).unwrap();
    let record = |packets: &[Vec<u8>], recorder: &mut Recorder<Vec<u8>>| {
        let file = pcap(RAW, packets);
        let mut frames = FrameReader::with_limits(&file[..], Limits::default()).unwrap();
        while let Some(frame) = frames.next_frame().unwrap() {
            recorder.record(&frame).unwrap();
        }
    };
    let stream = [&[1, 0, 0, 4][..], &chunk(11, &message(1, 12))].concat();
    record(&[tcp(7000, 1, SYN, &[]), tcp(7000, 2, ACK, &stream)], &mut recorder);
    let first = recorder.continue_in(Vec::new()).unwrap();
    // The same connection goes on.
    record(&[tcp(7000, 2 + stream.len() as u32, ACK, &chunk(11, &message(2, 12)))], &mut recorder);
    let second = recorder.continue_in(Vec::new()).unwrap();
    assert_eq!(messages(&first).iter().map(|found| found.bytes[0]).collect::<Vec<_>>(), [1]);
    assert_eq!(messages(&second).iter().map(|found| found.bytes[0]).collect::<Vec<_>>(), [2]);
    assert_eq!(recorder.packets(), 2);
}

#[test]
fn a_frame_that_is_cut_off_is_counted_and_keeps_its_length() {
    let mut packet = ipv4(132, &sctp(&[data(3, 1, 11, &message(1, 100))]));
    packet.truncate(60);
    let (file, skipped) = record(&pcap(RAW, &[packet]), &[]);
    assert_eq!(skipped.cut_off, 1);
    let mut reader = FrameReader::with_limits(&file[..], Limits::default()).unwrap();
    let frame = reader.next_frame().unwrap().unwrap();
    assert!(frame.cut_off);
    assert_eq!(frame.bytes.len(), 60);
    assert_eq!(frame.bytes[28..32], [0; 4], "of a part there is no checksum");
}
