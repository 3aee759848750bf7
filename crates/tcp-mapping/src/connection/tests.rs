// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two connections, or one and a hostile peer, without sockets.

mod at_once;

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::{ChunkError, MAX_PAYLOAD};

#[test]
fn the_connector_speaks_first_and_the_acceptor_only_after_it() {
    let (mut a, mut b) = (connector(), acceptor());
    assert_eq!(b.buffered(), 0);
    assert_eq!(write(&mut a), [1, 0, 0, 4]);
    receive(&mut b, &[1, 0, 0], 0);
    assert_eq!((b.buffered(), events(&mut b)), (0, vec![]));
    receive(&mut b, &[1, 0, 0, 4], 0);
    assert_eq!(events(&mut b), [Event::Up(Kind::Mapping)]);
    assert_eq!(write(&mut b), [1, 0, 0, 4]);
    receive(&mut a, &[1, 0, 0, 4], 0);
    assert_eq!(events(&mut a), [Event::Up(Kind::Mapping)]);
}

#[test]
fn data_follows_the_init_in_the_same_write() {
    let (mut a, mut b) = (connector(), acceptor());
    a.send(3, 11, false, Token(77), Bytes::from_static(b"early")).unwrap();
    assert_eq!(b.send(0, 0, false, Token(0), Bytes::from_static(b"x")), Err(SendError::NotUp));
    pass(&mut a, &mut b);
    assert_eq!(events(&mut b), [Event::Up(Kind::Mapping), message(0, 3, 11, b"early")]);
    pass(&mut b, &mut a);
    assert_eq!(events(&mut a), [Event::Up(Kind::Mapping)], "not acknowledged before it is taken");
    b.taken(0);
    pass(&mut b, &mut a);
    assert_eq!(events(&mut a), [Event::Delivered(Token(77))]);
}

//= https://www.ietf.org/archive/id/draft-ietf-rserpool-tcpmapping-03.txt#section-3.4
//= type=test
//# An
//# RSerPool TCP mapping layer entity MUST transmit exactly one
//# corresponding ACK chunk over the TCP connection immediately after
//# delivering each DATA chunk to the upper layer.
#[test]
fn acks_leave_in_tsn_order_whatever_order_messages_are_taken_in() {
    let (mut a, mut b) = pair(InitFlags::NONE);
    for token in 0..4 {
        a.send(0, 0, false, Token(100 + token), Bytes::from_static(b"m")).unwrap();
    }
    pass(&mut a, &mut b);
    events(&mut b);
    b.taken(2);
    b.taken(1);
    assert_eq!(write(&mut b), []);
    b.taken(0);
    b.taken(0);
    assert_eq!(write(&mut b), [3, 0, 0, 8, 0, 0, 0, 0, 3, 0, 0, 8, 0, 0, 0, 1, 3, 0, 0, 8, 0, 0, 0, 2]);
}

#[test]
fn a_sender_that_leaves_out_the_tsn_gets_acks_without_it() {
    let (mut a, mut b) = pair(InitFlags::NO_TSN);
    a.send(0, 0, false, Token(5), Bytes::from_static(b"m")).unwrap();
    pass(&mut a, &mut b);
    events(&mut b);
    b.taken(0);
    assert_eq!(write(&mut b), [3, 0, 0, 4]);
    receive(&mut a, &[3, 0, 0, 4], 0);
    assert_eq!(events(&mut a), [Event::Delivered(Token(5))]);
}

#[test]
fn fields_left_out_arrive_as_zero_and_cannot_be_asked_for() {
    let (mut a, mut b) = pair(InitFlags(7));
    assert_eq!(a.send(1, 0, false, Token(0), Bytes::from_static(b"m")), Err(SendError::FieldNotCarried));
    assert_eq!(a.send(0, 11, false, Token(0), Bytes::from_static(b"m")), Err(SendError::FieldNotCarried));
    a.send(0, 0, false, Token(0), Bytes::from_static(b"m")).unwrap();
    pass(&mut a, &mut b);
    assert_eq!(events(&mut b), [message(0, 0, 0, b"m")]);
}

