// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who owns which PE, in an order that can be walked in pages.

use std::ops::Bound;

use rsp_wire::ServerId;

use super::{Handlespace, Slot};

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
        let (old, pool) = (element.home(), element.pool());
        element.set_home(home);
        self.move_home(slot, pool, old, home);
        Some(old)
    }

    pub(super) fn move_home(&mut self, slot: Slot, pool: u32, old: ServerId, new: ServerId) {
        if old != new {
            self.by_home.remove(&Owned { home: old, pool, slot });
            self.by_home.insert(Owned { home: new, pool, slot });
        }
    }
}
