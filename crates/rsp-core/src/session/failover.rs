// SPDX-License-Identifier: MIT OR Apache-2.0
//! From one PE to the next, in the order of `docs/session-wire.md` §4: report, pick, connect, cookie, HELLO, callback, resends, new data.

use std::time::Duration;

use machine::Time;
use smallvec::SmallVec;

use rsp_wire::PeId;
use rsp_wire::parameter::PoolElement;
use rsp_wire::session::{ByeReason, Features, SessionParameter};

use super::link::Greeting;
use super::outbox::Pending;
use super::pu_session::{PuEffect, PuItem, PuSession, State, Timer, ToEndpoint};
use super::{Cause, Outcome, ReturnReason, SelectFailure, SessionError, SessionEvent, Target};
use crate::association::Request;

/// On the way to a PE; in a box, for an open session has no use for the room.
#[derive(Debug, Clone)]
pub(super) struct Journey {
    /// The PE left and why; `None` = the session's first.
    pub(super) left: Option<(PeId, Cause)>,
    /// Tried in this round, without success, or with one that did not last for `retry_interval_max`.
    tried: SmallVec<[PeId; 4]>,
    attempts: u32,
    pause: Duration,
    /// When the session gives up, once a PE was left.
    give_up: Option<Time>,
    /// The PE was given the session's cookie.
    pub(super) cookie_sent: bool,
    /// A PE had no control channel beside its data.
    pub(super) not_separate: bool,
}

impl Journey {
    fn new(pause: Duration) -> Box<Self> {
        Box::new(Journey {
            left: None,
            tried: SmallVec::new(),
            attempts: 0,
            pause,
            give_up: None,
            cookie_sent: false,
            not_separate: false,
        })
    }
}

impl PuSession {
    pub(super) fn start(&mut self) {
        if matches!(self.state, State::New) {
            self.watching = true;
            self.effects.push(PuEffect::Endpoint(ToEndpoint::Watch));
            self.select(Journey::new(self.settings.retry_interval));
        }
    }

    /// The association is gone.
    pub(super) fn lost(&mut self, cause: Cause, now: Time) {
        match std::mem::take(&mut self.state) {
            // NO_MAPPING, whose ASAP transport is for registrars alone.
            State::Greeting(mut journey, link, target)
                if link.data.is_separate() && link.greeting == Greeting::Undecided =>
            {
                journey.not_separate = true;
                self.event(SessionEvent::Unreachable(target.pe, cause));
                self.onwards(journey, target.pe, now);
            }
            State::Connecting(journey, _, target) | State::Greeting(journey, _, target) => {
                self.event(SessionEvent::Unreachable(target.pe, cause));
                self.effects.push(PuEffect::Endpoint(ToEndpoint::Report(target.pe)));
                self.onwards(journey, target.pe, now);
            }
            State::Holding(_, target) | State::Open(_, target) => self.depart(target, cause, true, now),
            other => self.state = other,
        }
    }

    /// This PE was tried without success.
    pub(super) fn onwards(&mut self, mut journey: Box<Journey>, pe: PeId, now: Time) {
        self.timers.stop(Timer::HelloWait);
        self.timers.stop(Timer::Watchdog);
        journey.tried.push(pe);
        journey.attempts += 1;
        // What went out before HELLO was decided (first association only) may have arrived.
        self.rewind(true, now);
        self.select(journey);
    }

    fn target_of(&self, element: &PoolElement) -> Option<Target> {
        match self.options.separate {
            true => Target::perhaps_separate(element),
            false => Target::of(element),
        }
    }

    /// Leaves a PE that is still there, without reporting it.
    pub(super) fn leave(&mut self, cause: Cause, now: Time) {
        match self.state {
            State::Greeting(..) => self.turned_away(cause, now),
            _ => self.part(cause, false, now),
        }
    }

    pub(super) fn force_failover(&mut self, report: bool, now: Time) {
        // That it was short is no fault of this PE.
        self.settled();
        self.part(Cause::Application, report, now);
    }

    fn part(&mut self, cause: Cause, report: bool, now: Time) {
        if !matches!(self.state, State::Holding(..) | State::Open(..)) {
            return;
        }
        let silent = matches!(cause, Cause::RegistrarPush);
        if let Some(link) = self.link() {
            if matches!(link.greeting, Greeting::Spoken(_)) && !silent {
                link.session(SessionParameter::Bye(ByeReason::Moved));
            }
            link.request(if silent { Request::Abort } else { Request::Close });
        }
        self.flush();
        if let State::Holding(_, target) | State::Open(_, target) = std::mem::take(&mut self.state) {
            self.depart(target, cause, report, now);
        }
    }

