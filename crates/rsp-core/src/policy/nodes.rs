// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a policy keeps for each PE: a few words, in an array beside the PEs' other data.

use std::fmt;
use std::ops::{Index, IndexMut};

use crate::paged::Paged;

/// Stable number of a PE while it is registered; reused after it has gone. Small numbers, fit to index parallel arrays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub u32);

impl Slot {
    /// As an array index.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// One PE's place in its pool's order. The policy's engine says what the fields mean.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node {
    /// The PE before this one in its ring; in a dense list, this one's position there.
    pub(super) prev: Slot,
    /// The PE after this one in its ring.
    pub(super) next: Slot,
    /// The ring's key: what the PE is compared by.
    pub(super) rank: u64,
    /// Weight, or load degradation.
    pub(super) weight: u32,
}

/// The nodes of all PEs, by slot.
#[derive(Debug, Default)]
pub(crate) struct Nodes(Paged<Node>);

impl Nodes {
    /// Makes room for `slot`, which is at most one beyond the last.
    pub(crate) fn make_room(&mut self, slot: Slot) {
        if slot.index() == self.0.len() {
            self.0.push(Node { prev: slot, next: slot, rank: 0, weight: 0 });
        }
    }
}

impl Index<Slot> for Nodes {
    type Output = Node;
    fn index(&self, slot: Slot) -> &Node {
        &self.0[slot.index()]
    }
}

impl IndexMut<Slot> for Nodes {
    fn index_mut(&mut self, slot: Slot) -> &mut Node {
        &mut self.0[slot.index()]
    }
}
