// SPDX-License-Identifier: MIT OR Apache-2.0
//! The reader on files made for it: formats, transports, gaps, and input that lies.

use std::time::Duration;

use crate::frames::{SECTION, SECTION_HEADER, block, data, ethernet, ipv4, message, pcap, sctp, tcp, udp};
use net::capture::{CaptureError, CaptureReader, CapturedMessage, Limits, Protocol, Skipped, Transport};

const ETHERNET: u32 = 1;
const RAW: u32 = 101;
const SYN: u8 = 2;
const ACK: u8 = 16;
const RST: u8 = 4;

fn read(file: &[u8]) -> (Vec<CapturedMessage>, Skipped) {
    let mut reader = CaptureReader::new(file).unwrap();
    let messages = reader.by_ref().collect::<Result<_, _>>().unwrap();
    (messages, *reader.skipped())
}

/// The frame numbers and message types in a capture of raw IP packets, nothing skipped.
fn frames_and_types(packets: &[Vec<u8>]) -> Vec<(u32, u8)> {
    let (messages, skipped) = read(&pcap(RAW, packets));
    assert_eq!(skipped, Skipped::default());
    messages.iter().map(|message| (message.frame, message.bytes[0])).collect()
}

#[test]
fn pcap_is_read_in_both_byte_orders_and_time_units() {
    let packet = ethernet(&udp(1, 3863, &message(10, 8)));
    let big = pcap(ETHERNET, &[packet]);
    let mut little = big.clone();
    for at in [0, 16, 20, 24, 28, 32, 36] {
        little[at..at + 4].reverse();
    }
    for (mut file, magic) in [(big, [0xa1, 0xb2, 0x3c, 0x4d]), (little, [0x4d, 0x3c, 0xb2, 0xa1])] {
        assert_eq!(read(&file).0[0].time, Duration::new(1, 1000));
        file[..4].copy_from_slice(&magic);
        let (messages, _) = read(&file);
        assert_eq!(messages[0].time, Duration::new(1, 1));
        assert_eq!(messages[0].bytes, message(10, 8));
    }
}

#[test]
fn pcapng_is_read_over_several_sections_interfaces_and_kinds_of_block() {
    let packet = udp(1, 9901, &message(1, 12));
    let interface = |link: u16, options: &[u8]| {
        let mut body = link.to_le_bytes().to_vec();
        body.extend([0, 0, 0, 0, 0, 0]);
        body.extend(options);
        block(1, &body)
    };
    let nanoseconds = [9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0];
    let enhanced = |interface: u32, time: u32, packet: &[u8]| {
        let mut body = interface.to_le_bytes().to_vec();
        body.extend([0, 0, 0, 0]);
        body.extend(time.to_le_bytes());
        body.extend((packet.len() as u32).to_le_bytes());
        body.extend((packet.len() as u32).to_le_bytes());
        body.extend(packet);
        block(6, &body)
    };
    let simple = block(3, &[&(packet.len() as u32).to_le_bytes(), packet.as_slice()].concat());
    let file = [
        block(SECTION_HEADER, &SECTION),
        interface(RAW as u16, &[]),
        interface(147, &[]), // reserved for private use
        block(5, &[0; 12]),  // interface statistics
        enhanced(0, 7, &packet),
        enhanced(1, 8, &packet),
        block(SECTION_HEADER, &SECTION),
        interface(1, &nanoseconds),
        enhanced(0, 7, &ethernet(&packet)),
        block(SECTION_HEADER, &SECTION),
        interface(RAW as u16, &[]),
        simple,
    ]
    .concat();
    let (messages, skipped) = read(&file);
    let seen: Vec<_> = messages.iter().map(|message| (message.frame, message.time.as_nanos() as u64)).collect();
    assert_eq!(seen, [(1, 7000), (3, 7), (4, 0)]);
    assert!(messages.iter().all(|message| message.protocol == Protocol::Enrp && message.bytes.len() == 12));
    assert_eq!(skipped.unknown_link, 1);
}

