// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages of one stream keep their order; those that need not keep it arrive all the same, once.

use std::collections::BTreeMap;

use bytes::Bytes;
use machine::association::{LostReason, Token};

use crate::BackEnd;
use crate::pair::{Arrived, Pair, block_on, delivered, pair, receive, rest, within};
use crate::runner::tests;

tests![
    messages_of_a_stream_arrive_in_the_order_they_were_sent,
    unordered_messages_arrive_each_once_and_say_that_they_are,
    messages_sent_before_it_is_up_arrive_in_order,
];

const STREAMS: u16 = 4;
const COUNT: u32 = 1000;

fn messages_of_a_stream_arrive_in_the_order_they_were_sent(back_end: BackEnd) {
    let mut last = BTreeMap::new();
    for (number, arrived) in send_and_receive(back_end, |_| false) {
        assert!(!arrived.unordered);
        let before = last.insert(arrived.stream, number);
        assert!(before < Some(number), "{number} after {before:?} on stream {}", arrived.stream);
    }
}

fn unordered_messages_arrive_each_once_and_say_that_they_are(back_end: BackEnd) {
    let mut last = BTreeMap::new();
    for (number, arrived) in send_and_receive(back_end, |number| number % 3 == 0) {
        assert_eq!(arrived.unordered, number % 3 == 0);
        if !arrived.unordered {
            assert!(last.insert(arrived.stream, number) < Some(number));
        }
    }
}

/// Sends messages of many sizes on several streams and answers them, by number, as they arrived: each once.
fn send_and_receive(back_end: BackEnd, is_unordered: impl Fn(u32) -> bool) -> Vec<(u32, Arrived)> {
    let mut arrived = Vec::new();
    block_on(async {
        let Pair { mut client, mut server, .. } = pair(back_end).await;
        for number in 0..COUNT {
            let stream = (number % u32::from(STREAMS)) as u16;
            client
                .send(stream, 7, is_unordered(number), Token(number.into()), numbered(number))
                .expect("it can be sent");
        }
        let receiving = async {
            for _ in 0..COUNT {
                let message = receive(&mut server).await;
                let number = u32::from_be_bytes(*message.data.first_chunk().expect("four bytes"));
                assert_eq!(message.data, numbered(number));
                assert_eq!(u32::from(message.stream), number % u32::from(STREAMS));
                arrived.push((number, message));
            }
            assert_eq!(rest(&mut server).await.messages, []);
        };
        let sending = async {
            let tokens = delivered(&mut client, COUNT as usize).await;
            assert!(tokens.iter().map(|token| token.0).eq(0..COUNT.into()), "each has one fate");
            client.finish().await
        };
        let ((), closed) = within(async { tokio::join!(receiving, sending) }).await;
        assert_eq!(closed, LostReason::Closed);
    });
    let mut numbers: Vec<u32> = arrived.iter().map(|(number, _)| *number).collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..COUNT));
    arrived
}

fn messages_sent_before_it_is_up_arrive_in_order(back_end: BackEnd) {
    block_on(async {
        let Pair { listener, transports, .. } = pair(back_end).await;
        let options = crate::pair::options();
        let mut client = transports.connect(back_end.protocol(), listener.local_addrs().to_vec(), options);
        for number in 0..20 {
            client.send(0, 7, false, Token(number.into()), numbered(number)).expect("it is queued");
        }
        let receiving = async {
            let mut server = crate::pair::accept(back_end, &listener).await;
            for number in 0..20 {
                assert_eq!(receive(&mut server).await.data, numbered(number));
            }
            rest(&mut server).await
        };
        let sending = async {
            crate::pair::up(back_end, &mut client).await;
            delivered(&mut client, 20).await;
            client.finish().await
        };
        within(async { tokio::join!(receiving, sending) }).await;
    });
}

/// A number, and as many bytes behind it as it says.
fn numbered(number: u32) -> Bytes {
    let mut bytes = number.to_be_bytes().to_vec();
    bytes.resize(4 + (number as usize * 37) % 3000, number as u8);
    bytes.into()
}
