// SPDX-License-Identifier: MIT OR Apache-2.0
//! The INIT chunk, draft §3.3.

use std::fmt;

use bytes::BytesMut;

use crate::ChunkError;
use crate::chunk::{Header, INIT, put_header};

/// INIT: says once, as the first bytes of a direction, which fields its DATA chunks leave out.
///
/// ```text
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |   Type = 1    |reservd  |P|S|T|    Chunk Length = 4           |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InitChunk {
    /// The fields left out.
    pub flags: InitFlags,
}

/// Chunk Flags of an INIT. Reserved bits are kept as they came and mean nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InitFlags(pub u8);

impl InitFlags {
    /// DATA carries every field. Our default.
    pub const NONE: InitFlags = InitFlags(0);
    /// The TSN is left out of DATA, and should be left out of the ACKs that answer it.
    pub const NO_TSN: InitFlags = InitFlags(0x01);
    /// Stream identifier and stream sequence number are left out.
    pub const NO_STREAM: InitFlags = InitFlags(0x02);
    /// The payload protocol identifier is left out.
    pub const NO_PPID: InitFlags = InitFlags(0x04);

    /// Whether the TSN is left out.
    pub const fn no_tsn(self) -> bool {
        self.0 & Self::NO_TSN.0 != 0
    }

    /// Whether stream identifier and stream sequence number are left out.
    pub const fn no_stream(self) -> bool {
        self.0 & Self::NO_STREAM.0 != 0
    }

    /// Whether the payload protocol identifier is left out.
    pub const fn no_ppid(self) -> bool {
        self.0 & Self::NO_PPID.0 != 0
    }

    /// Bytes of the fields a DATA chunk has under these flags.
    pub const fn fields_len(self) -> usize {
        4 * (3 - (self.0 & 0x07).count_ones() as usize)
    }
}

impl InitChunk {
    pub(crate) fn decode(header: Header, value: &[u8]) -> Result<Self, ChunkError> {
        //= https://www.ietf.org/archive/id/draft-ietf-rserpool-tcpmapping-03.txt#section-3.3
        //# MUST be set to 0x0004.
        if !value.is_empty() {
            return Err(header.bad_length());
        }
        Ok(InitChunk { flags: InitFlags(header.flags) })
    }

    /// Whether `first`, the first four bytes of a stream, are an INIT: `01 xx 00 04`.
    pub fn opens(first: [u8; 4]) -> bool {
        matches!(first, [INIT, _, 0, 4])
    }

    /// Appends the chunk to `out`.
    pub fn encode(&self, out: &mut BytesMut) {
        put_header(out, INIT, self.flags.0, 0);
    }
}

impl fmt::Display for InitChunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "INIT flags={:#04x}", self.flags.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Chunk;

    #[test]
    fn the_three_low_bits_are_read_one_by_one() {
        let mut buffer = BytesMut::from(&[1u8, 0xf5, 0, 4][..]);
        let Ok(Some(Chunk::Init(init))) = Chunk::decode(&mut buffer, InitFlags::NONE) else { panic!("an INIT") };
        assert_eq!((init.flags.no_tsn(), init.flags.no_stream(), init.flags.no_ppid()), (true, false, true));
        assert_eq!(init.flags.fields_len(), 4);
        assert_eq!(init.to_string(), "INIT flags=0xf5");
    }

    #[test]
    fn an_init_of_another_length_is_refused() {
        let mut buffer = BytesMut::from(&[1u8, 0, 0, 8, 0, 0, 0, 0][..]);
        let error = ChunkError::Length { chunk_type: 1, length: 8 };
        assert_eq!(Chunk::decode(&mut buffer, InitFlags::NONE), Err(error));
        assert!(InitChunk::opens([1, 0xff, 0, 4]));
        assert!(!InitChunk::opens([1, 0, 0, 8]));
    }
}
