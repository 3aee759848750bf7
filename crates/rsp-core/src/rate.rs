// SPDX-License-Identifier: MIT OR Apache-2.0
//! How often a peer may do something.

use machine::Time;

/// A rate with a burst, in eight bytes: the time at which a peer that keeps to the rate would have sent what it has (GCRA).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Rate {
    /// In nanoseconds, as a million requests per second are a legal setting.
    spent_until: u64,
}

impl Rate {
    /// Takes one of `per_second`, with a burst of `burst`, and answers whether there was one.
    pub(crate) fn take(&mut self, per_second: u32, burst: u32, now: Time) -> bool {
        let Some(interval) = NANOS_PER_SECOND.checked_div(u64::from(per_second)) else { return false };
        let now = now.as_micros().saturating_mul(1000);
        let spent_until = self.spent_until.max(now);
        if spent_until - now > interval * u64::from(burst.max(1) - 1) {
            return false;
        }
        self.spent_until = spent_until.saturating_add(interval);
        true
    }
}

/// Error messages and events about the messages of one association.
pub(crate) const COMPLAINTS_PER_SECOND: u32 = 10;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_allows_its_burst_and_then_its_rate() {
        let mut rate = Rate::default();
        let start = Time::from_millis(5_000);
        assert_eq!((0..100).filter(|_| rate.take(10, 20, start)).count(), 20);
        assert_eq!((0..100).filter(|_| rate.take(10, 20, Time::from_millis(5_100))).count(), 1);
        assert_eq!((0..100).filter(|_| rate.take(10, 20, Time::from_millis(6_100))).count(), 10);
        assert_eq!((0..100).filter(|_| rate.take(10, 20, Time::from_millis(60_000))).count(), 20);
    }

    #[test]
    fn extreme_rates_neither_divide_by_zero_nor_overflow() {
        assert!(!Rate::default().take(0, 0, Time::ZERO));
        assert!(Rate::default().take(u32::MAX, u32::MAX, Time::from_micros(u64::MAX)));
        let mut rate = Rate::default();
        assert_eq!((0..5).filter(|_| rate.take(1, 0, Time::ZERO)).count(), 1);
    }
}
