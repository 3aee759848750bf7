// SPDX-License-Identifier: MIT OR Apache-2.0
//! A set of places in the handlespace, a bit each.

use crate::handlespace::Slot;

#[derive(Debug, Default)]
pub(in crate::registrar) struct Slots(Vec<u64>);

impl Slots {
    pub(in crate::registrar) fn insert(&mut self, Slot(slot): Slot) {
        let (word, bit) = (slot as usize / 64, slot % 64);
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << bit;
    }

    pub(in crate::registrar) fn remove(&mut self, Slot(slot): Slot) {
        if let Some(word) = self.0.get_mut(slot as usize / 64) {
            *word &= !(1 << (slot % 64));
        }
    }

    /// Nothing was ever put in.
    pub(in crate::registrar) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(in crate::registrar) fn contains(&self, Slot(slot): Slot) -> bool {
        self.0.get(slot as usize / 64).is_some_and(|word| word & 1 << (slot % 64) != 0)
    }

    pub(in crate::registrar) fn iter(&self) -> impl Iterator<Item = Slot> + '_ {
        self.0.iter().enumerate().flat_map(|(place, word)| {
            let bits = (0..64).filter(move |bit| word & 1 << bit != 0);
            bits.map(move |bit| Slot(place as u32 * 64 + bit))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_is_there_until_it_is_taken_out() {
        let mut slots = Slots::default();
        for slot in [3, 64, 1000] {
            slots.insert(Slot(slot));
        }
        slots.remove(Slot(64));
        slots.remove(Slot(1_000_000));
        assert_eq!(slots.iter().collect::<Vec<_>>(), [Slot(3), Slot(1000)]);
        assert!(slots.contains(Slot(1000)) && !slots.contains(Slot(64)) && !slots.contains(Slot(5000)));
    }
}
