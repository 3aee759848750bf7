// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether the peer's host is there. The kernel counts the packets that come; silence is broken by a HEARTBEAT on every path (RFC 9260 §8.3), and
//! too long a silence ends the association. A process that hangs is not noticed here, since its kernel answers: the session sees to that.

use std::time::Duration;

use machine::Time;
use machine::association::Heartbeat;

/// The silence of one association.
#[derive(Debug)]
pub(super) struct Liveness {
    heartbeat: Heartbeat,
    /// Packets received when we last looked.
    packets: u64,
    /// When that was seen to have grown.
    heard: Time,
    /// When to look again.
    deadline: Time,
    /// Asked for a sign of life: without one until then it is dead.
    probe: Option<Time>,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing.
    Fine,
    /// Ask it for a sign of life.
    Ask,
    /// We were asleep ourselves: ask, and tell.
    Paused(Duration),
    /// Declare it dead.
    Dead,
}

impl Liveness {
    pub(super) fn new(heartbeat: Heartbeat, packets: u64, now: Time) -> Self {
        Liveness { heartbeat, packets, heard: now, deadline: now + heartbeat.interval, probe: None }
    }

    /// The silence counts anew from now.
    pub(super) fn set(&mut self, heartbeat: Heartbeat, now: Time) {
        *self = Liveness::new(heartbeat, self.packets, now);
    }

    /// The peer is asked for a sign of life, which must come within an interval. `packets` came until now.
    pub(super) fn probe(&mut self, packets: u64, now: Time) {
        self.heard_if_more(packets, now);
        let deadline = now + self.heartbeat.interval;
        self.probe.get_or_insert(deadline);
        self.deadline = self.deadline.min(deadline);
    }

    pub(super) fn deadline(&self) -> Time {
        self.deadline
    }

    /// The deadline has passed, and this many packets have come.
    pub(super) fn check(&mut self, packets: u64, now: Time) -> Verdict {
        if now < self.deadline {
            return Verdict::Fine;
        }
        let late = now.since(self.deadline);
        let is_alive = self.heard_if_more(packets, now);
        self.deadline = now + self.heartbeat.interval;
        if is_alive {
            return Verdict::Fine;
        }
        if late > self.heartbeat.interval {
            self.heard = now;
            self.probe = None;
            return Verdict::Paused(late);
        }
        let dead_at = self.heard + self.heartbeat.dead_after;
        if now >= dead_at || self.probe.is_some_and(|probe| now >= probe) {
            return Verdict::Dead;
        }
        self.deadline = self.deadline.min(dead_at).min(self.probe.unwrap_or(dead_at));
        Verdict::Ask
    }

    fn heard_if_more(&mut self, packets: u64, now: Time) -> bool {
        let more = packets != self.packets;
        if more {
            (self.packets, self.heard, self.probe) = (packets, now, None);
        }
        more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEARTBEAT: Heartbeat =
        Heartbeat { interval: Duration::from_millis(100), dead_after: Duration::from_millis(300) };

    fn at(ms: u64) -> Time {
        Time::ZERO + Duration::from_millis(ms)
    }

    #[test]
    fn a_silent_peer_is_asked_and_dead_after_three_intervals() {
        let mut liveness = Liveness::new(HEARTBEAT, 5, at(0));
        assert_eq!(liveness.check(5, at(99)), Verdict::Fine);
        assert_eq!(liveness.check(5, at(100)), Verdict::Ask);
        assert_eq!(liveness.check(5, at(200)), Verdict::Ask);
        assert_eq!(liveness.check(5, at(300)), Verdict::Dead);
    }

    #[test]
    fn any_packet_is_life() {
        let mut liveness = Liveness::new(HEARTBEAT, 5, at(0));
        assert_eq!(liveness.check(5, at(100)), Verdict::Ask);
        assert_eq!(liveness.check(6, at(200)), Verdict::Fine);
        for (ms, verdict) in [(300, Verdict::Ask), (400, Verdict::Ask), (500, Verdict::Dead)] {
            assert_eq!(liveness.check(6, at(ms)), verdict);
        }
    }

    #[test]
    fn a_probe_is_answered_within_an_interval_or_the_peer_is_dead() {
        let mut liveness = Liveness::new(HEARTBEAT, 5, at(0));
        liveness.probe(5, at(50));
        assert_eq!(liveness.check(5, at(100)), Verdict::Ask);
        assert_eq!(liveness.deadline(), at(150));
        assert_eq!(liveness.check(5, at(150)), Verdict::Dead);
        let mut liveness = Liveness::new(HEARTBEAT, 5, at(0));
        liveness.probe(5, at(50));
        assert_eq!(liveness.check(6, at(100)), Verdict::Fine);
        assert_eq!(liveness.check(6, at(200)), Verdict::Ask);
    }

    #[test]
    fn a_deadline_seen_too_late_is_our_own_pause() {
        let mut liveness = Liveness::new(HEARTBEAT, 5, at(0));
        let late = Duration::from_secs(10);
        assert_eq!(liveness.check(5, at(10_100)), Verdict::Paused(late));
        assert_eq!(liveness.check(5, at(10_200)), Verdict::Ask);
        assert_eq!(liveness.check(5, at(10_400)), Verdict::Dead);
    }
}
