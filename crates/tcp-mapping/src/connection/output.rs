// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bytes waiting to be written, in order.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// The queue between the chunks and the socket. Short pieces are gathered, long payloads are queued as they are and
/// written from where they lie.
#[derive(Debug, Default)]
pub(super) struct OutputQueue {
    blocks: VecDeque<Bytes>,
    /// What comes after `blocks`, still growing.
    tail: BytesMut,
    len: usize,
    /// All bytes ever written: a position in the stream.
    written: u64,
    control: ControlBytes,
}

/// How many bytes of ACKs and heartbeats wait, without a mark on each: the older ones are forgotten when the stream has
/// been written up to where they ended. May count some that are written already, never too few.
#[derive(Debug, Default)]
struct ControlBytes {
    older: usize,
    older_end: u64,
    newer: usize,
}

impl OutputQueue {
    /// Appends what `put` writes.
    pub(super) fn push(&mut self, put: impl FnOnce(&mut BytesMut)) {
        let before = self.tail.len();
        put(&mut self.tail);
        self.len += self.tail.len() - before;
    }

    /// Appends what `put` writes if it says `true`, else nothing.
    pub(super) fn push_if(&mut self, put: impl FnOnce(&mut BytesMut) -> bool) -> bool {
        let before = self.tail.len();
        let keep = put(&mut self.tail);
        if !keep {
            self.tail.truncate(before);
        }
        self.len += self.tail.len() - before;
        keep
    }

    /// Of what was pushed last, so many bytes are of chunks that nobody's window bounds.
    pub(super) fn count_control(&mut self, bytes: usize) {
        self.control.newer += bytes;
    }

    /// As [`push`](Self::push), for chunks that nobody's window bounds.
    pub(super) fn push_control(&mut self, put: impl FnOnce(&mut BytesMut)) {
        let before = self.len;
        self.push(put);
        self.count_control(self.len - before);
    }

    /// Appends a payload.
    pub(super) fn push_payload(&mut self, payload: Bytes) {
        self.len += payload.len();
        if payload.len() < GATHER_BELOW {
            self.tail.put_slice(&payload);
            return;
        }
        if !self.tail.is_empty() {
            self.blocks.push_back(self.tail.split().freeze());
        }
        self.blocks.push_back(payload);
    }

    /// Fills `slices` with what comes first and answers how many it filled.
    pub(super) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let waiting =
            self.blocks.iter().map(|block| &block[..]).chain((!self.tail.is_empty()).then_some(&self.tail[..]));
        slices.iter_mut().zip(waiting).map(|(slot, bytes)| *slot = IoSlice::new(bytes)).count()
    }

    /// Forgets the first `count` bytes: they are written.
    ///
    /// # Panics
    /// If there are not so many.
    pub(super) fn written(&mut self, mut count: usize) {
        self.len = self.len.checked_sub(count).expect("no more is written than was queued");
        self.written += count as u64;
        while let Some(block) = self.blocks.front_mut() {
            if count < block.len() {
                block.advance(count);
                count = 0;
                break;
            }
            count -= block.len();
            self.blocks.pop_front();
        }
        self.tail.advance(count);
        if self.written >= self.control.older_end {
            let newer = std::mem::take(&mut self.control.newer);
            self.control = ControlBytes { older: newer, older_end: self.end(), newer: 0 };
        }
    }

    /// Bytes waiting.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of control chunks waiting, at most.
    pub(super) fn control_len(&self) -> usize {
        (self.control.older + self.control.newer).min(self.len)
    }

    /// Position in the stream behind the last byte queued.
    pub(super) fn end(&self) -> u64 {
        self.written + self.len as u64
    }

    /// Position in the stream up to which everything is written.
    pub(super) fn position(&self) -> u64 {
        self.written
    }

    /// Memory to gather short pieces in, if there is none yet.
    pub(super) fn lend(&mut self, memory: BytesMut) {
        if self.tail.capacity() == 0 {
            self.tail = memory;
        }
    }

    /// Takes its memory back once all is written.
    pub(super) fn take_back(&mut self) -> Option<BytesMut> {
        self.is_empty().then(|| std::mem::take(&mut self.tail))
    }

    /// Nothing more will be written.
    pub(super) fn clear(&mut self) {
        *self = OutputQueue::default();
    }
}

/// Shorter payloads are copied behind their header: one slice less to write costs more than the copy.
const GATHER_BELOW: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    fn gather(queue: &OutputQueue) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); 8];
        let count = queue.slices(&mut slices);
        slices[..count].iter().flat_map(|slice| slice.to_vec()).collect()
    }

    #[test]
    fn bytes_leave_in_the_order_they_came_wherever_the_writes_cut() {
        let mut queue = OutputQueue::default();
        queue.push(|out| out.put_slice(b"head"));
        queue.push_payload(Bytes::from(vec![1; 3000]));
        queue.push(|out| out.put_slice(b"pad"));
        queue.push_payload(Bytes::from_static(b"short"));
        let all = [b"head", &[1; 3000][..], b"padshort"].concat();
        assert_eq!((queue.len(), gather(&queue)), (all.len(), all.clone()));
        for cut in [2, 5, 2990, 6, 1] {
            let rest = gather(&queue);
            queue.written(cut);
            assert_eq!(gather(&queue), rest[cut..]);
        }
        queue.written(queue.len());
        assert_eq!((queue.is_empty(), queue.position()), (true, all.len() as u64));
    }

    #[test]
    fn a_long_payload_is_not_copied() {
        let payload = Bytes::from(vec![7; 60_000]);
        let mut queue = OutputQueue::default();
        queue.push_payload(payload.clone());
        let mut slices = [IoSlice::new(&[]); 1];
        assert_eq!(queue.slices(&mut slices), 1);
        assert_eq!(slices[0].as_ptr(), payload.as_ptr());
    }

    #[test]
    fn control_bytes_are_forgotten_once_written_even_if_the_queue_is_never_empty() {
        let mut queue = OutputQueue::default();
        queue.push_payload(Bytes::from(vec![0; 100]));
        for _ in 0..1000 {
            queue.push_control(|out| out.put_bytes(3, 8));
            queue.push_payload(Bytes::from(vec![0; 92]));
            queue.written(100);
            assert!(queue.control_len() <= 32, "{}", queue.control_len());
        }
        for round in 1..10 {
            queue.push_control(|out| out.put_bytes(3, 8));
            assert!(queue.control_len() >= round * 8, "nothing was written, so every byte counts");
        }
    }
}
