// SPDX-License-Identifier: MIT OR Apache-2.0
//! Receiving: the numbers of the peer's DATA, and which of it the upper layer has taken (draft §3.2, §3.4).

use std::collections::VecDeque;

use super::streams::StreamNumbers;
use super::{Config, ProtocolError};
use crate::DataChunk;

/// DATA received and not yet acknowledged.
#[derive(Debug, Default)]
pub(super) struct Inbound {
    pub(super) next_sequence: u64,
    pub(super) streams: StreamNumbers,
    /// Everything below this has been acknowledged.
    pub(super) acknowledged: u64,
    /// What has been handed up and not been taken, with its bytes, in order. Almost always the first is taken, or the last. What is taken ahead of one of these is acknowledged after it, and costs nothing
    /// meanwhile: whoever sends control messages to an application that reads nothing has done nothing wrong.
    untaken: VecDeque<(u64, usize)>,
    /// What `untaken` counts towards the cap.
    bytes: usize,
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
            let next = self.streams.next_of(stream);
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
        self.untaken.push_back((self.next_sequence, len));
        self.bytes += len + Config::MESSAGE_OVERHEAD;
        self.next_sequence += 1;
        self.next_sequence - 1
    }

    /// The upper layer has taken message `sequence`. Answers the messages that can be acknowledged now, none if it was taken
    /// before or never came.
    pub(super) fn taken(&mut self, sequence: u64) -> std::ops::Range<u64> {
        if let Ok(at) = self.untaken.binary_search_by_key(&sequence, |(sequence, _)| *sequence)
            && let Some((_, len)) = self.untaken.remove(at)
        {
            self.bytes -= len + Config::MESSAGE_OVERHEAD;
            if self.untaken.is_empty() {
                // An idle connection has no memory for it.
                self.untaken = VecDeque::new();
            }
        }
        let first = self.acknowledged;
        self.acknowledged = self.untaken.front().map_or(self.next_sequence, |(oldest, _)| *oldest);
        first..self.acknowledged
    }

    /// Nothing waits to be taken, so the next message can be acknowledged at once.
    pub(super) fn is_all_taken(&self) -> bool {
        self.acknowledged == self.next_sequence
    }

    /// The fields a DATA chunk on stream 0 must have: TSN, stream and stream sequence number.
    pub(super) fn expected_on_stream_0(&self) -> [u8; 8] {
        let [a, b, c, d] = (self.next_sequence as u32).to_be_bytes();
        let [high, low] = self.streams.zero.to_be_bytes();
        [a, b, c, d, 0, 0, high, low]
    }

    /// Such a chunk came, was taken and is acknowledged.
    pub(super) fn taken_at_once(&mut self) {
        self.next_sequence += 1;
        self.acknowledged = self.next_sequence;
        self.streams.zero = self.streams.zero.wrapping_add(1);
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
