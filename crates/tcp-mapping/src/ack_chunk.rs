// SPDX-License-Identifier: MIT OR Apache-2.0
//! The ACK chunk, draft §3.4.

use std::fmt;

use bytes::{BufMut, BytesMut};

use crate::ChunkError;
use crate::chunk::{ACK, Header, put_header};

/// ACK: the upper layer has taken one more DATA. The TSN repeats what its position says already.
///
/// ```text
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |   Type = 3    |Chunk  Flags   |      Chunk Length             |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                Cumulative TSN Ack (optional)                  |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AckChunk {
    /// Cumulative TSN Ack.
    pub tsn: Option<u32>,
}

impl AckChunk {
    pub(crate) fn decode(header: Header, value: &[u8]) -> Result<Self, ChunkError> {
        match value {
            [] => Ok(AckChunk { tsn: None }),
            &[a, b, c, d] => Ok(AckChunk { tsn: Some(u32::from_be_bytes([a, b, c, d])) }),
            _ => Err(header.bad_length()),
        }
    }

    /// Appends the chunk to `out`.
    pub fn encode(&self, out: &mut BytesMut) {
        put_header(out, ACK, 0, if self.tsn.is_some() { 4 } else { 0 });
        if let Some(tsn) = self.tsn {
            out.put_u32(tsn);
        }
    }
}

impl fmt::Display for AckChunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.tsn {
            Some(tsn) => write!(f, "ACK tsn={tsn}"),
            None => f.write_str("ACK"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Chunk, InitFlags};

    #[test]
    fn the_length_says_whether_the_tsn_is_there() {
        let mut buffer = BytesMut::from(&[3u8, 0, 0, 8, 0xff, 0xff, 0xff, 0xfe, 3, 0, 0, 4][..]);
        let ack = |tsn| Ok(Some(Chunk::Ack(AckChunk { tsn })));
        assert_eq!(Chunk::decode(&mut buffer, InitFlags::NO_TSN), ack(Some(u32::MAX - 1)));
        assert_eq!(Chunk::decode(&mut buffer, InitFlags::NONE), ack(None));
    }

    #[test]
    fn an_ack_of_another_length_is_refused() {
        let mut buffer = BytesMut::from(&[3u8, 0, 0, 6, 0, 0, 0, 0][..]);
        let error = ChunkError::Length { chunk_type: 3, length: 6 };
        assert_eq!(Chunk::decode(&mut buffer, InitFlags::NONE), Err(error));
    }
}
