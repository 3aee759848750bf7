// SPDX-License-Identifier: MIT OR Apache-2.0
//! Packets from those who mean no good, or do not know better.

use machine::Rng;

use super::*;

/// The chunk that begins an orderly end.
const SHUTDOWN: u8 = 7;

/// A pair in which the client's COOKIE ECHO has been caught.
fn caught() -> (Pair, Vec<u8>) {
    let mut pair = Pair::new();
    pair.begin(Options::default());
    let init = pair.take(kind::INIT);
    pair.deliver(Side::ToServer, &init);
    let answer = pair.take(kind::INIT_ACK);
    pair.deliver(Side::ToClient, &answer);
    let echo = pair.take(kind::COOKIE_ECHO);
    (pair, echo)
}

fn nothing_was_sent(host: &mut Host) -> bool {
    host.engine.take_transmits().is_empty()
}

#[test]
fn a_forged_cookie_opens_nothing() {
    let (mut pair, echo) = caught();
    // What dcSCTP alone would accept: its 48 bytes, from somebody who never saw our INIT ACK.
    let packet = Packet::parse(&echo).unwrap();
    let cookie = packet.first().value;
    let inner = &cookie[..48];
    for forged in [inner.to_vec(), [inner, &[0; 48]].concat(), [inner, &cookie[48..64], &[0x55; 32]].concat()] {
        let forged = pair.forged(Side::ToServer, packet.header().tag, kind::COOKIE_ECHO, 0, &forged);
        pair.deliver(Side::ToServer, &forged);
    }
    assert_eq!(pair.server.engine.counters().forged_cookies, 3);
    assert!(pair.server.engine.is_empty() && nothing_was_sent(&mut pair.server));
    pair.deliver(Side::ToServer, &echo);
    assert!(matches!(pair.server.events[..], [Event::Up(_)]), "the true one does");
}

#[test]
fn a_cookie_from_another_address_opens_nothing() {
    let (mut pair, echo) = caught();
    for from in ["192.0.2.77:40000", "192.0.2.1:40001"] {
        let arrival = Arrival { port: PORT, from: from.parse().unwrap(), to: Some(pair.server.address.ip()) };
        pair.server.engine.receive(&arrival, &echo, pair.now);
    }
    assert_eq!(pair.server.engine.counters().forged_cookies, 2);
    assert!(pair.server.engine.is_empty() && nothing_was_sent(&mut pair.server));
}

#[test]
fn a_cookie_with_another_tag_in_the_header_opens_nothing() {
    let (mut pair, mut echo) = caught();
    echo[4] ^= 1;
    seal(&mut echo);
    pair.deliver(Side::ToServer, &echo);
    assert_eq!(pair.server.engine.counters().wrong_tag, 1);
    assert!(pair.server.engine.is_empty() && nothing_was_sent(&mut pair.server));
}

#[test]
fn an_expired_cookie_is_called_stale() {
    let (mut pair, echo) = caught();
    pair.now += Duration::from_secs(61);
    pair.deliver(Side::ToServer, &echo);
    assert!(pair.server.engine.is_empty());
    assert_eq!(pair.server.engine.counters().stale_cookies, 1);
    let [answer] = &pair.server.engine.take_transmits()[..] else { panic!() };
    let packet = Packet::parse(&answer.packet).unwrap();
    assert_eq!((packet.first().kind, &packet.first().value[..4]), (kind::ERROR, &[0, 3, 0, 8][..]));
    assert_eq!(packet.header().tag, pair.client.engine.get(pair.client.id()).unwrap().local_tag);
    // Much later nobody knows any more whether we made it.
    pair.now += Duration::from_secs(200);
    pair.deliver(Side::ToServer, &echo);
    assert_eq!(pair.server.engine.counters().forged_cookies, 1);
}

#[test]
fn a_cookie_shown_again_opens_nothing_more() {
    let (mut pair, echo) = caught();
    for _ in 0..3 {
        pair.deliver(Side::ToServer, &echo);
    }
    assert_eq!(pair.server.engine.len(), 1);
    assert!(matches!(pair.server.events[..], [Event::Up(_)]));
}