#[test]
fn what_was_not_acknowledged_comes_back_in_order_before_the_loss() {
    let (mut a, mut b) = pair(InitFlags::NONE);
    for token in 0..3 {
        a.send(0, 0, false, Token(token), Bytes::from_static(b"m")).unwrap();
    }
    pass(&mut a, &mut b);
    b.taken(0);
    pass(&mut b, &mut a);
    a.send(0, 0, false, Token(3), Bytes::from_static(b"never written")).unwrap();
    a.ended(SocketEnd::Eof);
    let lost = Event::Lost(LostReason::PeerClosed);
    let back = [1, 2, 3].map(|n| Event::Undelivered(Token(n)));
    assert_eq!(events(&mut a), [&[Event::Delivered(Token(0))], &back[..], &[lost]].concat());
    assert_eq!(a.send(0, 0, false, Token(4), Bytes::from_static(b"m")), Err(SendError::NotUp));
    a.ended(SocketEnd::Failed(io_error()));
    assert_eq!(events(&mut a), [], "a loss is reported once");
}

#[test]
fn too_long_and_empty_messages_are_refused_before_anything_is_sent() {
    let (mut a, mut b) = pair(InitFlags::NONE);
    let max = MAX_PAYLOAD;
    let long = Bytes::from(vec![7; max + 1]);
    assert_eq!(a.send(0, 0, false, Token(0), long.clone()), Err(SendError::TooLong { len: max + 1, max }));
    assert_eq!(a.send(0, 0, false, Token(0), Bytes::new()), Err(SendError::Empty));
    assert_eq!(a.buffered(), 0);
    a.send(0, 0, false, Token(1), long.slice(1..)).unwrap();
    pass(&mut a, &mut b);
    assert!(matches!(&events(&mut b)[..], [Event::Message { data, .. }] if data.len() == max));
}

#[test]
fn a_peer_that_breaks_the_protocol_is_closed() {
    let data = |tsn: u8, ssn: u8| [0, 0, 0, 17, 0, 0, 0, tsn, 0, 0, 0, ssn, 0, 0, 0, 0, 9, 0, 0, 0];
    let number = ProtocolError::StreamSequenceNumber { stream: 0, expected: 0, got: 1 };
    let cases: [(&[u8], ProtocolError); 7] = [
        (&[1, 0, 0, 4], ProtocolError::SecondInit),
        (&data(1, 0), ProtocolError::Tsn { expected: 0, got: 1 }),
        (&data(0, 1), number),
        (&[3, 0, 0, 8, 0, 0, 0, 0], ProtocolError::AckOfNothing),
        (&[3, 0, 0, 8, 0, 0, 0, 1], ProtocolError::AckTsn { expected: 0, got: 1 }),
        (&[0, 0, 0, 15], ProtocolError::Chunk(ChunkError::Length { chunk_type: 0, length: 15 })),
        (&[7, 0, 0, 0], ProtocolError::Chunk(ChunkError::Length { chunk_type: 7, length: 0 })),
    ];
    for (bytes, error) in cases {
        let (_, mut b) = pair(InitFlags::NONE);
        receive(&mut b, &[bytes, &[0; 16]].concat(), 0);
        assert_eq!(events(&mut b), [Event::Lost(LostReason::Protocol(error))]);
        receive(&mut b, &data(0, 0), 0);
        assert_eq!(events(&mut b), [], "nothing is handed up from a connection that has ended");
    }
}

#[test]
fn data_before_init_ends_the_connector() {
    let mut a = connector();
    receive(&mut a, &[0, 0, 0, 17], 0);
    assert_eq!(events(&mut a), [Event::Lost(LostReason::Protocol(ProtocolError::NoInit))]);
}

#[test]
fn an_ack_of_a_message_that_was_not_written_yet_is_a_lie() {
    let (mut a, _) = pair(InitFlags::NONE);
    a.send(0, 0, false, Token(9), Bytes::from_static(b"m")).unwrap();
    a.written(16);
    receive(&mut a, &[3, 0, 0, 8, 0, 0, 0, 0], 0);
    let lost = Event::Lost(LostReason::Protocol(ProtocolError::AckOfNothing));
    assert_eq!(events(&mut a), [Event::Undelivered(Token(9)), lost]);
}

#[test]
fn an_unknown_chunk_is_skipped() {
    let (mut a, mut b) = pair(InitFlags::NONE);
    receive(&mut b, &[0x63, 0xff, 0, 5, 1, 0, 0, 0], 0);
    a.send(0, 0, false, Token(0), Bytes::from_static(b"after")).unwrap();
    pass(&mut a, &mut b);
    assert_eq!(events(&mut b), [message(0, 0, 0, b"after")]);
}

