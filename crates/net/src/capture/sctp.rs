// SPDX-License-Identifier: MIT OR Apache-2.0
//! SCTP packets (RFC 9260): finds the DATA chunks of ASAP and ENRP and puts fragments together.
//!
//! Each message is handed up once: a retransmitted chunk is recognised by its TSN. Chunks are read in the order of the file;
//! stream order is not restored, since a reader of a capture wants to see what arrived when.

use std::collections::VecDeque;

use bytes::Bytes;

use super::dissect::{CutOff, Found};
use super::flows::Flows;
use super::{Limits, Protocol, Skipped, Transport};

/// The associations of a capture, each direction on its own.
pub(super) struct Associations {
    directions: Flows<Key, Direction>,
    bytes_per_flow: usize,
}

/// Addresses are not part of it: a multi-homed peer may send each fragment from another one.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    ports_and_tag: [u8; 8],
}

impl Associations {
    pub(super) fn new(limits: &Limits) -> Self {
        Associations { directions: Flows::new(limits.flows), bytes_per_flow: limits.bytes_per_flow }
    }

    pub(super) fn packet(
        &mut self,
        packet: &[u8],
        transport: Transport,
        found: &mut Found<'_>,
        skipped: &mut Skipped,
    ) -> Result<(), CutOff> {
        found.ports(packet)?;
        let (header, mut chunks) = packet.split_first_chunk::<12>().ok_or(CutOff)?;
        let ports_and_tag = *header.first_chunk().expect("8 of 12 bytes");
        let mut end = Ok(());
        while let Some(&[kind, flags, l0, l1]) = chunks.first_chunk() {
            let length = usize::from(u16::from_be_bytes([l0, l1]));
            if length < CHUNK_HEADER {
                return Err(CutOff);
            }
            // A chunk longer than the packet is read as far as it goes: the message decoder says what is missing.
            let chunk = chunks.get(..length).unwrap_or_else(|| {
                end = Err(CutOff);
                chunks
            });
            if kind == DATA
                && let Some(data) = Data::parse(flags, chunk)
            {
                self.data(Key { ports_and_tag }, &data, transport, found, skipped);
            }
            chunks = chunks.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        end
    }

    pub(super) fn end(&mut self, skipped: &mut Skipped) {
        skipped.lost_fragments += self.directions.values().map(Direction::fragments).sum::<u64>();
    }

    fn data(&mut self, key: Key, data: &Data<'_>, transport: Transport, found: &mut Found<'_>, skipped: &mut Skipped) {
        let (direction, forgotten) = self.directions.entry(key, || Direction::beginning_at(data.tsn));
        skipped.lost_fragments += forgotten.values().map(Direction::fragments).sum::<u64>();
        if !direction.is_new(data.tsn) {
            return;
        }
        if data.begins && data.ends {
            return found.message(transport, data.protocol, Bytes::copy_from_slice(data.payload));
        }
        if let Some(message) = direction.add(data) {
            return found.message(transport, data.protocol, message);
        }
        skipped.lost_fragments += direction.shrink(self.bytes_per_flow);
    }
}

/// A DATA chunk that carries ASAP or ENRP.
struct Data<'a> {
    begins: bool,
    ends: bool,
    tsn: u32,
    protocol: Protocol,
    payload: &'a [u8],
}

impl<'a> Data<'a> {
    fn parse(flags: u8, chunk: &'a [u8]) -> Option<Self> {
        let ([_, _, _, _, t0, t1, t2, t3, _, _, _, _, p0, p1, p2, p3], payload) = chunk.split_first_chunk::<16>()?;
        Some(Data {
            begins: flags & BEGINNING_FRAGMENT != 0,
            ends: flags & ENDING_FRAGMENT != 0,
            tsn: u32::from_be_bytes([*t0, *t1, *t2, *t3]),
            protocol: Protocol::from_ppid(u32::from_be_bytes([*p0, *p1, *p2, *p3]))?,
            payload,
        })
    }
}

/// What one side of an association sends.
struct Direction {
    highest: u32,
    /// A bit for each of the last TSNs up to the highest, at its number modulo the window.
    seen: [u64; WINDOW as usize / 64],
    /// Consecutive fragments of messages that are not complete, the ones touched longest ago first.
    runs: VecDeque<Run>,
}

impl Direction {
    fn beginning_at(tsn: u32) -> Self {
        Direction { highest: tsn.wrapping_sub(1), seen: [0; WINDOW as usize / 64], runs: VecDeque::new() }
    }

    /// Whether this TSN comes for the first time, which it does only once.
    fn is_new(&mut self, tsn: u32) -> bool {
        let ahead = tsn.wrapping_sub(self.highest);
        if (1..=i32::MAX as u32).contains(&ahead) {
            if ahead >= WINDOW {
                self.seen = [0; WINDOW as usize / 64];
            } else {
                for passed in 1..=ahead {
                    let (word, bit) = Self::place(self.highest.wrapping_add(passed));
                    self.seen[word] &= !bit;
                }
            }
            self.highest = tsn;
        } else if self.highest.wrapping_sub(tsn) >= WINDOW {
            return false;
        }
        let (word, bit) = Self::place(tsn);
        let new = self.seen[word] & bit == 0;
        self.seen[word] |= bit;
        new
    }