    /// The decision to leave a PE; the association is gone or going.
    fn depart(&mut self, from: Target, cause: Cause, report: bool, now: Time) {
        for timer in [Timer::Probe, Timer::Watchdog, Timer::Drain, Timer::Hold] {
            self.timers.stop(timer);
        }
        self.callback_sends = 0;
        self.event(SessionEvent::FailoverStarted { from: from.pe, cause });
        if report {
            self.effects.push(PuEffect::Endpoint(ToEndpoint::Report(from.pe)));
        }
        if cause == Cause::Drain && !self.drained.contains(&from.pe) {
            self.drained.push(from.pe);
        }
        if !self.options.failover && cause != Cause::Application && cause != Cause::Drain {
            return self.end(Err(SessionError::Failed(cause)), ByeReason::Closed);
        }
        self.rewind(false, now);
        let mut journey = self.journey_on(from.pe, now);
        journey.left = Some((from.pe, cause));
        let give_up = *journey.give_up.get_or_insert(now + self.settings.give_up);
        self.timers.set(Timer::GiveUp, give_up);
        self.select(journey);
    }

    /// A PE that is left soon after it was reached counts as tried without success: whoever accepts every session and keeps none is not connected to
    /// again and again without a pause, and not for longer than `give_up`. A PE that was good for longer is left at once for any other.
    fn journey_on(&mut self, from: PeId, now: Time) -> Box<Journey> {
        let soon = self.timers.deadline_of(Timer::Settled).is_some_and(|at| now < at);
        let way = self.way.take().filter(|_| soon);
        self.settled();
        let Some(mut journey) = way else { return Journey::new(self.settings.retry_interval) };
        journey.tried.push(from);
        journey.attempts += 1;
        journey
    }

    /// The present PE has lasted: the way to it is over.
    pub(super) fn settled(&mut self) {
        self.timers.stop(Timer::Settled);
        self.way = None;
    }

    /// Everything without an outcome waits for the next PE, or comes back if it must not go there. What never went out has no PE yet where none was reached.
    fn rewind(&mut self, keep_unsent: bool, now: Time) {
        let default = self.options.failover;
        let refused = self.outbox.rewind(|pending| {
            let may_move = pending.outgoing.failover.unwrap_or(default);
            let is_unsent = keep_unsent && !pending.transmitted && !pending.resend;
            pending.outgoing.only.is_none() && (is_unsent || may_move)
        });
        for Pending { send, outgoing, .. } in refused {
            self.outcome(send, Outcome::Returned(outgoing, ReturnReason::NoFailover));
        }
        self.expire(now);
    }

    fn select(&mut self, journey: Box<Journey>) {
        let mut avoid = journey.tried.clone();
        for pe in journey.left.map(|(pe, _)| pe).into_iter().chain(self.drained.iter().copied()) {
            if !avoid.contains(&pe) {
                avoid.push(pe);
            }
        }
        //= https://www.rfc-editor.org/rfc/rfc5352#section-3.9
        //# If the peer's PE should fail, this preferred list will be
        //# used to guide the ASAP Endpoint in the selection of an alternate
        //# PE.
        if let Some(target) =
            self.prefer.iter().filter(|pe| !avoid.contains(&pe.id)).find_map(|element| self.target_of(element))
        {
            return self.connect(journey, target);
        }
        self.state = State::Selecting(journey);
        self.effects.push(PuEffect::Endpoint(ToEndpoint::Select { avoid }));
    }

    pub(super) fn selected(&mut self, result: Result<PoolElement, SelectFailure>, now: Time) {
        let journey = match std::mem::take(&mut self.state) {
            State::Selecting(journey) => journey,
            // The answer comes after the session has ended.
            other => {
                self.state = other;
                return;
            }
        };
        let first = journey.left.is_none();
        match result {
            Ok(element) if journey.tried.contains(&element.id) || self.drained.contains(&element.id) => {
                // Only PEs that were tried in this round are left.
                if first && journey.attempts > 0 {
                    let error = match journey.not_separate {
                        true => SessionError::NotSeparate,
                        false => SessionError::NoServer { tried: journey.attempts },
                    };
                    return self.end(Err(error), ByeReason::Closed);
                }
                self.pause(journey, now);
            }
            Ok(element) => match self.target_of(&element) {
                Some(target) => self.connect(journey, target),
                None => self.end(Err(SessionError::NoMapping), ByeReason::Closed),
            },
            Err(failure) if first => self.end(Err(SessionError::Select(failure)), ByeReason::Closed),
            Err(_) => self.pause(journey, now),
        }
    }

