// SPDX-License-Identifier: MIT OR Apache-2.0
//! Engine of WRAND, RLU and RSPLIB's policies of that kind: every PE with a probability in proportion to its weight.

use machine::Rng;

use super::dense::{Dense, position};
use super::nodes::{Nodes, Slot};
use super::sum_tree::SumTree;

/// PEs with their weights side by side. `Node::weight` is the weight, `Node::rank` what each selection takes off it, `Node::prev` the position in one of
/// the two rows.
#[derive(Debug, Default)]
pub(crate) struct Chances {
    members: Vec<Slot>,
    tree: SumTree,
    /// PEs of weight 0: chosen only when there is nobody else, then as if all had weight 1.
    weightless: Dense,
}

impl Chances {
    pub(super) fn insert(&mut self, nodes: &mut Nodes, slot: Slot, weight: u32, degradation: u32) {
        nodes[slot].rank = u64::from(degradation);
        self.place(nodes, slot, weight);
    }

    fn place(&mut self, nodes: &mut Nodes, slot: Slot, weight: u32) {
        nodes[slot].weight = weight;
        if weight == 0 {
            self.weightless.insert(nodes, slot);
        } else {
            nodes[slot].prev = position(self.members.len());
            self.members.push(slot);
            self.tree.push(weight);
        }
    }

    pub(super) fn remove(&mut self, nodes: &mut Nodes, slot: Slot) {
        if nodes[slot].weight == 0 {
            self.weightless.remove(nodes, slot);
            return;
        }
        let at = nodes[slot].prev.index();
        self.tree.swap_remove(at);
        self.members.swap_remove(at);
        if let Some(&moved) = self.members.get(at) {
            nodes[moved].prev = position(at);
        }
    }

    pub(super) fn update(&mut self, nodes: &mut Nodes, slot: Slot, weight: u32, degradation: u32) {
        nodes[slot].rank = u64::from(degradation);
        self.set_weight(nodes, slot, weight);
    }

    fn set_weight(&mut self, nodes: &mut Nodes, slot: Slot, weight: u32) {
        if weight == 0 || nodes[slot].weight == 0 {
            self.remove(nodes, slot);
            self.place(nodes, slot, weight);
        } else {
            nodes[slot].weight = weight;
            self.tree.set(nodes[slot].prev.index(), weight);
        }
    }

    pub(super) fn select_one(&mut self, nodes: &mut Nodes, rng: &mut Rng) -> Option<Slot> {
        match self.tree.total() {
            0 => self.weightless.select_one(rng),
            total => {
                let slot = self.members[self.tree.find(rng.below(total))];
                self.charge(nodes, &[slot]);
                Some(slot)
            }
        }
    }

    /// Takes the degradation off the weight of each of them.
    pub(super) fn charge(&mut self, nodes: &mut Nodes, picked: &[Slot]) {
        for &slot in picked {
            let node = nodes[slot];
            if node.rank > 0 && node.weight > 0 {
                let left = u64::from(node.weight).saturating_sub(node.rank);
                self.set_weight(nodes, slot, left as u32);
            }
        }
    }

    /// Draws without putting back; the weights return when all are drawn.
    pub(super) fn order(&mut self, nodes: &mut Nodes, rng: &mut Rng, limit: usize, picked: &mut Vec<Slot>) {
        let start = picked.len();
        while picked.len() - start < limit && self.tree.total() > 0 {
            let at = self.tree.find(rng.below(self.tree.total()));
            self.tree.set(at, 0);
            picked.push(self.members[at]);
        }
        for &slot in &picked[start..] {
            self.tree.set(nodes[slot].prev.index(), nodes[slot].weight);
        }
        let left = limit - (picked.len() - start);
        self.weightless.order(nodes, rng, left, picked);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Slot> + '_ {
        self.members.iter().copied().chain(self.weightless.iter())
    }
}
