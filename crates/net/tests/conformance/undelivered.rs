// SPDX-License-Identifier: MIT OR Apache-2.0
//! What was sent when the peer died: each message has one fate, and the undelivered ones come back in order, before the loss.

use std::net::SocketAddr;

use machine::association::{Event, LostReason, Token};
use net::Association;

use crate::BackEnd;
use crate::back_end::Delivered;
use crate::pair::{LOOPBACK, Pair, block_on, next, options, pair, payload, rest, up, watchful, within};
use crate::peer::{PATIENT, Peer, Role};
use crate::runner::tests;

tests![
    when_the_peer_is_killed_every_message_is_either_delivered_or_undelivered,
    what_is_undelivered_after_an_abort_comes_back_in_order,
    what_was_never_on_the_wire_comes_back_too,
];

const COUNT: u64 = 200;
const TAKEN: u64 = 20;

fn when_the_peer_is_killed_every_message_is_either_delivered_or_undelivered(back_end: BackEnd) {
    block_on(async {
        let mut peer = Peer::start(back_end, SocketAddr::new(LOOPBACK, 0), Role::Take(TAKEN), PATIENT);
        let transports = back_end.transports();
        let mut client = transports.connect(back_end.protocol(), vec![peer.address], watchful());
        within(up(back_end, &mut client)).await;
        send(&mut client, COUNT, 500);
        let mut delivered = Vec::new();
        // Until the peer has had some of it, and the transport heard of that.
        while delivered.len() < TAKEN as usize {
            match within(next(&mut client)).await {
                Event::Delivered(token) => delivered.push(token),
                other => panic!("{other:?}"),
            }
        }
        peer.process.kill();
        let mut taken: Vec<u64> = Vec::new();
        for line in peer.process.finish().lines {
            let Some(number) = line.strip_prefix("taken ").and_then(|rest| rest.split(' ').next()) else { continue };
            taken.push(number.parse().expect("a number"));
        }
        let mut rest = within(rest(&mut client)).await;
        assert!(back_end.is_the_end_of_a_killed_peer(&rest.reason), "{:?}", rest.reason);
        delivered.append(&mut rest.delivered);
        each_has_one_fate(&delivered, &rest.undelivered, COUNT);
        if back_end.delivered() == Delivered::Taken {
            let unheard: Vec<_> = delivered.iter().filter(|token| !taken.contains(&token.0)).collect();
            assert!(unheard.is_empty(), "{unheard:?} are delivered, but the peer never had them");
            assert_eq!(delivered.len(), TAKEN as usize);
        }
        assert!(matches!(client.send(0, 0, false, Token(0), payload(0, 1)), Err(net::SendError::Refused(_))));
    });
}

fn what_is_undelivered_after_an_abort_comes_back_in_order(back_end: BackEnd) {
    block_on(async {
        let Pair { mut client, mut server, .. } = pair(back_end).await;
        send(&mut client, 50, 60_000);
        client.abort();
        let ours = within(rest(&mut client)).await;
        assert_eq!(ours.reason, LostReason::Closed);
        each_has_one_fate(&ours.delivered, &ours.undelivered, 50);
        assert!(!ours.undelivered.is_empty());
        assert_eq!(within(rest(&mut server)).await.reason, LostReason::Reset);
    });
}

fn what_was_never_on_the_wire_comes_back_too(back_end: BackEnd) {
    block_on(async {
        let nobody = {
            let listener = tokio::net::TcpListener::bind((LOOPBACK, 0)).await.expect("there is a free port");
            listener.local_addr().expect("it has one")
        };
        let transports = back_end.transports();
        let options = net::Options { connect_timeout: std::time::Duration::from_millis(500), ..options() };
        let mut client = transports.connect(back_end.protocol(), vec![nobody], options);
        send(&mut client, 10, 10_000);
        let ours = within(rest(&mut client)).await;
        assert!(back_end.is_nobody_there(&ours.reason), "{:?}", ours.reason);
        assert!(ours.undelivered.iter().map(|token| token.0).eq(0..10), "{:?}", ours.undelivered);
    });
}

fn send(client: &mut Association, count: u64, length: usize) {
    for token in 0..count {
        client.send(0, 7, false, Token(token), payload(token as usize, length)).expect("it can be sent");
    }
}

pub(crate) fn each_has_one_fate(delivered: &[Token], undelivered: &[Token], count: u64) {
    assert!(undelivered.is_sorted(), "{undelivered:?} is not the order they were sent in");
    let mut all: Vec<u64> = delivered.iter().chain(undelivered).map(|token| token.0).collect();
    all.sort_unstable();
    assert!(all.iter().copied().eq(0..count), "these have a fate: {all:?}");
}
