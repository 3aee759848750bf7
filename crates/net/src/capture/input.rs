// SPDX-License-Identifier: MIT OR Apache-2.0
//! The file as a sequence of parts, with the place of each for error messages.

use std::io::{self, BufReader, Read};

use super::CaptureError;

pub(super) struct Input<R> {
    inner: BufReader<R>,
    offset: u64,
}

impl<R: Read> Input<R> {
    pub(super) fn new(inner: R) -> Self {
        Input { inner: BufReader::new(inner), offset: 0 }
    }

    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// The next `N` bytes, or `None` if the file ends right here.
    pub(super) fn header<const N: usize>(&mut self, what: &'static str) -> Result<Option<[u8; N]>, CaptureError> {
        let mut header = [0; N];
        let mut filled = 0;
        while filled < N {
            match self.inner.read(&mut header[filled..]) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => return Err(CaptureError::CutOff { offset: self.offset, what }),
                Ok(n) => filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(CaptureError::Io { offset: self.offset, source }),
            }
        }
        self.offset += N as u64;
        Ok(Some(header))
    }

    /// Replaces what is in `buffer` by the next `length` bytes. Memory grows with the bytes that are there, not with
    /// `length`.
    pub(super) fn read(&mut self, buffer: &mut Vec<u8>, length: u64, what: &'static str) -> Result<(), CaptureError> {
        buffer.clear();
        let read = (&mut self.inner).take(length).read_to_end(buffer);
        self.passed(read.map(|n| n as u64), length, what)
    }

    /// Passes over the next `length` bytes.
    pub(super) fn skip(&mut self, length: u64, what: &'static str) -> Result<(), CaptureError> {
        let read = io::copy(&mut (&mut self.inner).take(length), &mut io::sink());
        self.passed(read, length, what)
    }

    fn passed(&mut self, read: io::Result<u64>, length: u64, what: &'static str) -> Result<(), CaptureError> {
        match read {
            Ok(n) if n == length => {
                self.offset += n;
                Ok(())
            }
            Ok(_) => Err(CaptureError::CutOff { offset: self.offset, what }),
            Err(source) => Err(CaptureError::Io { offset: self.offset, source }),
        }
    }
}

/// The byte order of the machine that wrote the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ByteOrder {
    Big,
    Little,
}

impl ByteOrder {
    pub(super) fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            ByteOrder::Big => u16::from_be_bytes(bytes),
            ByteOrder::Little => u16::from_le_bytes(bytes),
        }
    }

    pub(super) fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            ByteOrder::Big => u32::from_be_bytes(bytes),
            ByteOrder::Little => u32::from_le_bytes(bytes),
        }
    }

    pub(super) fn u64(self, bytes: [u8; 8]) -> u64 {
        match self {
            ByteOrder::Big => u64::from_be_bytes(bytes),
            ByteOrder::Little => u64::from_le_bytes(bytes),
        }
    }
}
