// SPDX-License-Identifier: MIT OR Apache-2.0
//! What happens because time has passed: retransmissions, heartbeats, and the end of patience.

use std::time::Duration;

use machine::Time;
use machine::association::{Event, LostReason};
use machine::liveness::Verdict;

use super::{Engine, kind, packet};

impl Engine {
    /// Does what is due. All that has arrived must have been handed in before, so that our own delay is not taken for a peer's.
    pub fn handle_timeout(&mut self, now: Time) {
        let mut due = Vec::new();
        while let Some((time, index, serial)) = self.alarms.ring(now) {
            let Some(association) = self.associations.get_mut(index) else { continue };
            if association.serial == serial && association.alarm == Some(time) {
                association.alarm = None;
                due.push(index);
            }
        }
        for index in due {
            self.time_passed(index, now);
        }
        // Whatever is still due rings again, but not without end.
        while let Some((time, index, serial)) = self.alarms.ring(now) {
            let Some(association) = self.associations.get_mut(index) else { continue };
            if association.serial == serial && association.alarm == Some(time) {
                association.alarm = None;
                self.alarms.set(&mut association.alarm, now + SHORTEST, index, serial);
            }
        }
        if self.alarms.is_littered(self.associations.len()) {
            let associations = &self.associations;
            self.alarms.retain(|time, index, serial| {
                associations.get(index).is_some_and(|of| of.serial == serial && of.alarm == Some(time))
            });
        }
    }

    fn time_passed(&mut self, index: usize, now: Time) {
        let association = &mut self.associations[index];
        let Some(sctp) = &mut association.sctp else { return };
        // A timer of dcSCTP's that is very late goes off again for each time it has missed.
        for _ in 0..MOST_MISSED {
            if sctp.advance(now).is_err() {
                return self.broken(index);
            }
            if sctp.deadline().is_none_or(|deadline| deadline > now) {
                break;
            }
        }
        if association.close_until.is_some_and(|until| now >= until) {
            sctp.abort();
        }
        if association.connecting.as_ref().is_some_and(|connecting| now >= connecting.deadline()) {
            self.connecting_takes_long(index, now);
        }
        self.watch(index, now);
        self.pump(index, None, now);
    }

    /// Looks whether the peer is alive.
    fn watch(&mut self, index: usize, now: Time) {
        let association = &mut self.associations[index];
        let Some(liveness) = &mut association.liveness else { return };
        match liveness.check(now) {
            Verdict::Fine => {}
            Verdict::Ask => self.ask(index, now),
            Verdict::Paused(late) => {
                let peer = association.peer_addr();
                tracing::info!(%peer, ?late, "this process was paused: nothing is declared dead");
                association.events.push_back(Event::Paused);
                self.ask(index, now);
            }
            Verdict::Dead(_) => {
                let is_closing = association.close_until.is_some();
                self.give_up(index, if is_closing { LostReason::Closed } else { LostReason::HeartbeatMissed });
            }
        }
    }

    /// Sends a HEARTBEAT (RFC 9260 §8.3). The time in it comes back.
    pub(super) fn ask(&mut self, index: usize, now: Time) {
        let association = &mut self.associations[index];
        if association.peer_tag == 0 || association.sctp.is_none() {
            return;
        }
        association.asked = Some(now);
        let header = association.header();
        let info = [&HEARTBEAT_INFO[..], &now.as_micros().to_be_bytes()];
        self.transmit(index, packet::single(header, kind::HEARTBEAT, 0, &info));
    }

    /// Whether a HEARTBEAT ACK is that of our HEARTBEAT.
    pub(super) fn answered(&mut self, index: usize, info: &[u8], now: Time) -> bool {
        let Some(sent) = info.strip_prefix(&HEARTBEAT_INFO).and_then(|info| <[u8; 8]>::try_from(info).ok()) else {
            return false;
        };
        let association = &mut self.associations[index];
        if association.asked.take_if(|asked| asked.as_micros() == u64::from_be_bytes(sent)).is_some() {
            association.measured(now.since(Time::from_micros(u64::from_be_bytes(sent))));
        }
        true
    }
}

impl super::association::Association {
    /// A round trip took this long.
    pub(super) fn measured(&mut self, rtt: Duration) {
        self.rtt = Some(self.rtt.map_or(rtt, |smoothed| (smoothed * 7 + rtt) / 8));
    }
}

/// Type 1 (Heartbeat Info) of 16 bytes, then four of ours: dcSCTP's own have none.
const HEARTBEAT_INFO: [u8; 8] = [0, 1, 0, 16, b'r', b's', b'p', b'h'];

/// Times a timer goes off late in one look at the clock.
const MOST_MISSED: usize = 8;

/// The least time between two looks at the clock for one association.
const SHORTEST: Duration = Duration::from_millis(1);
