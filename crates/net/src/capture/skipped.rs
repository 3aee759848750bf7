// SPDX-License-Identifier: MIT OR Apache-2.0
//! What was passed over, so that a reader of the output knows what he doesn't see.

/// Counts of what a [`CaptureReader`](super::CaptureReader) passed over although it may have held messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Skipped {
    /// IP fragments: datagrams are not reassembled.
    pub ip_fragments: u64,
    /// Frames or packets shorter than their headers say; what is there was read.
    pub cut_off: u64,
    /// Frames of pcapng interfaces with a link type we can't read.
    pub unknown_link: u64,
    /// TCP streams given up because bytes are missing or make no sense.
    pub broken_streams: u64,
    /// Directions of TCP connections on an ASAP port whose beginning isn't in the file: what they carried until their framing could
    /// be recognised.
    pub without_beginning: u64,
    /// SCTP fragments that never became a message within the limits.
    pub lost_fragments: u64,
}

impl Skipped {
    /// A sentence for each count that isn't zero.
    pub fn notes(&self) -> impl Iterator<Item = String> {
        [
            (self.ip_fragments, "IP fragments (datagrams are not reassembled)"),
            (self.cut_off, "packets shorter than their headers say (snap length?)"),
            (self.unknown_link, "frames with an unsupported link type"),
            (self.broken_streams, "TCP streams with missing or unreadable bytes"),
            (self.without_beginning, "directions of TCP connections on an ASAP port that began before the capture, and what they carried first"),
            (self.lost_fragments, "SCTP fragments that never became a message"),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
    }
}
