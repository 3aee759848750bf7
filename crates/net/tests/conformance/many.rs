// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ten thousand associations between two processes.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use machine::association::{Event, Heartbeat, Token};
use net::{Association, Options};
use tokio::sync::Semaphore;

use crate::BackEnd;
use crate::pair::{LOOPBACK, block_on, options, payload, within};
use crate::peer::{Peer, Role, memory, raise_descriptor_limit};
use crate::runner::tests;

tests![ten_thousand_associations_live_side_by_side];

/// In a virtual machine there may be fewer.
const COUNT: usize = 10_000;
const VARIABLE: &str = "RSERPOOL_ASSOCIATIONS";
/// Connecting at the same time.
const AT_ONCE: usize = 256;

fn ten_thousand_associations_live_side_by_side(back_end: BackEnd) {
    let count = std::env::var(VARIABLE).map_or(COUNT, |count| count.parse().expect("a number"));
    raise_descriptor_limit();
    let mut peer = Peer::start(back_end, SocketAddr::new(LOOPBACK, 0), Role::Quiet, Duration::from_secs(30));
    block_on(async {
        let transports = back_end.transports();
        // Nobody looks at most of them most of the time.
        let heartbeat = Heartbeat { interval: Duration::from_secs(60), dead_after: Duration::from_secs(180) };
        let options = Options { connect_timeout: Duration::from_secs(60), heartbeat, ..options() };
        let (own, peers) = (memory(), peer.memory());
        let began = Instant::now();
        let room = Semaphore::new(AT_ONCE);
        let connecting = (0..count).map(|number| {
            let (transports, room) = (&transports, &room);
            async move {
                let _room = room.acquire().await.expect("it is never closed");
                let mut association = transports.connect(back_end.protocol(), vec![peer.address], options);
                ask(&mut association, number).await;
                association
            }
        });
        let mut associations = within(join_all(connecting)).await;
        let took = began.elapsed();
        assert_eq!(associations.len(), count);
        let per = |now: usize, before: usize| now.saturating_sub(before) / count;
        let (own, peers) = (per(memory(), own), per(peer.memory(), peers));
        println!(
            "{}: {count} associations, each with an echo, in {:.1} s; memory of each: connector {own} bytes, acceptor {peers} bytes",
            back_end.name(),
            took.as_secs_f64()
        );
        let limit = back_end.bytes_per_association();
        assert!(own <= limit && peers <= limit, "{own} and {peers} bytes each");
        // All of them still work.
        for (number, association) in associations.iter_mut().enumerate() {
            within(ask(association, number + 1)).await;
        }
    });
}

/// Sends a message and waits for it to come back.
async fn ask(association: &mut Association, number: usize) {
    association.send(0, 7, false, Token(number as u64), payload(number, 64)).expect("it can be sent");
    let (mut answered, mut delivered) = (false, false);
    while !answered || !delivered {
        match association.next().await {
            Event::Message { sequence, data, .. } => {
                association.taken(sequence);
                answered = data == payload(number, 64);
            }
            Event::Delivered(token) => delivered |= token == Token(number as u64),
            Event::Lost(reason) => panic!("association {number}: {reason}"),
            _ => {}
        }
    }
    association.flush();
}

async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = futures.map(Box::pin).collect();
    let mut done = Vec::new();
    std::future::poll_fn(|cx| {
        waiting.retain_mut(|future| match future.as_mut().poll(cx) {
            std::task::Poll::Ready(output) => {
                done.push(output);
                false
            }
            std::task::Poll::Pending => true,
        });
        if waiting.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done
}
