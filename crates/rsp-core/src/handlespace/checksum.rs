// SPDX-License-Identifier: MIT OR Apache-2.0
//! PE checksum, RFC 5353 §3.6.2: over the pool handle and identifier of every PE a registrar owns, kept up to date as PEs come and go.

use rsp_wire::{Checksum, PeId};

/// What a registrar owns: the number of PEs, and the plain sum of the 16-bit words the checksum covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sum {
    /// A handle of 256 bytes adds at most 2^23: a million PEs are far from the end.
    words: u64,
    pool_elements: u32,
}

impl Sum {
    /// How many PEs.
    pub fn pool_elements(self) -> usize {
        self.pool_elements as usize
    }

    //= https://www.rfc-editor.org/rfc/rfc5353#section-3.6.2
    //# The PE checksum calculation MUST use the
    //# Internet algorithm described in [RFC1071].
    /// The PE checksum.
    pub fn checksum(self) -> Checksum {
        fold(self.words)
    }

    /// Whether a checksum that was announced is the one of these PEs. RSPLIB's is another one above some thousand of them: its sum wraps at
    /// 32 bits without an end-around carry.
    pub fn agrees_with(self, announced: Checksum) -> bool {
        announced == self.checksum() || announced == self.checksum_of_rsplib()
    }

    fn checksum_of_rsplib(self) -> Checksum {
        fold(self.words & u64::from(u32::MAX))
    }

    pub(super) fn is_empty(self) -> bool {
        self.pool_elements == 0
    }

    pub(super) fn add(&mut self, handle: u32, id: PeId) {
        self.words += words(handle, id);
        self.pool_elements += 1;
    }

    pub(super) fn subtract(&mut self, handle: u32, id: PeId) {
        self.words -= words(handle, id);
        self.pool_elements -= 1;
    }
}

/// What a pool handle adds, padded with zeros.
pub(super) fn of_handle(handle: &[u8]) -> u32 {
    handle.chunks(2).map(|word| u32::from(word[0]) << 8 | word.get(1).copied().map_or(0, u32::from)).sum()
}

fn words(handle: u32, PeId(id): PeId) -> u64 {
    u64::from(handle) + u64::from(id >> 16) + u64::from(id & 0xffff)
}

fn fold(mut sum: u64) -> Checksum {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    Checksum(!(sum as u16))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum_of(pool_elements: &[(&str, u32)]) -> Sum {
        let mut sum = Sum::default();
        for (handle, id) in pool_elements {
            sum.add(of_handle(handle.as_bytes()), PeId(*id));
        }
        sum
    }

    /// From a recorded trace of RSPLIB, `notes/rsplib-inventory.md` §4.6.
    #[test]
    fn the_checksum_is_that_of_a_recorded_trace() {
        assert_eq!(sum_of(&[]).checksum(), Checksum(0xffff));
        assert_eq!(sum_of(&[("CalcAppPool", 0x5562_e917)]).checksum(), Checksum(0x8490));
        assert_eq!(sum_of(&[("CalcAppPool", 0x3775_a3bd)]).checksum(), Checksum(0xe7d7));
        let both = sum_of(&[("CalcAppPool", 0x5562_e917), ("CalcAppPool", 0x3775_a3bd)]);
        assert_eq!(both.checksum(), Checksum(0x6c68));
        assert_eq!(both.checksum_of_rsplib(), both.checksum());
    }

    #[test]
    fn rsplib_differs_once_its_sum_has_wrapped() {
        let mut sum = Sum::default();
        let handle = of_handle(&[0xff; 32]);
        while sum.words <= u64::from(u32::MAX) {
            assert_eq!(sum.checksum(), sum.checksum_of_rsplib());
            sum.add(handle, PeId(0xffff_fffe));
        }
        assert_ne!(sum.checksum(), sum.checksum_of_rsplib());
        assert!(sum.agrees_with(sum.checksum()) && sum.agrees_with(sum.checksum_of_rsplib()));
        assert!(!sum.agrees_with(Checksum(!sum.checksum().0)));
    }

    #[test]
    fn what_is_taken_away_leaves_no_trace() {
        let mut sum = sum_of(&[("a", 1), ("odd", 2)]);
        sum.subtract(of_handle(b"odd"), PeId(2));
        assert_eq!(sum, sum_of(&[("a", 1)]));
    }
}
