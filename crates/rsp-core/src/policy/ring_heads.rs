// SPDX-License-Identifier: MIT OR Apache-2.0
//! A sorted map from keys to the heads of rings: the least key at hand, and few cache lines per change.
//!
//! Most pools have a single ring, which takes no memory of its own. Otherwise keys stand in sorted blocks of up to 32 and
//! the blocks in a tree, so a change touches one block, where a plain `BTreeMap` of a million keys walks six levels.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::block::{BLOCK, Block};
use super::nodes::Slot;

#[derive(Debug, Default)]
pub(super) enum RingHeads<K> {
    #[default]
    Empty,
    One(K, Slot),
    Many(Box<Blocks<K>>),
}

/// Blocks in ascending order. `low` is empty only if there is no other.
#[derive(Debug)]
pub(super) struct Blocks<K> {
    low: Block<K>,
    /// By a key that is not above any in the block, and above all in the block before.
    rest: BTreeMap<K, Box<Block<K>>>,
}

impl<K: Ord + Copy + Default> RingHeads<K> {
    /// The least key and its head.
    pub(super) fn first(&self) -> Option<(K, Slot)> {
        match self {
            RingHeads::Empty => None,
            RingHeads::One(key, head) => Some((*key, *head)),
            RingHeads::Many(blocks) => Some((*blocks.low.keys().first()?, *blocks.low.heads().first()?)),
        }
    }

    /// The head of the least key.
    pub(super) fn first_mut(&mut self) -> Option<&mut Slot> {
        match self {
            RingHeads::Empty => None,
            RingHeads::One(_, head) => Some(head),
            RingHeads::Many(blocks) => blocks.low.heads_mut().first_mut(),
        }
    }

    /// Takes the least key out.
    pub(super) fn pop_first(&mut self) -> Option<(K, Slot)> {
        let first = self.first()?;
        self.remove(first.0);
        Some(first)
    }

    pub(super) fn get_mut(&mut self, key: K) -> Option<&mut Slot> {
        match self {
            RingHeads::One(own, head) if *own == key => Some(head),
            RingHeads::Many(blocks) => {
                let block = blocks.block_mut(key);
                let at = block.find(key).ok()?;
                block.heads_mut().get_mut(at)
            }
            _ => None,
        }
    }

    /// The head of `key`, which becomes `head` if the key is new.
    pub(super) fn get_or_insert(&mut self, key: K, head: Slot) -> Slot {
        match self {
            RingHeads::Empty => {
                *self = RingHeads::One(key, head);
                head
            }
            RingHeads::One(own, own_head) if *own == key => *own_head,
            RingHeads::One(own, own_head) => {
                let mut blocks = Box::new(Blocks { low: Block::default(), rest: BTreeMap::new() });
                blocks.get_or_insert(*own, *own_head);
                blocks.get_or_insert(key, head);
                *self = RingHeads::Many(blocks);
                head
            }
            RingHeads::Many(blocks) => blocks.get_or_insert(key, head),
        }
    }

    pub(super) fn remove(&mut self, key: K) {
        match self {
            RingHeads::One(own, _) if *own == key => *self = RingHeads::Empty,
            RingHeads::Many(blocks) => {
                blocks.remove(key);
                if blocks.low.is_empty() {
                    *self = RingHeads::Empty;
                }
            }
            _ => {}
        }
    }

    /// Shows heads in the order of their keys for as long as `more` says `true`.
    pub(super) fn visit(&self, mut more: impl FnMut(Slot) -> bool) {
        match self {
            RingHeads::Empty => {}
            RingHeads::One(_, head) => _ = more(*head),
            RingHeads::Many(blocks) => {
                if !blocks.low.heads().iter().all(|head| more(*head)) {
                    return;
                }
                _ = blocks.rest.values().all(|block| block.heads().iter().all(|head| more(*head)));
            }
        }
    }

    /// Heads in the order of their keys.
    pub(super) fn iter(&self) -> impl Iterator<Item = Slot> + '_ {
        let (one, blocks) = match self {
            RingHeads::Empty => (None, None),
            RingHeads::One(_, head) => (Some(*head), None),
            RingHeads::Many(blocks) => (None, Some(blocks)),
        };
        let many = blocks
            .into_iter()
            .flat_map(|blocks| std::iter::once(&blocks.low).chain(blocks.rest.values().map(|block| &**block)));
        one.into_iter().chain(many.flat_map(|block| block.heads().iter().copied()))
    }
}

