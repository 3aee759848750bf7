// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a peer may make us keep, and what it is told of the window.

use super::*;

/// A pair whose server takes nothing and has little room.
fn unwilling() -> (Pair, Id) {
    let settings = Settings { receive_window: 20_000, ..Settings::default() };
    let mut pair = Pair::with(settings, Options { max_untaken_bytes: 10_000, ..Options::default() });
    pair.connect();
    let id = pair.server.id.take().unwrap();
    (pair, id)
}

fn data(packet: &[u8]) -> Option<u32> {
    let data = Packet::parse(packet).unwrap().find(kind::DATA)?;
    Some(u32::from_be_bytes(*data.value.first_chunk().unwrap()))
}

/// Cumulative TSN Ack, window and gap blocks.
fn sack(packet: &[u8]) -> Option<(u32, u32, u16)> {
    let sack = Packet::parse(packet).unwrap().find(kind::SACK)?;
    let word = |at: usize| u32::from_be_bytes(sack.value[at..at + 4].try_into().unwrap());
    Some((word(0), word(4), (word(8) >> 16) as u16))
}

/// The next TSN and the tag of the client's.
fn of_the_client(pair: &mut Pair) -> (u32, u32) {
    pair.client.send(0, &b"first"[..]).unwrap();
    let packet = pair.take(kind::DATA);
    pair.deliver(Side::ToServer, &packet);
    (data(&packet).unwrap().wrapping_add(1), Packet::parse(&packet).unwrap().header().tag)
}

fn one_byte(tsn: u32, stream: u16, ssn: u16) -> Vec<u8> {
    [&tsn.to_be_bytes()[..], &stream.to_be_bytes(), &ssn.to_be_bytes(), &[0, 0, 0, 11, b'x']].concat()
}

#[test]
fn chunks_that_end_nothing_do_not_open_the_window() {
    let (mut pair, id) = unwilling();
    let tag = pair.server.engine.get(id).unwrap().local_tag;
    let mut token = 0;
    for _ in 0..20 {
        while pair.client.engine.outstanding(pair.client.id()) < 100 {
            pair.client.send(token, vec![1; 1000]).unwrap();
            token += 1;
        }
        pair.pass(Duration::from_millis(300), |_, _| true);
        for kind in [kind::SHUTDOWN_ACK, kind::SHUTDOWN_COMPLETE] {
            let packet = pair.forged(Side::ToServer, tag, kind, 0, &[]);
            pair.deliver(Side::ToServer, &packet);
        }
        let mut packet = pair.forged(Side::ToServer, tag, 0x3f, 0, &[]);
        put_chunk(&mut packet, kind::ABORT, 0, &[]);
        seal(&mut packet);
        pair.deliver(Side::ToServer, &packet);
    }
    let handed_up = pair.server.engine.get(id).unwrap().events.len();
    assert!(handed_up < 100, "{handed_up} messages of 1,000 bytes");
}

#[test]
fn a_window_full_of_what_cannot_be_handed_up_is_not_called_empty() {
    let settings = Settings { receive_window: 20_000, ..Settings::default() };
    let mut pair = Pair::with(settings, Options::default());
    pair.connect();
    for token in 0..60 {
        pair.client.send(token, vec![1; 1000]).unwrap();
    }
    let (mut lost, mut windows) = (None, Vec::new());
    pair.pass(Duration::from_secs(5), |side, packet| match side {
        Side::ToServer => data(packet).is_none_or(|tsn| *lost.get_or_insert(tsn) != tsn),
        Side::ToClient => {
            windows.extend(sack(packet).map(|(_, window, _)| window));
            true
        }
    });
    assert!(windows.is_sorted_by(|a, b| a >= b), "nothing was taken meanwhile: {windows:?}");
    assert!(*windows.last().unwrap() < 2000, "{windows:?}");
    pair.pass(Duration::from_secs(20), |_, _| true);
    assert_eq!(pair.server.messages().len(), 60);
}

#[test]
fn data_for_which_there_is_no_room_is_answered() {
    let (mut pair, _) = unwilling();
    for token in 0..60 {
        pair.client.send(token, vec![1; 1000]).unwrap();
    }
    pair.pass(Duration::from_secs(5), |_, _| true);
    let (mut probes, mut answers) = (0, Vec::new());
    pair.pass(Duration::from_secs(20), |side, packet| {
        match side {
            Side::ToServer => probes += u32::from(data(packet).is_some()),
            Side::ToClient => answers.extend(sack(packet).map(|(_, window, _)| window)),
        }
        true
    });
    assert!(probes > 5 && answers.len() >= probes as usize && answers.iter().all(|window| *window == 0), "{answers:?}");
}

