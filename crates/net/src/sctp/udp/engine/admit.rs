// SPDX-License-Identifier: MIT OR Apache-2.0
//! What dcSCTP gets of a packet. It keeps memory for each stream that is named and for each chunk, and does not mind how much.

use super::{Packet, kind};
use crate::sctp::udp::packet::Chunk;

/// What a packet holds, as far as it matters before dcSCTP gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Contents {
    pub(super) has_data: bool,
    /// DATA chunks whose bytes hardly count against the window.
    pub(super) small: usize,
    /// Whether one of its DATA chunks is the one behind those acknowledged.
    pub(super) is_next: bool,
    /// Whether a chunk with which dcSCTP forgets an association, and what of it was not taken, is among them.
    pub(super) may_end: bool,
    resets_streams: bool,
}

impl Contents {
    /// Looks at a packet for an association of `streams` streams that has acknowledged all up to `acknowledged`. `None` if it holds
    /// what no such association has.
    pub(super) fn of(packet: &Packet<'_>, streams: u16, acknowledged: Option<u32>) -> Option<Self> {
        let mut contents = Contents::default();
        for chunk in packet.chunks() {
            match chunk.kind {
                kind::DATA => {
                    stream(&chunk).filter(|stream| *stream < streams)?;
                    contents.has_data = true;
                    contents.small += usize::from(chunk.value.len() < DATA_FIXED + SMALL);
                    contents.is_next |=
                        acknowledged.is_none_or(|acknowledged| tsn(&chunk) == Some(acknowledged.wrapping_add(1)));
                }
                kind::FORWARD_TSN => {
                    let skipped = chunk.value.get(4..)?.chunks_exact(4);
                    skipped.map(|of| u16::from_be_bytes([of[0], of[1]])).all(|stream| stream < streams).then_some(())?;
                }
                kind::ABORT | kind::SHUTDOWN_ACK | kind::SHUTDOWN_COMPLETE => contents.may_end = true,
                kind::RE_CONFIG => contents.resets_streams = true,
                _ => {}
            }
        }
        Some(contents)
    }

    /// The packet without what dcSCTP must not have; `None` if that is all of it.
    pub(super) fn admit(&self, packet: &Packet<'_>, with_data: bool) -> Admitted {
        let drops_data = self.has_data && !with_data;
        if !drops_data && !self.resets_streams {
            return Admitted::Whole;
        }
        packet
            .keeping(|kind| kind != kind::RE_CONFIG && (with_data || kind != kind::DATA))
            .map_or(Admitted::Nothing, Admitted::Part)
    }
}

/// See [`Contents::admit`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Admitted {
    Whole,
    Part(Vec<u8>),
    Nothing,
}

impl Admitted {
    /// The bytes for dcSCTP, if there are any.
    pub(super) fn bytes<'a>(&'a self, packet: &Packet<'a>) -> Option<&'a [u8]> {
        match self {
            Admitted::Whole => Some(packet.bytes()),
            Admitted::Part(bytes) => Some(bytes),
            Admitted::Nothing => None,
        }
    }
}

pub(super) fn stream(chunk: &Chunk<'_>) -> Option<u16> {
    chunk.value.get(4..6).map(|stream| u16::from_be_bytes([stream[0], stream[1]]))
}

fn tsn(chunk: &Chunk<'_>) -> Option<u32> {
    chunk.value.first_chunk().map(|tsn| u32::from_be_bytes(*tsn))
}

/// Fixed fields of DATA: TSN, stream, stream sequence number, PPID.
pub(super) const DATA_FIXED: usize = 12;

/// A chunk with less data than this takes more memory than it takes of the window: fragments of a long message have more.
const SMALL: usize = 512;
