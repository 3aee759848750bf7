// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages over real sockets.

use std::task::Poll;

use bytes::{Bytes, BytesMut};
use machine::Time;
use machine::association::{Event, Protocol, Token};
use net::{MAX_MESSAGE, MAX_PAYLOAD, Options};

use crate::common::{accept, listen, message, options, pair, process, up, within};

#[tokio::test]
async fn messages_of_every_size_arrive_with_stream_and_ppid() {
    let (mut client, mut server) = pair("127.0.0.1:0").await;
    assert_eq!(client.max_message(), MAX_MESSAGE);
    let sizes: Vec<usize> = (0..16).map(|n| 1 << n).chain([3, 1371, 1372, 1373, 65_000, MAX_PAYLOAD]).collect();
    for (token, &size) in sizes.iter().enumerate() {
        client.send(3, 12, false, Token(token as u64), Bytes::from(vec![token as u8; size])).unwrap();
    }
    let receiving = async {
        for (at, &size) in sizes.iter().enumerate() {
            let Event::Message { sequence, stream, ppid, unordered, data } = within(server.next()).await else {
                panic!()
            };
            assert_eq!((sequence, stream, ppid, unordered, data.len()), (at as u64, 3, 12, false, size));
            assert!(data.iter().all(|byte| *byte == at as u8));
            server.taken(sequence);
        }
    };
    let sending = async {
        for token in 0..sizes.len() {
            assert_eq!(within(client.next()).await, Event::Delivered(Token(token as u64)));
        }
    };
    tokio::join!(receiving, sending);
    assert_eq!((client.outstanding(), client.buffered()), (0, 0));
}

#[tokio::test]
async fn a_responder_answers_in_turn_and_what_it_leaves_goes_the_usual_way() {
    let (mut client, mut server) = pair("127.0.0.1:0").await;
    let serving = tokio::spawn(async move {
        loop {
            let event = std::future::poll_fn(|cx| {
                let mut respond = |_: Time, ppid: u32, message: &[u8], answer: &mut BytesMut| {
                    let knows = !message[0].is_multiple_of(3);
                    if knows {
                        assert_eq!(ppid, 11);
                        answer.extend_from_slice(&[message[0], b'!']);
                    }
                    knows
                };
                server.poll_turn(cx, &mut respond)
            })
            .await;
            match event {
                Event::Message { sequence, data, .. } => {
                    server.taken(sequence);
                    server.send(0, 11, false, Token(sequence), Bytes::from(vec![data[0], b'?'])).unwrap();
                }
                Event::Delivered(_) => {}
                other => return other,
            }
        }
    });
    for number in 0..200u8 {
        client.send(0, 11, false, Token(u64::from(number)), Bytes::from(vec![number])).unwrap();
    }
    for number in 0..200u8 {
        let expected = [number, if number.is_multiple_of(3) { b'?' } else { b'!' }];
        assert_eq!(message(&mut client).await, expected, "in order");
    }
    within(client.finish()).await;
    assert!(matches!(within(serving).await.unwrap(), Event::Lost(_)));
}

#[tokio::test]
async fn a_peer_that_reads_no_answers_has_its_questions_asked_of_the_owner_and_none_is_lost() {
    const QUESTIONS: u64 = 300;
    let listener = listen(&process(), "127.0.0.1:0");
    let few = Options { max_untaken_bytes: 1000, ..options() };
    let mut client = process().connect(Protocol::Sctp, vec![listener.loopback_addr()], few);
    let mut server = accept(&listener).await;
    up(&mut client).await;
    let mut answered = 0;
    let mut asked = Vec::new();
    let mut number = 0;
    while answered + asked.len() as u64 != QUESTIONS {
        if answered + asked.len() as u64 == number {
            client.send(0, 11, false, Token(number), Bytes::from_static(b"?")).unwrap();
            client.flush();
            number += 1;
        }
        let event = within(std::future::poll_fn(|cx| {
            let mut respond = |_: Time, _: u32, _: &[u8], answer: &mut BytesMut| {
                answer.resize(8192, 1);
                answered += 1;
                true
            };
            match server.poll_turn(cx, &mut respond) {
                Poll::Pending if answered + asked.len() as u64 == number => Poll::Ready(None),
                event => event.map(Some),
            }
        }))
        .await;
        if let Some(Event::Message { sequence, .. }) = event {
            asked.push(sequence);
        }
    }
    // The peer's window, what may be out, and what one turn answers.
    assert!(answered * 8192 < (512 + 256 + 64) << 10, "{answered} were answered into the void");
    for sequence in asked {
        server.taken(sequence);
    }
    server.flush();
    let receiving = async {
        for _ in 0..answered {
            assert_eq!(message(&mut client).await.len(), 8192);
        }
    };
    let serving = async {
        loop {
            within(server.next()).await;
        }
    };
    tokio::select! {
        () = receiving => {}
        () = serving => {}
    }
}

#[tokio::test]
async fn the_path_is_known() {
    let (mut client, mut server) = pair("127.0.0.1:0").await;
    client.probe();
    client.send(0, 11, false, Token(1), Bytes::from_static(b"x")).unwrap();
    client.flush();
    message(&mut server).await;
    let path = &client.paths().unwrap()[0];
    assert_eq!((path.address, path.primary), (client.peer_addr(), true));
    assert!(path.srtt.is_some() && path.pmtu.is_some() && path.cwnd.is_some());
    assert_eq!(client.round_trip_time(), path.srtt);
}
