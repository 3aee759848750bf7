// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is answered at once looks to the peer as if it had been handed up, taken and answered.

use super::*;

/// Answers a message with itself unless it says no.
fn echo(_now: Time, _ppid: u32, message: &[u8], answer: &mut BytesMut) -> bool {
    let is_answered = !message.starts_with(b"no");
    if is_answered {
        answer.extend_from_slice(message);
    }
    is_answered
}

fn receive_and_answer(connection: &mut Connection, bytes: &[u8]) {
    let mut buffer = BytesMut::from(bytes);
    while connection.received_and_answered(&mut buffer, at(0), &mut echo) {}
    assert!(buffer.is_empty());
}

/// The same by events.
fn handle(connection: &mut Connection) {
    for event in events(connection) {
        if let Event::Message { sequence, stream: 0, ppid, data, unordered: false } = event {
            connection.taken(sequence);
            if !data.starts_with(b"no") {
                connection.send(0, ppid, false, Token(9), data).unwrap();
            }
        }
    }
}

#[test]
fn an_answer_at_once_is_an_ack_and_a_message_and_its_own_ack_is_no_event() {
    let (mut a, mut b) = pair(InitFlags::NONE);
    a.send(0, 11, false, Token(1), Bytes::from_static(b"ping!")).unwrap();
    let bytes = write(&mut a);
    receive_and_answer(&mut b, &bytes);
    assert_eq!((events(&mut b), b.outstanding()), (vec![], 1));
    pass(&mut b, &mut a);
    assert_eq!(events(&mut a), [Event::Delivered(Token(1)), message(0, 0, 11, b"ping!")]);
    a.taken(0);
    let bytes = write(&mut a);
    receive_and_answer(&mut b, &bytes);
    assert_eq!((events(&mut b), b.outstanding()), (vec![], 0));
}

#[test]
fn nothing_is_answered_before_what_came_earlier() {
    let (mut a, mut b) = pair(InitFlags::NONE);
    for data in [&b"one"[..], b"no", b"three"] {
        a.send(0, 11, false, Token(0), Bytes::from_static(data)).unwrap();
    }
    let bytes = write(&mut a);
    receive_and_answer(&mut b, &bytes);
    assert_eq!(events(&mut b), [message(1, 0, 11, b"no"), message(2, 0, 11, b"three")]);
    a.send(0, 11, false, Token(0), Bytes::from_static(b"four")).unwrap();
    let bytes = write(&mut a);
    receive_and_answer(&mut b, &bytes);
    assert_eq!(events(&mut b), [message(3, 0, 11, b"four")], "two and three are not taken yet");
}

#[test]
fn the_ack_of_an_ordinary_answer_is_told_and_delays_nothing() {
    let (mut a, mut b) = pair(InitFlags::NONE);
    for data in [&b"no"[..], b"yes"] {
        a.send(0, 11, false, Token(0), Bytes::from_static(data)).unwrap();
        let bytes = write(&mut a);
        receive_and_answer(&mut b, &bytes);
        if b.outstanding() == 0 {
            assert_eq!(events(&mut b), [message(0, 0, 11, b"no")]);
            b.taken(0);
            b.send(0, 11, false, Token(3), Bytes::from_static(b"late")).unwrap();
        } else {
            assert_eq!((events(&mut b), b.outstanding()), (vec![Event::Delivered(Token(3))], 1));
        }
        pass(&mut b, &mut a);
        assert_eq!(events(&mut a).len(), 2);
        a.taken(u64::from(data == b"yes"));
    }
}

#[test]
fn a_peer_that_reads_no_answers_is_soon_dealt_with_by_events() {
    let (mut a, mut b) = pair(InitFlags::NONE);
    for _ in 0..1000 {
        a.send(0, 11, false, Token(0), Bytes::from(vec![7; 1000])).unwrap();
    }
    let bytes = write(&mut a);
    receive_and_answer(&mut b, &bytes);
    assert!(b.buffered() < 70_000, "{}", b.buffered());
    assert!(events(&mut b).len() > 900);
}

#[test]
fn an_answer_without_a_byte_is_none() {
    let (mut a, mut b) = pair(InitFlags::NONE);
    a.send(0, 11, false, Token(0), Bytes::from_static(b"ask")).unwrap();
    let mut buffer = BytesMut::from(&write(&mut a)[..]);
    assert!(!b.received_and_answered(&mut buffer, at(0), &mut |_, _, _, _| true));
    assert_eq!((events(&mut b), b.buffered()), (vec![message(0, 0, 11, b"ask")], 0));
}

#[test]
fn plain_asap_is_answered_at_once_too() {
    let mut b = acceptor();
    receive_and_answer(&mut b, &[5, 0, 0, 8, 1, 2, 3, 4, 5, 0, 0, 5, 1, 0, 0, 0]);
    assert_eq!(
        events(&mut b),
        [
            Event::Up(Kind::Plain),
            message(0, 0, 11, &[5, 0, 0, 8, 1, 2, 3, 4]),
            message(1, 0, 11, &[5, 0, 0, 5, 1, 0, 0, 0])
        ]
    );
    b.taken(0);
    b.taken(1);
    receive_and_answer(&mut b, &[5, 0, 0, 8, 1, 2, 3, 4, 5, 0, 0, 5, 1, 0, 0, 0]);
    assert_eq!(events(&mut b), []);
    assert_eq!(write(&mut b), [5, 0, 0, 8, 1, 2, 3, 4, 5, 0, 0, 5, 1, 0, 0, 0]);
}

proptest! {
    /// Twins hear the same bytes, cut anywhere. One answers at once; both say the same, byte by byte.
    #[test]
    fn the_peer_cannot_tell_the_difference(
        messages in proptest::collection::vec((0u16..3, any::<bool>(), 1usize..50, any::<bool>()), 1..20),
        cuts in proptest::collection::vec(1usize..200, 1..20),
    ) {
        let (mut a, mut ordinary) = pair(InitFlags::NONE);
        let (_, mut at_once) = pair(InitFlags::NONE);
        let mut buffers = [BytesMut::new(), BytesMut::new()];
        let mut cuts = cuts.iter().cycle();
        for round in messages.chunks(5) {
            for (stream, unordered, length, is_answered) in round {
                let data = [if *is_answered { b"go" } else { &b"no"[..] }, &vec![7; *length]].concat();
                a.send(*stream, 11, *unordered, Token(0), data.into()).unwrap();
            }
            let bytes = write(&mut a);
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let (now, later) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
                rest = later;
                buffers.iter_mut().for_each(|buffer| buffer.extend_from_slice(now));
                ordinary.received(&mut buffers[0], at(0));
                at_once.received_and_answered(&mut buffers[1], at(0), &mut echo);
                handle(&mut ordinary);
                handle(&mut at_once);
                let said = write(&mut at_once);
                prop_assert_eq!(write(&mut ordinary), said.clone());
                receive(&mut a, &said, 0);
                for event in events(&mut a) {
                    if let Event::Message { sequence, .. } = event {
                        a.taken(sequence);
                    }
                }
            }
        }
    }
}
