// SPDX-License-Identifier: MIT OR Apache-2.0
//! A table that forgets what it heard of longest ago.

use std::collections::HashMap;
use std::hash::Hash;

/// Flows in two generations: a full young generation becomes the old one, and whoever is not heard of again until the next
/// change is forgotten. Every operation is O(1) and at most `limit` flows are kept.
///
/// The keys are chosen by whoever wrote the capture; std's hasher is seeded SipHash, so they can't be made to collide.
pub(super) struct Flows<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    generation: usize,
}

impl<K: Hash + Eq, V> Flows<K, V> {
    pub(super) fn new(limit: usize) -> Self {
        Flows { young: HashMap::new(), old: HashMap::new(), generation: (limit / 2).max(1) }
    }

    /// The flow of this key, made if it isn't known, and what fell out of the table for it.
    pub(super) fn entry(&mut self, key: K, make: impl FnOnce() -> V) -> (&mut V, HashMap<K, V>) {
        let mut forgotten = HashMap::new();
        if !self.young.contains_key(&key) {
            if self.young.len() >= self.generation {
                forgotten = std::mem::replace(&mut self.old, std::mem::take(&mut self.young));
            }
            let flow = forgotten.remove(&key).or_else(|| self.old.remove(&key)).unwrap_or_else(make);
            return (self.young.entry(key).or_insert(flow), forgotten);
        }
        let flow = self.young.get_mut(&key).expect("contains_key said so");
        (flow, forgotten)
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        match self.young.get_mut(key) {
            Some(flow) => Some(flow),
            None => self.old.get_mut(key),
        }
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        self.young.remove(key).or_else(|| self.old.remove(key))
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.young.values().chain(self.old.values())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_most_the_limit_is_kept_and_the_flows_in_use_stay() {
        let mut flows = Flows::new(8);
        for key in 0..1000 {
            *flows.entry(u32::MAX, || 0).0 += 1;
            flows.entry(key, || 0);
            assert!(flows.values().count() <= 8);
        }
        assert_eq!(flows.get_mut(&u32::MAX), Some(&mut 1000), "the flow in use was never forgotten");
        assert_eq!(flows.get_mut(&0), None);
    }
}
