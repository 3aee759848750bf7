// SPDX-License-Identifier: MIT OR Apache-2.0
//! Receiving: the numbers of the peer's DATA, and which of it the upper layer has taken (draft §3.2, §3.4).

use std::collections::{BTreeMap, HashMap};

use super::{Config, ProtocolError};
use crate::DataChunk;

/// DATA received and not yet acknowledged.
#[derive(Debug, Default)]
pub(super) struct Inbound {
    pub(super) next_sequence: u64,
    /// The next stream sequence number of each stream in use.
    pub(super) next_ssn: HashMap<u16, u16>,
    /// Everything below this has been acknowledged.
    pub(super) acknowledged: u64,
    /// What has been handed up and not been taken, with its bytes. What is taken ahead of one of these is acknowledged after it, and costs nothing
    /// meanwhile: whoever sends control messages to an application that reads nothing has done nothing wrong.
    untaken: BTreeMap<u64, usize>,
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
        self.untaken.insert(self.next_sequence, len);
        self.bytes += len + Config::MESSAGE_OVERHEAD;
        self.next_sequence += 1;
        self.next_sequence - 1
    }

    /// The upper layer has taken message `sequence`. Answers the messages that can be acknowledged now, none if it was taken
    /// before or never came.
    pub(super) fn taken(&mut self, sequence: u64) -> std::ops::Range<u64> {
        if let Some(len) = self.untaken.remove(&sequence) {
            self.bytes -= len + Config::MESSAGE_OVERHEAD;
        }
        let first = self.acknowledged;
        self.acknowledged = self.untaken.first_key_value().map_or(self.next_sequence, |(oldest, _)| *oldest);
        first..self.acknowledged
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
