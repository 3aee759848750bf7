// SPDX-License-Identifier: MIT OR Apache-2.0
//! The timers of one machine, by name.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use smallvec::SmallVec;

use crate::Time;

/// A set of running timers, at most one per key. A machine's keys are one enum, a doc line per timer.
///
/// A session has a handful and there are many sessions, so few timers take a few words; a registrar has one for each pool element, so many are a tree.
#[derive(Debug, Clone)]
pub struct Timers<K>(Running<K>);

#[derive(Debug, Clone)]
enum Running<K> {
    /// The earliest first.
    Few(SmallVec<[(Time, K); 2]>),
    Many {
        by_time: BTreeSet<(Time, K)>,
        by_key: HashMap<K, Time>,
    },
}

/// More than so many are many.
const FEW: usize = 8;

impl<K: Copy + Ord + Hash> Timers<K> {
    /// No timer runs.
    pub fn new() -> Self {
        Timers(Running::Few(SmallVec::new()))
    }

    /// Starts `key`, or moves it if it runs.
    pub fn set(&mut self, key: K, at: Time) {
        self.stop(key);
        match &mut self.0 {
            Running::Few(few) if few.len() < FEW => {
                let place = few.partition_point(|running| *running < (at, key));
                few.insert(place, (at, key));
            }
            Running::Few(few) => {
                let all = || few.iter().copied().chain([(at, key)]);
                let (by_time, by_key) = (all().collect(), all().map(|(at, key)| (key, at)).collect());
                self.0 = Running::Many { by_time, by_key };
            }
            Running::Many { by_time, by_key } => {
                by_key.insert(key, at);
                by_time.insert((at, key));
            }
        }
    }

    /// Stops `key` and answers whether it ran.
    pub fn stop(&mut self, key: K) -> bool {
        match &mut self.0 {
            Running::Few(few) => {
                let place = few.iter().position(|(_, running)| *running == key);
                place.map(|place| few.remove(place)).is_some()
            }
            Running::Many { by_time, by_key } => match by_key.remove(&key) {
                Some(at) => by_time.remove(&(at, key)),
                None => false,
            },
        }
    }

    /// When `key` fires, if it runs.
    pub fn deadline_of(&self, key: K) -> Option<Time> {
        match &self.0 {
            Running::Few(few) => few.iter().find(|(_, running)| *running == key).map(|(at, _)| *at),
            Running::Many { by_key, .. } => by_key.get(&key).copied(),
        }
    }

    /// When the next timer fires.
    pub fn next(&self) -> Option<Time> {
        self.first().map(|(at, _)| at)
    }

    /// Takes the next timer that is due. Timers due at the same time come in the order of their keys.
    pub fn pop_due(&mut self, now: Time) -> Option<(Time, K)> {
        let first = self.first().filter(|(at, _)| *at <= now)?;
        self.stop(first.1);
        Some(first)
    }

    fn first(&self) -> Option<(Time, K)> {
        match &self.0 {
            Running::Few(few) => few.first().copied(),
            Running::Many { by_time, .. } => by_time.first().copied(),
        }
    }

    /// Number of running timers.
    pub fn len(&self) -> usize {
        match &self.0 {
            Running::Few(few) => few.len(),
            Running::Many { by_key, .. } => by_key.len(),
        }
    }

    /// Whether no timer runs.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
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
    fn many_fire_as_few_do() {
        for count in [FEW - 1, FEW, FEW + 1, 10 * FEW] {
            let mut timers = Timers::new();
            for key in 0..count {
                timers.set(key, Time::from_millis(1));
            }
            // Every timer is moved, the last key first; then one is stopped.
            for key in 0..count {
                timers.set(key, Time::from_millis((count - key) as u64));
            }
            assert!(timers.stop(3) && !timers.stop(3));
            assert_eq!((timers.len(), timers.deadline_of(3)), (count - 1, None));
            assert_eq!(
                (timers.next(), timers.deadline_of(0)),
                (Some(Time::from_millis(1)), Some(Time::from_millis(count as u64)))
            );
            let fired: Vec<_> =
                std::iter::from_fn(|| timers.pop_due(Time::from_millis(999)).map(|(_, key)| key)).collect();
            assert_eq!(fired, (0..count).rev().filter(|key| *key != 3).collect::<Vec<_>>());
        }
    }

    #[test]
    fn nothing_is_due_early() {
        let mut timers = Timers::new();
        timers.set((), Time::from_millis(10));
        assert_eq!(timers.pop_due(Time::from_micros(9_999)), None);
        assert_eq!(timers.len(), 1);
    }
}
