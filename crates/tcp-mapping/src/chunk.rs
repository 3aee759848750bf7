// SPDX-License-Identifier: MIT OR Apache-2.0
//! Framing and padding of chunks, once for all of them (draft §3.1).

use std::fmt;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use thiserror::Error;

use crate::{AckChunk, DataChunk, HeartbeatAckChunk, HeartbeatChunk, InitChunk, InitFlags};

/// A chunk, draft §3.1.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |   Chunk Type  | Chunk  Flags  |        Chunk Length           |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// \                          Chunk Value                          \
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chunk {
    /// Payload Data (DATA).
    Data(DataChunk),
    /// Initiation (INIT).
    Init(InitChunk),
    /// Acknowledgement (ACK).
    Ack(AckChunk),
    /// Heartbeat Request (HEARTBEAT).
    Heartbeat(HeartbeatChunk),
    /// Heartbeat Acknowledgement (HEARTBEAT ACK).
    HeartbeatAck(HeartbeatAckChunk),
    /// A type this code does not know.
    Unknown(UnknownChunk),
}

/// A chunk of a reserved type, kept whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownChunk {
    /// Chunk Type.
    pub chunk_type: u8,
    /// Chunk Flags.
    pub flags: u8,
    /// Chunk Value without padding.
    pub value: Bytes,
}

/// Bytes that are no chunk. Nothing after them can be framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ChunkError {
    /// The length does not hold what the type requires.
    #[error("chunk of type {chunk_type} says its length is {length}, which cannot be")]
    Length {
        /// Chunk Type.
        chunk_type: u8,
        /// Chunk Length.
        length: u16,
    },
    /// A HEARTBEAT or its ACK without a sound Heartbeat Info parameter.
    #[error("chunk of type {chunk_type} has no sound Heartbeat Info parameter")]
    HeartbeatInfo {
        /// Chunk Type.
        chunk_type: u8,
    },
}

impl Chunk {
    /// Takes the next chunk out of `buffer`, or answers `None` while it is incomplete. `sender` are the flags of the
    /// INIT that opened this direction. User data of some size is split off `buffer`, not copied.
    pub fn decode(buffer: &mut BytesMut, sender: InitFlags) -> Result<Option<Chunk>, ChunkError> {
        let Some(header) = Header::peek(buffer)? else { return Ok(None) };
        let padded = padded(header.length.into());
        if buffer.len() < padded {
            return Ok(None);
        }
        if header.chunk_type == DATA {
            return DataChunk::take(buffer, header, sender).map(|chunk| Some(Chunk::Data(chunk)));
        }
        //= https://www.ietf.org/archive/id/draft-ietf-rserpool-tcpmapping-03.txt#section-3.1
        //# The receiver MUST ignore the padding bytes.
        let value = &buffer[HEADER..header.length.into()];
        let chunk = match header.chunk_type {
            INIT => Chunk::Init(InitChunk::decode(header, value)?),
            ACK => Chunk::Ack(AckChunk::decode(header, value)?),
            HEARTBEAT => Chunk::Heartbeat(HeartbeatChunk::decode(header, value)?),
            HEARTBEAT_ACK => Chunk::HeartbeatAck(HeartbeatAckChunk::decode(header, value)?),
            chunk_type => {
                let value = Bytes::copy_from_slice(value);
                Chunk::Unknown(UnknownChunk { chunk_type, flags: header.flags, value })
            }
        };
        buffer.advance(padded);
        Ok(Some(chunk))
    }

    /// Appends the chunk and its padding to `out`.
    ///
    /// # Panics
    /// If the chunk is longer than 65,535 bytes: senders check with [`crate::MAX_PAYLOAD`] before they build one.
    pub fn encode(&self, out: &mut BytesMut) {
        match self {
            Chunk::Data(chunk) => chunk.encode(out),
            Chunk::Init(chunk) => chunk.encode(out),
            Chunk::Ack(chunk) => chunk.encode(out),
            Chunk::Heartbeat(chunk) => chunk.encode(out),
            Chunk::HeartbeatAck(chunk) => chunk.encode(out),
            Chunk::Unknown(chunk) => {
                put_header(out, chunk.chunk_type, chunk.flags, chunk.value.len());
                out.put_slice(&chunk.value);
                put_padding(out, chunk.value.len());
            }
        }
    }
}

impl fmt::Display for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Chunk::Data(chunk) => chunk.fmt(f),
            Chunk::Init(chunk) => chunk.fmt(f),
            Chunk::Ack(chunk) => chunk.fmt(f),
            Chunk::Heartbeat(chunk) => chunk.fmt(f),
            Chunk::HeartbeatAck(chunk) => chunk.fmt(f),
            Chunk::Unknown(chunk) => {
                write!(f, "UNKNOWN type={} flags={:#04x} ({} bytes)", chunk.chunk_type, chunk.flags, chunk.value.len())
            }
        }
    }
}

/// The first four bytes of a chunk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    pub(crate) chunk_type: u8,
    pub(crate) flags: u8,
    pub(crate) length: u16,
}

impl Header {
    fn peek(buffer: &[u8]) -> Result<Option<Header>, ChunkError> {
        let Some(&[chunk_type, flags, high, low]) = buffer.first_chunk::<HEADER>() else { return Ok(None) };
        let header = Header { chunk_type, flags, length: u16::from_be_bytes([high, low]) };
        if usize::from(header.length) < HEADER { Err(header.bad_length()) } else { Ok(Some(header)) }
    }

