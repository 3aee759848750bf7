// SPDX-License-Identifier: MIT OR Apache-2.0
//! A peer that does not read makes nobody's memory grow, and nothing is lost when it reads.

use machine::association::{Event, LostReason, Token};

use crate::BackEnd;
use crate::pair::{Pair, block_on, next, pair, payload, rest, within};
use crate::peer::memory;
use crate::runner::tests;

tests![a_peer_that_never_reads_stops_us_and_all_arrives_when_it_does];

const LENGTH: usize = 60_000;
/// What one end may have on the way to the other: windows, socket buffers of both, and our queue.
const ON_THE_WAY: usize = 24 << 20;

fn a_peer_that_never_reads_stops_us_and_all_arrives_when_it_does(back_end: BackEnd) {
    block_on(async {
        let Pair { mut client, mut server, .. } = pair(back_end).await;
        let before = memory();
        let mut sent = 0;
        // A full queue that has not moved for a while does not move.
        let mut idle = 0;
        while idle < 20 {
            if client.buffered() < 1 << 20 {
                if client.send(0, 0, false, Token(sent), payload(sent as usize, LENGTH)).is_ok() {
                    sent += 1;
                    idle = 0;
                }
                assert!(sent as usize * LENGTH < ON_THE_WAY, "{sent} messages went somewhere");
            }
            let quiet = std::time::Duration::from_millis(if client.buffered() < 1 << 20 { 0 } else { 20 });
            match tokio::time::timeout(quiet, next(&mut client)).await {
                Err(_) => idle += 1,
                // SCTP: what the peer's stack has acknowledged.
                Ok(Event::Delivered(_)) => idle = 0,
                Ok(other) => panic!("{other:?}"),
            }
        }
        assert!(sent > 16, "{sent} messages are no backpressure");
        let grown = memory().saturating_sub(before);
        assert!(grown < 2 * ON_THE_WAY, "{grown} bytes more than before");
        let receiving = async {
            for number in 0..sent {
                let Event::Message { sequence, data, .. } = next(&mut server).await else { panic!("{sent} were sent") };
                assert!(data == payload(number as usize, LENGTH), "message {number}");
                server.taken(sequence);
            }
            rest(&mut server).await
        };
        let sending = async {
            client.close();
            rest(&mut client).await
        };
        let (server, client) = within(async { tokio::join!(receiving, sending) }).await;
        assert_eq!((server.reason, client.reason), (LostReason::PeerClosed, LostReason::Closed));
        assert_eq!(client.undelivered, []);
    });
}