#[test]
fn numbers_wrap_around() {
    let (mut a, mut b) = pair(InitFlags::NONE);
    a.outbound.next_tsn = u32::MAX - 1;
    b.inbound.next_sequence = u64::from(u32::MAX) - 1;
    b.inbound.acknowledged = b.inbound.next_sequence;
    *a.outbound.streams.next_of(5) = u16::MAX;
    *b.inbound.streams.next_of(5) = u16::MAX;
    let first = b.inbound.next_sequence;
    for token in 0..4 {
        a.send(5, 0, false, Token(token), Bytes::from_static(b"m")).unwrap();
    }
    pass(&mut a, &mut b);
    assert_eq!(events(&mut b), [0, 1, 2, 3].map(|n| message(first + n, 5, 0, b"m")));
    for seq in first..first + 4 {
        b.taken(seq);
    }
    pass(&mut b, &mut a);
    assert_eq!(events(&mut a), [0, 1, 2, 3].map(|n| Event::Delivered(Token(n))));
    assert_eq!((a.outbound.next_tsn, *a.outbound.streams.next_of(5)), (2, 3));
}

#[test]
fn unordered_messages_have_no_place_in_their_stream() {
    let (mut a, mut b) = pair(InitFlags::NONE);
    for (token, unordered) in [(0, false), (1, true), (2, false)] {
        a.send(1, 0, unordered, Token(token), Bytes::from_static(b"m")).unwrap();
    }
    pass(&mut a, &mut b);
    let orders: Vec<_> =
        events(&mut b).iter().map(|event| matches!(event, Event::Message { unordered: true, .. })).collect();
    assert_eq!(orders, [false, true, false]);
}

#[test]
fn silence_is_broken_by_a_heartbeat_and_the_answer_is_life() {
    let (mut a, mut b) = pair(InitFlags::NONE);
    assert_eq!(a.poll_output(), Output::Wait(Some(at(1000))));
    a.handle_timeout(at(1000));
    let heartbeat = write(&mut a);
    assert_eq!(heartbeat[..8], [4, 0, 0, 16, 0, 1, 0, 12]);
    receive(&mut b, &heartbeat, 1000);
    let answer = write(&mut b);
    assert_eq!((answer[0], &answer[1..]), (5, &heartbeat[1..]));
    receive(&mut a, &answer, 1001);
    assert_eq!(a.poll_output(), Output::Wait(Some(at(2001))));
}

#[test]
fn a_silent_peer_is_declared_dead_after_three_intervals() {
    let (mut a, _) = pair(InitFlags::NONE);
    a.send(0, 0, false, Token(1), Bytes::from_static(b"m")).unwrap();
    for second in 1..=3 {
        a.handle_timeout(at(second * 1000));
    }
    let lost = Event::Lost(LostReason::HeartbeatMissed(Duration::from_secs(3)));
    assert_eq!(events(&mut a), [Event::Undelivered(Token(1)), lost]);
    assert_eq!(a.poll_output(), Output::Wait(None));
}

#[test]
fn after_a_pause_of_our_own_nothing_is_declared_dead() {
    let (mut a, mut b) = pair(InitFlags::NONE);
    a.handle_timeout(at(10_000));
    assert_eq!(events(&mut a), [Event::Paused(Duration::from_secs(9))]);
    pass(&mut a, &mut b);
    assert_eq!(write(&mut b)[0], 5, "it asked, and the peer lives");
    assert_eq!(a.poll_output(), Output::Wait(Some(at(11_000))));
}

#[test]
fn the_heartbeat_can_be_changed_while_it_runs() {
    let (mut a, _) = pair(InitFlags::NONE);
    let interval = Duration::from_millis(200);
    a.set_heartbeat(Heartbeat { interval, dead_after: interval * 3 }, at(900));
    assert_eq!(a.poll_output(), Output::Wait(Some(at(1100))));
    a.set_heartbeat(Heartbeat { interval, dead_after: Duration::from_secs(60) }, at(900));
    for step in 1..=100 {
        a.handle_timeout(at(900 + step * 200));
    }
    assert_eq!(events(&mut a), [], "passive: 20 s of silence hurry nobody");
}

#[test]
fn a_probe_unanswered_for_one_interval_ends_the_connection() {
    let (mut a, _) = pair(InitFlags::NONE);
    a.probe(at(100));
    assert_eq!(write(&mut a)[0], 4);
    a.handle_timeout(at(1100));
    assert_eq!(events(&mut a), [Event::Lost(LostReason::HeartbeatMissed(Duration::from_millis(1100)))]);
}

