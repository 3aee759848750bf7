// SPDX-License-Identifier: MIT OR Apache-2.0
//! The next stream sequence number of each stream (draft §3.2).

use std::collections::BTreeMap;

/// One direction's numbers. Control messages all travel on stream 0, so that one is at hand.
#[derive(Debug, Default)]
pub(super) struct StreamNumbers {
    pub(super) zero: u16,
    others: BTreeMap<u16, u16>,
}

impl StreamNumbers {
    /// The next number of `stream`, to be counted up.
    pub(super) fn next_of(&mut self, stream: u16) -> &mut u16 {
        if stream == 0 { &mut self.zero } else { self.others.entry(stream).or_default() }
    }
}