#[test]
fn very_many_small_messages_close_the_window_and_control_chunks_still_count() {
    let mut pair = Pair::with(Settings::default(), Options { max_untaken_bytes: 1000, ..Options::default() });
    pair.connect();
    let id = pair.server.id.take().unwrap();
    for token in 0..10_000 {
        pair.client.send(token, &b"x"[..]).unwrap();
    }
    let mut last = None;
    pair.pass(Duration::from_secs(2), |side, packet| {
        last = if side == Side::ToClient { sack(packet) } else { None }.or(last);
        true
    });
    assert_eq!(last.map(|(_, window, _)| window), Some(0));
    let (acknowledged, tag) = (last.unwrap().0, pair.server.engine.get(id).unwrap().local_tag);
    let mut packet = pair.forged(Side::ToServer, tag, kind::HEARTBEAT, 0, &[0, 1, 0, 8, 1, 2, 3, 4]);
    put_chunk(&mut packet, kind::DATA, 3, &[&one_byte(acknowledged.wrapping_add(1), 9, 0)]);
    seal(&mut packet);
    pair.server.engine.take_transmits();
    pair.deliver(Side::ToServer, &packet);
    let sent: Vec<u8> = pair.server.engine.take_transmits().iter().flat_map(|sent| kinds(&sent.packet)).collect();
    assert!(sent.contains(&kind::HEARTBEAT_ACK) && sent.contains(&kind::SACK), "{sent:?}");
}

#[test]
fn messages_that_wait_for_one_that_never_comes_are_not_kept_without_end() {
    let mut pair = Pair::connected();
    let (first, tag) = of_the_client(&mut pair);
    let mut sent = 0;
    // The second message of the stream is left out. What is not taken is sent again.
    for _ in 0..20_000 {
        let chunk = one_byte(first.wrapping_add(sent), 0, sent as u16 + 2);
        let packet = pair.forged(Side::ToServer, tag, kind::DATA, 3, &chunk);
        let before = pair.server.engine.counters().not_taken;
        pair.deliver(Side::ToServer, &packet);
        if pair.server.lost().is_some() {
            break;
        }
        sent += u32::from(pair.server.engine.counters().not_taken == before);
    }
    assert!(matches!(pair.server.lost(), Some(LostReason::Protocol(_))) && sent < 4096, "after {sent}");
    let sent: Vec<u8> = pair.server.engine.take_transmits().iter().flat_map(|sent| kinds(&sent.packet)).collect();
    assert!(sent.contains(&kind::ABORT));
}

#[test]
fn behind_a_gap_no_more_small_messages_are_kept_than_it_takes_to_go_on() {
    let mut pair = Pair::connected();
    let (first, tag) = of_the_client(&mut pair);
    for behind in 1..10_000u16 {
        let chunk = one_byte(first.wrapping_add(behind.into()), 0, behind + 1);
        let packet = pair.forged(Side::ToServer, tag, kind::DATA, 3, &chunk);
        pair.deliver(Side::ToServer, &packet);
    }
    assert_eq!((pair.server.lost(), pair.server.messages().len()), (None, 1));
    assert!(pair.server.engine.counters().not_taken > 8000);
    let packet = pair.forged(Side::ToServer, tag, kind::DATA, 3, &one_byte(first, 0, 1));
    pair.deliver(Side::ToServer, &packet);
    let got = pair.server.messages().len();
    assert!((1000..2000).contains(&got), "{got}");
}

#[test]
fn many_small_messages_over_a_bad_network_all_arrive() {
    let mut pair = Pair::connected();
    let mut rng = machine::Rng::new(7);
    for token in 0..6000 {
        pair.client.send_on((token % 3) as u16, false, token, vec![1; 1 + token as usize % 5]).unwrap();
    }
    for token in 6000..6060 {
        pair.client.send(token, vec![2; 20_000]).unwrap();
    }
    for _ in 0..60 {
        pair.pass(Duration::from_secs(1), |_, _| rng.below(5) > 0);
    }
    assert_eq!((pair.server.lost(), pair.server.messages().len()), (None, 6060));
}

#[test]
fn a_stream_that_was_not_offered_is_not_skipped_and_not_opened_by_a_cookie() {
    let mut pair = Pair::with(Settings { max_streams: 10, ..Settings::default() }, Options::default());
    pair.begin(Options::default());
    for kind in [kind::INIT, kind::INIT_ACK] {
        let packet = pair.take(kind);
        pair.deliver(if kind == kind::INIT { Side::ToServer } else { Side::ToClient }, &packet);
    }
    let echo = pair.take(kind::COOKIE_ECHO);
    let tsn = pair.client.engine.get(pair.client.id()).unwrap().local_tag;
    let mut with_data = echo.clone();
    put_chunk(&mut with_data, kind::DATA, 3, &[&one_byte(tsn, 10, 0)]);
    seal(&mut with_data);
    pair.deliver(Side::ToServer, &with_data);
    assert_eq!((pair.server.engine.len(), pair.server.engine.counters().malformed), (0, 1));
    pair.deliver(Side::ToServer, &echo);
    pair.run();
    let (next, tag) = of_the_client(&mut pair);
    let skip = [&next.to_be_bytes()[..], &[0, 10, 0, 0]].concat();
    let packet = pair.forged(Side::ToServer, tag, kind::FORWARD_TSN, 0, &skip);
    pair.deliver(Side::ToServer, &packet);
    assert_eq!((pair.server.lost(), pair.server.engine.counters().malformed), (None, 2));
}
