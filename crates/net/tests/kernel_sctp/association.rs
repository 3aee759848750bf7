// SPDX-License-Identifier: MIT OR Apache-2.0
//! One association: what is sent arrives, and every end is told.

use std::time::Duration;

use bytes::Bytes;
use machine::association::{Event, Heartbeat, LostReason, Mapping, Protocol, Token};

use crate::common::{accepted, message, next, options, pair, send, up, with_kernel_sctp};

const LOOPBACK: &[&str] = &["127.0.0.1:0"];

#[test]
fn a_message_keeps_its_stream_its_ppid_and_its_length() {
    with_kernel_sctp(async |transports| {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let (mut client, mut server, _listener) = pair(&transports, &[address]).await;
            assert_eq!((client.mapping(), client.peer_addr()), (Some(Mapping::Sctp), server.local_addr()));
            for (token, (length, stream, ppid, unordered)) in
                [(1, 0, 11, false), (65_000, 3, 12, false), (65_519, 63, 0x0102_0304, true), (1_400, 1, 0, false)]
                    .into_iter()
                    .enumerate()
            {
                let data: Bytes = (0..length).map(|byte| byte as u8).collect::<Vec<_>>().into();
                client.send(stream, ppid, unordered, Token(token as u64), data.clone()).unwrap();
                tokio::select! {
                    event = next(&mut server) => {
                        let sequence = token as u64;
                        assert_eq!(event, Event::Message { sequence, stream, ppid, unordered, data });
                        server.taken(sequence);
                    }
                    event = next(&mut client) => panic!("{event:?} before the server had it"),
                }
                let (delivered, ()) = tokio::join!(next(&mut client), idle(&mut server));
                assert_eq!(delivered, Event::Delivered(Token(token as u64)));
            }
        }
    });
}

/// Lets it do what it does for as long as it takes the other to be told.
async fn idle(association: &mut net::Association) {
    let waited = tokio::time::timeout(Duration::from_millis(500), next(association)).await;
    assert!(waited.is_err(), "{waited:?}");
}

#[test]
fn a_port_that_is_reserved_refuses_and_one_that_is_listened_on_does_not() {
    with_kernel_sctp(async |transports| {
        let reserved = transports.reserve(Protocol::Sctp, &["127.0.0.1:0".parse().unwrap()], options()).unwrap();
        let to = reserved.local_addrs().to_vec();
        assert_ne!(to[0].port(), 0);
        let mut client = transports.connect(Protocol::Sctp, to.clone(), options());
        assert_eq!(client.next().await, Event::Lost(LostReason::Refused));
        let error = transports.reserve(Protocol::Sctp, &to, options()).unwrap_err();
        assert!(matches!(error, net::BindError::InUse(_)), "{error:?}");
        let listener = reserved.listen().unwrap();
        let mut client = transports.connect(Protocol::Sctp, to, options());
        tokio::join!(up(&mut client), accepted(&listener));
    });
}

#[test]
fn an_orderly_end_comes_behind_everything_that_was_sent() {
    with_kernel_sctp(async |transports| {
        let (mut client, mut server, _listener) = pair(&transports, LOOPBACK).await;
        for token in 0..100 {
            send(&mut client, token, vec![7; 1_000]);
        }
        client.close();
        let server = async {
            for _ in 0..100 {
                assert_eq!(message(&mut server).await.len(), 1_000);
            }
            assert_eq!(next(&mut server).await, Event::Lost(LostReason::PeerClosed));
        };
        let client = async {
            for token in 0..100 {
                assert_eq!(next(&mut client).await, Event::Delivered(Token(token)));
            }
            assert_eq!(next(&mut client).await, Event::Lost(LostReason::Closed));
        };
        tokio::join!(client, server);
    });
}

#[test]
fn an_abort_is_a_reset_and_what_had_not_arrived_is_undelivered_in_order() {
    with_kernel_sctp(async |transports| {
        let (mut client, mut server, _listener) = pair(&transports, LOOPBACK).await;
        // More than the peer's kernel takes while nobody reads, and less than ours does.
        for token in 0..60 {
            send(&mut client, token, vec![7; 60_000]);
        }
        client.flush();
        idle(&mut client).await;
        let waits = client.buffered();
        assert!(waits > 0, "the kernel took it all");
        server.abort();
        assert_eq!(next(&mut server).await, Event::Lost(LostReason::Closed));
        let mut outcomes = Vec::new();
        loop {
            match next(&mut client).await {
                Event::Delivered(Token(token)) => outcomes.push((token, true)),
                Event::Undelivered(Token(token)) => outcomes.push((token, false)),
                Event::Lost(reason) => break assert_eq!(reason, LostReason::Reset),
                other => panic!("{other:?}"),
            }
        }
        assert!(outcomes.iter().map(|(token, _)| *token).eq(0..60), "{outcomes:?}");
        let delivered = outcomes.iter().filter(|(_, delivered)| *delivered).count();
        assert!(outcomes[..delivered].iter().all(|(_, delivered)| *delivered), "{outcomes:?}");
        assert!((1..60).contains(&delivered), "{delivered}");
    });
}

