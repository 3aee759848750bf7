// SPDX-License-Identifier: MIT OR Apache-2.0
//! Circular lists of PEs in the order of a key: round robin among those that share a key.

use super::nodes::{Nodes, Slot};
use super::ring_heads::RingHeads;

/// Circular lists by key. Of each only the head is kept here, the links are in the nodes.
#[derive(Debug)]
pub(super) struct Rings<K> {
    heads: RingHeads<K>,
}

impl<K: Ord + Copy + Default> Rings<K> {
    /// Appends `slot` to the ring of `key`.
    pub(super) fn push(&mut self, nodes: &mut Nodes, key: K, slot: Slot) {
        nodes[slot].prev = slot;
        nodes[slot].next = slot;
        self.append(nodes, key, slot);
    }

    /// Appends the whole ring that starts with `first` to the ring of `key`.
    pub(super) fn append(&mut self, nodes: &mut Nodes, key: K, first: Slot) {
        let head = self.heads.get_or_insert(key, first);
        if head == first {
            return;
        }
        let (tail, last) = (nodes[head].prev, nodes[first].prev);
        link(nodes, tail, first);
        link(nodes, last, head);
    }

    /// Takes `slot` out of the ring of `key`.
    pub(super) fn remove(&mut self, nodes: &mut Nodes, key: K, slot: Slot) {
        let (prev, next) = (nodes[slot].prev, nodes[slot].next);
        if next == slot {
            self.heads.remove(key);
            return;
        }
        link(nodes, prev, next);
        if let Some(head) = self.heads.get_mut(key)
            && *head == slot
        {
            *head = next;
        }
    }

    /// The head of the first ring.
    pub(super) fn first(&self) -> Option<(K, Slot)> {
        self.heads.first()
    }

    /// The head of the first ring, to be moved.
    pub(super) fn first_head(&mut self) -> Option<&mut Slot> {
        self.heads.first_mut()
    }

    /// Takes the first ring away.
    pub(super) fn pop_ring(&mut self) -> Option<(K, Slot)> {
        self.heads.pop_first()
    }

    /// Makes `slot` the head of the ring of `key`, of which it is a member.
    pub(super) fn set_head(&mut self, key: K, slot: Slot) {
        if let Some(head) = self.heads.get_mut(key) {
            *head = slot;
        }
    }

    /// Appends the first `limit` PEs to `picked`, as [`iter`](Self::iter) has them. Loops, since every resolution comes here.
    pub(super) fn take(&self, nodes: &Nodes, limit: usize, picked: &mut Vec<Slot>) {
        let mut left = limit;
        self.heads.visit(|head| {
            let mut slot = head;
            while left > 0 {
                picked.push(slot);
                left -= 1;
                slot = nodes[slot].next;
                if slot == head {
                    break;
                }
            }
            left > 0
        });
    }

    /// All PEs: ring after ring, each from its head.
    pub(super) fn iter<'a>(&'a self, nodes: &'a Nodes) -> impl Iterator<Item = Slot> + 'a {
        self.heads.iter().flat_map(move |head| {
            std::iter::successors(Some(head), move |&slot| Some(nodes[slot].next).filter(|&next| next != head))
        })
    }
}

impl<K> Default for Rings<K> {
    fn default() -> Self {
        Rings { heads: RingHeads::default() }
    }
}

fn link(nodes: &mut Nodes, a: Slot, b: Slot) {
    nodes[a].next = b;
    nodes[b].prev = a;
}
