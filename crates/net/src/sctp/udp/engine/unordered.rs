// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which messages came unordered. dcSCTP does not tell, so they are found again in the packet that completed them.

use smallvec::SmallVec;

use super::admit::{DATA_FIXED, stream};
use super::{Packet, kind};

/// The unordered DATA chunks of a packet, less the whole messages that were found.
#[derive(Debug, Default)]
pub(super) struct Unordered<'a> {
    fragments: SmallVec<[Fragment<'a>; 4]>,
}

#[derive(Debug, Clone, Copy)]
struct Fragment<'a> {
    flags: u8,
    stream: u16,
    ppid: u32,
    payload: &'a [u8],
}

impl<'a> Unordered<'a> {
    pub(super) fn of(packet: &Packet<'a>) -> Self {
        let is_one = |kind, flags| kind == kind::DATA && flags & UNORDERED != 0;
        let chunks = packet.chunks().filter(|chunk| is_one(chunk.kind, chunk.flags));
        let fragments = chunks.filter_map(|chunk| {
            let (ppid, payload) = (chunk.value.get(8..DATA_FIXED)?, chunk.value.get(DATA_FIXED..)?);
            let ppid = u32::from_be_bytes(ppid.try_into().ok()?);
            Some(Fragment { flags: chunk.flags, stream: stream(&chunk)?, ppid, payload })
        });
        Unordered { fragments: fragments.take(MOST).collect() }
    }

    /// Whether this message, which the packet completed, is one of them. In doubt it is.
    pub(super) fn has(&mut self, stream: u16, ppid: u32, message: &[u8]) -> bool {
        let is_it = |of: &Fragment<'_>| (of.stream, of.ppid) == (stream, ppid) && of.may_complete(message);
        let Some(at) = self.fragments.iter().position(is_it) else { return false };
        if self.fragments[at].is_whole() {
            self.fragments.remove(at);
        }
        true
    }
}

impl Fragment<'_> {
    fn is_whole(&self) -> bool {
        self.flags & (BEGINNING | END) == BEGINNING | END
    }

    fn may_complete(&self, message: &[u8]) -> bool {
        match (self.flags & BEGINNING != 0, self.flags & END != 0) {
            (true, true) => message == self.payload,
            (true, false) => message.len() > self.payload.len() && message.starts_with(self.payload),
            (false, true) => message.len() > self.payload.len() && message.ends_with(self.payload),
            // It came last of all, or is of another message.
            (false, false) => message.len() > self.payload.len() + 1,
        }
    }
}

const UNORDERED: u8 = 4;
const BEGINNING: u8 = 2;
const END: u8 = 1;

/// More than a packet of the usual size has that is worth sharing.
const MOST: usize = 64;
