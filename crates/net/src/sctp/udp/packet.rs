// SPDX-License-Identifier: MIT OR Apache-2.0
//! SCTP packets as far as the engine must read and write them itself (RFC 9260 §3): the header, the chunks' frames, and the
//! few chunks that are exchanged where there is no association, or below it.

use crate::crc32c;

/// Chunk types (RFC 9260 §3.2).
pub(super) mod kind {
    pub(crate) const DATA: u8 = 0;
    pub(crate) const INIT: u8 = 1;
    pub(crate) const INIT_ACK: u8 = 2;
    pub(crate) const SACK: u8 = 3;
    pub(crate) const HEARTBEAT: u8 = 4;
    pub(crate) const HEARTBEAT_ACK: u8 = 5;
    pub(crate) const ABORT: u8 = 6;
    pub(crate) const SHUTDOWN_ACK: u8 = 8;
    pub(crate) const ERROR: u8 = 9;
    pub(crate) const COOKIE_ECHO: u8 = 10;
    pub(crate) const COOKIE_ACK: u8 = 11;
    pub(crate) const SHUTDOWN_COMPLETE: u8 = 14;
    /// RFC 6525. Nobody here resets streams.
    pub(crate) const RE_CONFIG: u8 = 130;
    /// RFC 3758.
    pub(crate) const FORWARD_TSN: u8 = 192;
}

/// The T bit of ABORT and SHUTDOWN COMPLETE: the verification tag is the receiver's own, sent back.
pub(super) const T_BIT: u8 = 1;

/// Error causes (RFC 9260 §3.3.10).
pub(super) mod cause {
    pub(crate) const STALE_COOKIE: u16 = 3;
    pub(crate) const OUT_OF_RESOURCE: u16 = 4;
    pub(crate) const INVALID_MANDATORY_PARAMETER: u16 = 7;
}

/// A packet whose checksum is right and whose chunks fill it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Packet<'a> {
    bytes: &'a [u8],
}

/// A chunk of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chunk<'a> {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) value: &'a [u8],
}

/// Why a datagram is no packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoPacket {
    /// The checksum is wrong.
    Checksum,
    /// Too short, or its chunks do not fill it.
    Malformed,
}

/// What all packets begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) source_port: u16,
    pub(super) destination_port: u16,
    pub(super) tag: u32,
}

impl<'a> Packet<'a> {
    /// Reads what came from the network.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, NoPacket> {
        if bytes.len() < HEADER + CHUNK_HEADER {
            return Err(NoPacket::Malformed);
        }
        //= https://www.rfc-editor.org/rfc/rfc9260#section-6.8
        //# The default procedure for handling invalid SCTP packets is to silently
        //# discard them.
        if crc32c::of_sctp_packet(bytes).is_none_or(|checksum| bytes[8..12] != checksum) {
            return Err(NoPacket::Checksum);
        }
        let mut chunks = Chunks { rest: &bytes[HEADER..] };
        while chunks.next().is_some() {}
        if !chunks.rest.is_empty() {
            return Err(NoPacket::Malformed);
        }
        Ok(Packet { bytes })
    }

    /// A packet that our own stack made.
    pub(super) fn own(bytes: &'a [u8]) -> Option<Self> {
        (bytes.len() >= HEADER + CHUNK_HEADER).then_some(Packet { bytes })
    }

    pub(super) fn header(&self) -> Header {
        header(self.bytes).expect("a packet has a header")
    }

    pub(super) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    pub(super) fn chunks(&self) -> Chunks<'a> {
        Chunks { rest: &self.bytes[HEADER..] }
    }

    /// The first chunk, which a packet has.
    pub(super) fn first(&self) -> Chunk<'a> {
        self.chunks().next().unwrap_or(Chunk { kind: u8::MAX, flags: 0, value: &[] })
    }

    /// Whether the first chunk is the only one.
    pub(super) fn is_single(&self) -> bool {
        self.chunks().nth(1).is_none()
    }

    pub(super) fn find(&self, kind: u8) -> Option<Chunk<'a>> {
        self.chunks().find(|chunk| chunk.kind == kind)
    }

    /// The same packet with these types of chunks only; `None` if nothing is left. The checksum is not that of the rest.
    pub(super) fn keeping(&self, keeps: impl Fn(u8) -> bool) -> Option<Vec<u8>> {
        let mut rest = self.bytes[..HEADER].to_vec();
        for chunk in self.chunks().filter(|chunk| keeps(chunk.kind)) {
            put_chunk(&mut rest, chunk.kind, chunk.flags, &[chunk.value]);
        }
        (rest.len() > HEADER).then_some(rest)
    }
}