#[test]
fn several_chunks_of_a_packet_come_out_in_order_and_application_data_does_not() {
    let chunks =
        [data(3, 5, 11, &message(1, 8)), data(3, 6, 0, b"hello"), vec![3, 0, 0, 4], data(3, 7, 12, &message(2, 9))];
    let (messages, skipped) = read(&pcap(RAW, &[ipv4(132, &sctp(&chunks))]));
    let seen: Vec<_> = messages.iter().map(|message| (message.protocol, message.bytes.len())).collect();
    assert_eq!(seen, [(Protocol::Asap, 8), (Protocol::Enrp, 9)]);
    assert_eq!(messages[0].source, "192.0.2.1:3863".parse().unwrap());
    assert_eq!(messages[0].transport, Transport::Sctp);
    assert_eq!(skipped, Skipped::default());
}

#[test]
fn a_retransmitted_chunk_is_shown_once() {
    let first = ipv4(132, &sctp(&[data(3, 5, 11, &message(1, 8))]));
    let again = ipv4(132, &sctp(&[data(3, 5, 11, &message(1, 8)), data(3, 6, 11, &message(2, 8))]));
    assert_eq!(frames_and_types(&[first, again]), [(1, 1), (2, 2)]);
}

#[test]
fn fragments_become_one_message_in_the_frame_that_completes_it() {
    let whole = message(6, 3000);
    let fragment = |flags, tsn, range| ipv4(132, &sctp(&[data(flags, tsn, 11, &whole[range])]));
    let packets = [fragment(2, 1, 0..1000), fragment(1, 3, 2000..3000), fragment(0, 2, 1000..2000)];
    let (messages, skipped) = read(&pcap(RAW, &packets));
    assert_eq!(messages.len(), 1);
    assert_eq!((messages[0].frame, &messages[0].bytes[..]), (3, &whole[..]));
    assert_eq!(skipped, Skipped::default());
    let (messages, skipped) = read(&pcap(RAW, &packets[..2]));
    assert_eq!((messages.len(), skipped.lost_fragments), (0, 2));
}

#[test]
fn sctp_is_found_in_udp_by_its_port_and_by_its_checksum() {
    let mut packet = sctp(&[data(3, 5, 11, &message(1, 8))]);
    let found = |packet: &[u8], port| read(&pcap(RAW, &[udp(50000, port, packet)])).0;
    assert_eq!(found(&packet, 9899)[0].transport, Transport::SctpOverUdp);
    assert_eq!(found(&packet, 9899)[0].destination.port(), 3864, "the port of SCTP");
    assert!(found(&packet, 13863).is_empty());
    let checksum = crc32c(&packet).to_le_bytes();
    packet[8..12].copy_from_slice(&checksum);
    assert_eq!(found(&packet, 13863).len(), 1);
}

