// SPDX-License-Identifier: MIT OR Apache-2.0
//! One deadline per pool element, for hundreds of thousands of them.
//!
//! A 4-ary heap of (time, key) with the place of every key in it: 20 bytes per element, no hashing, no allocation while the
//! number of elements stays the same. The owner keeps the true deadline and moves the entry only when that becomes earlier; an entry that
//! comes up early is armed again. So a keep-alive answer or a re-registration costs the heap nothing.

use machine::Time;

/// Deadlines by a small integer key.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    heap: Vec<(Time, u32)>,
    /// Place in `heap` by key, [`NOWHERE`] if the key has no deadline.
    place: Vec<u32>,
}

impl Deadlines {
    /// Gives `key` this deadline, whether it has one or not.
    pub(super) fn arm(&mut self, key: u32, at: Time) {
        if self.place.len() <= key as usize {
            self.place.resize(key as usize + 1, NOWHERE);
        }
        let place = match self.place[key as usize] {
            NOWHERE => {
                self.heap.push((at, key));
                self.heap.len() - 1
            }
            place => {
                self.heap[place as usize].0 = at;
                place as usize
            }
        };
        let place = self.sift_up(place);
        self.sift_down(place);
    }

    /// Gives `key` this deadline if it has none or a later one.
    pub(super) fn arm_no_later(&mut self, key: u32, at: Time) {
        if self.of(key).is_none_or(|armed| at < armed) {
            self.arm(key, at);
        }
    }

    /// Takes away the deadline of `key`.
    pub(super) fn disarm(&mut self, key: u32) {
        let Some(&place) = self.place.get(key as usize).filter(|place| **place != NOWHERE) else { return };
        self.place[key as usize] = NOWHERE;
        self.heap.swap_remove(place as usize);
        if let Some(&(_, moved)) = self.heap.get(place as usize) {
            self.place[moved as usize] = place;
            let place = self.sift_up(place as usize);
            self.sift_down(place);
        }
    }

    /// The deadline of `key`.
    pub(super) fn of(&self, key: u32) -> Option<Time> {
        let place = *self.place.get(key as usize)?;
        self.heap.get(place as usize).map(|(at, _)| *at)
    }

    /// The earliest deadline.
    pub(super) fn next(&self) -> Option<Time> {
        self.heap.first().map(|(at, _)| *at)
    }

    /// Takes the earliest deadline if it has passed.
    pub(super) fn pop_due(&mut self, now: Time) -> Option<u32> {
        let (_, key) = *self.heap.first().filter(|(at, _)| *at <= now)?;
        self.disarm(key);
        Some(key)
    }

    fn sift_up(&mut self, mut place: usize) -> usize {
        while place > 0 {
            let parent = (place - 1) / ARITY;
            if self.heap[parent] <= self.heap[place] {
                break;
            }
            self.heap.swap(place, parent);
            self.note(place);
            place = parent;
        }
        self.note(place);
        place
    }

    fn sift_down(&mut self, mut place: usize) {
        loop {
            let first = place * ARITY + 1;
            let children = first..(first + ARITY).min(self.heap.len());
            let Some(least) = children.min_by_key(|child| self.heap[*child]) else { break };
            if self.heap[place] <= self.heap[least] {
                break;
            }
            self.heap.swap(place, least);
            self.note(place);
            place = least;
        }
        if place < self.heap.len() {
            self.note(place);
        }
    }

    fn note(&mut self, place: usize) {
        self.place[self.heap[place].1 as usize] = place as u32;
    }
}

const ARITY: usize = 4;
const NOWHERE: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn deadlines_come_in_order_whatever_is_moved_or_taken_away() {
        let mut rng = machine::Rng::new(11);
        let mut deadlines = Deadlines::default();
        let mut model = BTreeMap::new();
        for _ in 0..20_000 {
            let key = rng.below(300) as u32;
            match rng.below(4) {
                0 => {
                    deadlines.disarm(key);
                    model.remove(&key);
                }
                1 => {
                    let now = Time::from_micros(rng.below(500));
                    let due = deadlines.pop_due(now);
                    let least = model.iter().map(|(key, at)| (*at, *key)).min().filter(|(at, _)| *at <= now);
                    assert_eq!(due, least.map(|(_, key)| key));
                    due.map(|key| model.remove(&key));
                }
                _ => {
                    let at = Time::from_micros(rng.below(1000));
                    deadlines.arm(key, at);
                    model.insert(key, at);
                }
            }
            assert_eq!(deadlines.next(), model.values().min().copied());
            assert_eq!(deadlines.of(key), model.get(&key).copied());
        }
    }

    #[test]
    fn an_armed_deadline_only_moves_forward_when_asked_for_no_later() {
        let mut deadlines = Deadlines::default();
        deadlines.arm_no_later(7, Time::from_millis(20));
        deadlines.arm_no_later(7, Time::from_millis(30));
        assert_eq!(deadlines.next(), Some(Time::from_millis(20)));
        deadlines.arm_no_later(7, Time::from_millis(10));
        assert_eq!(deadlines.next(), Some(Time::from_millis(10)));
        assert_eq!(deadlines.pop_due(Time::from_millis(9)), None);
    }
}
