// SPDX-License-Identifier: MIT OR Apache-2.0
//! A place in received bytes that can neither leave them nor panic.

use bytes::Bytes;

/// The part of `whole` from `position` to `end` that is still to be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a> {
    whole: &'a Bytes,
    position: usize,
    end: usize,
}

impl<'a> Cursor<'a> {
    /// All of `whole`.
    pub(crate) fn new(whole: &'a Bytes) -> Self {
        Cursor { whole, position: 0, end: whole.len() }
    }

    /// How many bytes are left.
    pub(crate) fn remaining(&self) -> usize {
        self.end - self.position
    }

    /// Whether nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.remaining() == 0
    }

    /// The next `length` bytes as a cursor of their own, or `None` if there are fewer.
    pub(crate) fn take(&mut self, length: usize) -> Option<Cursor<'a>> {
        if length > self.remaining() {
            return None;
        }
        let taken = Cursor { whole: self.whole, position: self.position, end: self.position + length };
        self.position = taken.end;
        Some(taken)
    }

    /// Leaves out up to `length` bytes: padding may be cut off at the end.
    pub(crate) fn skip_up_to(&mut self, length: usize) {
        self.position += length.min(self.remaining());
    }

    /// The next byte.
    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    /// The next two bytes.
    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    /// The next four bytes.
    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// The next eight bytes.
    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// The next `N` bytes.
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let array = *self.as_slice().first_chunk()?;
        self.position += N;
        Some(array)
    }

    /// What is left, borrowed.
    pub(crate) fn as_slice(&self) -> &'a [u8] {
        self.whole.get(self.position..self.end).unwrap_or_default()
    }

    /// What is left, sharing the memory it was received in.
    pub(crate) fn to_bytes(self) -> Bytes {
        self.whole.slice(self.position..self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_never_leaves_its_part() {
        let bytes = Bytes::from_static(&[1, 2, 3, 4, 5, 6]);
        let mut cursor = Cursor::new(&bytes);
        let mut part = cursor.take(3).expect("six bytes are there");
        assert_eq!(part.u16(), Some(0x0102));
        assert_eq!(part.u16(), None, "the part ends after one more byte");
        assert_eq!(part.u8(), Some(3));
        assert!(part.is_empty());
        assert_eq!(cursor.take(4).map(|c| c.remaining()), None);
        cursor.skip_up_to(100);
        assert_eq!(cursor.remaining(), 0);
        assert_eq!(cursor.to_bytes(), Bytes::new());
    }
}
