// SPDX-License-Identifier: MIT OR Apache-2.0
//! What stands between two hosts.

use std::time::Duration;

use machine::{Rng, Time};

/// A box on the way; a network is a list of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkBox {
    /// Everything takes this long.
    Delay(Duration),
    /// Everything takes up to this much longer, at random. Order is kept, as TCP does.
    Jitter(Duration),
    /// Now and then (per mille) a segment is lost and TCP sends it again after this time; what follows waits for it.
    Loss(u32, Duration),
    /// Bytes travel in pieces of at most this size.
    Mtu(usize),
}

impl NetworkBox {
    pub(super) fn delay(&self, at: Time, rng: &mut Rng) -> Time {
        match *self {
            NetworkBox::Delay(time) => at + time,
            NetworkBox::Jitter(most) => at + Duration::from_micros(rng.below(most.as_micros() as u64 + 1)),
            NetworkBox::Loss(per_mille, again) if rng.below(1000) < u64::from(per_mille) => at + again,
            NetworkBox::Loss(..) | NetworkBox::Mtu(_) => at,
        }
    }

    pub(super) fn mtu(&self) -> Option<usize> {
        match *self {
            NetworkBox::Mtu(size) => Some(size.max(1)),
            _ => None,
        }
    }
}
