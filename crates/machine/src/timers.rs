// SPDX-License-Identifier: MIT OR Apache-2.0
//! The timers of one machine, by name.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use crate::Time;

/// A set of running timers, at most one per key. A machine's keys are one enum, a doc line per timer.
#[derive(Debug, Clone)]
pub struct Timers<K> {
    by_time: BTreeSet<(Time, K)>,
    by_key: HashMap<K, Time>,
}

impl<K: Copy + Ord + Hash> Timers<K> {
    /// No timer runs.
    pub fn new() -> Self {
        Timers { by_time: BTreeSet::new(), by_key: HashMap::new() }
    }

    /// Starts `key`, or moves it if it runs.
    pub fn set(&mut self, key: K, at: Time) {
        if let Some(old) = self.by_key.insert(key, at) {
            self.by_time.remove(&(old, key));
        }
        self.by_time.insert((at, key));
    }

    /// Stops `key` and answers whether it ran.
    pub fn stop(&mut self, key: K) -> bool {
        match self.by_key.remove(&key) {
            Some(at) => self.by_time.remove(&(at, key)),
            None => false,
        }
    }

    /// When `key` fires, if it runs.
    pub fn deadline_of(&self, key: K) -> Option<Time> {
        self.by_key.get(&key).copied()
    }

    /// When the next timer fires.
    pub fn next(&self) -> Option<Time> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes the next timer that is due. Timers due at the same time come in the order of their keys.
    pub fn pop_due(&mut self, now: Time) -> Option<(Time, K)> {
        let first = *self.by_time.first().filter(|(at, _)| *at <= now)?;
        self.by_time.pop_first();
        self.by_key.remove(&first.1);
        Some(first)
    }

    /// Number of running timers.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether no timer runs.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}

impl<K: Copy + Ord + Hash> Default for Timers<K> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setting_a_running_timer_moves_it() {
        let mut timers = Timers::new();
        timers.set('a', Time::from_millis(10));
        timers.set('a', Time::from_millis(30));
        timers.set('b', Time::from_millis(20));
        assert_eq!(timers.next(), Some(Time::from_millis(20)));
        assert_eq!(timers.pop_due(Time::from_millis(30)), Some((Time::from_millis(20), 'b')));
        assert_eq!(timers.pop_due(Time::from_millis(30)), Some((Time::from_millis(30), 'a')));
        assert!(timers.is_empty());
    }

    #[test]
    fn a_stopped_timer_does_not_fire() {
        let mut timers = Timers::new();
        timers.set(1, Time::from_millis(10));
        assert!(timers.stop(1));
        assert!(!timers.stop(1));
        assert_eq!(timers.pop_due(Time::from_millis(99)), None);
    }

    #[test]
    fn nothing_is_due_early() {
        let mut timers = Timers::new();
        timers.set((), Time::from_millis(10));
        assert_eq!(timers.pop_due(Time::from_micros(9_999)), None);
        assert_eq!(timers.len(), 1);
    }
}