/// The header of a packet, of which no more than the first eight bytes may be there.
pub(super) fn header(bytes: &[u8]) -> Option<Header> {
    let [a, b, c, d, tag @ ..] = *bytes.first_chunk::<8>()?;
    Some(Header {
        source_port: u16::from_be_bytes([a, b]),
        destination_port: u16::from_be_bytes([c, d]),
        tag: u32::from_be_bytes(tag),
    })
}

/// The chunks of a packet, as far as they are whole.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chunks<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Chunks<'a> {
    type Item = Chunk<'a>;

    fn next(&mut self) -> Option<Chunk<'a>> {
        let [kind, flags, high, low] = *self.rest.first_chunk::<CHUNK_HEADER>()?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let value = self.rest.get(CHUNK_HEADER..length)?;
        // The last one's padding may be missing: what was not sent cannot be wrong.
        self.rest = &self.rest[padded(length).min(self.rest.len())..];
        Some(Chunk { kind, flags, value })
    }
}

/// The parameters of a chunk from `bytes` on, each with its type.
pub(super) fn parameters(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let [t1, t0, high, low] = *rest.first_chunk::<4>()?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let value = rest.get(4..length)?;
        rest = &rest[padded(length).min(rest.len())..];
        Some((u16::from_be_bytes([t1, t0]), value))
    })
}

/// A packet of one chunk.
pub(super) fn single(header: Header, kind: u8, flags: u8, value: &[&[u8]]) -> Vec<u8> {
    let length: usize = value.iter().map(|part| part.len()).sum();
    let mut packet = Vec::with_capacity(HEADER + CHUNK_HEADER + padded(length));
    put_header(&mut packet, header);
    put_chunk(&mut packet, kind, flags, value);
    seal(&mut packet);
    packet
}

/// An error cause, which stands in an ERROR or ABORT chunk.
pub(super) fn error_cause(code: u16, value: &[u8]) -> Vec<u8> {
    let mut cause = code.to_be_bytes().to_vec();
    cause.extend(u16::try_from(4 + value.len()).unwrap_or(u16::MAX).to_be_bytes());
    cause.extend(value);
    cause
}

pub(super) fn put_header(packet: &mut Vec<u8>, header: Header) {
    packet.extend(header.source_port.to_be_bytes());
    packet.extend(header.destination_port.to_be_bytes());
    packet.extend(header.tag.to_be_bytes());
    packet.extend([0; 4]);
}

