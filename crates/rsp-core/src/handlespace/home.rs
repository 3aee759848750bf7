// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who owns which PE, in an order that can be walked in pages.

use std::ops::Bound;

use rsp_wire::{PeId, ServerId};

use super::{Handlespace, Slot, Sum};

/// Sorted by home, then by pool, so that PEs of one pool come together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Owned {
    pub(super) home: ServerId,
    pub(super) pool: u32,
    pub(super) slot: Slot,
}

/// A place in the handlespace to go on from. PEs that come and go meanwhile do not move it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cursor(Option<Owned>);

impl Handlespace {
    /// The PEs of `home` after `cursor`, each with the cursor behind it; pool by pool.
    pub fn owned_by(&self, home: ServerId, cursor: Cursor) -> impl Iterator<Item = (Slot, Cursor)> + '_ {
        self.after(cursor, Bound::Included(Owned { home, pool: 0, slot: Slot(0) }))
            .take_while(move |owned| owned.home == home)
            .map(|owned| (owned.slot, Cursor(Some(*owned))))
    }

    /// All PEs after `cursor`, each with the cursor behind it; home by home and pool by pool.
    pub fn all_after(&self, cursor: Cursor) -> impl Iterator<Item = (Slot, Cursor)> + '_ {
        self.after(cursor, Bound::Unbounded).map(|owned| (owned.slot, Cursor(Some(*owned))))
    }

    fn after(&self, cursor: Cursor, start: Bound<Owned>) -> impl Iterator<Item = &Owned> {
        self.by_home.range((cursor.0.map_or(start, Bound::Excluded), Bound::Unbounded))
    }

    /// Gives the PE at `slot` another home registrar. Answers the one it had.
    pub fn set_home(&mut self, slot: Slot, home: ServerId) -> Option<ServerId> {
        let element = self.elements.get_mut(slot.0)?;
        let (old, pool, id) = (element.home(), element.pool(), element.id());
        element.set_home(home);
        self.move_home(slot, pool, id, old, home);
        Some(old)
    }

    /// What `home` owns: how many PEs, and their checksum.
    pub fn sum_of(&self, home: ServerId) -> Sum {
        self.homes.get(&home).copied().unwrap_or_default()
    }

    /// The registrars that own PEs.
    pub fn homes(&self) -> impl Iterator<Item = (ServerId, Sum)> + '_ {
        self.homes.iter().map(|(home, sum)| (*home, *sum))
    }

    pub(super) fn move_home(&mut self, slot: Slot, pool: u32, id: PeId, old: ServerId, new: ServerId) {
        if old != new {
            self.by_home.remove(&Owned { home: old, pool, slot });
            self.by_home.insert(Owned { home: new, pool, slot });
            self.disown(old, pool, id);
            self.own(new, pool, id);
        }
    }

    pub(super) fn own(&mut self, home: ServerId, pool: u32, id: PeId) {
        self.homes.entry(home).or_default().add(self.pools[pool].sum, id);
    }

    pub(super) fn disown(&mut self, home: ServerId, pool: u32, id: PeId) {
        let sum = self.pools[pool].sum;
        if let Some(owned) = self.homes.get_mut(&home) {
            owned.subtract(sum, id);
            if owned.is_empty() {
                self.homes.remove(&home);
            }
        }
    }
}