#[test]
fn a_hundred_thousand_inits_leave_nothing_behind() {
    let mut pair = Pair::new();
    pair.begin(Options::default());
    let init = pair.take(kind::INIT);
    let mut rng = Rng::new(1);
    for _ in 0..100_000 {
        let from = SocketAddr::from(([198, 51, 100, rng.below(250) as u8 + 1], rng.below(60_000) as u16 + 1));
        let mut init = init.clone();
        init[..2].copy_from_slice(&(rng.below(60_000) as u16 + 1).to_be_bytes());
        seal(&mut init);
        pair.server.engine.receive(&Arrival { port: PORT, from, to: None }, &init, pair.now);
        let [answer] = &pair.server.engine.take_transmits()[..] else { panic!("each is answered once") };
        assert_eq!((answer.to, kinds(&answer.packet)), (from, vec![kind::INIT_ACK]));
    }
    let engine = &pair.server.engine;
    assert!(engine.is_empty() && engine.by_path.is_empty() && engine.by_tag.is_empty());
    assert_eq!((engine.deadline(), engine.associations.capacity()), (None, 0));
}

#[test]
fn an_init_with_64_addresses_is_answered_where_it_came_from() {
    let mut pair = Pair::new();
    pair.begin(Options::default());
    let init = pair.take(kind::INIT);
    let packet = Packet::parse(&init).unwrap();
    let mut value = packet.first().value.to_vec();
    value.resize(value.len().next_multiple_of(4), 0);
    for last in 0..64u8 {
        value.extend([0, 5, 0, 8, 203, 0, 113, last]);
    }
    let init = pair.forged(Side::ToServer, 0, kind::INIT, 0, &value);
    pair.deliver(Side::ToServer, &init);
    let answers = pair.server.engine.take_transmits();
    assert_eq!(answers.iter().map(|answer| answer.to).collect::<Vec<_>>(), [pair.client.address]);
    assert!(pair.server.engine.is_empty());
    pair.deliver(Side::ToClient, &answers[0].packet);
    pair.run();
    assert!(matches!(pair.server.events[..], [Event::Up(_)]));
}

#[test]
fn an_init_that_cannot_be_is_refused_or_dropped() {
    let mut pair = Pair::new();
    pair.begin(Options::default());
    let init = pair.take(kind::INIT);
    let value = Packet::parse(&init).unwrap().first().value.to_vec();
    let with = |at: usize, bytes: &[u8]| {
        let mut value = value.clone();
        value[at..at + bytes.len()].copy_from_slice(bytes);
        value
    };
    // No tag: silence. No streams, hardly a window: ABORT with its tag.
    for (value, answer) in [
        (with(0, &[0; 4]), None),
        (value[..10].to_vec(), None),
        (with(4, &[0, 0, 0, 10]), Some(kind::ABORT)),
        (with(8, &[0; 2]), Some(kind::ABORT)),
        (with(10, &[0; 2]), Some(kind::ABORT)),
    ] {
        let packet = pair.forged(Side::ToServer, 0, kind::INIT, 0, &value);
        pair.deliver(Side::ToServer, &packet);
        let sent = pair.server.engine.take_transmits();
        assert_eq!(sent.first().map(|sent| kinds(&sent.packet)[0]), answer);
        if let Some(sent) = sent.first() {
            assert_eq!(sent.packet[4..8], value[..4]);
        }
    }
    // With a tag, or in company.
    let packet = pair.forged(Side::ToServer, 9, kind::INIT, 0, &value);
    pair.deliver(Side::ToServer, &packet);
    let mut packet = pair.forged(Side::ToServer, 0, kind::INIT, 0, &value);
    put_chunk(&mut packet, kind::DATA, 3, &[&[0; 16]]);
    seal(&mut packet);
    pair.deliver(Side::ToServer, &packet);
    assert!(nothing_was_sent(&mut pair.server) && pair.server.engine.is_empty());
}

