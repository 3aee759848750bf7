// SPDX-License-Identifier: MIT OR Apache-2.0
//! What stands between two hosts.

use std::time::Duration;

use machine::{Rng, Time};

/// A box on the way; a network is a list of them. Each does to TCP what TCP lets through, and to datagrams what the wire does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkBox {
    /// Everything takes this long.
    Delay(Duration),
    /// Everything takes up to this much longer, at random. TCP keeps its order, datagrams overtake each other.
    Jitter(Duration),
    /// Now and then (per mille) something is lost. A datagram is gone; TCP sends its segment again after this time, and what follows waits for it.
    Loss(u32, Duration),
    /// Now and then (per mille) a datagram comes twice. TCP drops what it has already.
    Duplicate(u32),
    /// Now and then (per mille) a datagram comes this much later than it should, after those sent behind it. TCP waits for its segment.
    Reorder(u32, Duration),
    /// Bytes of a stream travel in pieces of at most this size.
    Mtu(usize),
}

impl NetworkBox {
    /// When a segment that leaves at `at` arrives.
    pub(super) fn delay(&self, at: Time, rng: &mut Rng) -> Time {
        match *self {
            NetworkBox::Delay(time) => at + time,
            NetworkBox::Jitter(most) => at + Duration::from_micros(rng.below(most.as_micros() as u64 + 1)),
            NetworkBox::Loss(per_mille, again) | NetworkBox::Reorder(per_mille, again) if hits(per_mille, rng) => {
                at + again
            }
            NetworkBox::Loss(..) | NetworkBox::Reorder(..) | NetworkBox::Duplicate(_) | NetworkBox::Mtu(_) => at,
        }
    }

    /// When the copies of a datagram arrive that would have arrived at these times.
    pub(super) fn datagrams(&self, copies: &mut Vec<Time>, rng: &mut Rng) {
        match *self {
            NetworkBox::Loss(per_mille, _) => copies.retain(|_| !hits(per_mille, rng)),
            NetworkBox::Duplicate(per_mille) if hits(per_mille, rng) => copies.extend_from_within(..),
            _ => copies.iter_mut().for_each(|at| *at = self.delay(*at, rng)),
        }
    }

    pub(super) fn mtu(&self) -> Option<usize> {
        match *self {
            NetworkBox::Mtu(size) => Some(size.max(1)),
            _ => None,
        }
    }
}

fn hits(per_mille: u32, rng: &mut Rng) -> bool {
    rng.below(1000) < u64::from(per_mille)
}
