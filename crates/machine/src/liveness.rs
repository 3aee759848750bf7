// SPDX-License-Identifier: MIT OR Apache-2.0
//! Heartbeats: when to break the silence and when to call it death. Every transport and the session layer judge their peers in this way.

use std::time::Duration;

use crate::Time;
use crate::association::Heartbeat;

/// Watches how long the peer has been silent.
#[derive(Debug)]
pub struct Liveness {
    settings: Heartbeat,
    /// When the last sign of life came, or since when we watch again after a pause of our own.
    silent_since: Time,
    /// When the next HEARTBEAT goes, unless something comes before.
    next_heartbeat: Time,
    /// The answer to a probe is due then.
    probe: Option<Time>,
}

/// What a look at the clock means.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is due.
    Fine,
    /// Send a HEARTBEAT.
    Ask,
    /// We ourselves were away for this long: say so, and send a HEARTBEAT.
    Paused(Duration),
    /// Silent for this long: dead.
    Dead(Duration),
}

impl Liveness {
    /// Watches from now on.
    pub fn new(settings: Heartbeat, now: Time) -> Self {
        let interval = settings.interval.max(SHORTEST_INTERVAL);
        let settings = Heartbeat { interval, dead_after: settings.dead_after.max(interval.saturating_mul(2)) };
        Liveness { settings, silent_since: now, next_heartbeat: now + settings.interval, probe: None }
    }

    /// A HEARTBEAT goes now, and something must come within one interval.
    pub fn probe(&mut self, now: Time) {
        self.next_heartbeat = now + self.settings.interval;
        self.probe.get_or_insert(self.next_heartbeat);
    }

    /// Something came; what does not matter.
    pub fn heard(&mut self, now: Time) {
        self.silent_since = now;
        self.next_heartbeat = now + self.settings.interval;
        self.probe = None;
    }

    /// When to [`check`](Self::check).
    pub fn deadline(&self) -> Time {
        self.next_heartbeat.min(self.dead_at())
    }

    /// What is to be done now. Early or twice is harmless.
    pub fn check(&mut self, now: Time) -> Verdict {
        let due = self.deadline();
        if now < due {
            return Verdict::Fine;
        }
        let late = now.since(due);
        if late > self.settings.interval {
            self.heard(now);
            return Verdict::Paused(late);
        }
        if now >= self.dead_at() {
            return Verdict::Dead(now.since(self.silent_since));
        }
        self.next_heartbeat = now + self.settings.interval;
        Verdict::Ask
    }

    fn dead_at(&self) -> Time {
        (self.silent_since + self.settings.dead_after).min(self.probe.unwrap_or(Time::from_micros(u64::MAX)))
    }
}

/// An interval of zero would ask without end.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Heartbeat = Heartbeat { interval: Duration::from_secs(1), dead_after: Duration::from_secs(3) };

    fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    #[test]
    fn a_silent_peer_is_asked_twice_and_dead_after_three_intervals() {
        let mut liveness = Liveness::new(SECOND, at(0));
        assert_eq!(liveness.check(at(999)), Verdict::Fine);
        assert_eq!(liveness.check(at(1000)), Verdict::Ask);
        assert_eq!(liveness.check(at(1000)), Verdict::Fine);
        assert_eq!(liveness.check(at(2000)), Verdict::Ask);
        assert_eq!(liveness.deadline(), at(3000));
        assert_eq!(liveness.check(at(3000)), Verdict::Dead(Duration::from_secs(3)));
    }

    #[test]
    fn any_byte_starts_the_silence_anew() {
        let mut liveness = Liveness::new(SECOND, at(0));
        assert_eq!(liveness.check(at(2000)), Verdict::Ask);
        liveness.heard(at(2500));
        assert_eq!(liveness.deadline(), at(3500));
        assert_eq!(liveness.check(at(3500)), Verdict::Ask);
        assert_eq!(liveness.check(at(4500)), Verdict::Ask);
        assert_eq!(liveness.check(at(5500)), Verdict::Dead(Duration::from_secs(3)));
    }

    #[test]
    fn a_deadline_seen_more_than_an_interval_late_is_our_own_pause() {
        let mut liveness = Liveness::new(SECOND, at(0));
        assert_eq!(liveness.check(at(1000)), Verdict::Ask);
        assert_eq!(liveness.check(at(9000)), Verdict::Paused(Duration::from_secs(7)));
        assert_eq!(liveness.deadline(), at(10_000), "armed anew");
        assert_eq!(liveness.check(at(10_000)), Verdict::Ask);
        assert_eq!(liveness.check(at(11_000)), Verdict::Ask);
        assert_eq!(liveness.check(at(12_000)), Verdict::Dead(Duration::from_secs(3)));
    }

    #[test]
    fn a_probed_peer_has_one_interval_to_answer() {
        let mut liveness = Liveness::new(SECOND, at(0));
        liveness.probe(at(100));
        liveness.probe(at(900));
        assert_eq!(liveness.deadline(), at(1100), "the second probe gives no more time");
        assert_eq!(liveness.check(at(1100)), Verdict::Dead(Duration::from_millis(1100)));
        liveness.heard(at(1100));
        assert_eq!(liveness.check(at(2100)), Verdict::Ask);
    }

    #[test]
    fn the_passive_side_goes_on_asking_until_it_gives_up() {
        let mut liveness = Liveness::new(Heartbeat { dead_after: Duration::from_secs(60), ..SECOND }, at(0));
        for second in 1..60 {
            assert_eq!(liveness.check(at(second * 1000)), Verdict::Ask, "second {second}");
        }
        assert_eq!(liveness.check(at(60_000)), Verdict::Dead(Duration::from_secs(60)));
    }
}