#[test]
fn what_belongs_to_no_association_is_answered_as_section_8_4_says() {
    let mut pair = Pair::new();
    pair.begin(Options::default());
    pair.client.engine.take_transmits();
    let stale = [0, 3, 0, 8, 0, 0, 0, 1];
    for (kind, flags, value, answer) in [
        (kind::DATA, 3, &[0u8; 16][..], Some(kind::ABORT)),
        (kind::SACK, 0, &[0; 12], Some(kind::ABORT)),
        (SHUTDOWN, 0, &[0; 4], Some(kind::ABORT)),
        (kind::HEARTBEAT, 0, &[0, 1, 0, 4], Some(kind::ABORT)),
        (kind::INIT_ACK, 0, &[1; 16], None),
        (77, 0, &[], Some(kind::ABORT)),
        (kind::ERROR, 0, &[0, 6, 0, 4], Some(kind::ABORT)),
        (kind::SHUTDOWN_ACK, 0, &[], Some(kind::SHUTDOWN_COMPLETE)),
        (kind::ERROR, 0, &stale, None),
        (kind::ABORT, 0, &[], None),
        (kind::ABORT, 1, &[], None),
        (kind::SHUTDOWN_COMPLETE, 0, &[], None),
        (kind::COOKIE_ACK, 0, &[], None),
    ] {
        let packet = pair.forged(Side::ToServer, 0xfeed_beef, kind, flags, value);
        pair.deliver(Side::ToServer, &packet);
        let sent = pair.server.engine.take_transmits();
        let got = sent.first().map(|sent| {
            let packet = Packet::parse(&sent.packet).unwrap();
            assert_eq!((packet.header().tag, packet.first().flags, sent.to), (0xfeed_beef, T_BIT, pair.client.address));
            assert!(packet.is_single());
            packet.first().kind
        });
        assert_eq!(got, answer, "chunk {kind}");
    }
    assert_eq!(pair.server.engine.counters().out_of_the_blue, 13);
}

#[test]
fn nothing_is_answered_to_a_group() {
    let mut pair = Pair::new();
    pair.begin(Options::default());
    pair.client.engine.take_transmits();
    let packet = pair.forged(Side::ToServer, 9, kind::DATA, 3, &[0; 16]);
    let here = pair.server.address.ip();
    for (from, to) in [("224.0.0.1:9", here), ("192.0.2.1:9", "224.0.0.1".parse().unwrap()), ("192.0.2.1:0", here)] {
        let arrival = Arrival { port: PORT, from: from.parse().unwrap(), to: Some(to) };
        pair.server.engine.receive(&arrival, &packet, pair.now);
    }
    assert!(nothing_was_sent(&mut pair.server));
}

#[test]
fn a_restarted_process_answers_the_old_associations_packets_and_it_ends() {
    let mut pair = Pair::connected();
    pair.server = Host::new("192.0.2.2:9899", 9, Settings::default());
    pair.client.send(1, &b"anybody there?"[..]).unwrap();
    pair.run();
    assert_eq!(pair.client.lost(), Some(&LostReason::Reset));
    assert_eq!(pair.client.fates(), (vec![], vec![1]));
}

#[test]
fn a_wrong_tag_changes_nothing() {
    let mut pair = Pair::connected();
    let association = pair.server.engine.get(pair.server.id()).unwrap();
    let (tag, peer_tag) = (association.local_tag, association.peer_tag);
    let wrong = 21;
    for (kind, flags, with_tag) in [
        (kind::DATA, 3, tag ^ 1),
        (kind::ABORT, 0, tag ^ 1),
        (kind::ABORT, 0, peer_tag),
        (kind::ABORT, 1, tag),
        (kind::ABORT, 1, peer_tag ^ 1),
        (SHUTDOWN, 0, 0),
        (SHUTDOWN, 0, peer_tag),
        (kind::SHUTDOWN_COMPLETE, 1, tag),
        (kind::SHUTDOWN_ACK, 0, wrong),
        (kind::HEARTBEAT_ACK, 0, wrong),
    ] {
        let packet =
            pair.forged(Side::ToServer, with_tag, kind, flags, &[0; 16][..if kind == kind::DATA { 16 } else { 4 }]);
        pair.deliver(Side::ToServer, &packet);
    }
    assert_eq!(pair.server.engine.counters().wrong_tag, 10);
    assert!(nothing_was_sent(&mut pair.server));
    assert!(matches!(pair.server.events[..], [Event::Up(_)]), "{:?}", pair.server.events);
    let packet = pair.forged(Side::ToServer, peer_tag, kind::ABORT, 1, &[]);
    pair.deliver(Side::ToServer, &packet);
    assert_eq!(pair.server.lost(), Some(&LostReason::Reset), "the right one does");
}

#[test]
fn a_wrong_checksum_is_dropped_and_counted() {
    let mut pair = Pair::connected();
    pair.client.send(1, &b"hello"[..]).unwrap();
    let packet = pair.take(kind::DATA);
    for at in 0..packet.len() {
        let mut bad = packet.clone();
        bad[at] ^= 0x10;
        pair.deliver(Side::ToServer, &bad);
    }
    for length in 0..16.min(packet.len()) {
        pair.deliver(Side::ToServer, &packet[..length]);
    }
    let counters = pair.server.engine.counters();
    assert_eq!((counters.wrong_checksum, counters.malformed), (packet.len() as u64, 16));
    assert!(pair.server.messages().is_empty() && nothing_was_sent(&mut pair.server));
    pair.deliver(Side::ToServer, &packet);
    assert_eq!(pair.server.messages(), [b"hello"]);
}

