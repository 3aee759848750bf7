// SPDX-License-Identifier: MIT OR Apache-2.0
//! An end in order against an end at once.

use machine::association::{Event, LostReason, Token};
use net::SendError;

use crate::BackEnd;
use crate::pair::{Pair, block_on, next, pair, payload, rest, within};
use crate::runner::tests;

tests![
    after_close_all_that_was_sent_arrives_and_the_peer_hears_that_it_was_closed,
    after_abort_the_peer_hears_a_reset,
    an_association_closed_by_both_ends_at_once_ends,
    after_the_end_nothing_can_be_sent_and_nothing_more_happens,
    a_dropped_listener_leaves_its_associations_alone,
];

fn after_close_all_that_was_sent_arrives_and_the_peer_hears_that_it_was_closed(back_end: BackEnd) {
    block_on(async {
        let Pair { mut client, mut server, .. } = pair(back_end).await;
        for token in 0..60 {
            client.send(0, 0, false, Token(token), payload(token as usize, 20_000)).expect("it can be sent");
        }
        client.close();
        let (client, server) = within(async { tokio::join!(rest(&mut client), rest(&mut server)) }).await;
        assert_eq!((client.reason, server.reason), (LostReason::Closed, LostReason::PeerClosed));
        assert_eq!((client.delivered.len(), client.undelivered.len()), (60, 0));
        assert_eq!(server.messages.len(), 60);
        for (number, message) in server.messages.iter().enumerate() {
            assert!(message.data == payload(number, 20_000), "message {number}");
        }
    });
}

fn after_abort_the_peer_hears_a_reset(back_end: BackEnd) {
    block_on(async {
        let Pair { mut client, mut server, .. } = pair(back_end).await;
        client.abort();
        let ending = async {
            assert_eq!(rest(&mut client).await.reason, LostReason::Closed);
        };
        let ((), server) = within(async { tokio::join!(ending, rest(&mut server)) }).await;
        assert_eq!(server.reason, LostReason::Reset);
    });
}

fn an_association_closed_by_both_ends_at_once_ends(back_end: BackEnd) {
    block_on(async {
        let Pair { mut client, mut server, .. } = pair(back_end).await;
        client.close();
        server.close();
        let (client, server) = within(async { tokio::join!(rest(&mut client), rest(&mut server)) }).await;
        for reason in [client.reason, server.reason] {
            assert!(matches!(reason, LostReason::Closed | LostReason::PeerClosed), "{reason:?}");
        }
    });
}

fn after_the_end_nothing_can_be_sent_and_nothing_more_happens(back_end: BackEnd) {
    block_on(async {
        let Pair { mut client, mut server, .. } = pair(back_end).await;
        let (closed, _) = within(async {
            tokio::join!(
                async {
                    client.close();
                    rest(&mut client).await
                },
                rest(&mut server)
            )
        })
        .await;
        assert_eq!(closed.reason, LostReason::Closed);
        for end in [&mut client, &mut server] {
            let refused = end.send(0, 0, false, Token(1), payload(0, 1));
            assert!(matches!(refused, Err(SendError::Refused(_))), "{refused:?}");
            let silence = tokio::time::timeout(std::time::Duration::from_millis(50), end.next()).await;
            assert!(silence.is_err(), "{silence:?}");
        }
    });
}

fn a_dropped_listener_leaves_its_associations_alone(back_end: BackEnd) {
    block_on(async {
        let Pair { mut client, mut server, listener, transports, _servers_transports } = pair(back_end).await;
        drop(listener);
        client.send(0, 0, false, Token(1), payload(0, 100)).expect("it can be sent");
        let receiving = async {
            let Event::Message { sequence, .. } = next(&mut server).await else { panic!("a message") };
            server.taken(sequence);
            rest(&mut server).await
        };
        let sending = async {
            assert_eq!(next(&mut client).await, Event::Delivered(Token(1)));
            client.finish().await
        };
        let (server, closed) = within(async { tokio::join!(receiving, sending) }).await;
        assert_eq!((server.reason, closed), (LostReason::PeerClosed, LostReason::Closed));
        drop(transports);
    });
}
