// SPDX-License-Identifier: MIT OR Apache-2.0
//! Resolutions answered at once, from the bytes on one connection to the bytes on it: the same as by events, and without asking the
//! allocator for anything. One test, so that no other thread's allocations are counted.

mod counting;
mod host;

use counting::allocations;
use host::Host;
use machine::Rng;
use rsp_wire::PoolHandle;
use rsp_wire::asap::{HandleResolution, Message};
use rsp_wire::parameter::Policy;

#[test]
fn a_resolution_answered_at_once_is_the_same_and_allocates_nothing() {
    the_answers_are_the_same();
    nothing_is_allocated();
}

/// Requests of all kinds to twins, in batches; one of them answers at once what it can.
fn the_answers_are_the_same() {
    let mut rng = Rng::new(7);
    let (mut ordinary, mut at_once) = (Host::new(false), Host::new(true));
    for batch in 0..300 {
        let mut bytes = Vec::new();
        for _ in 0..=rng.below(20) {
            let message: Message = match rng.below(40) {
                0..3 => host::registration(rng.below(70) as u32, Policy::LeastUsed { load: rng.below(9) as u32 }),
                3..5 => host::deregistration(rng.below(70) as u32),
                kind => {
                    let pool_handle = PoolHandle::from(format!("pool-{}", rng.below(12)));
                    let items = [None, Some(0), Some(1), Some(5), Some(u32::MAX)][rng.below(5) as usize];
                    HandleResolution { subscribe: kind == 5, pool_handle, items, unknown: vec![] }.into()
                }
            };
            bytes.extend(ordinary.peer_says(&message));
        }
        let cut = rng.below(bytes.len() as u64) as usize;
        for part in [&bytes[..cut], &bytes[cut..]] {
            let (one, other) = (ordinary.receive(part), at_once.receive(part));
            assert_eq!(one, other, "batch {batch}");
        }
        // Half the time the ACKs come only with a later batch.
        if rng.below(2) == 0 {
            let acks = ordinary.peer_reads();
            assert_eq!(ordinary.receive(&acks), at_once.receive(&acks), "batch {batch}");
        }
        assert_eq!(ordinary.registrar.metrics(), at_once.registrar.metrics(), "batch {batch}");
    }
    assert!(at_once.answered_at_once > 500, "{} of {:?}", at_once.answered_at_once, at_once.registrar.metrics());
}

fn nothing_is_allocated() {
    let mut host = Host::new(true);
    let mut batches = Vec::new();
    for batch in 0..40u32 {
        let mut bytes = Vec::new();
        for n in 0..32 {
            let message = match batch {
                0 => host::registration(n, Policy::LeastUsed { load: n }),
                1 => host::registration(32 + n, Policy::LeastUsed { load: n }),
                _ => {
                    let pool_handle = PoolHandle::from(format!("pool-{}", n % 10));
                    HandleResolution { subscribe: false, pool_handle, items: None, unknown: vec![] }.into()
                }
            };
            bytes.extend(host.peer_says(&message));
        }
        batches.push(bytes);
    }
    // Each batch also acknowledges the answers to the one before, as a pool user does.
    let mut waiting = Vec::new();
    for (n, bytes) in batches.iter().enumerate() {
        let input = [&waiting[..], bytes].concat();
        let mut buffer = host::buffer(&input);
        let calls = allocations(|| host.receive_into(&mut buffer));
        assert!(n < 6 || calls == 0, "{calls} allocations for the 32 resolutions of batch {n}");
        waiting = host.peer_reads();
    }
    assert_eq!(host.answered_at_once, 38 * 32);
}
