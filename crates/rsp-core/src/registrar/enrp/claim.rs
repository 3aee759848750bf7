// SPDX-License-Identifier: MIT OR Apache-2.0
//! Telling PEs of a dead or leaving registrar that we are their home now: ASAP_ENDPOINT_KEEP_ALIVE with the H flag, RFC 5353 §3.5.2.
//!
//! There may be a hundred thousand of them, each behind a connection yet to be opened: they are asked a few at a time.

use std::collections::VecDeque;
use std::time::Duration;

use machine::Time;

use super::slots::Slots;
use crate::association::AssociationId;
use crate::handlespace::{Cursor, Slot};
use crate::registrar::Registrar;
use crate::registrar::event::Removal;
use crate::registrar::monitors::{KeepAlive, Monitor, NEVER};
use crate::registrar::timer::Timer;

/// PEs that are ours and have not been told yet, each once: one that a peer gives us and takes back again and again does not fill it.
#[derive(Debug, Default)]
pub(in crate::registrar) struct Claims {
    in_turn: VecDeque<Slot>,
    waiting: Slots,
}

impl Claims {
    pub(in crate::registrar) fn len(&self) -> usize {
        self.in_turn.len()
    }

    fn push(&mut self, slot: Slot) {
        if !self.waiting.contains(slot) {
            self.waiting.insert(slot);
            self.in_turn.push_back(slot);
        }
    }

    fn pop(&mut self) -> Option<Slot> {
        let slot = self.in_turn.pop_front()?;
        self.waiting.remove(slot);
        Some(slot)
    }
}

impl Registrar {
    /// Claims all that is ours by name and not watched yet.
    pub(in crate::registrar) fn claim_owned(&mut self, now: Time) {
        let owned: Vec<_> = self.handlespace.owned_by(self.id, Cursor::default()).map(|(slot, _)| slot).collect();
        for slot in owned {
            self.claim(slot, now);
        }
    }

    /// The PE at `slot` is ours from now on, and will hear so.
    pub(in crate::registrar) fn claim(&mut self, slot: Slot, now: Time) {
        if self.monitors.get(slot).is_some() {
            return;
        }
        let Some(life) = self.handlespace.element(slot).map(|element| element.life()) else { return };
        let monitor = Monitor {
            association: NOWHERE,
            place: 0,
            answered: false,
            adopted: false,
            claimed: true,
            expires: self.life_ends(life, now),
            keep_alive: KeepAlive::Idle { next: NEVER },
            heard: now,
            reports: None,
        };
        self.monitors.insert(slot, monitor);
        self.enrp.claims.push(slot);
        if self.enrp.claims.len() == 1 {
            self.timers.set(Timer::Claims, now);
        }
    }

    //= https://www.rfc-editor.org/rfc/rfc5353#section-3.5.2
    //# send a point-to-point ASAP_ENDPOINT_KEEP_ALIVE message, with the
    //# 'H' flag set to '1', to each of the PEs.
    /// The next few are asked.
    pub(in crate::registrar) fn claims_due(&mut self, now: Time) {
        let per_tick = self.settings.enrp.claims_per_second.div_ceil(TICKS_PER_SECOND).max(1);
        for _ in 0..per_tick {
            let Some(slot) = self.enrp.claims.pop() else { return };
            // It may have registered by itself meanwhile, or be gone.
            if self.monitors.get(slot).is_some_and(|monitor| monitor.association == NOWHERE) && !self.reach(slot, now) {
                self.no_room(slot, now);
            }
        }
        if self.enrp.claims.len() > 0 {
            self.timers.set(Timer::Claims, now + TICK);
        }
    }
}

impl Registrar {
    /// As many associations as we may are open, or being opened to this host: in its turn again, but not for ever.
    fn no_room(&mut self, slot: Slot, now: Time) {
        let waits_since = self.monitors.get(slot).map_or(now, |monitor| monitor.heard);
        if now.since(waits_since) > self.settings.enrp.max_time_last_heard {
            self.remove_pool_element(slot, Removal::SendFailed, now);
        } else {
            self.enrp.claims.push(slot);
        }
    }
}

/// No association yet.
pub(in crate::registrar) const NOWHERE: AssociationId = AssociationId(0);

/// The registrar looks at its deadlines fifty times a second when it has many: fewer ticks than that, or claims would come at half the rate.
const TICKS_PER_SECOND: u32 = 20;
const TICK: Duration = Duration::from_millis(1000 / TICKS_PER_SECOND as u64);
