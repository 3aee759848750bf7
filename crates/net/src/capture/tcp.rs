// SPDX-License-Identifier: MIT OR Apache-2.0
//! TCP (RFC 9293): puts the bytes of a stream in order and hands them to its framing.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use super::dissect::{CutOff, Found};
use super::flows::Flows;
use super::framing::Framing;
use super::{Limits, Protocol, Skipped};

/// The connections of a capture, each direction on its own.
pub(super) struct Streams {
    streams: Flows<(SocketAddr, SocketAddr), Stream>,
    bytes_per_flow: usize,
}

impl Streams {
    pub(super) fn new(limits: &Limits) -> Self {
        Streams { streams: Flows::new(limits.flows), bytes_per_flow: limits.bytes_per_flow }
    }

    pub(super) fn segment(
        &mut self,
        segment: &[u8],
        found: &mut Found<'_>,
        skipped: &mut Skipped,
    ) -> Result<(), CutOff> {
        found.ports(segment)?;
        let header = segment.first_chunk::<20>().ok_or(CutOff)?;
        let sequence = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
        let data_offset = usize::from(header[12] >> 4) * 4;
        let flags = header[13];
        let payload = segment.get(data_offset.max(header.len())..).ok_or(CutOff)?;
        let key = (found.source, found.destination);
        if flags & SYN != 0 {
            let begin = sequence.wrapping_add(1);
            // A repeated SYN says nothing new; another one is another connection.
            if self.streams.get_mut(&key).is_none_or(|stream| stream.began_at != Some(begin)) {
                self.end_of(key, skipped);
                let forgotten = self.streams.entry(key, || Stream::new(begin, Some(begin), found)).1;
                count_broken(&forgotten, skipped);
            }
        }
        if !payload.is_empty() {
            let at = if flags & SYN != 0 { sequence.wrapping_add(1) } else { sequence };
            let (stream, forgotten) = self.streams.entry(key, || Stream::new(at, None, found));
            count_broken(&forgotten, skipped);
            stream.take(at, payload, self.bytes_per_flow, found, skipped);
        }
        if flags & RST != 0 {
            self.end_of(key, skipped);
        }
        Ok(())
    }

    pub(super) fn end(&mut self, skipped: &mut Skipped) {
        skipped.broken_streams += self.streams.values().filter(|stream| stream.has_gap()).count() as u64;
    }

    fn end_of(&mut self, key: (SocketAddr, SocketAddr), skipped: &mut Skipped) {
        let ended = self.streams.remove(&key);
        skipped.broken_streams += u64::from(ended.is_some_and(|stream| stream.has_gap()));
    }
}

fn count_broken<K>(forgotten: &HashMap<K, Stream>, skipped: &mut Skipped) {
    skipped.broken_streams += forgotten.values().filter(|stream| stream.has_gap()).count() as u64;
}

/// One direction of a connection.
struct Stream {
    /// The number of the first byte, if the SYN is in the capture.
    began_at: Option<u32>,
    /// The number of the next byte to read; its lower half is what the segments show.
    next: u64,
    /// Segments behind a gap, by the number of their first byte.
    ahead: BTreeMap<u64, Vec<u8>>,
    ahead_bytes: usize,
    framing: Framing,
}

impl Stream {
    fn new(next: u32, began_at: Option<u32>, found: &Found<'_>) -> Self {
        let next = FIRST_TURN | u64::from(next);
        let framing = Framing::new(began_at.is_some(), found.uses_port(Protocol::Asap.port()));
        Stream { began_at, next, ahead: BTreeMap::new(), ahead_bytes: 0, framing }
    }

    fn take(&mut self, sequence: u32, payload: &[u8], limit: usize, found: &mut Found<'_>, skipped: &mut Skipped) {
        if self.framing.is_over() {
            return;
        }
        if self.framing.is_midway() {
            if !self.framing.begins_with(payload, skipped) {
                return;
            }
            self.next = FIRST_TURN | u64::from(sequence);
        }
        let distance = sequence.wrapping_sub(self.next as u32) as i32;
        let start = self.next.saturating_add_signed(i64::from(distance));
        if start > self.next {
            self.keep_for_later(start, payload, limit, skipped);
            return;
        }
        self.read(start, payload, found, skipped);
        while let Some(entry) = self.ahead.first_entry()
            && *entry.key() <= self.next
        {
            let (start, payload) = entry.remove_entry();
            self.ahead_bytes -= cost(&payload);
            self.read(start, &payload, found, skipped);
        }
    }

    /// Reads what is new in a segment that doesn't begin behind the next byte.
    fn read(&mut self, start: u64, payload: &[u8], found: &mut Found<'_>, skipped: &mut Skipped) {
        let known = usize::try_from(self.next - start).unwrap_or(usize::MAX);
        let Some(new) = payload.get(known..) else { return };
        self.next += new.len() as u64;
        self.framing.push(new, found, skipped);
    }

    fn keep_for_later(&mut self, start: u64, payload: &[u8], limit: usize, skipped: &mut Skipped) {
        if self.ahead.get(&start).is_some_and(|kept| kept.len() >= payload.len()) {
            return;
        }
        self.ahead_bytes += payload.len() + SEGMENT_COST;
        if self.ahead_bytes > limit {
            // The bytes in the gap are not in the capture: behind it nobody knows where a message begins.
            self.framing.give_up();
            self.ahead = BTreeMap::new();
            self.ahead_bytes = 0;
            skipped.broken_streams += 1;
            return;
        }
        if let Some(shorter) = self.ahead.insert(start, payload.to_vec()) {
            self.ahead_bytes -= cost(&shorter);
        }
    }

    fn has_gap(&self) -> bool {
        !self.ahead.is_empty()
    }
}

fn cost(payload: &[u8]) -> usize {
    payload.len() + SEGMENT_COST
}

/// The upper half of the first number, so that one can lie before it.
const FIRST_TURN: u64 = 1 << 32;

const SYN: u8 = 0x02;
const RST: u8 = 0x04;

/// What a kept segment takes besides its bytes, about.
const SEGMENT_COST: usize = 64;