    pub(crate) fn bad_length(self) -> ChunkError {
        ChunkError::Length { chunk_type: self.chunk_type, length: self.length }
    }
}

pub(crate) fn put_header(out: &mut BytesMut, chunk_type: u8, flags: u8, value_len: usize) {
    let length = u16::try_from(HEADER + value_len).expect("senders check the length before they build a chunk");
    out.reserve(padded(length.into()));
    out.put_u8(chunk_type);
    out.put_u8(flags);
    out.put_u16(length);
}

/// Pads a value of `len` bytes.
pub(crate) fn put_padding(out: &mut BytesMut, len: usize) {
    //= https://www.ietf.org/archive/id/draft-ietf-rserpool-tcpmapping-03.txt#section-3.1
    //# If the length of the chunk
    //# is not a multiple of 4 bytes, the sender MUST pad the chunk with
    //# all zero bytes and this padding is not included in the chunk
    //# length field.
    out.put_bytes(0, padded(len) - len);
}

/// `len` with its padding.
pub(crate) const fn padded(len: usize) -> usize {
    (len + 3) & !3
}

/// Bytes of a chunk header.
pub(crate) const HEADER: usize = 4;

pub(crate) const DATA: u8 = 0;
pub(crate) const INIT: u8 = 1;
pub(crate) const ACK: u8 = 3;
pub(crate) const HEARTBEAT: u8 = 4;
pub(crate) const HEARTBEAT_ACK: u8 = 5;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_length_below_its_own_header_is_an_error() {
        let mut buffer = BytesMut::from(&[9u8, 0, 0, 3, 0, 0][..]);
        let error = ChunkError::Length { chunk_type: 9, length: 3 };
        assert_eq!(Chunk::decode(&mut buffer, InitFlags::NONE), Err(error));
    }

    #[test]
    fn an_unknown_chunk_is_kept_whole_and_the_next_one_is_found_behind_its_padding() {
        let mut buffer = BytesMut::from(&[0xffu8, 7, 0, 5, 0xaa, 1, 2, 3, 3, 0, 0, 4][..]);
        let unknown = UnknownChunk { chunk_type: 0xff, flags: 7, value: Bytes::from_static(&[0xaa]) };
        assert_eq!(Chunk::decode(&mut buffer, InitFlags::NONE), Ok(Some(Chunk::Unknown(unknown))));
        assert_eq!(Chunk::decode(&mut buffer, InitFlags::NONE), Ok(Some(Chunk::Ack(AckChunk { tsn: None }))));
        assert_eq!(Chunk::decode(&mut buffer, InitFlags::NONE), Ok(None));
    }

    #[test]
    fn a_chunk_is_not_taken_before_its_last_byte_has_come() {
        let mut whole = BytesMut::new();
        Chunk::Heartbeat(HeartbeatChunk { info: Bytes::from_static(b"seven77") }).encode(&mut whole);
        for cut in 0..whole.len() {
            let mut part = BytesMut::from(&whole[..cut]);
            assert_eq!(Chunk::decode(&mut part, InitFlags::NONE), Ok(None), "cut at {cut}");
            assert_eq!(part.len(), cut);
        }
    }

    proptest! {
        #[test]
        fn every_chunk_survives_the_round_trip((flags, chunk) in any_chunk()) {
            let mut bytes = BytesMut::new();
            chunk.encode(&mut bytes);
            prop_assert_eq!(bytes.len() % 4, 0);
            prop_assert_eq!(Chunk::decode(&mut bytes, flags), Ok(Some(chunk)));
            prop_assert!(bytes.is_empty());
        }

        #[test]
        fn any_bytes_decode_or_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200), flags in 0u8..8) {
            let mut buffer = BytesMut::from(&bytes[..]);
            let mut before = usize::MAX;
            while let Ok(Some(_)) = Chunk::decode(&mut buffer, InitFlags(flags)) {
                prop_assert!(buffer.len() < before);
                before = buffer.len();
            }
        }
    }

    fn any_chunk() -> impl Strategy<Value = (InitFlags, Chunk)> {
        let bytes = || proptest::collection::vec(any::<u8>(), 0..9000).prop_map(Bytes::from);
        (0u8..8, bytes(), any::<(u32, u16, u16, u32, bool)>(), 0..6).prop_map(|(flags, data, fields, which)| {
            let (tsn, stream, ssn, ppid, unordered) = fields;
            let flags = InitFlags(flags);
            let chunk = match which {
                0 => Chunk::Data(DataChunk {
                    unordered,
                    tsn: (!flags.no_tsn()).then_some(tsn),
                    stream: (!flags.no_stream()).then_some((stream, ssn)),
                    ppid: (!flags.no_ppid()).then_some(ppid),
                    data,
                }),
                1 => Chunk::Init(InitChunk { flags: InitFlags(tsn as u8) }),
                2 => Chunk::Ack(AckChunk { tsn: unordered.then_some(tsn) }),
                3 => Chunk::Heartbeat(HeartbeatChunk { info: data }),
                4 => Chunk::HeartbeatAck(HeartbeatAckChunk { info: data }),
                _ => Chunk::Unknown(UnknownChunk { chunk_type: 6 + tsn as u8 % 250, flags: ssn as u8, value: data }),
            };
            (flags, chunk)
        })
    }
}
