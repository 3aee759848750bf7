// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where messages begin and end in a TCP stream: the TCP mapping (draft-ietf-rserpool-tcpmapping-03) or bare ASAP messages
//! one after the other (RFC 5352 §3.3).

use bytes::Bytes;

use super::dissect::Found;
use super::{Protocol, Skipped, Transport};

/// The framing of one direction of a connection.
pub(super) struct Framing {
    kind: Kind,
    /// Bytes of a chunk or message that is not complete.
    buffer: Vec<u8>,
}

enum Kind {
    /// Fewer than four bytes seen.
    Unknown {
        from_the_beginning: bool,
        asap_port: bool,
    },
    /// The flags of the sender's INIT say which fields its DATA chunks lack.
    Mapping {
        flags: u8,
    },
    Plain,
    /// Not ours, or unreadable from here on.
    Over,
}

impl Framing {
    pub(super) fn new(from_the_beginning: bool, asap_port: bool) -> Self {
        Framing { kind: Kind::Unknown { from_the_beginning, asap_port }, buffer: Vec::new() }
    }

    /// Whether nothing of this stream will be read any more.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.kind, Kind::Over)
    }

    /// Reads nothing of this stream any more.
    pub(super) fn give_up(&mut self) {
        self.kind = Kind::Over;
        self.buffer = Vec::new();
    }

    /// Takes the next bytes of the stream.
    pub(super) fn push(&mut self, bytes: &[u8], found: &mut Found<'_>, skipped: &mut Skipped) {
        if self.is_over() {
            return;
        }
        self.buffer.extend_from_slice(bytes);
        if let Kind::Unknown { from_the_beginning, asap_port } = self.kind {
            self.kind = match *self.buffer {
                [INIT, flags, 0, 4, ..] => Kind::Mapping { flags },
                [_, _, _, _, ..] if asap_port && from_the_beginning => Kind::Plain,
                [_, _, _, _, ..] => {
                    skipped.without_beginning += u64::from(asap_port);
                    Kind::Over
                }
                _ => return,
            };
        }
        let mut read = 0;
        let mut broken = false;
        while let Some(&[kind, _, l0, l1]) = self.buffer[read..].first_chunk() {
            // Both framings have a type, flags, and a length that counts these four bytes but no padding.
            let length = usize::from(u16::from_be_bytes([l0, l1]));
            if length < 4 {
                broken = true;
                break;
            }
            let padded = length.next_multiple_of(4);
            let Some(unit) = self.buffer[read..].get(..padded) else { break };
            match self.kind {
                Kind::Mapping { flags } if kind == DATA => {
                    if let Some((protocol, message)) = asap_or_enrp(&unit[..length], flags) {
                        found.message(Transport::TcpMapping, protocol, Bytes::copy_from_slice(message));
                    }
                }
                Kind::Plain => found.message(Transport::Tcp, Protocol::Asap, Bytes::copy_from_slice(unit)),
                _ => {}
            }
            read += padded;
        }
        self.buffer.drain(..read);
        if broken {
            skipped.broken_streams += 1;
            self.give_up();
        } else if self.is_over() {
            self.give_up();
        }
    }
}

/// The message in a DATA chunk.
fn asap_or_enrp(chunk: &[u8], init_flags: u8) -> Option<(Protocol, &[u8])> {
    let mut rest = &chunk[4..];
    for _suppressible in [TSN_SUPPRESSED, STREAM_SUPPRESSED].iter().filter(|flag| init_flags & **flag == 0) {
        rest = rest.get(4..)?;
    }
    if init_flags & PPID_SUPPRESSED != 0 {
        return None;
    }
    let (ppid, message) = rest.split_first_chunk()?;
    Some((Protocol::from_ppid(u32::from_be_bytes(*ppid))?, message))
}

const DATA: u8 = 0;
const INIT: u8 = 1;
const TSN_SUPPRESSED: u8 = 1;
const STREAM_SUPPRESSED: u8 = 2;
const PPID_SUPPRESSED: u8 = 4;
