// SPDX-License-Identifier: MIT OR Apache-2.0
//! Receiving: the numbers of the peer's DATA, and which of it the upper layer has taken (draft §3.2, §3.4).

use std::collections::{HashMap, VecDeque};

use super::{Config, ProtocolError};
use crate::DataChunk;

/// DATA received and not yet acknowledged.
#[derive(Debug, Default)]
pub(super) struct Inbound {
    pub(super) next_sequence: u64,
    /// The next stream sequence number of each stream in use.
    pub(super) next_ssn: HashMap<u16, u16>,
    /// The last messages up to `next_sequence`, without those already acknowledged.
    waiting: VecDeque<Waiting>,
    /// What `waiting` counts towards the cap.
    bytes: usize,
}

#[derive(Debug, PartialEq, Eq)]
enum Waiting {
    /// Handed up, with so many bytes.
    Untaken(usize),
    /// Taken, but one before it is not, and ACKs leave in TSN order.
    Taken,
}

impl Inbound {
    /// Checks the numbers of a DATA chunk.
    pub(super) fn check(&mut self, chunk: &DataChunk) -> Result<(), ProtocolError> {
        let expected = self.next_sequence as u32;
        if let Some(got) = chunk.tsn.filter(|got| *got != expected) {
            return Err(ProtocolError::Tsn { expected, got });
        }
        //= https://www.ietf.org/archive/id/draft-ietf-rserpool-tcpmapping-03.txt#section-3.2
        //# Therefore, the receiver MUST
        //# ignore the Stream Sequence Number field.
        if let Some((stream, got)) = chunk.stream.filter(|_| !chunk.unordered) {
            let next = self.next_ssn.entry(stream).or_default();
            let expected = *next;
            if got != expected {
                return Err(ProtocolError::StreamSequenceNumber { stream, expected, got });
            }
            *next = expected.wrapping_add(1);
        }
        Ok(())
    }

    /// Counts a message of `len` bytes in and answers its number.
    pub(super) fn add(&mut self, len: usize) -> u64 {
        self.waiting.push_back(Waiting::Untaken(len));
        self.bytes += len + Config::MESSAGE_OVERHEAD;
        self.next_sequence += 1;
        self.next_sequence - 1
    }

    /// The upper layer has taken message `sequence`. Answers the messages that can be acknowledged now, none if it was taken
    /// before or never came.
    pub(super) fn taken(&mut self, sequence: u64) -> std::ops::Range<u64> {
        let first = self.next_sequence - self.waiting.len() as u64;
        let index = sequence.checked_sub(first).and_then(|index| usize::try_from(index).ok());
        let Some(waiting) = index.and_then(|index| self.waiting.get_mut(index)) else { return first..first };
        if let Waiting::Untaken(len) = std::mem::replace(waiting, Waiting::Taken) {
            self.bytes -= len;
        }
        let mut next = first;
        while self.waiting.pop_front_if(|waiting| *waiting == Waiting::Taken).is_some() {
            self.bytes -= Config::MESSAGE_OVERHEAD;
            next += 1;
        }
        first..next
    }

    /// Bytes held, as [`Config::max_untaken_bytes`] counts them.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_taken_ahead_is_acknowledged_after_the_ones_before_it() {
        let mut inbound = Inbound::default();
        assert_eq!((inbound.add(10), inbound.add(20), inbound.add(30)), (0, 1, 2));
        assert_eq!(inbound.taken(1), 0..0);
        assert_eq!(inbound.taken(0), 0..2);
        assert_eq!(inbound.taken(0), 2..2, "twice");
        assert_eq!(inbound.taken(3), 2..2, "never came");
        assert_eq!(inbound.bytes(), 30 + Config::MESSAGE_OVERHEAD);
        assert_eq!(inbound.taken(2), 2..3);
        assert_eq!(inbound.bytes(), 0);
    }
}