/// Appends a chunk with its padding.
pub(super) fn put_chunk(packet: &mut Vec<u8>, kind: u8, flags: u8, value: &[&[u8]]) {
    let length = CHUNK_HEADER + value.iter().map(|part| part.len()).sum::<usize>();
    packet.extend([kind, flags]);
    packet.extend(u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
    value.iter().for_each(|part| packet.extend(*part));
    packet.resize(packet.len() + padded(length) - length, 0);
}

/// Writes the checksum.
pub(super) fn seal(packet: &mut [u8]) {
    if let Some(checksum) = crc32c::of_sctp_packet(packet) {
        packet[8..12].copy_from_slice(&checksum);
    }
}

/// Puts the chunks of `next` behind those of `packet` if both may share a packet of `most` bytes; `false` if not.
pub(super) fn bundle(packet: &mut Vec<u8>, next: &[u8], most: usize) -> bool {
    let chunks = |bytes| Packet::own(bytes).map(|packet| packet.chunks());
    let (Some(first), Some(second)) = (chunks(packet), chunks(next)) else { return false };
    let may_share = packet.len() + next.len() - HEADER <= most
        && packet[..8] == next[..8]
        && first.clone().all(|chunk| shares(chunk.kind) || matches!(chunk.kind, kind::COOKIE_ECHO | kind::COOKIE_ACK))
        && second.clone().all(|chunk| shares(chunk.kind))
        //= https://www.rfc-editor.org/rfc/rfc9260#section-6.10
        //# When bundling control chunks with DATA chunks, an endpoint MUST place
        //# control chunks first in the outbound SCTP packet.
        && (first.clone().all(|chunk| chunk.kind != kind::DATA) || second.clone().all(|chunk| chunk.kind == kind::DATA));
    if may_share {
        packet.extend(&next[HEADER..]);
        seal(packet);
    }
    may_share
}

/// What stands beside anything of its like.
fn shares(kind: u8) -> bool {
    matches!(kind, kind::DATA | kind::SACK | kind::HEARTBEAT | kind::HEARTBEAT_ACK)
}

pub(super) fn padded(length: usize) -> usize {
    length.next_multiple_of(4)
}

/// Bytes of the common header.
pub(super) const HEADER: usize = 12;

/// Bytes before a chunk's value.
pub(super) const CHUNK_HEADER: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Header = Header { source_port: 1, destination_port: 2, tag: 3 };

    fn packet(chunks: &[(u8, &[u8])]) -> Vec<u8> {
        let mut packet = Vec::new();
        put_header(&mut packet, HEAD);
        chunks.iter().for_each(|(kind, value)| put_chunk(&mut packet, *kind, 0, &[value]));
        seal(&mut packet);
        packet
    }

    fn kinds(bytes: &[u8]) -> Vec<u8> {
        Packet::parse(bytes).unwrap().chunks().map(|chunk| chunk.kind).collect()
    }

    #[test]
    fn a_packet_is_read_as_it_was_written() {
        let bytes = packet(&[(kind::SACK, b"abc"), (kind::DATA, b"defg")]);
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!(packet.header(), HEAD);
        let chunks: Vec<_> = packet.chunks().map(|chunk| (chunk.kind, chunk.value)).collect();
        assert_eq!(chunks, [(kind::SACK, &b"abc"[..]), (kind::DATA, b"defg")]);
        assert_eq!(
            kinds(&{
                let mut rest = packet.keeping(|kind| kind != kind::SACK).unwrap();
                seal(&mut rest);
                rest
            }),
            [kind::DATA]
        );
    }

    #[test]
    fn one_wrong_bit_is_noticed() {
        let good = packet(&[(kind::DATA, b"0123456789ab")]);
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Packet::parse(&bad).unwrap_err(), NoPacket::Checksum, "bit {bit}");
        }
    }

    #[test]
    fn chunks_must_fill_the_packet() {
        for length in [0u16, 3, 9, 0xffff] {
            let mut bytes = packet(&[(kind::DATA, b"abcd")]);
            bytes[14..16].copy_from_slice(&length.to_be_bytes());
            seal(&mut bytes);
            assert_eq!(Packet::parse(&bytes).unwrap_err(), NoPacket::Malformed, "length {length}");
        }
        assert_eq!(Packet::parse(&[0; 15]).unwrap_err(), NoPacket::Malformed);
    }

    #[test]
    fn data_goes_behind_control_and_never_before_it() {
        let (sack, data) = (packet(&[(kind::SACK, b"s")]), packet(&[(kind::DATA, b"d")]));
        let mut both = sack.clone();
        assert!(bundle(&mut both, &data, 1400) && bundle(&mut both, &data, 1400));
        assert_eq!(kinds(&both), [kind::SACK, kind::DATA, kind::DATA]);
        assert!(!bundle(&mut both.clone(), &sack, 1400));
        assert!(!bundle(&mut both.clone(), &data, both.len() + 7), "no room");
        assert!(!bundle(&mut sack.clone(), &packet(&[(kind::INIT, b"i")]), 1400), "INIT stands alone");
    }
}
