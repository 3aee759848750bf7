// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether the PE of a session still lives, where the transport does not watch it.

use std::time::Duration;

use machine::Time;
use machine::liveness::{Liveness, Verdict};
use rsp_wire::session::{Features, SessionParameter};

use super::{PuSession, Timer};
use crate::association::{Heartbeat, Request};
use crate::session::{Cause, SessionEvent};

impl PuSession {
    /// From now on the PE is asked for signs of life, if nobody else does.
    pub(in crate::session) fn watch_peer(&mut self, heartbeat: Heartbeat, now: Time) {
        let asks = self.link().is_some_and(|link| link.needs_heartbeat && link.has(Features::HEARTBEAT));
        self.watchdog = asks.then(|| {
            let watchdog = Liveness::new(heartbeat, now);
            self.timers.set(Timer::Watchdog, watchdog.deadline());
            watchdog
        });
    }

    pub(super) fn watchdog_due(&mut self, now: Time) {
        let Some(watchdog) = &mut self.watchdog else { return };
        let verdict = watchdog.check(now);
        self.timers.set(Timer::Watchdog, watchdog.deadline());
        match verdict {
            Verdict::Fine => return,
            Verdict::Ask => {}
            Verdict::Paused(_) => self.event(SessionEvent::Paused),
            Verdict::Dead(_) => {
                if let Some(link) = self.link() {
                    link.request(Request::Abort);
                }
                self.flush();
                return self.lost(Cause::HeartbeatMissed, now);
            }
        }
        if let Some(link) = self.link() {
            link.session(SessionParameter::Heartbeat(now.as_micros()));
        }
    }

    pub(super) fn overslept(&mut self, timer: Timer, again: Duration, now: Time) {
        self.event(SessionEvent::Paused);
        self.timers.set(timer, now + again);
    }
}
