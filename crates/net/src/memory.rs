// SPDX-License-Identifier: MIT OR Apache-2.0
//! Buffers all associations of a thread share: an idle one has none.

use std::cell::RefCell;

use bytes::BytesMut;

/// Bytes read at once.
pub(crate) const READ: usize = 64 << 10;

/// Room for the answers of a usual wake-up.
const WRITE: usize = 16 << 10;

/// After one association had very much to say, the memory is not kept for the others.
const MOST_KEPT: usize = 256 << 10;

thread_local! {
    static INPUT: RefCell<BytesMut> = RefCell::default();
    static OUTPUT: RefCell<BytesMut> = RefCell::default();
}

/// An empty buffer to read into. Whoever takes it gives it back, and may keep what was split off it.
pub(crate) fn input() -> BytesMut {
    let mut buffer = INPUT.take();
    buffer.reserve(READ);
    buffer
}

pub(crate) fn give_back_input(mut buffer: BytesMut) {
    buffer.clear();
    INPUT.replace(buffer);
}

/// An empty buffer to gather in what is to be written.
pub(crate) fn output() -> BytesMut {
    match OUTPUT.take() {
        buffer if buffer.capacity() == 0 => BytesMut::with_capacity(WRITE),
        buffer => buffer,
    }
}

/// Takes an empty buffer that an association has no use for any more, be it this thread's or one of its own.
pub(crate) fn give_back_output(mut buffer: BytesMut) {
    OUTPUT.with_borrow_mut(|kept| {
        if kept.capacity() == 0 && buffer.try_reclaim(WRITE) && buffer.capacity() <= MOST_KEPT {
            *kept = buffer;
        }
    });
}
