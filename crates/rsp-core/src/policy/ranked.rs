// SPDX-License-Identifier: MIT OR Apache-2.0
//! Engine of RR, PRIO, LU, LUD and PLU: lowest rank first, round robin among equals.

use super::nodes::{Nodes, Slot};
use super::rings::Rings;

/// PEs in rings by rank. `Node::rank` is the rank with all degradation so far, `Node::weight` the degradation.
#[derive(Debug, Default)]
pub(crate) struct Ranked {
    rings: Rings<u64>,
}

impl Ranked {
    pub(super) fn insert(&mut self, nodes: &mut Nodes, slot: Slot, rank: u64, degradation: u32) {
        nodes[slot].rank = rank;
        nodes[slot].weight = degradation;
        self.rings.push(nodes, rank, slot);
    }

    pub(super) fn remove(&mut self, nodes: &mut Nodes, slot: Slot) {
        self.rings.remove(nodes, nodes[slot].rank, slot);
    }

    /// A PE whose rank stays the same keeps its place in the ring.
    pub(super) fn update(&mut self, nodes: &mut Nodes, slot: Slot, rank: u64, degradation: u32) {
        if nodes[slot].rank == rank {
            nodes[slot].weight = degradation;
        } else {
            self.remove(nodes, slot);
            self.insert(nodes, slot, rank, degradation);
        }
    }

    pub(super) fn select_one(&mut self, nodes: &mut Nodes) -> Option<Slot> {
        let head = self.rings.first_head()?;
        let slot = *head;
        let node = nodes[slot];
        if node.weight == 0 {
            *head = node.next;
        } else {
            self.degrade(nodes, slot);
        }
        Some(slot)
    }

    pub(super) fn order(&self, nodes: &Nodes, limit: usize, picked: &mut Vec<Slot>) {
        self.rings.take(nodes, limit, picked);
    }

    /// Advances the head of each ring that `picked` touches by one; PEs with a degradation move to another ring instead.
    pub(super) fn charge(&mut self, nodes: &mut Nodes, picked: &[Slot]) {
        let mut advanced = None;
        for &slot in picked {
            let node = nodes[slot];
            if node.weight > 0 {
                self.degrade(nodes, slot);
            } else if advanced != Some(node.rank) && node.next != slot {
                self.rings.set_head(node.rank, node.next);
                advanced = Some(node.rank);
            }
        }
    }

    fn degrade(&mut self, nodes: &mut Nodes, slot: Slot) {
        let node = nodes[slot];
        self.remove(nodes, slot);
        self.insert(nodes, slot, node.rank.saturating_add(u64::from(node.weight)), node.weight);
    }

    pub(super) fn iter<'a>(&'a self, nodes: &'a Nodes) -> impl Iterator<Item = Slot> + 'a {
        self.rings.iter(nodes)
    }
}