    fn place(tsn: u32) -> (usize, u64) {
        ((tsn % WINDOW / 64) as usize, 1 << (tsn % 64))
    }

    /// Adds a fragment; the message, if it was the last one missing.
    fn add(&mut self, data: &Data<'_>) -> Option<Bytes> {
        let mut run = Run::from(data);
        if let Some(at) = self.runs.iter().position(|earlier| earlier.is_followed_by(&run)) {
            run = self.runs.remove(at).expect("position found it").join(run);
        }
        if let Some(at) = self.runs.iter().position(|later| run.is_followed_by(later)) {
            run = run.join(self.runs.remove(at).expect("position found it"));
        }
        if run.begins && run.ends {
            return Some(run.fragments.make_contiguous().concat().into());
        }
        self.runs.push_back(run);
        None
    }

    /// Forgets the oldest fragments until the rest fits; how many there were.
    fn shrink(&mut self, limit: usize) -> u64 {
        let mut lost = 0;
        while self.runs.len() > MAX_RUNS || self.runs.iter().map(Run::cost).sum::<usize>() > limit {
            lost += self.runs.pop_front().map_or(0, |run| run.fragments.len() as u64);
        }
        lost
    }

    fn fragments(&self) -> u64 {
        self.runs.iter().map(|run| run.fragments.len() as u64).sum()
    }
}

/// Fragments of one message with consecutive TSNs.
struct Run {
    first: u32,
    begins: bool,
    ends: bool,
    bytes: usize,
    fragments: VecDeque<Bytes>,
}

impl Run {
    fn from(data: &Data<'_>) -> Self {
        let fragments = VecDeque::from([Bytes::copy_from_slice(data.payload)]);
        Run { first: data.tsn, begins: data.begins, ends: data.ends, bytes: data.payload.len(), fragments }
    }

    fn is_followed_by(&self, later: &Run) -> bool {
        !self.ends && !later.begins && self.first.wrapping_add(self.fragments.len() as u32) == later.first
    }

    fn join(mut self, mut later: Run) -> Run {
        // The shorter side moves, so that a message costs no more than O(n log n) in whatever order it comes.
        let first = self.first;
        let (begins, ends, bytes) = (self.begins, later.ends, self.bytes + later.bytes);
        let fragments = if self.fragments.len() >= later.fragments.len() {
            self.fragments.append(&mut later.fragments);
            self.fragments
        } else {
            while let Some(fragment) = self.fragments.pop_back() {
                later.fragments.push_front(fragment);
            }
            later.fragments
        };
        Run { first, begins, ends, bytes, fragments }
    }

    /// Bytes of memory it takes, about.
    fn cost(&self) -> usize {
        self.bytes + self.fragments.len() * 2 * size_of::<Bytes>()
    }
}

const CHUNK_HEADER: usize = 4;
const DATA: u8 = 0;
const ENDING_FRAGMENT: u8 = 1;
const BEGINNING_FRAGMENT: u8 = 2;

/// How far behind the highest TSN a chunk may come and still be told from a retransmission.
const WINDOW: u32 = 1024;
/// Incomplete messages per direction: without RFC 8260 a sender has one at a time, gaps make a few more.
const MAX_RUNS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tsn_is_new_once_even_when_numbers_wrap() {
        let mut direction = Direction::beginning_at(u32::MAX - 1);
        assert!(direction.is_new(u32::MAX - 1));
        assert!(direction.is_new(1));
        assert!(direction.is_new(u32::MAX), "late, but never seen");
        for seen in [u32::MAX - 1, u32::MAX, 1] {
            assert!(!direction.is_new(seen));
        }
        assert!(direction.is_new(WINDOW + 500));
        assert!(!direction.is_new(500), "too old to tell");
        assert!(direction.is_new(501));
    }

    #[test]
    fn fragments_become_a_message_in_any_order() {
        let fragment = |at: u32| Data {
            begins: at == 0,
            ends: at == 3,
            tsn: u32::MAX.wrapping_add(at),
            protocol: Protocol::Asap,
            payload: &b"01234567"[at as usize * 2..][..2],
        };
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1]] {
            let mut direction = Direction::beginning_at(u32::MAX);
            let messages: Vec<_> = order.iter().filter_map(|at| direction.add(&fragment(*at))).collect();
            assert_eq!(messages, [&b"01234567"[..]], "{order:?}");
            assert_eq!(direction.fragments(), 0);
        }
    }

    #[test]
    fn fragments_without_an_end_are_forgotten_at_the_limit() {
        let mut direction = Direction::beginning_at(0);
        let payload = [0; 1000];
        let mut lost = 0;
        for tsn in 0..1000 {
            let data = Data { begins: tsn % 7 == 0, ends: false, tsn, protocol: Protocol::Enrp, payload: &payload };
            assert!(direction.add(&data).is_none());
            lost += direction.shrink(64 * 1024);
            assert!(direction.runs.iter().map(Run::cost).sum::<usize>() <= 64 * 1024);
        }
        assert_eq!(lost + direction.fragments(), 1000);
    }
}
