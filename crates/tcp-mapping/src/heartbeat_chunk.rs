// SPDX-License-Identifier: MIT OR Apache-2.0
//! The HEARTBEAT chunk and its ACK, draft §3.5 and §3.6.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use crate::ChunkError;
use crate::chunk::{HEADER, HEARTBEAT, HEARTBEAT_ACK, Header, put_header, put_padding};

/// HEARTBEAT: asks the peer for a sign of life.
///
/// ```text
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |   Type = 4    | Chunk  Flags  |      Heartbeat Length         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |    Heartbeat Info Type=1      |         HB Info Length        |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// \                  Sender-specific Heartbeat Info               \
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeartbeatChunk {
    /// Sender-specific Heartbeat Info.
    pub info: Bytes,
}

/// HEARTBEAT ACK: gives the information of a HEARTBEAT back. Looks like it, with type 5.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeartbeatAckChunk {
    /// The Heartbeat Info of the HEARTBEAT it answers.
    pub info: Bytes,
}

impl HeartbeatChunk {
    pub(crate) fn decode(header: Header, value: &[u8]) -> Result<Self, ChunkError> {
        decode_info(header, value).map(|info| HeartbeatChunk { info })
    }

    /// Appends the chunk and its padding to `out`.
    pub fn encode(&self, out: &mut BytesMut) {
        encode_info(out, HEARTBEAT, &self.info);
    }
}

impl HeartbeatAckChunk {
    pub(crate) fn decode(header: Header, value: &[u8]) -> Result<Self, ChunkError> {
        decode_info(header, value).map(|info| HeartbeatAckChunk { info })
    }

    /// Appends the chunk and its padding to `out`.
    pub fn encode(&self, out: &mut BytesMut) {
        encode_info(out, HEARTBEAT_ACK, &self.info);
    }
}

impl fmt::Display for HeartbeatChunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HEARTBEAT ({} bytes)", self.info.len())
    }
}

impl fmt::Display for HeartbeatAckChunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HEARTBEAT ACK ({} bytes)", self.info.len())
    }
}

fn decode_info(header: Header, value: &[u8]) -> Result<Bytes, ChunkError> {
    let error = ChunkError::HeartbeatInfo { chunk_type: header.chunk_type };
    let Some((&[type_high, type_low, high, low], _)) = value.split_first_chunk::<HEADER>() else { return Err(error) };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if u16::from_be_bytes([type_high, type_low]) != INFO {
        return Err(error);
    }
    value.get(HEADER..length).map(Bytes::copy_from_slice).ok_or(error)
}

fn encode_info(out: &mut BytesMut, chunk_type: u8, info: &[u8]) {
    put_header(out, chunk_type, 0, HEADER + info.len());
    out.put_u16(INFO);
    out.put_u16(u16::try_from(HEADER + info.len()).expect("put_header has checked a greater length"));
    out.put_slice(info);
    put_padding(out, info.len());
}

/// Type of the Heartbeat Info parameter.
const INFO: u16 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Chunk, InitFlags};

    #[test]
    fn the_information_is_read_by_its_own_length() {
        let bytes = [4u8, 0, 0, 12, 0, 1, 0, 7, b'a', b'b', b'c', 0];
        let Ok(Some(Chunk::Heartbeat(chunk))) = Chunk::decode(&mut BytesMut::from(&bytes[..]), InitFlags::NONE) else {
            panic!("a HEARTBEAT")
        };
        assert_eq!(&chunk.info[..], b"abc");
        let mut ack = BytesMut::new();
        HeartbeatAckChunk { info: chunk.info }.encode(&mut ack);
        assert_eq!(&ack[..], [5u8, 0, 0, 11, 0, 1, 0, 7, b'a', b'b', b'c', 0]);
    }

    #[test]
    fn a_heartbeat_without_sound_information_is_refused() {
        for value in [&[0u8, 1][..], &[0, 2, 0, 4], &[0, 1, 0, 3], &[0, 1, 0, 5], &[]] {
            let header = Header { chunk_type: 4, flags: 0, length: (4 + value.len()) as u16 };
            assert_eq!(HeartbeatChunk::decode(header, value), Err(ChunkError::HeartbeatInfo { chunk_type: 4 }));
        }
    }
}
