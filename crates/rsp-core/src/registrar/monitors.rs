// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a registrar keeps of each pool element it is the home of, beside the handlespace: where it is reached, when it is
//! asked for, when its life ends.

use std::net::IpAddr;

use machine::Time;
use smallvec::SmallVec;

use super::deadlines::Deadlines;
use crate::association::AssociationId;
use crate::handlespace::Slot;

/// One pool element of ours.
#[derive(Debug)]
pub(super) struct Monitor {
    /// Where it registered or answered last, or the association being opened to it.
    pub(super) association: AssociationId,
    /// Its place in that association's list.
    pub(super) place: u32,
    /// It has registered or answered over that association.
    pub(super) answered: bool,
    /// It has registered over that association, or obeyed the H flag there: it believes we are its home.
    pub(super) adopted: bool,
    /// It is to be told that we are its home: keep-alives carry the H flag until it answers.
    pub(super) claimed: bool,
    pub(super) keep_alive: KeepAlive,
    /// When its registration life ends; never is the end of time.
    pub(super) expires: Time,
    /// When it last registered or answered a keep-alive.
    pub(super) heard: Time,
    /// Reports that it is unreachable; most elements never have one.
    pub(super) reports: Option<Box<Reports>>,
}

/// A life without end.
pub(super) const NEVER: Time = Time::from_micros(u64::MAX);

/// Where the keep-alive procedure stands, RFC 5352 §3.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeepAlive {
    /// The next one goes out then.
    Idle { next: Time },
    /// One was sent, or goes out as soon as the association is up, and must be answered by then.
    Waiting { until: Time },
}

/// ENDPOINT_UNREACHABLE reports that count, RFC 5352 §3.5.
#[derive(Debug)]
pub(super) struct Reports {
    pub(super) since: Time,
    pub(super) reporters: SmallVec<[IpAddr; 2]>,
}

impl Monitor {
    /// When something is to be done about it.
    pub(super) fn deadline(&self) -> Time {
        let (KeepAlive::Idle { next: at } | KeepAlive::Waiting { until: at }) = self.keep_alive;
        self.expires.min(at)
    }

    /// A keep-alive sent over this association is not answered yet.
    pub(super) fn is_waiting_on(&self, association: AssociationId) -> bool {
        self.association == association && matches!(self.keep_alive, KeepAlive::Waiting { .. })
    }
}

/// All of ours, by their slot in the handlespace.
#[derive(Debug, Default)]
pub(super) struct Monitors {
    by_slot: Vec<Option<Monitor>>,
    pub(super) deadlines: Deadlines,
}

impl Monitors {
    pub(super) fn get(&self, slot: Slot) -> Option<&Monitor> {
        self.by_slot.get(slot.0 as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Monitor> {
        self.by_slot.get_mut(slot.0 as usize)?.as_mut()
    }

    /// There has never been one.
    pub(super) fn is_empty(&self) -> bool {
        self.by_slot.is_empty()
    }

    pub(super) fn insert(&mut self, slot: Slot, monitor: Monitor) {
        let index = slot.0 as usize;
        if self.by_slot.len() <= index {
            self.by_slot.resize_with(index + 1, || None);
        }
        self.by_slot[index] = Some(monitor);
        self.reschedule(slot);
    }

    pub(super) fn remove(&mut self, slot: Slot) -> Option<Monitor> {
        self.deadlines.disarm(slot.0);
        self.by_slot.get_mut(slot.0 as usize)?.take()
    }

    /// To be called when the element's deadline may have become earlier; a later one is noticed when the old one comes up.
    pub(super) fn reschedule(&mut self, slot: Slot) {
        if let Some(monitor) = self.by_slot.get(slot.0 as usize).and_then(Option::as_ref) {
            self.deadlines.arm_no_later(slot.0, monitor.deadline());
        }
    }

    /// Takes an element whose deadline has come up.
    pub(super) fn pop_due(&mut self, now: Time) -> Option<Slot> {
        self.deadlines.pop_due(now).map(Slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_beside_the_handlespace_is_small() {
        assert!(size_of::<Option<Monitor>>() <= 64, "{}", size_of::<Option<Monitor>>());
    }
}
