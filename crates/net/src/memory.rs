// SPDX-License-Identifier: MIT OR Apache-2.0
//! Buffers all associations of a thread share: an idle one has none.

use std::cell::RefCell;

use bytes::BytesMut;

/// Bytes read at once.
pub(crate) const READ: usize = 128 << 10;

/// Room for a few answers.
const WRITE: usize = 1 << 10;

/// After an association had very much to say, the memory is not kept for the others.
const LARGEST_KEPT: usize = 64 << 10;

/// As many associations may have something to say at the same time without asking the allocator.
const MOST_KEPT: usize = 64;

thread_local! {
    static INPUT: RefCell<BytesMut> = RefCell::default();
    static OUTPUT: RefCell<Vec<BytesMut>> = RefCell::default();
}

/// A buffer to read into, with what has come before. Whoever takes it gives it back, and may keep what was split off it.
pub(crate) fn input(before: &[u8]) -> BytesMut {
    let mut buffer = INPUT.take();
    buffer.reserve(before.len() + READ);
    buffer.extend_from_slice(before);
    buffer
}

pub(crate) fn give_back_input(mut buffer: BytesMut) {
    buffer.clear();
    INPUT.replace(buffer);
}

/// An empty buffer to gather in what is to be written.
pub(crate) fn output() -> BytesMut {
    OUTPUT.with_borrow_mut(Vec::pop).unwrap_or_else(|| BytesMut::with_capacity(WRITE))
}

/// Takes an empty buffer that an association has no use for any more, be it this thread's or one of its own.
pub(crate) fn give_back_output(mut buffer: BytesMut) {
    OUTPUT.with_borrow_mut(|kept| {
        if kept.len() < MOST_KEPT && buffer.try_reclaim(WRITE) && buffer.capacity() <= LARGEST_KEPT {
            kept.push(buffer);
        }
    });
}