#[test]
fn a_peer_that_accepts_and_says_nothing_has_failed() {
    for mut connection in [connector(), acceptor()] {
        assert_eq!(connection.poll_output(), Output::Wait(Some(at(1000))));
        connection.handle_timeout(at(1000));
        assert_eq!(events(&mut connection), [Event::Lost(LostReason::ConnectTimeout)]);
    }
    let mut paused = connector();
    paused.handle_timeout(at(5000));
    assert_eq!(events(&mut paused), [Event::Paused(Duration::from_secs(4))]);
    assert_eq!(paused.poll_output(), Output::Wait(Some(at(6000))));
}

#[test]
fn anything_but_an_init_is_plain_asap() {
    let mut b = acceptor();
    let request = [5u8, 0, 0, 12, 0, 9, 0, 8, b'p', b'o', b'o', b'l'];
    receive(&mut b, &request, 0);
    assert_eq!(events(&mut b), [Event::Up(Kind::Plain), message(0, 0, PPID_ASAP, &request)]);
    b.taken(0);
    assert_eq!(b.buffered(), 0, "no ACK");
    assert_eq!(b.send(1, PPID_ASAP, false, Token(7), Bytes::from_static(b"abcd")), Err(SendError::FieldNotCarried));
    b.send(0, PPID_ASAP, false, Token(7), Bytes::from_static(b"answer")).unwrap();
    assert_eq!(write(&mut b), b"answer\0\0");
    assert_eq!(events(&mut b), [Event::Delivered(Token(7))]);
    assert_eq!(b.poll_output(), Output::Wait(None), "no heartbeats");
    receive(&mut b, &[5, 0, 0, 3], 0);
    assert!(matches!(events(&mut b)[..], [Event::Lost(LostReason::Protocol(ProtocolError::MessageLength(_)))]));
}

#[test]
fn a_peer_over_the_cap_of_untaken_bytes_is_closed() {
    let (mut a, mut b) = pair(InitFlags::NONE);
    b.config.max_untaken_bytes = 2 * (1000 + Config::MESSAGE_OVERHEAD);
    for token in 0..4 {
        a.send(0, 0, false, Token(token), Bytes::from(vec![0; 1000])).unwrap();
        pass(&mut a, &mut b);
        if token == 0 {
            b.taken(0);
        }
    }
    let events = events(&mut b);
    assert_eq!(events.len(), 4);
    assert!(matches!(events[3], Event::Lost(LostReason::Overrun(_))));
}

#[test]
fn a_peer_that_asks_and_never_reads_is_closed() {
    let (_, mut b) = pair(InitFlags::NONE);
    let mut heartbeat = BytesMut::new();
    HeartbeatChunk { info: Bytes::from(vec![0; 60_000]) }.encode(&mut heartbeat);
    for _ in 0..5 {
        receive(&mut b, &heartbeat, 0);
    }
    assert!(matches!(events(&mut b)[..], [Event::Lost(LostReason::Overrun(_))]));
    assert_eq!(b.buffered(), 0);
}

#[test]
fn an_orderly_end_waits_for_what_was_sent() {
    let (mut a, mut b) = pair(InitFlags::NONE);
    a.send(0, 0, false, Token(1), Bytes::from_static(b"last")).unwrap();
    b.send(0, 0, false, Token(1), Bytes::from_static(b"too late")).unwrap();
    a.close(at(0));
    assert_eq!(a.send(0, 0, false, Token(2), Bytes::from_static(b"m")), Err(SendError::NotUp));
    pass(&mut a, &mut b);
    pass(&mut b, &mut a);
    assert_eq!(events(&mut a), [], "neither handed up nor acknowledged");
    b.taken(0);
    pass(&mut b, &mut a);
    assert_eq!(events(&mut a), [Event::Delivered(Token(1)), Event::Lost(LostReason::Closed)]);

    let (mut a, _) = pair(InitFlags::NONE);
    a.send(0, 0, false, Token(1), Bytes::from_static(b"last")).unwrap();
    a.set_heartbeat(Heartbeat { dead_after: Duration::from_secs(60), ..a.config.heartbeat }, at(0));
    a.close(at(0));
    a.handle_timeout(at(5000));
    assert_eq!(events(&mut a)[..], [Event::Undelivered(Token(1)), Event::Lost(LostReason::Closed)]);
}

#[test]
fn abort_ends_at_once() {
    let (mut a, _) = pair(InitFlags::NONE);
    a.send(0, 0, false, Token(1), Bytes::from_static(b"m")).unwrap();
    a.abort();
    assert_eq!(events(&mut a), [Event::Undelivered(Token(1)), Event::Lost(LostReason::Closed)]);
    assert!(a.is_ended());
}