/// Bit by bit, to have a second opinion.
fn crc32c(packet: &[u8]) -> u32 {
    let mut crc = !0u32;
    for byte in packet {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

#[test]
fn bare_asap_over_tcp_is_framed_by_its_length_wherever_segments_begin() {
    let stream = [message(5, 20), message(6, 9), vec![0; 3], message(9, 16)].concat();
    let mut packets = vec![tcp(3863, 99, SYN, &[])];
    packets.extend(stream.chunks(7).enumerate().map(|(at, chunk)| tcp(3863, 100 + 7 * at as u32, ACK, chunk)));
    assert_eq!(frames_and_types(&packets), [(4, 5), (6, 6), (8, 9)]);
    let (messages, _) = read(&pcap(RAW, &packets));
    assert_eq!(messages[0].transport, Transport::Tcp);
    assert_eq!(messages[1].bytes.len(), 12, "with its padding");
}

#[test]
fn segments_out_of_order_and_sent_again_make_no_difference() {
    let stream = [message(5, 20), message(6, 40), message(9, 16)].concat();
    let begin = u32::MAX - 30; // the numbers wrap within the stream
    let part = |from: usize, to: usize| tcp(3863, begin.wrapping_add(from as u32), ACK, &stream[from..to]);
    let packets = [
        tcp(3863, begin.wrapping_sub(1), SYN, &[]),
        part(30, 50),
        part(0, 10),
        tcp(3863, begin.wrapping_sub(1), SYN, &[]),
        part(60, 76),
        part(5, 20),
        part(0, 30),
        part(45, 60),
        part(0, 76),
    ];
    assert_eq!(frames_and_types(&packets), [(6, 5), (8, 6), (8, 9)]);
}

#[test]
fn the_tcp_mapping_is_recognised_on_any_port_by_its_init() {
    let chunk = |fields: &[u8], message: &[u8]| {
        let mut chunk = vec![0, 0];
        chunk.extend(((4 + fields.len() + message.len()) as u16).to_be_bytes());
        chunk.extend(fields);
        chunk.extend(message);
        chunk.resize(chunk.len().next_multiple_of(4), 0);
        chunk
    };
    let with_flags = |flags: u8, fields: &[u8]| {
        let stream = [
            vec![1, flags, 0, 4],
            chunk(fields, &message(1, 9)),
            vec![3, 0, 0, 8, 0, 0, 0, 1], // ACK
            chunk(fields, &message(2, 8)),
        ]
        .concat();
        read(&pcap(RAW, &[tcp(7000, 1, SYN, &[]), tcp(7000, 2, ACK, &stream)]))
    };
    for (flags, fields) in
        [(0, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 11][..]), (1, &[0, 0, 0, 0, 0, 0, 0, 11]), (3, &[0, 0, 0, 11])]
    {
        let (messages, skipped) = with_flags(flags, fields);
        assert_eq!(messages.iter().map(|message| message.bytes[0]).collect::<Vec<_>>(), [1, 2]);
        assert_eq!((messages[0].transport, messages[0].bytes.len()), (Transport::TcpMapping, 9));
        assert_eq!(skipped, Skipped::default());
    }
    assert!(with_flags(0, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).0.is_empty(), "PPID 0 is the application's");
    assert!(with_flags(7, &[]).0.is_empty(), "without PPIDs there is no control channel");
}

#[test]
fn a_stream_with_a_hole_is_given_up_and_counted_and_a_new_connection_is_read() {
    let mut packets = vec![tcp(3863, 0, SYN, &[]), tcp(3863, 1, ACK, &message(5, 8))];
    packets.extend((1..400).map(|at| tcp(3863, 1000 * at, ACK, &message(6, 1000))));
    packets.push(tcp(3863, 77, RST, &[]));
    packets.push(tcp(3863, 5000, SYN, &[]));
    packets.push(tcp(3863, 5001, ACK, &message(9, 8)));
    let (messages, skipped) = read(&pcap(RAW, &packets));
    assert_eq!(messages.iter().map(|message| message.bytes[0]).collect::<Vec<_>>(), [5, 9]);
    assert_eq!(skipped, Skipped { broken_streams: 1, ..Skipped::default() });
}

#[test]
fn a_connection_that_began_before_the_capture_is_counted() {
    let (messages, skipped) = read(&pcap(RAW, &[tcp(3863, 1, ACK, &[3, 0, 0, 8, 0, 0, 0, 1])]));
    assert!(messages.is_empty());
    assert_eq!(skipped.without_beginning, 1);
    assert_eq!(skipped.notes().count(), 1);
}

#[test]
fn a_message_the_snap_length_cut_is_handed_up_as_far_as_it_goes() {
    let packet = ipv4(132, &sctp(&[data(3, 5, 11, &message(1, 200))]));
    let mut file = pcap(RAW, std::slice::from_ref(&packet));
    file.truncate(24 + 16 + 100);
    file[32..36].copy_from_slice(&100u32.to_be_bytes());
    let (messages, skipped) = read(&file);
    assert_eq!(messages[0].bytes[..], message(1, 200)[..100 - 20 - 12 - 16]);
    assert_eq!(skipped, Skipped { cut_off: 1, ..Skipped::default() });
}

#[test]
fn ip_fragments_are_counted() {
    let mut packet = udp(1, 3863, &message(10, 8));
    packet[6] = 0x20;
    let (messages, skipped) = read(&pcap(RAW, &[packet]));
    assert_eq!((messages.len(), skipped.ip_fragments), (0, 1));
}

#[test]
fn what_is_wrong_with_a_file_is_said_with_its_place() {
    let error = |file: &[u8]| match CaptureReader::new(file) {
        Ok(mut reader) => reader.find_map(Result::err).expect("an error").to_string(),
        Err(error) => error.to_string(),
    };
    let file = pcap(RAW, &[udp(1, 3863, &message(10, 8))]);
    assert!(error(b"").contains("no pcap or pcapng file"));
    assert!(error(b"\x1f\x8b").contains("no pcap or pcapng file"));
    assert!(error(b"\x1f\x8b\x08\x00compressed").contains("[1f, 8b, 08, 00]"));
    assert_eq!(error(&file[..10]), "the file is cut off in the file header at byte 4");
    assert_eq!(error(&file[..30]), "the file is cut off in the frame header at byte 24");
    assert_eq!(error(&file[..file.len() - 1]), "the file is cut off in the frame at byte 40");
    assert!(error(&pcap(147, &[])).contains("link type 147"));
    let mut huge = file.clone();
    huge[32..36].copy_from_slice(&u32::MAX.to_be_bytes());
    assert!(error(&huge).contains("the frame at byte 24 claims 4294967295 bytes"));

    let section = block(SECTION_HEADER, &SECTION);
    let with = |rest: &[u8]| error(&[section.as_slice(), rest].concat());
    assert!(with(&block(6, &[0; 24])).contains("not described"));
    assert!(with(&[6, 0, 0, 0, 8, 0, 0, 0]).contains("too short"));
    assert!(with(&[1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]).contains("claims"));
    assert!(with(&[99, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]).contains("cut off"));
    assert!(error(&[0x0a, 0x0d, 0x0d, 0x0a, 0, 0, 0, 28, 1, 2, 3, 4]).contains("neither big nor little"));
}

#[test]
fn messages_before_the_end_of_a_cut_file_are_handed_up_first() {
    let packet = udp(1, 3863, &message(10, 8));
    let mut file = pcap(RAW, &[packet.clone(), packet]);
    file.truncate(file.len() - 5);
    let items: Vec<_> = CaptureReader::new(&file[..]).unwrap().collect();
    assert!(matches!(&items[..], [Ok(_), Err(CaptureError::CutOff { .. })]), "{items:?}");
}

#[test]
fn a_file_of_lies_is_read_without_panic() {
    let whole = message(6, 3000);
    let mut packets = vec![
        ethernet(&ipv4(132, &sctp(&[data(2, 1, 11, &whole[..1000]), data(3, 7, 12, &message(1, 8))]))),
        ethernet(&ipv4(132, &sctp(&[data(1, 2, 11, &whole[1000..])]))),
        ethernet(&udp(50000, 9899, &sctp(&[data(3, 5, 11, &message(1, 8))]))),
        ethernet(&udp(50000, 9901, &message(1, 20))),
        ethernet(&tcp(3863, 0, SYN, &[])),
        ethernet(&tcp(3863, 1, ACK, &[1, 0, 0, 4, 0, 0, 0, 24, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 11])),
        ethernet(&tcp(3863, 29, ACK, &[3, 0, 0, 8, 0, 0, 0, 1])),
        ethernet(&tcp(3863, 21, ACK, &message(5, 8))),
    ];
    packets.extend(packets.clone());
    let file = pcap(ETHERNET, &packets);
    let limits = Limits { flows: 2, bytes_per_flow: 2000, ..Limits::default() };
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let mut messages = 0;
    for _ in 0..20_000 {
        let mut file = file.clone();
        for _ in 0..=random(4) {
            let at = random(file.len());
            file[at] = if random(2) == 0 { random(256) as u8 } else { file[at] ^ 1 << random(8) };
        }
        file.truncate(file.len() - random(40));
        let Ok(reader) = CaptureReader::with_limits(&file[..], limits) else { continue };
        messages += reader.filter(Result::is_ok).count();
    }
    assert!(messages > 20_000, "most files are still readable: {messages} messages");
}
