// SPDX-License-Identifier: MIT OR Apache-2.0
//! The messages of the mirrored file transfer, after the example in draft-ietf-rserpool-service §4.5.2: a request has a file name and an offset, and
//! is answered by portions of the file from there to its end.

/// Asks for a file from a byte on.
pub struct Request {
    /// Its name, relative to the mirror's directory.
    pub name: String,
    /// The first byte wanted.
    pub offset: u64,
}

impl Request {
    /// As a message.
    pub fn encode(&self) -> Vec<u8> {
        [&self.offset.to_be_bytes()[..], self.name.as_bytes()].concat()
    }

    /// From a message; `None` if it is another.
    pub fn decode(bytes: &[u8]) -> Option<Request> {
        let (offset, name) = bytes.split_first_chunk()?;
        Some(Request { name: String::from_utf8(name.to_vec()).ok()?, offset: u64::from_be_bytes(*offset) })
    }
}

/// Some bytes of the file, where they belong, and how long the file is.
pub struct Portion<'a> {
    /// Where they belong.
    pub offset: u64,
    /// Length of the whole file; [`NO_FILE`] if there is none; then `data` says why.
    pub total: u64,
    /// The bytes.
    pub data: &'a [u8],
}

impl<'a> Portion<'a> {
    /// As a message.
    pub fn encode(&self) -> Vec<u8> {
        let length = self.data.len() as u32;
        [&self.offset.to_be_bytes()[..], &length.to_be_bytes(), &self.total.to_be_bytes(), self.data].concat()
    }

    /// From a message; `None` if it is another.
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (offset, rest) = bytes.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (total, data) = rest.split_first_chunk()?;
        let (offset, length) = (u64::from_be_bytes(*offset), u32::from_be_bytes(*length));
        (data.len() == length as usize).then(|| Portion { offset, total: u64::from_be_bytes(*total), data })
    }
}

/// The length of a file that is not there.
pub const NO_FILE: u64 = u64::MAX;
