// SPDX-License-Identifier: MIT OR Apache-2.0
//! Deadlines: connecting, closing, and a peer that says nothing.

use std::task::{Context, Poll};
use std::time::Duration;

use machine::association::{Event, LostReason};
use machine::liveness::Verdict;

use super::super::silence::Silence;
use super::{KernelAssociation, Source, State};

impl KernelAssociation {
    pub(super) fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let opening = if let State::Connecting(deadline) = self.state { Some(deadline) } else { None };
        let silence = self.silence.as_ref().map(Silence::deadline);
        let Some(deadline) = [opening, self.closing, silence].into_iter().flatten().min() else {
            return Poll::Pending;
        };
        let at = self.clock.instant(deadline);
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        if timer.deadline() != at {
            timer.as_mut().reset(at);
        }
        timer.as_mut().poll(cx)
    }

    pub(super) fn handle_timeout(&mut self) {
        let now = self.clock.now();
        if self.closing.is_some_and(|deadline| deadline <= now) {
            return self.abort_for(LostReason::Closed);
        }
        if let State::Connecting(deadline) = self.state {
            if deadline > now {
                return;
            }
            let late = now.since(deadline);
            if late > self.options.connect_timeout {
                self.state = State::Connecting(now + self.options.connect_timeout);
                self.paused(late);
            } else {
                self.not_reached(LostReason::ConnectTimeout);
            }
            return;
        }
        let Source::Socket(socket) = &self.source else { return };
        let Some(silence) = &mut self.silence else { return };
        if now < silence.deadline() {
            return;
        }
        // Without an answer the association is gone, and reading tells why.
        let Ok(packets) = socket.get_ref().packets_received(self.id) else {
            self.silence = None;
            return;
        };
        match silence.check(packets, now) {
            Verdict::Fine => {}
            Verdict::Ask => self.ask(),
            Verdict::Paused(late) => {
                self.ask();
                self.paused(late);
            }
            Verdict::Dead(_) => self.abort_for(LostReason::HeartbeatMissed),
        }
    }

    pub(super) fn ask(&self) {
        let Source::Socket(socket) = &self.source else { return };
        if let Err(error) = socket.get_ref().heartbeat_now(self.id) {
            tracing::debug!(peer = %self.peer, %error, "no heartbeat");
        }
    }

    fn paused(&mut self, late: Duration) {
        tracing::info!(peer = %self.peer, ?late, "this process was paused: nothing is declared dead");
        self.events.push_back(Event::Paused);
    }
}