#[test]
fn a_message_sent_just_before_the_end_is_accepted_with_the_association() {
    with_kernel_sctp(async |transports| {
        let listener = transports.bind(Protocol::Sctp, &["127.0.0.1:0".parse().unwrap()], options()).unwrap();
        let mut client = transports.connect(Protocol::Sctp, listener.local_addrs().to_vec(), options());
        send(&mut client, 1, &b"good-bye"[..]);
        client.close();
        // Nobody accepts before it is all over.
        assert!(matches!(next(&mut client).await, Event::Up(_)));
        assert_eq!(next(&mut client).await, Event::Delivered(Token(1)));
        assert_eq!(next(&mut client).await, Event::Lost(LostReason::Closed));
        let (mut server, _) = accepted(&listener).await;
        assert_eq!(message(&mut server).await, &b"good-bye"[..]);
        assert_eq!(next(&mut server).await, Event::Lost(LostReason::PeerClosed));
    });
}

#[test]
fn a_sender_that_never_pauses_hears_what_was_delivered() {
    with_kernel_sctp(async |transports| {
        let (mut client, mut server, _listener) = pair(&transports, LOOPBACK).await;
        let (total, ahead) = (5_000, 2_000);
        for token in 0..ahead {
            send(&mut client, token, vec![1; 100]);
        }
        let client = async {
            for token in 0..total {
                assert_eq!(next(&mut client).await, Event::Delivered(Token(token)));
                if token + ahead < total {
                    send(&mut client, token + ahead, vec![1; 100]);
                }
            }
            assert_eq!((client.outstanding(), client.buffered()), (0, 0));
        };
        let server = async {
            for _ in 0..total {
                message(&mut server).await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = client => {}
            () = server => {}
        }
    });
}

#[test]
fn the_next_message_wakes_whoever_has_read_all_there_was() {
    with_kernel_sctp(async |transports| {
        let (mut client, mut server, _listener) = pair(&transports, LOOPBACK).await;
        // The clock does not wake it.
        let hour = Duration::from_secs(3600);
        server.set_heartbeat(Heartbeat { interval: hour, dead_after: hour });
        let (read, mut reads) = tokio::sync::mpsc::unbounded_channel();
        // A task of its own, which is woken by nothing else.
        let server = tokio::spawn(async move {
            loop {
                message(&mut server).await;
                read.send(()).expect("somebody counts");
            }
        });
        // Some of them as many as are read at once.
        for burst in 60..=68 {
            for count in [burst, 1] {
                for token in 0..count {
                    send(&mut client, token, &b"x"[..]);
                }
                for _ in 0..count {
                    tokio::select! {
                        event = drive(&mut client) => unreachable!("{event:?}"),
                        read = reads.recv() => read.expect("it goes on for ever"),
                    }
                }
            }
        }
        server.abort();
    });
}

/// Lets it do what it does for ever.
async fn drive(association: &mut net::Association) -> Event {
    loop {
        match next(association).await {
            Event::Delivered(_) => {}
            other => return other,
        }
    }
}

#[test]
fn the_longest_messages_in_both_directions_do_not_fill_the_window_with_halves() {
    with_kernel_sctp(async |transports| {
        let (mut client, mut server, _listener) = pair(&transports, LOOPBACK).await;
        let (count, data) = (60, Bytes::from(vec![3; net::MAX_PAYLOAD]));
        for token in 0..count {
            send(&mut client, token, data.clone());
            send(&mut server, token, data.clone());
        }
        let all = async |association: &mut net::Association| {
            let (mut arrived, mut delivered) = (0, 0);
            while arrived < count || delivered < count {
                match next(association).await {
                    Event::Message { sequence, data: came, .. } => {
                        assert_eq!(came, data);
                        association.taken(sequence);
                        arrived += 1;
                    }
                    Event::Delivered(token) => {
                        assert_eq!(token, Token(delivered));
                        delivered += 1;
                    }
                    other => panic!("{other:?}"),
                }
            }
        };
        tokio::join!(all(&mut client), all(&mut server));
    });
}
