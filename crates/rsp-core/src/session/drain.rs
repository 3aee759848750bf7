// SPDX-License-Identifier: MIT OR Apache-2.0
//! A PE leaves its pool: the PU finishes what is outstanding and moves on with the cookie (`docs/session-wire.md` §2, DRAIN).

use std::time::Duration;

use machine::Time;

use super::pu_session::{PuItem, PuSession, State, Timer};
use super::{Cause, SessionEvent};

impl PuSession {
    pub(super) fn drain_asked(&mut self, time: Duration, now: Time) {
        let (State::Holding(_, target) | State::Open(_, target)) = &self.state else { return };
        let pe = target.pe;
        if !self.draining {
            self.draining = true;
            self.timers.set(Timer::Drain, now + time);
            self.event(SessionEvent::DrainAsked(pe));
            self.deliver(PuItem::Drain);
        }
    }

    /// Moves when nothing is outstanding at the PE that drains.
    pub(super) fn drained_yet(&mut self, now: Time) {
        if self.outbox.outstanding() == 0 {
            self.leave(Cause::Drain, now);
        }
    }
}