    fn pause(&mut self, mut journey: Box<Journey>, now: Time) {
        self.event(SessionEvent::NoServerYet);
        self.timers.set(Timer::Retry, now + journey.pause);
        journey.pause = (journey.pause * 2).min(self.settings.retry_interval_max);
        journey.tried.clear();
        self.state = State::Pausing(journey);
    }

    pub(super) fn next_round(&mut self) {
        match std::mem::take(&mut self.state) {
            State::Pausing(journey) => {
                // A PE that drained may be back by now.
                self.drained.clear();
                self.select(journey);
            }
            other => self.state = other,
        }
    }

    pub(super) fn give_up(&mut self) {
        if let State::Selecting(j) | State::Pausing(j) | State::Connecting(j, ..) | State::Greeting(j, ..) = &self.state
        {
            let tried = j.attempts;
            self.end(Err(SessionError::NoServer { tried }), ByeReason::Closed);
        }
    }

    /// Nothing came back for `hello_wait`.
    pub(super) fn hello_unanswered(&mut self, now: Time) {
        if !matches!(self.state, State::Greeting(..)) {
            return;
        }
        let said = self.link().is_some_and(|link| matches!(link.greeting, Greeting::Spoken(_)));
        if said {
            self.broken("it does not take the association for data".into(), now);
        } else if self.pool_speaks_hello && !self.settings.mixed_pools {
            self.broken("no answer to HELLO".into(), now);
        } else {
            self.plain(now);
        }
    }

    /// The HELLO exchange is decided: the session is open, or opens after the failover callback.
    pub(super) fn decided(&mut self, now: Time) {
        let State::Greeting(journey, link, target) = std::mem::take(&mut self.state) else { return };
        self.timers.stop(Timer::HelloWait);
        self.timers.stop(Timer::GiveUp);
        // The one that comes now has a card of its own, which it may have shown already.
        if self.prefer_of != Some(target.pe) {
            self.prefer.clear();
        }
        let plain = link.greeting == Greeting::Plain;
        self.event(SessionEvent::Established { pe: target.pe, plain });
        let (left, cookie_sent) = (journey.left, journey.cookie_sent);
        self.way = Some(journey);
        self.timers.set(Timer::Settled, now + self.settings.retry_interval_max);
        let Some((from, cause)) = left else {
            self.deliver(PuItem::Connected(target.clone()));
            self.state = State::Open(link, target);
            return;
        };
        self.failovers = self.failovers.saturating_add(1);
        self.event(SessionEvent::FailedOver { from, to: target.pe, cause, resending: self.outbox.resending() });
        self.deliver(PuItem::Failover { number: self.failovers, from, to: target.clone(), cause, cookie_sent });
        if self.options.hold_failover {
            self.timers.set(Timer::Hold, now + self.settings.give_up);
            self.state = State::Holding(link, target);
        } else {
            self.state = State::Open(link, target);
        }
    }

    pub(super) fn failover_done(&mut self) {
        match std::mem::take(&mut self.state) {
            State::Holding(link, target) => {
                self.timers.stop(Timer::Hold);
                self.state = State::Open(link, target);
            }
            other => self.state = other,
        }
    }

    /// The registrar sent the pool anew.
    pub(super) fn listed(&mut self, listed: bool, now: Time) {
        if listed {
            self.timers.stop(Timer::Probe);
            return;
        }
        let State::Open(link, target) = &mut self.state else { return };
        if self.draining {
            return;
        }
        if link.needs_heartbeat && link.greeting == Greeting::Plain {
            // It can't be asked, and its kernel answers for it (ruling 10).
            return self.part(Cause::RegistrarPush, true, now);
        }
        // A push never ends a session by itself: the PE is asked, and has one interval to answer.
        if link.has(Features::HEARTBEAT) && self.timers.deadline_of(Timer::Probe).is_none() {
            link.session(SessionParameter::Heartbeat(now.as_micros()));
            let pe = target.pe;
            self.timers.set(Timer::Probe, now + self.interval);
            self.event(SessionEvent::Probing(pe));
        }
    }

    pub(super) fn unlisted_and_silent(&mut self, now: Time) {
        self.part(Cause::RegistrarPush, true, now);
    }
}
