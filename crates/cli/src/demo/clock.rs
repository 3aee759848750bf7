// SPDX-License-Identifier: MIT OR Apache-2.0
//! One clock for all processes of the demo: the host's monotonic one.

use nix::time::{ClockId, clock_gettime};

/// Microseconds since the host started.
pub(crate) fn now() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("Linux has a monotonic clock");
    time.tv_sec() as u64 * 1_000_000 + time.tv_nsec() as u64 / 1_000
}

/// Milliseconds between two of them.
pub(crate) fn ms(from: u64, to: u64) -> f64 {
    (to.saturating_sub(from) / 10) as f64 / 100.0
}
