// SPDX-License-Identifier: MIT OR Apache-2.0
//! The end of a registration: its life ran out, or the pool element is removed for another reason.

use machine::Time;
use rsp_wire::enrp::UpdateAction;
use rsp_wire::{PeId, PoolHandle};

use super::Registrar;
use super::event::{Change, Event, Removal};
use super::monitors::KeepAlive;
use crate::association::AssociationId;
use crate::handlespace::Slot;

impl Registrar {
    /// A pool element's deadline came up: its life ends, a keep-alive is due or was not answered, or the deadline has moved.
    pub(super) fn pool_element_due(&mut self, slot: Slot, now: Time) {
        let Some(monitor) = self.monitors.get(slot) else { return };
        let expires = monitor.expires;
        if expires <= now {
            if !self.was_asleep(expires, now) {
                return self.expire(slot, now);
            }
            // It may have registered again while we were asleep: its message is on the way to us.
            if let Some(monitor) = self.monitors.get_mut(slot) {
                monitor.expires = now + self.settings.keep_alive_timeout;
            }
        }
        match self.monitors.get(slot).map(|monitor| monitor.keep_alive) {
            Some(KeepAlive::Idle { next }) if next <= now => self.check(slot, now),
            Some(KeepAlive::Waiting { until }) if until <= now => self.keep_alive_timeout(slot, until, now),
            Some(KeepAlive::Idle { .. } | KeepAlive::Waiting { .. }) | None => {}
        }
        self.monitors.reschedule(slot);
    }

    /// Registration life ran out.
    //= https://www.rfc-editor.org/rfc/rfc5352#section-3.2
    //# In this case, an
    //# ASAP_DEREGISTRATION_RESPONSE message is sent to the PE's ASAP
    //# Endpoint to indicate the removal of the PE from the pool it
    //# registered.
    fn expire(&mut self, slot: Slot, now: Time) {
        self.remove_and_tell(slot, Removal::Expired, now);
    }

    /// Takes a pool element out and says so to it: one that is alive after all registers again at once, rather than at its next T4.
    pub(super) fn remove_and_tell(&mut self, slot: Slot, reason: Removal, now: Time) {
        let element = self.handlespace.element(slot).map(|element| (element.pool().handle(), element.id()));
        let association = self.monitors.get(slot).map(|monitor| monitor.association);
        self.remove_pool_element(slot, reason, now);
        if let (Some((pool, pe)), Some(association)) = (element, association) {
            self.answer_deregistration(association, pool, pe, None);
        }
    }

    /// Takes a pool element out of the handlespace; the pool goes with its last one.
    pub(super) fn remove_pool_element(&mut self, slot: Slot, reason: Removal, now: Time) {
        let Some(element) = self.handlespace.element(slot) else { return };
        let (pool, pe) = (element.pool().handle(), element.id());
        //= https://www.rfc-editor.org/rfc/rfc5353#section-3.3.2
        //# When an existing PE is granted de-registration or is removed from its
        //# handlespace for some other reasons (e.g., purging an unreachable PE,
        //# see Section 3.5 in [RFC5352]), the ENRP server MUST use this
        //# procedure to inform all its peers about the change just made.
        let update = if element.home() == self.id { self.encode_update(slot, UpdateAction::DelPe) } else { None };
        self.handlespace.remove(slot);
        self.end_contest(slot);
        self.enrp.suggested.forget(slot);
        self.gone_meanwhile(slot);
        self.unmark(slot);
        if let Some(monitor) = self.monitors.remove(slot) {
            self.detach(monitor.association, monitor.place);
        }
        self.metrics.count_removal(reason);
        self.changed(&pool, pe, Change::Removed(reason), now);
        if let Some(update) = update {
            self.announce_update(update);
        }
        self.accept_contender(slot, now);
    }

    /// The one place every change of the handlespace passes.
    pub(super) fn changed(&mut self, pool: &PoolHandle, pe: PeId, change: Change, now: Time) {
        self.event(Event::HandlespaceChanged { pool: pool.detach(), pe, change });
        self.update_subscribers(pool, change, now);
    }

    /// Whether a deadline came up so late that it says more about us than about the peer.
    pub(super) fn was_asleep(&mut self, due: Time, now: Time) -> bool {
        let late = now.since(due);
        let asleep = late > self.settings.keep_alive_interval;
        if asleep {
            self.paused(late);
        }
        asleep
    }

    /// The registrar was asleep; many things notice it at once.
    pub(super) fn paused(&mut self, late: std::time::Duration) {
        if self.pause_noted.replace(self.now) != Some(self.now) {
            self.event(Event::Paused { late });
        }
    }

    /// Enters a pool element in an association's list and answers its place there.
    pub(super) fn attach(&mut self, slot: Slot, association: AssociationId) -> u32 {
        let Some(association) = self.associations.get_mut(association) else { return 0 };
        association.pool_elements.push(slot);
        association.pool_elements.len() as u32 - 1
    }

    /// Takes the entry at `place` from an association's list; the last one moves there.
    pub(super) fn detach(&mut self, id: AssociationId, place: u32) {
        let Some(association) = self.associations.get_mut(id) else { return };
        association.pool_elements.swap_remove(place as usize);
        if let Some(moved) = association.pool_elements.get(place as usize).copied()
            && let Some(monitor) = self.monitors.get_mut(moved)
        {
            monitor.place = place;
        }
        self.end_if_idle(id);
    }

    /// The pool element is reached over another association from now on.
    pub(super) fn move_to(&mut self, slot: Slot, association: AssociationId) {
        let Some(monitor) = self.monitors.get(slot) else { return };
        self.detach(monitor.association, monitor.place);
        let place = self.attach(slot, association);
        if let Some(monitor) = self.monitors.get_mut(slot) {
            monitor.association = association;
            monitor.place = place;
        }
    }
}
