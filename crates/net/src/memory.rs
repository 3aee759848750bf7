// SPDX-License-Identifier: MIT OR Apache-2.0
//! Buffers all associations of a thread share: an idle one has none.

use std::cell::RefCell;

use bytes::BytesMut;

/// Bytes read at once, less what of a message has come before.
pub(crate) const READ: usize = 128 << 10;

/// Buffers kept although the application still holds messages in them: memory that was used before costs no page fault.
const MOST_INPUTS: usize = 8;

/// Room for a few answers.
const WRITE: usize = 1 << 10;

/// After an association had very much to say, the memory is not kept for the others.
const LARGEST_KEPT: usize = 64 << 10;

/// As many associations may have something to say at the same time without asking the allocator.
const MOST_KEPT: usize = 64;

thread_local! {
    /// The one used last stands last.
    static INPUTS: RefCell<Vec<BytesMut>> = RefCell::default();
    static OUTPUT: RefCell<Vec<BytesMut>> = RefCell::default();
}

/// A buffer to read into, with what has come before. Whoever takes it gives it back, and may keep what was split off it.
pub(crate) fn input(before: &[u8]) -> BytesMut {
    let needed = READ.max(before.len() + READ / 2);
    let mut buffer = INPUTS
        .with_borrow_mut(|kept| {
            let free = kept.iter_mut().rposition(|buffer| buffer.try_reclaim(needed))?;
            Some(kept.remove(free))
        })
        .unwrap_or_else(|| BytesMut::with_capacity(needed));
    buffer.extend_from_slice(before);
    buffer
}

pub(crate) fn give_back_input(mut buffer: BytesMut) {
    buffer.clear();
    INPUTS.with_borrow_mut(|kept| {
        if kept.len() == MOST_INPUTS {
            kept.remove(0);
        }
        kept.push(buffer);
    });
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a message and answers it, as an application holds it.
    fn read() -> BytesMut {
        let mut buffer = input(b"begin");
        buffer.extend_from_slice(&[7; 1_000]);
        let message = buffer.split();
        give_back_input(buffer);
        message
    }

    #[test]
    fn memory_is_used_again_only_when_its_messages_are_gone() {
        let held: Vec<_> = (0..MOST_INPUTS).map(|_| read()).collect();
        let last = read();
        assert!(held.iter().all(|message| message.as_ptr() != last.as_ptr() && message.starts_with(b"begin\x07")));

        let place = last.as_ptr();
        drop(last);
        assert_eq!(read().as_ptr(), place);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let held: Vec<_> = (0..3 * MOST_INPUTS).map(|_| read()).collect();
        drop(held);
        assert_eq!(INPUTS.with_borrow(Vec::len), MOST_INPUTS);
    }
}
