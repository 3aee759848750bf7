// SPDX-License-Identifier: MIT OR Apache-2.0
//! What arrives, in which order, in which packets, and what is said of it.

use machine::Rng;

use super::*;

#[test]
fn many_small_messages_share_packets() {
    let mut pair = Pair::connected();
    for token in 0..16 {
        pair.client.send_on((token % 3) as u16, token % 5 == 0, token, vec![token as u8; 40]).unwrap();
    }
    let mut packets = 0;
    pair.run_through(|side, _| {
        packets += u32::from(side == Side::ToServer);
        true
    });
    assert_eq!((packets, pair.server.messages().len()), (1, 16));
}

#[test]
fn an_answer_shares_a_packet_with_the_acknowledgement() {
    let mut pair = Pair::connected();
    for round in 0..3 {
        pair.client.send(round, &b"question"[..]).unwrap();
        pair.gather();
        while let Some((side, packet)) = pair.wire.pop_front() {
            pair.deliver(side, &packet);
        }
        pair.server.send(round, &b"answer"[..]).unwrap();
        pair.gather();
        let answer: Vec<_> = pair.wire.iter().map(|(_, packet)| kinds(packet)).collect();
        assert_eq!(answer, [[kind::SACK, kind::DATA]], "round {round}");
        pair.run();
    }
}

#[test]
fn every_size_arrives_as_it_was_sent() {
    let mut pair = Pair::connected();
    let sizes = [1, 2, 3, 4, 1300, 1372, 1373, 1400, 5000, 65_000, crate::MAX_PAYLOAD];
    for (token, size) in sizes.into_iter().enumerate() {
        pair.client.send(token as u64, vec![token as u8; size]).unwrap();
    }
    pair.pass(Duration::from_secs(2), |_, _| true);
    let got: Vec<_> = pair.server.messages().iter().map(|message| (message.len(), message[0])).collect();
    let sent: Vec<_> = sizes.into_iter().enumerate().map(|(token, size)| (size, token as u8)).collect();
    assert_eq!(got, sent);
    assert!(matches!(pair.client.send(0, vec![0; crate::MAX_PAYLOAD + 1]), Err(SendError::Refused(_))));
    assert!(matches!(pair.client.send(0, Bytes::new()), Err(SendError::Refused(_))));
}

#[test]
fn stream_ppid_and_unordered_are_kept() {
    let mut pair = Pair::connected();
    pair.client.send_on(7, true, 1, &b"out of order"[..]).unwrap();
    pair.client.send_on(8, false, 2, &b"in order"[..]).unwrap();
    pair.client.send_on(7, true, 3, vec![9; 5000]).unwrap();
    pair.pass(Duration::from_millis(100), |_, _| true);
    let kept: Vec<_> = pair
        .server
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Message { stream, ppid, unordered, data, .. } => Some((*stream, *ppid, *unordered, data.len())),
            _ => None,
        })
        .collect();
    assert!(
        kept.contains(&(7, 11, true, 12)) && kept.contains(&(8, 11, false, 8)) && kept.contains(&(7, 11, true, 5000)),
        "{kept:?}"
    );
}

/// Loses and swaps packets at random until all has arrived, then cuts the line with some still out.
fn through_a_bad_network(seed: u64) {
    let mut rng = Rng::new(seed);
    let mut pair = Pair::connected();
    let mut sent = 0;
    for _ in 0..30 {
        for _ in 0..rng.below(20) {
            let (stream, unordered) = (rng.below(4) as u16, rng.below(4) == 0);
            let size = 8 + rng.below(3000) as usize;
            let mut data = vec![stream as u8; size];
            data[..8].copy_from_slice(&u64::to_be_bytes(sent));
            pair.client.send_on(stream, unordered, sent, data).unwrap();
            sent += 1;
        }
        pair.pass(Duration::from_millis(20), |_, _| rng.below(10) > 0);
    }
    for _ in 0..20 {
        pair.pass(Duration::from_millis(500), |_, _| rng.below(10) > 0);
    }
    let before_the_cut = sent;
    for _ in 0..50 {
        pair.client.send_on(rng.below(4) as u16, false, sent, sent.to_be_bytes().to_vec()).unwrap();
        sent += 1;
    }
    pair.pass(Duration::from_millis(1), |side, _| side == Side::ToServer);
    pair.pass(Duration::from_secs(10), |_, _| false);
    assert_eq!(pair.client.lost(), Some(&LostReason::HeartbeatMissed));
    let (delivered, undelivered) = pair.client.fates();
    let mut all = delivered.clone();
    all.extend(&undelivered);
    all.sort_unstable();
    assert_eq!(all, (0..sent).collect::<Vec<_>>(), "seed {seed}: each exactly once");
    assert_eq!(undelivered, (before_the_cut..sent).collect::<Vec<_>>(), "seed {seed}: in the order sent");
    let mut got: Vec<u64> = pair.server.messages().iter().map(|data| number(data)).collect();
    let count = got.len();
    for stream in 0..4u16 {
        let ordered: Vec<u64> = pair
            .server
            .events
            .iter()
            .filter_map(|event| match event {
                Event::Message { stream: of, unordered: false, data, .. } if *of == stream => Some(number(data)),
                _ => None,
            })
            .collect();
        assert!(ordered.is_sorted(), "seed {seed}: stream {stream} {ordered:?}");
    }
    got.sort_unstable();
    got.dedup();
    assert_eq!(got.len(), count, "seed {seed}: none twice");
    assert!(delivered.iter().all(|token| got.binary_search(token).is_ok()), "seed {seed}: what was delivered is there");
}

fn number(data: &[u8]) -> u64 {
    u64::from_be_bytes(data[..8].try_into().unwrap())
}

