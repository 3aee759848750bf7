// SPDX-License-Identifier: MIT OR Apache-2.0
//! When to look at the clock for which association.
//!
//! Deadlines move with every packet, almost always to later. So an association's alarm is left where it is while it would ring early,
//! which is harmless, and a new one is set only if it would ring late.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use machine::Time;

#[derive(Debug, Default)]
pub(super) struct Alarms {
    heap: BinaryHeap<Reverse<(Time, usize, u64)>>,
}

impl Alarms {
    /// Sees to it that an association whose alarm is `current` is looked at by `deadline`.
    pub(super) fn set(&mut self, current: &mut Option<Time>, deadline: Time, index: usize, serial: u64) {
        if current.is_none_or(|current| deadline < current) {
            *current = Some(deadline);
            self.heap.push(Reverse((deadline, index, serial)));
        }
    }

    pub(super) fn next(&self) -> Option<Time> {
        self.heap.peek().map(|Reverse((time, ..))| *time)
    }

    /// One that rings now: its time, and the association's index and serial number.
    pub(super) fn ring(&mut self, now: Time) -> Option<(Time, usize, u64)> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(alarm)| alarm)
    }

    /// Whether a lot of alarms are left over from associations that set an earlier one, or are gone.
    pub(super) fn is_littered(&self, associations: usize) -> bool {
        self.heap.len() > 1024 + 4 * associations
    }

    pub(super) fn retain(&mut self, mut is_set: impl FnMut(Time, usize, u64) -> bool) {
        self.heap.retain(|Reverse((time, index, serial))| is_set(*time, *index, *serial));
    }
}
