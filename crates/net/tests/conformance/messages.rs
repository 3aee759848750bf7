// SPDX-License-Identifier: MIT OR Apache-2.0
//! A message arrives as it was sent: all its bytes, its stream, its payload protocol identifier.

use bytes::Bytes;
use machine::association::{LostReason, Token};
use net::{Association, MAX_MESSAGE, MAX_PAYLOAD, SendError};

use crate::BackEnd;
use crate::pair::{Pair, block_on, delivered, next, pair, payload, receive, receive_echo, rest, within};
use crate::runner::tests;

tests![
    messages_of_every_size_arrive_byte_by_byte_and_come_back,
    stream_and_payload_protocol_identifier_are_kept,
    a_message_too_long_or_empty_is_refused_and_nothing_is_sent,
];

fn messages_of_every_size_arrive_byte_by_byte_and_come_back(back_end: BackEnd) {
    block_on(async {
        let Pair { mut client, mut server, .. } = pair(back_end).await;
        assert_eq!(client.max_message(), MAX_MESSAGE);
        let sizes = sizes();
        for (token, size) in sizes.iter().enumerate() {
            client.send(0, 1, false, Token(token as u64), payload(token, *size)).expect("it is not too long");
        }
        let echo = async {
            for token in 0..sizes.len() {
                let data = receive_echo(&mut server).await.data;
                server.send(0, 1, false, Token(token as u64), data).expect("it came, so it can go");
            }
            rest(&mut server).await
        };
        let asking = async {
            let mut answers = Vec::new();
            let mut delivered = 0;
            while answers.len() < sizes.len() || delivered < sizes.len() {
                match next(&mut client).await {
                    machine::association::Event::Message { sequence, data, .. } => {
                        client.taken(sequence);
                        answers.push(data);
                    }
                    machine::association::Event::Delivered(_) => delivered += 1,
                    other => panic!("{other:?}"),
                }
            }
            for (token, (answer, size)) in answers.iter().zip(&sizes).enumerate() {
                assert!(
                    *answer == payload(token, *size),
                    "message {token} of {size} bytes came back as {} others",
                    answer.len()
                );
            }
            client.finish().await
        };
        let (server, closed) = within(async { tokio::join!(echo, asking) }).await;
        assert_eq!((closed, server.reason), (LostReason::Closed, LostReason::PeerClosed));
        assert_eq!(server.undelivered, []);
    });
}

/// Around every limit there is: chunks, packets, buffers, and the largest message.
fn sizes() -> Vec<usize> {
    let around = |size: usize| size - 1..=size + 1;
    let mut sizes: Vec<usize> = (1..=9).chain([100, 1000, 10_000, 65_000, MAX_MESSAGE, MAX_PAYLOAD]).collect();
    sizes.extend((1150..1500).step_by(7));
    sizes.extend([256, 1024, 4096, 8192, 16_384, 32_768].into_iter().flat_map(around));
    sizes
}

fn stream_and_payload_protocol_identifier_are_kept(back_end: BackEnd) {
    block_on(async {
        let Pair { mut client, mut server, .. } = pair(back_end).await;
        let sent: Vec<(u16, u32)> =
            [0, 1, 2, 7, 15].into_iter().flat_map(|stream| PPIDS.map(|ppid| (stream, ppid))).collect();
        for (token, (stream, ppid)) in sent.iter().enumerate() {
            client
                .send(*stream, *ppid, false, Token(token as u64), Bytes::from(vec![token as u8]))
                .expect("it can be sent");
        }
        let receiving = async {
            let mut seen = vec![(0, 0); sent.len()];
            for _ in 0..sent.len() {
                let arrived = receive(&mut server).await;
                assert!(!arrived.unordered);
                seen[usize::from(arrived.data[0])] = (arrived.stream, arrived.ppid);
            }
            assert_eq!(seen, sent);
            rest(&mut server).await
        };
        within(async { tokio::join!(receiving, delivered_and_closed(&mut client, sent.len())) }).await;
    });
}

fn a_message_too_long_or_empty_is_refused_and_nothing_is_sent(back_end: BackEnd) {
    block_on(async {
        let Pair { mut client, mut server, .. } = pair(back_end).await;
        for length in [0, MAX_PAYLOAD + 1] {
            let refused = client.send(0, 0, false, Token(1), payload(0, length));
            assert!(matches!(refused, Err(SendError::Refused(_))), "{length}: {refused:?}");
        }
        assert_eq!((client.outstanding(), client.buffered()), (0, 0));
        client.send(0, 0, false, Token(2), payload(0, 1)).expect("it can be sent");
        let receiving = async {
            assert_eq!(receive(&mut server).await.data, payload(0, 1));
            rest(&mut server).await
        };
        within(async { tokio::join!(receiving, delivered_and_closed(&mut client, 1)) }).await;
    });
}

async fn delivered_and_closed(client: &mut Association, count: usize) {
    assert_eq!(delivered(client, count).await.len(), count);
    client.close();
    assert_eq!(rest(client).await.reason, LostReason::Closed);
}

const PPIDS: [u32; 5] = [0, 11, 12, 0x0102_0304, u32::MAX];
