// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether the peer's host is there. The kernel counts the packets that come; silence is broken by a HEARTBEAT on every path (RFC 9260 §8.3), and
//! too long a silence ends the association. A process that hangs is not noticed here, since its kernel answers: the session sees to that.

use machine::Time;
use machine::association::Heartbeat;
use machine::liveness::{Liveness, Verdict};

/// The silence of one association.
#[derive(Debug)]
pub(super) struct Silence {
    liveness: Liveness,
    /// Packets received when we last looked.
    packets: u64,
}

impl Silence {
    pub(super) fn new(heartbeat: Heartbeat, packets: u64, now: Time) -> Self {
        Silence { liveness: Liveness::new(heartbeat, now), packets }
    }

    /// The silence counts anew from now.
    pub(super) fn set(&mut self, heartbeat: Heartbeat, now: Time) {
        self.liveness = Liveness::new(heartbeat, now);
    }

    /// The peer is asked for a sign of life, which must come within an interval. `packets` came until now.
    pub(super) fn probe(&mut self, packets: u64, now: Time) {
        self.heard_if_more(packets, now);
        self.liveness.probe(now);
    }

    pub(super) fn deadline(&self) -> Time {
        self.liveness.deadline()
    }

    /// The deadline has passed, and this many packets have come.
    pub(super) fn check(&mut self, packets: u64, now: Time) -> Verdict {
        self.heard_if_more(packets, now);
        self.liveness.check(now)
    }

    fn heard_if_more(&mut self, packets: u64, now: Time) {
        if packets != self.packets {
            self.packets = packets;
            self.liveness.heard(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const HEARTBEAT: Heartbeat =
        Heartbeat { interval: Duration::from_millis(100), dead_after: Duration::from_millis(300) };

    fn at(ms: u64) -> Time {
        Time::from_millis(ms)
    }

    #[test]
    fn any_packet_is_life_and_the_same_number_of_them_is_silence() {
        let mut silence = Silence::new(HEARTBEAT, 5, at(0));
        assert_eq!(silence.check(5, at(100)), Verdict::Ask);
        assert_eq!(silence.check(6, at(200)), Verdict::Fine);
        assert_eq!((silence.check(6, at(300)), silence.check(6, at(400))), (Verdict::Ask, Verdict::Ask));
        assert_eq!(silence.check(6, at(500)), Verdict::Dead(Duration::from_millis(300)));
    }

    #[test]
    fn a_probe_is_answered_by_a_packet_within_an_interval_or_the_peer_is_dead() {
        let mut silence = Silence::new(HEARTBEAT, 5, at(0));
        silence.probe(5, at(50));
        assert_eq!(silence.deadline(), at(150));
        assert_eq!(silence.check(5, at(150)), Verdict::Dead(Duration::from_millis(150)));
        let mut silence = Silence::new(HEARTBEAT, 5, at(0));
        silence.probe(5, at(50));
        assert_eq!(silence.check(6, at(150)), Verdict::Fine);
        assert_eq!(silence.check(6, at(250)), Verdict::Ask);
    }

    #[test]
    fn what_came_while_this_process_was_paused_is_life() {
        let mut silence = Silence::new(HEARTBEAT, 5, at(0));
        assert_eq!(silence.check(6, at(10_100)), Verdict::Fine);
        assert_eq!(silence.check(6, at(20_200)), Verdict::Paused(Duration::from_secs(10)));
    }
}