impl<K: Ord + Copy + Default> Blocks<K> {
    fn block_mut(&mut self, key: K) -> &mut Block<K> {
        let in_low = self.low.keys().last().is_some_and(|last| key <= *last);
        if in_low {
            return &mut self.low;
        }
        match self.rest.range_mut(..=key).next_back() {
            Some((_, block)) => block,
            None => &mut self.low,
        }
    }

    fn get_or_insert(&mut self, key: K, head: Slot) -> Slot {
        let block = self.block_mut(key);
        match block.find(key) {
            Ok(at) => return block.heads[at],
            Err(at) if block.len() < BLOCK => block.insert(at, key, head),
            Err(_) => {
                let upper = Box::new(block.split());
                self.rest.insert(upper.keys[0], upper);
                return self.get_or_insert(key, head);
            }
        }
        head
    }

    fn remove(&mut self, key: K) {
        let block = self.block_mut(key);
        let Ok(at) = block.find(key) else { return };
        block.remove(at);
        if block.len() < BLOCK / 4 {
            self.join(key);
        }
    }

    /// Joins the block in which `key` was with the one after it, if both fit well into one.
    fn join(&mut self, key: K) {
        let own = self.rest.range(..=key).next_back().map(|(border, _)| *border);
        let after = (own.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let next = self.rest.range(after).next().map(|(border, _)| *border);
        let len = |border: Option<K>| border.map_or(self.low.len(), |border| self.rest[&border].len());
        match (own, next) {
            (_, Some(next)) if len(own) == 0 || len(own) + len(Some(next)) <= BLOCK * 3 / 4 => {
                if let Some(upper) = self.rest.remove(&next) {
                    let block = own.and_then(|own| self.rest.get_mut(&own)).map_or(&mut self.low, |block| &mut **block);
                    upper
                        .keys()
                        .iter()
                        .zip(upper.heads())
                        .for_each(|(key, head)| block.insert(block.len(), *key, *head));
                }
            }
            (Some(own), None) if len(Some(own)) == 0 => {
                self.rest.remove(&own);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use machine::Rng;

    /// Keys in waves, so that blocks split, shrink, join and vanish at both ends and in the middle.
    #[test]
    fn it_is_a_sorted_map() {
        let mut rng = Rng::new(2);
        let (mut heads, mut model) = (RingHeads::default(), BTreeMap::new());
        for step in 0..60_000u32 {
            let (wave, range) = (step / 5000 % 3, if step < 30_000 { 300 } else { 5000 });
            let key = rng.below(range);
            if model.is_empty() || rng.below(10) < if wave == 2 { 2 } else { 7 } {
                assert_eq!(heads.get_or_insert(key, Slot(step)), *model.entry(key).or_insert(Slot(step)));
            } else if wave == 2 && rng.below(2) == 0 {
                assert_eq!(heads.pop_first(), model.pop_first());
            } else {
                let key = *model.range(key..).next().map_or(&key, |(key, _)| key);
                heads.remove(key);
                model.remove(&key);
            }
            let key = rng.below(range);
            assert_eq!(heads.get_mut(key).copied(), model.get(&key).copied());
            assert_eq!(heads.first(), model.first_key_value().map(|(key, head)| (*key, *head)));
            assert_eq!(heads.first_mut().copied(), heads.first().map(|(_, head)| head));
            if step % 100 == 0 {
                assert!(heads.iter().eq(model.values().copied()), "step {step}");
            }
        }
        model.keys().for_each(|&key| heads.remove(key));
        assert!(matches!(heads, RingHeads::Empty));
    }

    #[test]
    fn blocks_stay_filled() {
        let mut rng = Rng::new(3);
        let mut heads = RingHeads::default();
        let mut keys: Vec<u64> = (0..100_000).map(|_| rng.next_u64()).collect();
        keys.iter().for_each(|&key| _ = heads.get_or_insert(key, Slot(0)));
        while keys.len() > 1000 {
            heads.remove(keys.swap_remove(rng.below(keys.len() as u64) as usize));
        }
        let RingHeads::Many(blocks) = &heads else { panic!("it has 1000 keys") };
        assert!(blocks.rest.len() < 1000 / (BLOCK / 8), "{} blocks", blocks.rest.len());
    }
}