#[test]
fn over_a_bad_network_each_message_has_its_one_fate() {
    (0..20).for_each(through_a_bad_network);
}

#[test]
fn a_peer_that_takes_nothing_stops_the_sender_and_keeps_no_more_than_its_window() {
    let settings = Settings { receive_window: 100_000, max_send_bytes: 1 << 20, ..Settings::default() };
    let mut pair = Pair::with(settings, Options { max_untaken_bytes: 50_000, ..Options::default() });
    pair.connect();
    let id = pair.server.id.take().unwrap();
    let mut refused = None;
    for token in 0..2000 {
        if let Err(error) = pair.client.send(token, vec![1; 1000]) {
            refused = Some(error);
            break;
        }
    }
    assert!(matches!(refused, Some(SendError::Full(_))), "{refused:?}");
    pair.pass(Duration::from_secs(5), |_, _| true);
    let server = pair.server.engine.get(id).unwrap();
    let handed_up: usize = server.events.len() * 1000;
    let waiting = server.sctp.as_ref().unwrap().messages_waiting() * 1000;
    assert!(handed_up <= 51_000 && waiting <= 101_400, "{handed_up} {waiting}");
    assert_eq!(pair.client.lost(), None, "it is alive");
    assert!(pair.client.engine.outstanding(pair.client.id()) > 800);
    // It takes them after all.
    pair.server.id = Some(id);
    pair.pass(Duration::from_secs(20), |_, _| true);
    assert_eq!(pair.client.engine.outstanding(pair.client.id()), 0);
    assert_eq!(pair.server.messages().len(), pair.client.fates().0.len());
}

#[test]
fn very_small_messages_that_nobody_takes_do_not_pile_up() {
    let mut pair = Pair::with(Settings::default(), Options { max_untaken_bytes: 1000, ..Options::default() });
    pair.connect();
    let id = pair.server.id.take().unwrap();
    for token in 0..20_000 {
        pair.client.send(token, &b"x"[..]).unwrap();
    }
    pair.pass(Duration::from_secs(5), |_, _| true);
    let waiting = pair.server.engine.get(id).unwrap().sctp.as_ref().unwrap().messages_waiting();
    assert!(waiting < 1200, "{waiting}");
    pair.server.id = Some(id);
    pair.pass(Duration::from_secs(60), |_, _| true);
    assert_eq!(pair.server.messages().len(), 20_000);
}

#[test]
fn a_message_with_a_lifetime_is_given_up_and_the_others_are_not() {
    let mut pair = Pair::connected();
    let id = pair.client.id();
    pair.client.send(1, &b"first"[..]).unwrap();
    let lifetime = Some(Duration::from_millis(100));
    let (token, data) = (Token(2), Bytes::from_static(b"short-lived"));
    pair.client.engine.send(id, Message { stream: 0, ppid: 11, unordered: false, lifetime, token, data }).unwrap();
    pair.client.send(3, &b"last"[..]).unwrap();
    pair.pass(Duration::from_secs(1), |_, _| false);
    pair.pass(Duration::from_secs(2), |_, _| true);
    assert_eq!(pair.client.fates(), (vec![1, 3], vec![2]));
    assert_eq!(pair.server.messages(), [&b"first"[..], b"last"]);
}

#[test]
fn an_ordered_message_is_not_called_unordered_for_ending_like_another() {
    let mut pair = Pair::connected();
    pair.client.send_on(0, false, 1, &b"ab"[..]).unwrap();
    pair.client.send_on(0, true, 2, &b"b"[..]).unwrap();
    pair.run();
    let mut kept: Vec<_> = pair
        .server
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Message { unordered, data, .. } => Some((data.to_vec(), *unordered)),
            _ => None,
        })
        .collect();
    kept.sort_unstable();
    assert_eq!(kept, [(b"ab".to_vec(), false), (b"b".to_vec(), true)]);
}

#[test]
fn messages_on_streams_that_the_peer_does_not_take_are_not_sent_and_the_association_goes_on() {
    let mut pair = Pair::new();
    let few = Settings { max_streams: 10, ..Settings::default() };
    pair.server = Host::new("192.0.2.2:9899", 2, few);
    pair.listener = pair.server.engine.listen(&[PORT], SERVER_PORT, Options::default()).unwrap();
    pair.begin(Options::default());
    pair.client.send_on(10, false, 1, &b"nobody hears it"[..]).unwrap();
    pair.client.send_on(9, false, 2, &b"heard"[..]).unwrap();
    pair.run();
    assert_eq!(pair.client.fates(), (vec![2], vec![]));
    assert!(pair.client.events.contains(&Event::NotSent(Token(1))), "{:?}", pair.client.events);
    assert!(matches!(pair.client.send_on(10, false, 3, &b"x"[..]), Err(SendError::Refused(_))));
    // The other way round it is the client that takes few.
    let mut pair = Pair::new();
    pair.client = Host::new("192.0.2.1:40000", 1, few);
    pair.begin(Options::default());
    pair.run();
    assert!(matches!(pair.server.send_on(10, false, 3, &b"x"[..]), Err(SendError::Refused(_))));
}

#[test]
fn there_is_an_end_to_the_answers_that_nobody_reads() {
    let mut pair = Pair::connected();
    let id = pair.server.id();
    assert_eq!(pair.server.engine.room_for_answers(id), 256 << 10);
    for _ in 0..5 {
        assert!(pair.server.engine.answer(id, 11, &[0; 60 << 10]), "it was asked before");
    }
    assert_eq!(pair.server.engine.room_for_answers(id), 0);
    pair.pass(Duration::from_secs(2), |_, _| true);
    assert_eq!((pair.server.engine.room_for_answers(id), pair.client.messages().len()), (256 << 10, 5));
}
