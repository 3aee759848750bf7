// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two registrars believe to be the home of one PE: after a partition has healed, or because one of them was asleep. The PE decides.
//!
//! Whoever it registered with last, or whose H flag it obeyed last, is its home, and it has closed its association with any other. So a
//! registrar that still has one asks over it, with the H flag, whether the PE is its; if it answers, it stays. If the association is gone,
//! now or a little later, the other one is right.

use std::collections::HashMap;

use machine::Time;
use rsp_wire::ServerId;
use rsp_wire::parameter::PoolElement;

use crate::handlespace::Slot;
use crate::registrar::Registrar;
use crate::registrar::event::{Change, Event, Refusal};
use crate::registrar::monitors::KeepAlive;
use crate::registrar::timer::Timer;

/// Claims of others to PEs of ours, one each.
pub(in crate::registrar) type Contests = HashMap<Slot, Contest>;

#[derive(Debug)]
pub(in crate::registrar) struct Contest {
    claimant: ServerId,
    /// What the claimant knows of it.
    element: Box<PoolElement>,
    /// The PE has answered that it is ours. Should its association go soon after, it has thought better of it.
    confirmed: bool,
}

impl Registrar {
    /// A peer claims a PE of ours.
    pub(in crate::registrar) fn contest(&mut self, slot: Slot, claimant: ServerId, element: PoolElement, now: Time) {
        let stays = self.monitors.get(slot).is_some_and(|it| it.adopted && self.associations.is_up(it.association));
        if !stays {
            return self.give_up(slot, claimant, Some(element), now);
        }
        let element = Box::new(element);
        if let Some(contest) = self.enrp.contests.get_mut(&slot) {
            (contest.claimant, contest.element) = (claimant, element);
            if contest.confirmed {
                self.refuse(claimant, Refusal::PeIsOurs);
            }
            return;
        }
        if self.enrp.contests.len() >= MOST_CONTESTS {
            return self.refuse(claimant, Refusal::PeIsOurs);
        }
        self.enrp.contests.insert(slot, Contest { claimant, element, confirmed: false });
        if let Some(monitor) = self.monitors.get_mut(slot) {
            monitor.claimed = true;
            monitor.keep_alive = KeepAlive::Idle { next: now };
        }
        self.check(slot, now);
    }

    /// The PE answers: it is ours. The claimant hears so.
    pub(in crate::registrar) fn confirmed(&mut self, slot: Slot, now: Time) {
        let Some(contest) = self.enrp.contests.get_mut(&slot).filter(|contest| !contest.confirmed) else { return };
        contest.confirmed = true;
        let claimant = contest.claimant;
        self.timers.set(Timer::Contest(slot), now + self.settings.enrp.takeover_expiry);
        self.refuse(claimant, Refusal::PeIsOurs);
        self.announce_pool_element(slot);
    }

    /// The PE cannot be reached: if somebody else claims it, it is theirs. Answers whether so.
    pub(in crate::registrar) fn lost_to_claimant(&mut self, slot: Slot, now: Time) -> bool {
        let Some(contest) = self.enrp.contests.remove(&slot) else { return false };
        self.timers.stop(Timer::Contest(slot));
        let lives = self.enrp.peers.is_alive(contest.claimant);
        if lives {
            self.give_up(slot, contest.claimant, Some(*contest.element), now);
        }
        lives
    }

    /// Nothing more can come of it.
    pub(in crate::registrar) fn end_contest(&mut self, slot: Slot) {
        if self.enrp.contests.remove(&slot).is_some() {
            self.timers.stop(Timer::Contest(slot));
        }
    }

    /// A PE of ours is another's from now on. Everybody hears it from us: nobody else may say so.
    pub(in crate::registrar) fn give_up(
        &mut self,
        slot: Slot,
        home: ServerId,
        element: Option<PoolElement>,
        now: Time,
    ) {
        self.end_contest(slot);
        self.enrp.suggested.forget(slot);
        let Some(view) = self.handlespace.element(slot) else { return };
        let (pool, pe) = (view.pool().handle(), view.id());
        let registered = element.and_then(|element| self.handlespace.register(&pool, &element, home).ok());
        let change = match registered.map(|registered| registered.change) {
            Some(crate::handlespace::Change::Renewed(changes)) => changes,
            _ => {
                let before = self.handlespace.set_home(slot, home);
                crate::handlespace::Changes { home: before, ..Default::default() }
            }
        };
        self.refuse_contender(slot);
        if let Some(monitor) = self.monitors.remove(slot) {
            self.detach(monitor.association, monitor.place);
        }
        self.event(Event::PeGivenUp { pool: pool.detach(), pe, to: home });
        self.changed(&pool, pe, Change::Updated(change), now);
        // Also to whoever claims it: two who yield to each other at the same time would both believe that the other one has it.
        self.announce_pool_element(slot);
    }
}

/// Undecided and just decided ones; a claim beyond is refused, and comes again if it is true.
const MOST_CONTESTS: usize = 10_000;
