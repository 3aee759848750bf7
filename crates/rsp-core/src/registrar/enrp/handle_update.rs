// SPDX-License-Identifier: MIT OR Apache-2.0
//! Changes of one registrar's PEs become known to all: RFC 5353 §3.3.

use bytes::Bytes;
use machine::Time;
use rsp_wire::enrp::{HandleUpdate, UpdateAction};
use rsp_wire::parameter::PoolElement;
use rsp_wire::{PoolHandle, ServerId};

use super::authority::Verdict;
use crate::handlespace::{self, Registered, Slot};
use crate::registrar::Registrar;
use crate::registrar::event::{Change, Event, Refusal, Removal};

impl Registrar {
    //= https://www.rfc-editor.org/rfc/rfc5353#section-3.3.1
    //# An ENRP server MUST announce this update to all its peers in a
    //# ENRP_HANDLE_UPDATE message with the Update Action field set to
    //# 'ADD_PE', indicating the addition of a new PE or the modification of
    //# an existing PE.
    /// Tells all peers of a PE as it is now.
    pub(in crate::registrar) fn announce_pool_element(&mut self, slot: Slot) {
        if let Some(update) = self.encode_update(slot, UpdateAction::AddPe) {
            self.announce_update(update);
        }
    }

    /// The ENRP_HANDLE_UPDATE about a PE, if there is anybody to be told.
    pub(in crate::registrar) fn encode_update(&mut self, slot: Slot, action: UpdateAction) -> Option<Bytes> {
        if self.enrp.peers.links().is_empty() {
            return None;
        }
        self.buffer.clear();
        self.handlespace.encode_update(self.header(ServerId::NONE), action, false, slot, &mut self.buffer);
        Some(Bytes::copy_from_slice(&self.buffer))
    }

    pub(in crate::registrar) fn announce_update(&mut self, update: Bytes) {
        self.metrics.updates_announced += 1;
        self.send_to_all(&update);
    }

    /// ENRP_HANDLE_UPDATE.
    pub(in crate::registrar) fn handle_update(&mut self, sender: ServerId, update: HandleUpdate, now: Time) {
        let HandleUpdate { takeover_suggested, action, pool_handle, pool_element } = update;
        self.metrics.updates_received += 1;
        match action {
            UpdateAction::AddPe => {
                let suggested = takeover_suggested && pool_element.home == sender;
                let slot = self.add_or_update(sender, &pool_handle, pool_element, now);
                if let Some(slot) = slot.filter(|_| suggested) {
                    self.takeover_suggested(slot, now);
                }
            }
            UpdateAction::DelPe => self.delete(sender, &pool_handle, &pool_element, now),
            UpdateAction::Other(_) => self.refuse(sender, Refusal::UnknownAction),
        }
    }

    //= https://www.rfc-editor.org/rfc/rfc5353#section-3.3.1
    //# If the named pool indicated by the pool handle does not exist in
    //# its local copy of the handlespace, the peer MUST create the named
    //# pool in its local handlespace and add the PE to the pool as the
    //# first PE.
    //= https://www.rfc-editor.org/rfc/rfc5353#section-3.3.1
    //# If the named pool exists *and* the PE is already a member of the
    //# pool, the peer MUST replace the attributes of the PE with the new
    //# information carried in the message.
    /// A peer says that a PE is there and whose it is. Answers where it is kept if that is believed.
    pub(in crate::registrar) fn add_or_update(
        &mut self,
        sender: ServerId,
        pool: &PoolHandle,
        mut element: PoolElement,
        now: Time,
    ) -> Option<Slot> {
        element.unknown.clear();
        let slot = self.handlespace.find(pool, element.id);
        let home = element.home;
        match self.verdict(sender, slot, home) {
            Verdict::Accept => {}
            Verdict::Known => {
                self.enrp.rivals.withdraw(slot?, sender);
                return None;
            }
            Verdict::Contest => {
                self.contest(slot?, sender, element, now);
                return None;
            }
            Verdict::GiveUp => {
                self.give_up(slot?, sender, Some(element), now);
                return None;
            }
            Verdict::Refuse(refusal) => {
                self.refuse(sender, refusal);
                if let Some(slot) = slot.filter(|_| matches!(refusal, Refusal::HomeLives | Refusal::UnknownHome)) {
                    self.enrp.rivals.remember(slot, element);
                }
                return None;
            }
        }
        self.enter(sender, pool, element, now)
    }

    /// Enters what a peer says of a PE in the handlespace. Answers where it is kept.
    pub(in crate::registrar) fn enter(
        &mut self,
        sender: ServerId,
        pool: &PoolHandle,
        mut element: PoolElement,
        now: Time,
    ) -> Option<Slot> {
        self.measured_there(sender, &mut element);
        let home = element.home;
        let registered = match self.handlespace.register(pool, &element, home) {
            Ok(registered) => registered,
            Err(cause) => {
                let (pool, pe, cause) = (pool.detach(), element.id, cause.code());
                self.complain(sender, Event::UpdateRejected { peer: sender, pool, pe, cause });
                return None;
            }
        };
        let slot = registered.slot;
        self.unmark(slot);
        let change = change(registered);
        // Most are told again because they registered again: no news.
        if change != Change::Updated(handlespace::Changes::default()) {
            self.changed(pool, element.id, change, now);
        }
        if home == self.id {
            self.claim(slot, now);
        }
        self.settled_elsewhere(slot, home);
        Some(slot)
    }

    //= https://www.rfc-editor.org/rfc/rfc5353#section-3.3.2
    //# When a peer receives this ENRP_HANDLE_UPDATE message, it MUST first
    //# find the pool and the PE in its own handlespace, and then remove the
    //# PE from its local handlespace.
    /// A peer says that a PE is gone. Only its home may.
    fn delete(&mut self, sender: ServerId, pool: &PoolHandle, element: &PoolElement, now: Time) {
        //= https://www.rfc-editor.org/rfc/rfc5353#section-3.3.2
        //# If the peer fails to find the PE or the pool in its handlespace, it
        //# SHOULD take no further actions.
        let Some(slot) = self.handlespace.find(pool, element.id) else { return };
        if self.handlespace.element(slot).is_none_or(|element| element.home() != sender) {
            self.enrp.rivals.withdraw(slot, sender);
            self.refuse(sender, Refusal::NotHome);
        } else if !self.passes_to_rival(slot, now) {
            self.remove_pool_element(slot, Removal::AtHome, now);
        }
    }

    /// As [`Registrar::changed`], for a change among so many that none is worth a line in the log.
    pub(in crate::registrar) fn update_subscribers_of(&mut self, registered: Registered, pool: &PoolHandle, now: Time) {
        self.update_subscribers(pool, change(registered), now);
    }
}

fn change(registered: Registered) -> Change {
    match registered.change {
        handlespace::Change::New { .. } => Change::Added,
        handlespace::Change::Renewed(changes) => Change::Updated(changes),
    }
}
