// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether the peer's process lives, where the transport cannot tell: 0xbf03 HEARTBEAT on kernel SCTP, whose own is answered by the
//! peer's kernel even while the process hangs (`docs/session-wire.md` §2).

use std::time::Duration;

use machine::Time;

/// Watches one peer.
#[derive(Debug)]
pub(super) struct Watchdog {
    interval: Duration,
    dead_after: Duration,
    last_heard: Time,
}

/// What is to be done when its time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Look again then.
    Wait(Time),
    /// Ask the peer, and look again then.
    Ask(Time),
    /// We were asleep ourselves: ask the peer, and look again then.
    Overslept(Time),
    /// It is dead.
    Dead,
}

impl Watchdog {
    /// From now on, and when to look first.
    pub(super) fn new(interval: Duration, dead_after: Duration, now: Time) -> (Self, Time) {
        let interval = interval.max(SHORTEST);
        let dead_after = dead_after.max(interval * 2);
        (Watchdog { interval, dead_after, last_heard: now }, now + interval)
    }

    /// Anything came from the peer's process. The deadline is not moved, but asks here whether it still stands.
    pub(super) fn heard(&mut self, now: Time) {
        self.last_heard = now;
    }

    /// The deadline `due` has passed.
    pub(super) fn look(&mut self, due: Time, now: Time) -> Verdict {
        if now.since(due) > self.interval {
            // What the peer has said meanwhile may still be to be read.
            self.last_heard = now;
            return Verdict::Overslept(now + self.interval);
        }
        let silent = now.since(self.last_heard);
        if silent >= self.dead_after {
            Verdict::Dead
        } else if silent >= self.interval {
            Verdict::Ask((now + self.interval).min(self.last_heard + self.dead_after))
        } else {
            Verdict::Wait(self.last_heard + self.interval)
        }
    }
}

/// A peer's setting of 0 must not keep us busy with nothing else.
const SHORTEST: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Time::ZERO + Duration::from_millis(ms)
    }

    fn watchdog() -> Watchdog {
        let (watchdog, first) = Watchdog::new(Duration::from_millis(200), Duration::from_millis(600), at(0));
        assert_eq!(first, at(200));
        watchdog
    }

    #[test]
    fn a_silent_peer_is_asked_each_interval_and_dead_after_three() {
        let mut watchdog = watchdog();
        assert_eq!(watchdog.look(at(200), at(200)), Verdict::Ask(at(400)));
        assert_eq!(watchdog.look(at(400), at(401)), Verdict::Ask(at(600)));
        assert_eq!(watchdog.look(at(600), at(600)), Verdict::Dead);
    }

    #[test]
    fn whoever_speaks_is_not_asked() {
        let mut watchdog = watchdog();
        watchdog.heard(at(150));
        assert_eq!(watchdog.look(at(200), at(200)), Verdict::Wait(at(350)));
    }

    #[test]
    fn our_own_pause_kills_nobody() {
        let mut watchdog = watchdog();
        assert_eq!(watchdog.look(at(200), at(5_000)), Verdict::Overslept(at(5_200)));
        assert_eq!(watchdog.look(at(5_200), at(5_200)), Verdict::Ask(at(5_400)));
    }
}
