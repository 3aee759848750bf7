// SPDX-License-Identifier: MIT OR Apache-2.0
//! Associations of which only one end knows, or none yet.

use std::net::SocketAddr;
use std::time::Duration;

use machine::association::{LostReason, Token};
use net::Options;

use crate::BackEnd;
use crate::link::{FAR, Link, NEAR};
use crate::pair::{WATCHFUL, block_on, options, payload, receive_echo, rest, up, within};
use crate::peer::{PATIENT, Peer, Role};
use crate::runner::tests;

tests![
    a_handshake_nobody_answers_is_a_connect_timeout,
    an_address_that_does_not_answer_does_not_keep_the_next_one_waiting_for_ever,
    connecting_in_vain_leaves_nothing_behind,
    a_peer_that_vanished_is_given_up_and_a_new_one_is_served,
];

fn a_handshake_nobody_answers_is_a_connect_timeout(back_end: BackEnd) {
    Link::with(|link| {
        link.cut();
        block_on(async {
            let transports = back_end.transports();
            let mut client = transports.connect(back_end.protocol(), vec![SocketAddr::new(FAR, 3863)], hasty());
            client.send(0, 0, false, Token(0), payload(0, 100)).expect("it is queued");
            let ours = within(rest(&mut client)).await;
            assert_eq!(ours.reason, LostReason::ConnectTimeout);
            assert_eq!((ours.delivered, ours.undelivered), (vec![], vec![Token(0)]));
        });
    });
}

fn an_address_that_does_not_answer_does_not_keep_the_next_one_waiting_for_ever(back_end: BackEnd) {
    Link::with(|link| {
        link.cut();
        block_on(async {
            // For SCTP both are addresses of one peer, which has none of loopback beside one of a network.
            let peer = Peer::start(back_end, SocketAddr::new(NEAR, 0), Role::Echo, PATIENT);
            let transports = back_end.transports();
            let silent = SocketAddr::new(FAR, peer.address.port());
            let options = Options { connect_timeout: Duration::from_secs(30), ..options() };
            let mut client = transports.connect(back_end.protocol(), vec![silent, peer.address], options);
            within(up(back_end, &mut client)).await;
            client.send(0, 0, false, Token(0), payload(0, 100)).expect("it can be sent");
            assert_eq!(within(receive_echo(&mut client)).await.data, payload(0, 100));
        });
    });
}

fn connecting_in_vain_leaves_nothing_behind(back_end: BackEnd) {
    Link::with(|link| {
        link.cut();
        block_on(async {
            let transports = back_end.transports();
            let attempt = async || {
                let mut client = transports.connect(back_end.protocol(), vec![SocketAddr::new(FAR, 3863)], hasty());
                assert_eq!(within(rest(&mut client)).await.reason, LostReason::ConnectTimeout);
            };
            attempt().await;
            let before = descriptors();
            for _ in 0..30 {
                attempt().await;
            }
            // One that is given up half-way is no different.
            for _ in 0..30 {
                drop(transports.connect(back_end.protocol(), vec![SocketAddr::new(FAR, 3863)], options()));
            }
            let closed = async {
                while descriptors() > before {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            let closed = tokio::time::timeout(Duration::from_secs(30), closed).await;
            assert!(closed.is_ok(), "{} descriptors, before there were {before}", descriptors());
        });
    });
}

fn a_peer_that_vanished_is_given_up_and_a_new_one_is_served(back_end: BackEnd) {
    Link::with(|link| {
        block_on(async {
            let peer = link.peer(back_end, Role::Echo, WATCHFUL.interval);
            let transports = back_end.transports();
            let connect = || transports.connect(back_end.protocol(), vec![peer.address], options());
            let mut vanishing = connect();
            within(up(back_end, &mut vanishing)).await;
            link.cut();
            assert_eq!(peer.process.line_where(|line| line.starts_with("lost")), "lost HeartbeatMissed");
            // It is gone without a word: nothing it says now arrives.
            vanishing.abort();
            within(rest(&mut vanishing)).await;
            link.mend();
            let mut new = connect();
            within(up(back_end, &mut new)).await;
            new.send(0, 0, false, Token(0), payload(0, 100)).expect("it can be sent");
            assert_eq!(within(receive_echo(&mut new)).await.data, payload(0, 100));
        });
    });
}

fn hasty() -> Options {
    Options { connect_timeout: Duration::from_millis(100), ..options() }
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("Linux tells").count()
}
