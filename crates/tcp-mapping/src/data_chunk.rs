// SPDX-License-Identifier: MIT OR Apache-2.0
//! The DATA chunk, draft §3.2.

use std::fmt;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::chunk::{DATA, HEADER, Header, padded, put_header, put_padding};
use crate::{ChunkError, InitFlags, MAX_PAYLOAD};

/// DATA: one message. The INIT of its direction says which of the three words after the first are there.
///
/// ```text
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |   Type = 0    | Reserved|U|R R|    Length                     |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                              TSN                              |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |      Stream Identifier S      |   Stream Sequence Number n    |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                  Payload Protocol Identifier                  |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// \                 User Data (seq n of Stream S)                 \
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataChunk {
    /// U bit: no stream sequence number is assigned.
    pub unordered: bool,
    /// Transmission Sequence Number (TSN).
    pub tsn: Option<u32>,
    /// Stream Identifier and Stream Sequence Number.
    pub stream: Option<(u16, u16)>,
    /// Payload Protocol Identifier (PPID).
    pub ppid: Option<u32>,
    /// User Data without padding.
    pub data: Bytes,
}

impl DataChunk {
    /// Takes the chunk behind `header`, which is whole, off `buffer`.
    pub(crate) fn take(buffer: &mut BytesMut, header: Header, sender: InitFlags) -> Result<Self, ChunkError> {
        let (length, start) = (usize::from(header.length), HEADER + sender.fields_len());
        if length < start {
            return Err(header.bad_length());
        }
        let mut fields = &buffer[HEADER..start];
        let tsn = (!sender.no_tsn()).then(|| fields.get_u32());
        let stream = (!sender.no_stream()).then(|| (fields.get_u16(), fields.get_u16()));
        let ppid = (!sender.no_ppid()).then(|| fields.get_u32());
        let data = if length - start < COPY_BELOW {
            let data = Bytes::copy_from_slice(&buffer[start..length]);
            buffer.advance(padded(length));
            data
        } else {
            buffer.split_to(padded(length)).freeze().slice(start..length)
        };
        Ok(DataChunk { unordered: header.flags & UNORDERED != 0, tsn, stream, ppid, data })
    }

    /// Appends the chunk and its padding to `out`.
    pub fn encode(&self, out: &mut BytesMut) {
        self.encode_head(out);
        out.put_slice(&self.data);
        put_padding(out, self.data.len());
    }

    /// Appends all that stands before the user data.
    pub(crate) fn encode_head(&self, out: &mut BytesMut) {
        let fields = 4 * (usize::from(self.tsn.is_some()) + usize::from(self.stream.is_some()))
            + 4 * usize::from(self.ppid.is_some());
        put_header(out, DATA, if self.unordered { UNORDERED } else { 0 }, fields + self.data.len());
        if let Some(tsn) = self.tsn {
            out.put_u32(tsn);
        }
        if let Some((stream, ssn)) = self.stream {
            out.put_u16(stream);
            out.put_u16(ssn);
        }
        if let Some(ppid) = self.ppid {
            out.put_u32(ppid);
        }
    }
}

/// Fills in all that stands before user data of `len` bytes, ordered and on stream 0. `false` if no DATA chunk can carry so much, or so little.
pub(crate) fn put_full_head(mut head: &mut [u8], (tsn, ssn): (u32, u16), ppid: u32, len: usize) -> bool {
    if len == 0 || len > MAX_PAYLOAD {
        return false;
    }
    head.put_u8(DATA);
    head.put_u8(0);
    head.put_u16((FULL_HEAD + len) as u16);
    head.put_u32(tsn);
    head.put_u16(0);
    head.put_u16(ssn);
    head.put_u32(ppid);
    true
}

impl fmt::Display for DataChunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DATA")?;
        if let Some(tsn) = self.tsn {
            write!(f, " tsn={tsn}")?;
        }
        if let Some((stream, ssn)) = self.stream {
            write!(f, " stream={stream}")?;
            if !self.unordered {
                write!(f, " ssn={ssn}")?;
            }
        }
        if let Some(ppid) = self.ppid {
            write!(f, " ppid={ppid}")?;
        }
        if self.unordered {
            f.write_str(" unordered")?;
        }
        write!(f, " ({} bytes)", self.data.len())
    }
}

/// Bytes before the user data if no field is left out.
pub(crate) const FULL_HEAD: usize = HEADER + InitFlags::NONE.fields_len();

/// The U bit.
const UNORDERED: u8 = 0x04;

/// Shorter user data is copied. A few bytes split off a large read buffer would keep all of it alive for as long as the
/// message waits, and a peer could make us hold far more than the caps count.
const COPY_BELOW: usize = 8192;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Chunk;

    #[test]
    fn each_field_is_there_unless_its_flag_says_otherwise() {
        let words: [u8; 17] = [0, 4, 0, 17, 0, 0, 0, 9, 0, 2, 0, 3, 0, 0, 0, 11, 0x77];
        let padded = [&words[..], &[0; 3]].concat();
        let decode = |flags| match Chunk::decode(&mut BytesMut::from(&padded[..]), flags) {
            Ok(Some(Chunk::Data(data))) => data,
            other => panic!("{other:?}"),
        };
        assert_eq!(decode(InitFlags::NONE).to_string(), "DATA tsn=9 stream=2 ppid=11 unordered (1 bytes)");
        assert_eq!(decode(InitFlags::NO_TSN).stream, Some((0, 9)));
        assert_eq!(decode(InitFlags::NO_STREAM).ppid, Some(0x0002_0003));
        assert_eq!(decode(InitFlags::NO_PPID).data.len(), 5);
        assert_eq!(decode(InitFlags(7)).data.len(), 13);
    }

    #[test]
    fn a_length_that_ends_inside_the_fields_is_refused() {
        let mut buffer = BytesMut::from(&[0u8, 0, 0, 15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..]);
        let error = ChunkError::Length { chunk_type: 0, length: 15 };
        assert_eq!(Chunk::decode(&mut buffer, InitFlags::NONE), Err(error));
    }
}
