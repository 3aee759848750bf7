// SPDX-License-Identifier: MIT OR Apache-2.0
//! The first seeds of `make soak`.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// Runs each on one of two threads; a seed that fails prints its dialogue.
#[test]
fn no_seed_finds_two_registrars_that_disagree_or_a_pool_element_that_is_lost() {
    let Range { start, end } = seeds(1..201);
    let next = AtomicU64::new(start);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(seed) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < end) {
                    sim::soak::run(seed);
                }
            });
        }
    });
}

/// As the environment says: `SIM_SEEDS=FIRST..END`.
fn seeds(default: Range<u64>) -> Range<u64> {
    let range = std::env::var("SIM_SEEDS").ok().map(|text| {
        let (first, end) = text.split_once("..").expect("SIM_SEEDS=FIRST..END");
        first.parse().expect("a number")..end.parse().expect("a number")
    });
    range.unwrap_or(default)
}
