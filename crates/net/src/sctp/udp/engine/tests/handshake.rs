// SPDX-License-Identifier: MIT OR Apache-2.0
//! Opening and ending associations.

use super::*;

#[test]
fn a_message_goes_there_and_another_back() {
    let mut pair = Pair::connected();
    pair.client.send(1, &b"question"[..]).unwrap();
    pair.run();
    assert_eq!(pair.server.messages(), [b"question"]);
    pair.server.send(2, &b"answer"[..]).unwrap();
    pair.run();
    pair.pass(Duration::from_millis(100), |_, _| true);
    assert_eq!(pair.client.messages(), [b"answer"]);
    assert_eq!(pair.client.fates(), (vec![1], vec![]));
    assert_eq!(pair.server.fates(), (vec![2], vec![]));
}

#[test]
fn both_ends_know_each_others_addresses_and_ports() {
    let pair = Pair::connected();
    let (Event::Up(client), Event::Up(server)) = (&pair.client.events[0], &pair.server.events[0]) else { panic!() };
    assert_eq!(client.addresses[..], ["192.0.2.2:5".parse().unwrap()]);
    assert_eq!(server.local, "192.0.2.2:5".parse().unwrap());
    assert_eq!(server.addresses[0], client.local);
    assert_eq!(client.local.ip(), pair.client.address.ip());
    assert_eq!(client.mapping, Mapping::Sctp);
}

#[test]
fn what_is_sent_before_it_is_up_leaves_with_the_cookie_echo() {
    let mut pair = Pair::new();
    pair.begin(Options::default());
    pair.client.send(1, &b"early"[..]).unwrap();
    let mut seen = Vec::new();
    pair.run_through(|side, packet| {
        seen.push((side, kinds(packet)));
        true
    });
    assert!(seen.contains(&(Side::ToServer, vec![kind::COOKIE_ECHO, kind::DATA])), "{seen:?}");
    assert_eq!(pair.server.messages(), [b"early"]);
}

#[test]
fn closing_waits_until_all_is_delivered() {
    let mut pair = Pair::connected();
    for token in 0..100 {
        pair.client.send(token, vec![7; 1000]).unwrap();
    }
    pair.client.engine.close(pair.client.id(), pair.now);
    pair.run();
    pair.pass(Duration::from_secs(1), |_, _| true);
    assert_eq!(pair.server.messages().len(), 100);
    assert_eq!(pair.client.fates(), ((0..100).collect(), vec![]));
    assert_eq!(pair.client.lost(), Some(&LostReason::Closed));
    assert_eq!(pair.server.lost(), Some(&LostReason::PeerClosed));
    assert!(pair.client.send(1, &b"late"[..]).is_err());
}

#[test]
fn closing_is_not_waited_for_for_ever() {
    let mut pair = Pair::connected();
    pair.client.send(1, &b"into the void"[..]).unwrap();
    pair.client.engine.close(pair.client.id(), pair.now);
    pair.pass(Duration::from_secs(6), |_, _| false);
    assert_eq!(pair.client.fates(), (vec![], vec![1]));
    assert_eq!(pair.client.lost(), Some(&LostReason::Closed));
}

#[test]
fn an_abort_is_heard_by_the_peer() {
    let mut pair = Pair::connected();
    pair.client.engine.abort(pair.client.id(), pair.now);
    pair.run();
    assert_eq!(pair.client.lost(), Some(&LostReason::Closed));
    assert_eq!(pair.server.lost(), Some(&LostReason::Reset));
}

#[test]
fn one_whose_owner_goes_away_is_aborted() {
    let mut pair = Pair::connected();
    let id = pair.client.id.take().unwrap();
    pair.client.engine.release(id, pair.now);
    assert!(
        pair.client.engine.is_empty() && pair.client.engine.by_path.is_empty() && pair.client.engine.by_tag.is_empty()
    );
    pair.run();
    assert_eq!(pair.server.lost(), Some(&LostReason::Reset));
}

#[test]
fn nobody_listens_there() {
    let mut pair = Pair::new();
    pair.server.engine.unlisten(pair.listener, pair.now);
    pair.begin(Options::default());
    pair.client.send(1, &b"x"[..]).unwrap();
    pair.run();
    assert_eq!(pair.client.lost(), Some(&LostReason::Refused));
    assert_eq!(pair.client.fates(), (vec![], vec![1]));
}

#[test]
fn nobody_answers() {
    let mut pair = Pair::new();
    pair.begin(Options::default());
    let mut inits = 0;
    pair.pass(Duration::from_millis(1500), |_, _| {
        inits += 1;
        false
    });
    assert_eq!(pair.client.lost(), Some(&LostReason::ConnectTimeout));
    assert!((2..6).contains(&inits), "{inits}");
}