#[test]
fn unknown_chunks_are_treated_by_their_highest_bits() {
    // Skip, skip and report, stop, stop and report (RFC 9260 §3.2), in front of DATA.
    for (unknown, goes_on, reports) in
        [(0xbf, true, false), (0xff, true, true), (0x3f, false, false), (0x7f, false, true)]
    {
        let mut pair = Pair::connected();
        pair.client.send(1, &b"behind it"[..]).unwrap();
        let packet = pair.take(kind::DATA);
        let parsed = Packet::parse(&packet).unwrap();
        let mut bytes = Vec::new();
        put_header(&mut bytes, parsed.header());
        put_chunk(&mut bytes, unknown, 0, &[b"??"]);
        put_chunk(&mut bytes, kind::DATA, parsed.first().flags, &[parsed.first().value]);
        seal(&mut bytes);
        pair.deliver(Side::ToServer, &bytes);
        assert_eq!(pair.server.messages().len(), usize::from(goes_on), "{unknown:#x}");
        let sent = pair.server.engine.take_transmits();
        let has_reported = sent.iter().any(|sent| kinds(&sent.packet).contains(&kind::ERROR));
        assert_eq!(has_reported, reports, "{unknown:#x}");
    }
}

#[test]
fn an_init_does_no_harm_to_an_association() {
    let mut pair = Pair::connected();
    let init = pair.forged(Side::ToServer, 0, kind::INIT, 0, &[0, 0, 0, 9, 0, 1, 0, 0, 0, 9, 0, 9, 0, 0, 0, 1]);
    for _ in 0..10 {
        pair.deliver(Side::ToServer, &init);
    }
    let sent = pair.server.engine.take_transmits();
    assert!(sent.len() == 10 && sent.iter().all(|sent| kinds(&sent.packet) == [kind::INIT_ACK]));
    pair.client.send(1, &b"still here"[..]).unwrap();
    pair.run();
    assert_eq!(pair.server.messages(), [b"still here"]);
    // To the end that listens nowhere it is refused, and no more.
    let init = pair.forged(Side::ToClient, 0, kind::INIT, 0, &[0, 0, 0, 9, 0, 1, 0, 0, 0, 9, 0, 9, 0, 0, 0, 1]);
    pair.deliver(Side::ToClient, &init);
    assert_eq!(pair.client.lost(), None);
}

#[test]
fn a_forged_report_of_an_unreachable_port_changes_nothing() {
    let mut pair = Pair::connected();
    let to = pair.server.address;
    let (path, tag, own) = {
        let association = pair.client.engine.get(pair.client.id()).unwrap();
        (association.path, association.peer_tag, association.local_tag)
    };
    let quoted = |source_port, tag| {
        let mut packet = Vec::new();
        put_header(&mut packet, Header { source_port, destination_port: path.peer_port, tag });
        put_chunk(&mut packet, kind::INIT, 0, &[&own.to_be_bytes()]);
        packet
    };
    for quoted in [
        quoted(path.local_port, tag ^ 1),
        quoted(path.local_port, 0),
        quoted(path.local_port, own),
        quoted(1, tag),
        vec![0; 7],
    ] {
        pair.client.engine.unreachable(PORT, to, &quoted, pair.now);
    }
    pair.client.engine.unreachable(PORT, "192.0.2.3:9899".parse().unwrap(), &quoted(path.local_port, tag), pair.now);
    pair.look();
    assert_eq!((pair.client.lost(), pair.client.engine.counters().forged_reports), (None, 6));
    pair.client.send(1, &b"lost with it"[..]).unwrap();
    pair.client.engine.unreachable(PORT, to, &quoted(path.local_port, tag)[..8], pair.now);
    pair.look();
    assert_eq!(pair.client.lost(), Some(&LostReason::Reset), "the true one does");
    assert_eq!(pair.client.fates(), (vec![], vec![1]));
}

#[test]
fn an_unreachable_port_refuses_a_connection() {
    let mut pair = Pair::new();
    pair.begin(Options::default());
    let init = pair.take(kind::INIT);
    pair.client.engine.unreachable(PORT, pair.server.address, &init[..19], pair.now);
    pair.look();
    assert_eq!(pair.client.lost(), None, "too short to be sure");
    pair.client.engine.unreachable(PORT, pair.server.address, &init, pair.now);
    pair.look();
    assert_eq!(pair.client.lost(), Some(&LostReason::Refused));
}

