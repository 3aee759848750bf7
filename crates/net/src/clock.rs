// SPDX-License-Identifier: MIT OR Apache-2.0
//! The clock the cores are told the time by.

use std::sync::OnceLock;
use std::time::Duration;

use machine::Time;
use tokio::time::Instant;

/// Turns the runtime's monotonic clock into [`Time`] and back. All clocks of a process agree.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    epoch: Instant,
}

impl Clock {
    /// The clock of this process; its epoch is the first call.
    pub fn new() -> Self {
        static EPOCH: OnceLock<Instant> = OnceLock::new();
        Clock { epoch: *EPOCH.get_or_init(Instant::now) }
    }

    /// The time.
    pub fn now(&self) -> Time {
        Time::ZERO + self.epoch.elapsed()
    }

    /// When `time` will be, for the runtime's timers.
    pub fn instant(&self, time: Time) -> Instant {
        let distance = Duration::from_micros(time.as_micros());
        self.epoch.checked_add(distance).unwrap_or_else(|| Instant::now() + FAR_FUTURE)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

/// A deadline nobody will see.
const FAR_FUTURE: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_clocks_agree_and_never_go_back() {
        let (a, b) = (Clock::new(), Clock::new());
        let first = a.now();
        let second = b.now();
        assert!(first <= second && second <= a.now());
        assert_eq!(a.instant(first), b.instant(first));
    }

    #[test]
    fn a_time_beyond_the_range_of_instants_does_not_panic() {
        assert!(Clock::new().instant(Time::from_micros(u64::MAX)) > Instant::now());
    }
}