#[test]
fn a_refusal_counts_only_when_all_candidates_have_refused() {
    let mut pair = Pair::new();
    let neighbour: SocketAddr = "192.0.2.2:15".parse().unwrap();
    let to = vec![(PORT, neighbour), (PORT, pair.server.address)];
    let now = pair.now;
    let id = pair.client.engine.connect(vec![Attempt { peer_port: SERVER_PORT, to }], None, Options::default(), now);
    pair.client.id = Some(id);
    let tag = pair.client.engine.get(id).unwrap().local_tag;
    let abort = pair.forged(Side::ToClient, tag, kind::ABORT, 0, &[]);
    let arrival = Arrival { port: PORT, from: neighbour, to: None };
    pair.client.engine.receive(&arrival, &abort, now);
    pair.look();
    assert_eq!(pair.client.lost(), None);
    pair.run();
    assert!(matches!(pair.client.events[..], [Event::Up(_)]));
    // What the neighbour says now means nothing.
    pair.client.engine.receive(&arrival, &abort, now);
    pair.look();
    assert_eq!(pair.client.lost(), None);
}

#[test]
fn the_first_candidate_to_answer_is_the_peer() {
    let mut pair = Pair::new();
    let silent: SocketAddr = "192.0.2.2:15".parse().unwrap();
    let to = vec![(PORT, silent), (PORT, pair.server.address)];
    let attempts = vec![Attempt { peer_port: SERVER_PORT, to }];
    pair.client.id = Some(pair.client.engine.connect(attempts, None, Options::default(), pair.now));
    let inits: Vec<_> = pair.client.engine.transmits.iter().map(|transmit| transmit.to).collect();
    assert_eq!(inits, [silent, pair.server.address]);
    pair.run();
    assert!(matches!(pair.client.events[..], [Event::Up(_)]));
    assert_eq!(pair.client.engine.by_path.len(), 1);
}

#[test]
fn another_address_of_the_peer_that_answers_too_does_not_end_the_association() {
    let mut pair = Pair::new();
    let addresses = [pair.server.address, "192.0.2.3:9899".parse().unwrap()];
    let attempt = Attempt { peer_port: SERVER_PORT, to: addresses.map(|address| (PORT, address)).to_vec() };
    pair.client.id = Some(pair.client.engine.connect(vec![attempt], None, Options::default(), pair.now));
    for init in pair.client.engine.take_transmits() {
        let arrival = Arrival { port: PORT, from: pair.client.address, to: Some(init.to.ip()) };
        pair.server.engine.receive(&arrival, &init.packet, pair.now);
    }
    let answers = pair.server.engine.take_transmits();
    assert_eq!(answers.len(), 2);
    for (answer, from) in answers.iter().zip(addresses) {
        pair.client.engine.receive(&Arrival { port: PORT, from, to: None }, &answer.packet, pair.now);
    }
    pair.client.engine.flush(pair.client.id(), pair.now);
    for sent in pair.client.engine.take_transmits() {
        pair.deliver(Side::ToServer, &sent.packet);
    }
    pair.run();
    assert!(matches!(pair.client.events[..], [Event::Up(_)]), "{:?}", pair.client.events);
    assert!(matches!(pair.server.events[..], [Event::Up(_)]), "{:?}", pair.server.events);
}

#[test]
fn addresses_with_another_port_are_tried_one_after_the_other() {
    let mut pair = Pair::new();
    let nobody = Attempt { peer_port: 77, to: vec![(PORT, "192.0.2.9:9899".parse().unwrap())] };
    let server = Attempt { peer_port: SERVER_PORT, to: vec![(PORT, pair.server.address)] };
    pair.client.id = Some(pair.client.engine.connect(vec![nobody, server], None, Options::default(), pair.now));
    pair.client.send(1, &b"kept"[..]).unwrap();
    pair.pass(Duration::from_millis(900), |_, _| true);
    assert!(matches!(pair.client.events[0], Event::Up(_)));
    assert_eq!(pair.server.messages(), [b"kept"]);
}

#[test]
fn both_begin_at_the_same_time() {
    let mut pair = Pair::new();
    pair.client.engine.listen(&[PORT], 6, Options::default()).unwrap();
    let to_server = Attempt { peer_port: SERVER_PORT, to: vec![(PORT, pair.server.address)] };
    let to_client = Attempt { peer_port: 6, to: vec![(PORT, pair.client.address)] };
    pair.client.id = Some(pair.client.engine.connect(vec![to_server], Some(6), Options::default(), pair.now));
    pair.server.id = Some(pair.server.engine.connect(vec![to_client], Some(SERVER_PORT), Options::default(), pair.now));
    pair.run();
    pair.pass(Duration::from_secs(1), |_, _| true);
    assert!(matches!(pair.client.events[..], [Event::Up(_)]), "{:?}", pair.client.events);
    assert!(matches!(pair.server.events[..], [Event::Up(_)]), "{:?}", pair.server.events);
    assert_eq!((pair.client.engine.len(), pair.server.engine.len()), (1, 1));
    pair.client.send(1, &b"one association"[..]).unwrap();
    pair.run();
    assert_eq!(pair.server.messages(), [b"one association"]);
}