#[test]
fn there_is_a_most_of_associations_and_the_peer_is_told() {
    let mut pair = Pair::with(Settings { max_associations: 1, ..Settings::default() }, Options::default());
    pair.connect();
    pair.client.events.clear();
    pair.begin(Options::default());
    pair.pass(Duration::from_millis(100), |_, _| true);
    assert_eq!(pair.client.events.last(), Some(&Event::Lost(LostReason::Refused)), "{:?}", pair.client.events);
    assert_eq!((pair.server.engine.len(), pair.server.engine.counters().refused), (1, 1));
}

#[test]
fn one_host_does_not_take_all_there_are() {
    let settings = Settings { max_associations_per_host: 2, ..Settings::default() };
    let mut pair = Pair::with(settings, Options::default());
    for _ in 0..3 {
        pair.begin(Options::default());
        pair.pass(Duration::from_millis(100), |_, _| true);
    }
    assert_eq!(pair.client.events.last(), Some(&Event::Lost(LostReason::Refused)));
    assert_eq!((pair.server.engine.len(), pair.server.engine.counters().refused), (2, 1));
    pair.client.address = "192.0.2.99:40000".parse().unwrap();
    pair.begin(Options::default());
    pair.pass(Duration::from_millis(100), |_, _| true);
    assert_eq!(pair.server.engine.len(), 3, "another host");
    pair.server.engine.unlisten(pair.listener, pair.now);
    let first = pair.server.id();
    pair.server.engine.release(first, pair.now);
    assert!(pair.server.engine.is_empty() && pair.server.engine.hosts.is_empty());
}

#[test]
fn data_on_a_stream_that_was_not_offered_is_dropped() {
    let mut pair = Pair::with(Settings { max_streams: 10, ..Settings::default() }, Options::default());
    pair.connect();
    assert!(matches!(pair.client.send_on(10, false, 1, &b"x"[..]), Err(SendError::Refused(_))));
    pair.client.send_on(9, false, 1, &b"x"[..]).unwrap();
    let mut packet = pair.take(kind::DATA);
    packet[21] = 10;
    seal(&mut packet);
    pair.deliver(Side::ToServer, &packet);
    assert!(pair.server.messages().is_empty());
}

#[test]
fn an_init_ack_whose_cookie_fits_no_packet_is_dropped() {
    let mut pair = Pair::new();
    pair.begin(Options::default());
    let tag = pair.client.engine.get(pair.client.id()).unwrap().local_tag;
    for cookie in [0usize, 1400, 60_000] {
        let mut value = [0, 0, 0, 9, 0, 1, 0, 0, 0, 9, 0, 9, 0, 0, 0, 1].to_vec();
        if cookie > 0 {
            value.extend([0, 7]);
            value.extend((cookie as u16 + 4).to_be_bytes());
            value.extend(vec![1; cookie]);
        }
        let packet = pair.forged(Side::ToClient, tag, kind::INIT_ACK, 0, &value);
        pair.deliver(Side::ToClient, &packet);
    }
    assert_eq!(pair.client.engine.counters().malformed, 3);
    pair.run();
    assert!(matches!(pair.client.events[..], [Event::Up(_)]));
}

#[test]
fn a_stream_reset_is_not_for_us() {
    let mut pair = Pair::connected();
    let tag = pair.server.engine.get(pair.server.id()).unwrap().local_tag;
    let response = [0, 16, 0, 12, 0, 0, 0, 1, 0, 0, 0, 6];
    let packet = pair.forged(Side::ToServer, tag, kind::RE_CONFIG, 0, &response);
    pair.deliver(Side::ToServer, &packet);
    assert_eq!(pair.server.lost(), None);
}

#[test]
fn a_packet_from_another_address_of_the_peers_is_left_alone() {
    let mut pair = Pair::connected();
    pair.client.send(1, &b"by another way"[..]).unwrap();
    let packet = pair.take(kind::DATA);
    let from = "192.0.2.77:40000".parse().unwrap();
    let arrival = Arrival { port: PORT, from, to: Some(pair.server.address.ip()) };
    pair.server.engine.receive(&arrival, &packet, pair.now);
    assert!(nothing_was_sent(&mut pair.server), "an ABORT would end what is well");
    assert_eq!(pair.server.engine.counters().other_address, 1);
    pair.pass(Duration::from_secs(2), |_, _| true);
    assert_eq!(pair.client.fates(), (vec![1], vec![]));
}
