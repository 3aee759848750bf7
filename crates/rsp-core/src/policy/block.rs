// SPDX-License-Identifier: MIT OR Apache-2.0
//! A few sorted keys side by side, each with the head of its ring.

use super::nodes::Slot;

/// Most keys of a block. A full one is split, one that falls below a quarter joins its neighbour.
pub(super) const BLOCK: usize = 32;

/// Up to [`BLOCK`] sorted keys, in few cache lines of one page.
#[derive(Debug)]
pub(super) struct Block<K> {
    len: usize,
    pub(super) keys: [K; BLOCK],
    pub(super) heads: [Slot; BLOCK],
}

impl<K: Ord + Copy + Default> Block<K> {
    pub(super) fn keys(&self) -> &[K] {
        &self.keys[..self.len]
    }

    pub(super) fn heads(&self) -> &[Slot] {
        &self.heads[..self.len]
    }

    pub(super) fn heads_mut(&mut self) -> &mut [Slot] {
        &mut self.heads[..self.len]
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where `key` is, or else belongs. One after the other: unlike in a binary search the processor sees what comes next.
    pub(super) fn find(&self, key: K) -> Result<usize, usize> {
        let keys = self.keys();
        let at = keys.iter().position(|own| *own >= key).unwrap_or(keys.len());
        if keys.get(at) == Some(&key) { Ok(at) } else { Err(at) }
    }

    /// Adds a new key where [`Block::find`] said it belongs. There must be room.
    pub(super) fn insert(&mut self, at: usize, key: K, head: Slot) {
        self.keys.copy_within(at..self.len, at + 1);
        self.heads.copy_within(at..self.len, at + 1);
        (self.keys[at], self.heads[at]) = (key, head);
        self.len += 1;
    }

    pub(super) fn remove(&mut self, at: usize) {
        self.keys.copy_within(at + 1..self.len, at);
        self.heads.copy_within(at + 1..self.len, at);
        self.len -= 1;
    }

    /// Takes the upper half away.
    pub(super) fn split(&mut self) -> Self {
        let middle = self.len / 2;
        let mut upper = Block { len: self.len - middle, ..Block::default() };
        upper.keys[..upper.len].copy_from_slice(&self.keys[middle..self.len]);
        upper.heads[..upper.len].copy_from_slice(&self.heads[middle..self.len]);
        self.len = middle;
        upper
    }
}

impl<K: Copy + Default> Default for Block<K> {
    fn default() -> Self {
        Block { len: 0, keys: [K::default(); BLOCK], heads: [Slot(0); BLOCK] }
    }
}