#[test]
fn a_restarted_peer_gets_a_new_association_and_the_old_one_is_lost() {
    let mut pair = Pair::connected();
    pair.server.send(7, &b"never acknowledged"[..]).unwrap();
    pair.gather();
    pair.wire.clear();
    // The same ports, another process.
    let port = pair.client.engine.get(pair.client.id()).unwrap().path.local_port;
    pair.client = Host::new("192.0.2.1:40000", 9, Settings::default());
    let to = Attempt { peer_port: SERVER_PORT, to: vec![(PORT, pair.server.address)] };
    pair.client.id = Some(pair.client.engine.connect(vec![to], Some(port), Options::default(), pair.now));
    pair.client.send(1, &b"hello again"[..]).unwrap();
    pair.run();
    assert_eq!(pair.server.fates(), (vec![], vec![7]));
    assert_eq!(pair.server.lost(), Some(&LostReason::Restarted));
    assert!(matches!(pair.client.events[0], Event::Up(_)), "{:?}", pair.client.events);
    pair.server.events.clear();
    pair.server.id = pair.server.engine.accept(pair.listener, Waker::noop());
    pair.run();
    assert!(matches!(pair.server.events[0], Event::Up(_)));
    assert_eq!(pair.server.messages(), [b"hello again"]);
}

#[test]
fn a_lost_cookie_ack_is_sent_again() {
    let mut pair = Pair::new();
    pair.begin(Options::default());
    let mut lost = 0;
    pair.pass(Duration::from_millis(900), |side, packet| {
        let is_lost = side == Side::ToClient && kinds(packet)[0] == kind::COOKIE_ACK && lost == 0;
        lost += u32::from(is_lost);
        !is_lost
    });
    assert_eq!(lost, 1);
    assert!(matches!(pair.client.events[..], [Event::Up(_)]));
    assert!(matches!(pair.server.events[..], [Event::Up(_)]));
}

#[test]
fn a_peer_whose_udp_port_a_nat_has_changed_is_found_by_its_tag() {
    let mut pair = Pair::connected();
    pair.client.address.set_port(40001);
    pair.client.send(1, &b"from elsewhere"[..]).unwrap();
    pair.run();
    assert_eq!(pair.server.messages(), [b"from elsewhere"]);
    pair.server.send(2, &b"back"[..]).unwrap();
    pair.run();
    assert_eq!(pair.client.messages(), [b"back"]);
}

#[test]
fn a_silent_peer_is_asked_and_then_dead() {
    let mut pair = Pair::connected();
    pair.client.send(1, &b"x"[..]).unwrap();
    pair.run();
    pair.pass(Duration::from_secs(20), |_, _| true);
    assert_eq!((pair.client.lost(), pair.server.lost()), (None, None));
    pair.client.send(2, &b"y"[..]).unwrap();
    pair.pass(Duration::from_millis(3500), |_, _| false);
    assert_eq!(pair.client.lost(), Some(&LostReason::HeartbeatMissed));
    assert_eq!(pair.client.fates(), (vec![1], vec![2]));
}

#[test]
fn our_own_pause_kills_nobody() {
    let mut pair = Pair::connected();
    pair.now += Duration::from_secs(3600);
    pair.client.engine.handle_timeout(pair.now);
    pair.look();
    assert!(pair.client.events.contains(&Event::Paused) && pair.client.lost().is_none());
    pair.run();
    pair.server.engine.handle_timeout(pair.now);
    pair.pass(Duration::from_secs(10), |_, _| true);
    assert_eq!((pair.client.lost(), pair.server.lost()), (None, None));
}

#[test]
fn a_probe_is_answered_and_measures_the_round_trip() {
    let mut pair = Pair::connected();
    pair.client.engine.probe(pair.client.id(), pair.now);
    pair.gather();
    pair.now += Duration::from_millis(30);
    pair.run();
    let rtt = pair.client.engine.path(pair.client.id()).unwrap().rtt.unwrap();
    assert!((Duration::from_millis(3)..Duration::from_millis(30)).contains(&rtt), "{rtt:?}");
    pair.pass(Duration::from_secs(5), |_, _| true);
    assert_eq!(pair.client.lost(), None);
    pair.client.engine.probe(pair.client.id(), pair.now);
    pair.pass(Duration::from_millis(1100), |_, _| false);
    assert_eq!(pair.client.lost(), Some(&LostReason::HeartbeatMissed));
}
