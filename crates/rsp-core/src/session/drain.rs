// SPDX-License-Identifier: MIT OR Apache-2.0
//! A PE leaves its pool: the PU finishes what is outstanding and moves on with the cookie (`docs/session-wire.md` §2, DRAIN).

use std::time::Duration;

use machine::Time;
use rsp_wire::session::{ByeReason, SessionParameter};

use super::link::Greeting;
use super::pu_session::{PuItem, PuSession, State, Timer};
use super::{Cause, SessionEvent};
use crate::association::Request;

impl PuSession {
    pub(super) fn drain_asked(&mut self, time: Duration, now: Time) {
        if matches!(self.state, State::Greeting(..)) {
            return self.leave(Cause::Drain, now);
        }
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

    /// A PE that leaves, or has left us, before the session is open there, as while the association for user data is on its way: nothing is outstanding.
    pub(super) fn turned_away(&mut self, cause: Cause, now: Time) {
        if let Some(link) = self.link() {
            if matches!(link.greeting, Greeting::Spoken(_)) {
                link.session(SessionParameter::Bye(ByeReason::Moved));
            }
            link.request(Request::Close);
        }
        self.flush();
        let State::Greeting(journey, _, target) = std::mem::take(&mut self.state) else { return };
        if cause == Cause::Drain {
            self.event(SessionEvent::DrainAsked(target.pe));
            if !self.drained.contains(&target.pe) {
                self.drained.push(target.pe);
            }
        }
        self.onwards(journey, target.pe, now);
    }
}
