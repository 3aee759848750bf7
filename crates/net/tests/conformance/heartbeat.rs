// SPDX-License-Identifier: MIT OR Apache-2.0
//! A peer that cannot be heard any more is missed; one of us who was not there is no reason.

use std::net::SocketAddr;

use machine::association::{Event, LostReason, Token};
use sim::process::Signal;

use crate::BackEnd;
use crate::link::Link;
use crate::pair::{LOOPBACK, WATCHFUL, block_on, next, options, payload, receive_echo, rest, up, watchful, within};
use crate::peer::{PATIENT, Peer, Role};
use crate::runner::tests;
use crate::undelivered::each_has_one_fate;

tests![
    a_link_that_is_cut_silently_is_a_missed_heartbeat_at_both_ends,
    a_peer_that_hangs_is_a_missed_heartbeat_where_the_process_itself_answers,
    silence_of_the_application_is_no_reason,
    a_process_that_was_paused_itself_gives_nobody_up,
    a_heartbeat_agreed_on_later_counts,
];

fn a_link_that_is_cut_silently_is_a_missed_heartbeat_at_both_ends(back_end: BackEnd) {
    Link::with(|link| {
        block_on(async {
            let peer = link.peer(back_end, Role::Echo, WATCHFUL.interval);
            let transports = back_end.transports();
            let mut client = transports.connect(back_end.protocol(), vec![peer.address], watchful());
            within(up(back_end, &mut client)).await;
            client.send(0, 0, false, Token(0), payload(0, 100)).expect("it can be sent");
            assert_eq!(within(receive_echo(&mut client)).await.data, payload(0, 100));
            link.cut();
            for token in 1..5 {
                client.send(0, 0, false, Token(token), payload(0, 100)).expect("it can be sent");
            }
            let ours = within(rest(&mut client)).await;
            assert_eq!(ours.reason, LostReason::HeartbeatMissed);
            // The fate of the first may be among these or before them.
            let tokens: Vec<u64> = ours.undelivered.iter().map(|token| token.0).collect();
            assert!(tokens.ends_with(&[1, 2, 3, 4]), "{tokens:?}");
            let line = peer.process.line_where(|line| line.starts_with("lost"));
            assert_eq!(line, "lost HeartbeatMissed");
        });
    });
}

fn a_peer_that_hangs_is_a_missed_heartbeat_where_the_process_itself_answers(back_end: BackEnd) {
    block_on(async {
        let peer = Peer::start(back_end, SocketAddr::new(LOOPBACK, 0), Role::Echo, PATIENT);
        let transports = back_end.transports();
        let mut client = transports.connect(back_end.protocol(), vec![peer.address], watchful());
        within(up(back_end, &mut client)).await;
        peer.process.signal(Signal::SIGSTOP);
        client.send(0, 0, false, Token(0), payload(0, 100)).expect("it can be sent");
        if back_end.notices_a_frozen_peer() {
            let ours = within(rest(&mut client)).await;
            assert_eq!(ours.reason, LostReason::HeartbeatMissed);
            each_has_one_fate(&ours.delivered, &ours.undelivered, 1);
        } else {
            let event = tokio::time::timeout(WATCHFUL.dead_after * 2, rest(&mut client)).await;
            assert!(event.is_err(), "its kernel answers: {event:?}");
        }
        peer.process.signal(Signal::SIGCONT);
    });
}

fn silence_of_the_application_is_no_reason(back_end: BackEnd) {
    block_on(async {
        let peer = Peer::start(back_end, SocketAddr::new(LOOPBACK, 0), Role::Echo, WATCHFUL.interval);
        let transports = back_end.transports();
        let mut client = transports.connect(back_end.protocol(), vec![peer.address], watchful());
        within(up(back_end, &mut client)).await;
        let event = tokio::time::timeout(WATCHFUL.dead_after * 3, next(&mut client)).await;
        assert!(event.is_err(), "{event:?}");
        client.send(0, 0, false, Token(0), payload(0, 100)).expect("it can be sent");
        assert_eq!(within(receive_echo(&mut client)).await.data, payload(0, 100));
    });
}

/// The peer is stopped for longer than it waits for us, who were there all the time.
fn a_process_that_was_paused_itself_gives_nobody_up(back_end: BackEnd) {
    block_on(async {
        let peer = Peer::start(back_end, SocketAddr::new(LOOPBACK, 0), Role::Echo, WATCHFUL.interval);
        let transports = back_end.transports();
        let mut client = transports.connect(back_end.protocol(), vec![peer.address], options());
        within(up(back_end, &mut client)).await;
        for round in 0..2 {
            peer.process.signal(Signal::SIGSTOP);
            let event = tokio::time::timeout(WATCHFUL.dead_after * 2, next(&mut client)).await;
            assert!(event.is_err(), "{event:?}");
            peer.process.signal(Signal::SIGCONT);
            client.send(0, 0, false, Token(round), payload(0, 100)).expect("it can be sent");
            assert_eq!(within(receive_echo(&mut client)).await.data, payload(0, 100));
            // It goes on long enough for second thoughts.
            let event = tokio::time::timeout(WATCHFUL.dead_after * 2, until_lost(&mut client)).await;
            assert!(event.is_err(), "{event:?}");
        }
    });
}

fn a_heartbeat_agreed_on_later_counts(back_end: BackEnd) {
    Link::with(|link| {
        block_on(async {
            let peer = link.peer(back_end, Role::Echo, PATIENT);
            let transports = back_end.transports();
            let mut client = transports.connect(back_end.protocol(), vec![peer.address], options());
            within(up(back_end, &mut client)).await;
            client.set_heartbeat(WATCHFUL);
            link.cut();
            assert_eq!(within(rest(&mut client)).await.reason, LostReason::HeartbeatMissed);

            link.mend();
            let mut client = transports.connect(back_end.protocol(), vec![peer.address], options());
            within(up(back_end, &mut client)).await;
            client
                .set_heartbeat(machine::association::Heartbeat { interval: WATCHFUL.interval, ..options().heartbeat });
            link.cut();
            // Asked for a sign of life, the peer has an interval to answer.
            client.probe();
            assert_eq!(within(rest(&mut client)).await.reason, LostReason::HeartbeatMissed);
        });
    });
}

async fn until_lost(association: &mut net::Association) -> LostReason {
    loop {
        if let Event::Lost(reason) = association.next().await {
            return reason;
        }
    }
}