proptest! {
    #[test]
    fn however_the_stream_is_cut_the_events_are_the_same(
        flags in 0u8..8,
        messages in proptest::collection::vec((0u16..3, 0u32..12, any::<bool>(), 1usize..9000), 1..20),
        cuts in proptest::collection::vec(1usize..5000, 1..50),
    ) {
        let flags = InitFlags(flags);
        let mut a = Connection::new(Role::Connector, Config { init_flags: flags, ..Config::default() }, at(0));
        for (token, &(stream, ppid, unordered, len)) in messages.iter().enumerate() {
            let stream = if flags.no_stream() { 0 } else { stream };
            let ppid = if flags.no_ppid() { 0 } else { ppid };
            a.send(stream, ppid, unordered, Token(token as u64), Bytes::from(vec![token as u8; len])).unwrap();
        }
        let stream = write(&mut a);
        let mut whole = acceptor();
        receive(&mut whole, &stream, 0);
        let (mut cut, mut buffer, mut rest) = (acceptor(), BytesMut::new(), &stream[..]);
        for size in cuts.iter().cycle() {
            let (now, later) = rest.split_at((*size).min(rest.len()));
            buffer.extend_from_slice(now);
            cut.received(&mut buffer, at(0));
            rest = later;
            if rest.is_empty() { break; }
        }
        let expected = events(&mut whole);
        prop_assert_eq!(expected.len(), messages.len() + 1);
        prop_assert_eq!(events(&mut cut), expected);
    }

    #[test]
    fn no_stream_of_bytes_panics(
        init in any::<bool>(),
        pieces in proptest::collection::vec((0u8..7, 0u8..8, 0u16..40, proptest::collection::vec(any::<u8>(), 0..40)), 0..20),
    ) {
        for mut connection in [connector(), acceptor()] {
            if init {
                receive(&mut connection, &[1, 0, 0, 4], 0);
            }
            let _ = connection.send(0, 0, false, Token(0), Bytes::from_static(b"m"));
            let mut buffer = BytesMut::new();
            for (kind, flags, length, value) in &pieces {
                buffer.extend_from_slice(&[*kind, *flags]);
                buffer.extend_from_slice(&length.to_be_bytes());
                buffer.extend_from_slice(value);
                connection.received(&mut buffer, at(0));
                connection.taken(u64::from(*length));
                write(&mut connection);
                connection.handle_timeout(at(u64::from(*length) * 100));
            }
            connection.ended(SocketEnd::Eof);
            let all = events(&mut connection);
            prop_assert_eq!(all.iter().filter(|event| matches!(event, Event::Lost(_))).count(), 1);
            prop_assert!(matches!(all.last(), Some(Event::Lost(_))));
        }
    }
}

fn connector() -> Connection {
    Connection::new(Role::Connector, Config::default(), at(0))
}

fn acceptor() -> Connection {
    Connection::new(Role::Acceptor, Config::default(), at(0))
}

/// Two ends of a connection that is up; `flags` are the connector's.
fn pair(flags: InitFlags) -> (Connection, Connection) {
    let mut a = Connection::new(Role::Connector, Config { init_flags: flags, ..Config::default() }, at(0));
    let mut b = acceptor();
    pass(&mut a, &mut b);
    pass(&mut b, &mut a);
    assert_eq!((events(&mut a), events(&mut b)), (vec![Event::Up(Kind::Mapping)], vec![Event::Up(Kind::Mapping)]));
    (a, b)
}

fn pass(from: &mut Connection, to: &mut Connection) {
    let bytes = write(from);
    receive(to, &bytes, 0);
}

fn write(connection: &mut Connection) -> Vec<u8> {
    let mut all = Vec::new();
    while connection.buffered() > 0 {
        let mut slices = [IoSlice::new(&[]); 3];
        let count = connection.slices(&mut slices);
        let bytes: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
        connection.written(bytes.len());
        all.extend(bytes);
    }
    all
}

fn receive(connection: &mut Connection, bytes: &[u8], millis: u64) {
    connection.received(&mut BytesMut::from(bytes), at(millis));
}

fn events(connection: &mut Connection) -> Vec<Event> {
    let mut events = Vec::new();
    while let Output::Effect(event) = connection.poll_output() {
        events.push(event);
    }
    events
}

fn message(sequence: u64, stream: u16, ppid: u32, data: &[u8]) -> Event {
    Event::Message { sequence, stream, ppid, unordered: false, data: Bytes::copy_from_slice(data) }
}

fn io_error() -> std::io::ErrorKind {
    std::io::ErrorKind::ConnectionReset
}

fn at(millis: u64) -> Time {
    Time::from_millis(millis)
}
