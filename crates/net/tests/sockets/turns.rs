// SPDX-License-Identifier: MIT OR Apache-2.0
//! Associations that take turns, and answer at once.

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use machine::Time;
use machine::association::{Event, Token};

use crate::common::{ANY_V4, pair, within};

#[tokio::test]
async fn one_that_always_has_more_to_read_lets_the_others_have_their_turn() {
    let (mut client, mut server) = pair(ANY_V4).await;
    for token in 0..4000 {
        client.send(0, 11, false, Token(token), Bytes::from_static(&[7; 36])).expect("it is up");
    }
    client.flush();
    let (mut answered, mut turns) = (0, 0);
    while answered < 2000 {
        within(tokio::time::sleep(Duration::from_millis(1))).await;
        let before = answered;
        let mut responder = |_: Time, _: u32, message: &[u8], answer: &mut BytesMut| {
            answered += 1;
            answer.extend_from_slice(message);
            true
        };
        let poll = server.poll_turn(&mut Context::from_waker(Waker::noop()), &mut responder);
        assert_eq!(poll, Poll::Pending);
        assert!(answered - before <= 16 * 1024 / 52 + 1, "{} in one turn", answered - before);
        turns += usize::from(answered > before);
    }
    assert!(turns > 5, "{turns}");
}

#[tokio::test]
async fn long_answers_are_written_before_more_is_answered() {
    let (mut client, mut server) = pair(ANY_V4).await;
    for token in 0..100 {
        client.send(0, 11, false, Token(token), Bytes::from_static(b"much")).expect("it is up");
    }
    let answer = |_: Time, _: u32, _: &[u8], answer: &mut BytesMut| {
        answer.extend_from_slice(&[7; 40_000]);
        true
    };
    let (mut most, mut read) = (0, 0);
    let mut responder = answer;
    within(async {
        while read < 100 {
            tokio::select! {
                event = client.next() => if let Event::Message { sequence, data, .. } = event {
                    assert_eq!(data.len(), 40_000);
                    client.taken(sequence);
                    read += 1;
                },
                event = std::future::poll_fn(|cx| {
                    let poll = server.poll_turn(cx, &mut responder);
                    most = most.max(server.buffered());
                    poll
                }) => panic!("{event:?}"),
            }
        }
    })
    .await;
    assert!(most <= (64 << 10) + 2 * 40_100, "{most} bytes of answers waited");
}
