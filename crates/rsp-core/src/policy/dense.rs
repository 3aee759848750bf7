// SPDX-License-Identifier: MIT OR Apache-2.0
//! Engine of RAND: every PE with the same probability.

use machine::Rng;

use super::nodes::{Nodes, Slot};

/// PEs side by side in no order. `Node::prev` is a PE's position.
#[derive(Debug, Default)]
pub(crate) struct Dense {
    members: Vec<Slot>,
}

impl Dense {
    pub(super) fn insert(&mut self, nodes: &mut Nodes, slot: Slot) {
        nodes[slot].prev = position(self.members.len());
        self.members.push(slot);
    }

    pub(super) fn remove(&mut self, nodes: &mut Nodes, slot: Slot) {
        let at = nodes[slot].prev.index();
        self.members.swap_remove(at);
        if let Some(&moved) = self.members.get(at) {
            nodes[moved].prev = position(at);
        }
    }

    pub(super) fn select_one(&self, rng: &mut Rng) -> Option<Slot> {
        self.members.get(rng.below(self.members.len() as u64) as usize).copied()
    }

    /// The first steps of a shuffle (Fisher and Yates), so the work is in proportion to the items.
    pub(super) fn order(&mut self, nodes: &mut Nodes, rng: &mut Rng, limit: usize, picked: &mut Vec<Slot>) {
        let count = self.members.len();
        for at in 0..limit.min(count) {
            let other = at + rng.below((count - at) as u64) as usize;
            self.members.swap(at, other);
            nodes[self.members[other]].prev = position(other);
            nodes[self.members[at]].prev = position(at);
            picked.push(self.members[at]);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Slot> + '_ {
        self.members.iter().copied()
    }
}

pub(super) fn position(at: usize) -> Slot {
    Slot(u32::try_from(at).expect("a pool has fewer than 2^32 PEs"))
}
