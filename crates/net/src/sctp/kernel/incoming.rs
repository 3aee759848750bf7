// SPDX-License-Identifier: MIT OR Apache-2.0
//! What was received: pieces become messages, and what is handed up is counted until it is taken.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::socket::ReceiveInfo;
use crate::MAX_PAYLOAD;

/// One direction of an association.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    /// The beginning of a message whose rest is to come (partial delivery, RFC 6458 §8.1.21), and what its first piece said of it.
    partial: Option<(ReceiveInfo, BytesMut)>,
    /// The number of the oldest message that is not taken.
    oldest: u64,
    /// What each message from that one on counts; none when it is taken.
    untaken: VecDeque<usize>,
    untaken_bytes: usize,
}

/// A message from the peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Arrived {
    pub(super) sequence: u64,
    pub(super) info: ReceiveInfo,
    pub(super) data: Bytes,
}

/// Pieces no message is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadPiece {
    /// A message longer than any we carry.
    TooLong,
    /// It does not continue the one before it.
    OfAnother,
}

impl Incoming {
    /// A message or the next piece of one. The whole message with its last piece.
    pub(super) fn piece(&mut self, info: ReceiveInfo, data: BytesMut, more: bool) -> Result<Option<Arrived>, BadPiece> {
        let data = match self.partial.take() {
            Some((first, _)) if first != info => return Err(BadPiece::OfAnother),
            Some((_, whole)) if whole.len() + data.len() > MAX_PAYLOAD => return Err(BadPiece::TooLong),
            Some((_, mut whole)) => {
                whole.extend_from_slice(&data);
                whole
            }
            None if data.len() > MAX_PAYLOAD => return Err(BadPiece::TooLong),
            // It must not keep what it was read into, of which it is a part.
            None if more => BytesMut::from(&data[..]),
            None => data,
        };
        if more {
            self.partial = Some((info, data));
            return Ok(None);
        }
        // Nor a short one, as on TCP.
        let data = if data.len() < COPY_BELOW { Bytes::copy_from_slice(&data) } else { data.freeze() };
        let sequence = self.oldest + self.untaken.len() as u64;
        let counts = data.len() + PER_MESSAGE;
        self.untaken.push_back(counts);
        self.untaken_bytes += counts;
        Ok(Some(Arrived { sequence, info, data }))
    }

    /// A message or piece of one that nobody wants any more.
    pub(super) fn dropped(&mut self, info: ReceiveInfo, more: bool) {
        self.partial = more.then(|| (info, BytesMut::new()));
    }

    /// The rest of the message will not come.
    pub(super) fn drop_partial(&mut self) {
        self.partial = None;
    }

    /// Inside a message. The kernel puts off all its news until the rest has been read.
    pub(super) fn is_partial(&self) -> bool {
        self.partial.is_some()
    }

    pub(super) fn taken(&mut self, sequence: u64) {
        let Some(index) = sequence.checked_sub(self.oldest).and_then(|index| usize::try_from(index).ok()) else {
            return;
        };
        let Some(counts) = self.untaken.get_mut(index) else { return };
        self.untaken_bytes -= std::mem::take(counts);
        while self.untaken.front() == Some(&0) {
            self.untaken.pop_front();
            self.oldest += 1;
        }
    }

    /// Bytes handed up and not taken.
    pub(super) fn untaken_bytes(&self) -> usize {
        self.untaken_bytes
    }
}

/// What each message counts beside its data: never nothing.
const PER_MESSAGE: usize = 16;

/// A shorter message does not keep the memory it was read into.
const COPY_BELOW: usize = 4 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn info() -> ReceiveInfo {
        ReceiveInfo { stream: 3, ppid: 11, ..ReceiveInfo::default() }
    }

    #[test]
    fn pieces_become_one_message_and_the_next_is_another() {
        let mut incoming = Incoming::default();
        assert_eq!(incoming.piece(info(), (&b"ab"[..]).into(), true), Ok(None));
        assert_eq!(incoming.piece(info(), (&b"cd"[..]).into(), true), Ok(None));
        let arrived = incoming.piece(info(), (&b"e"[..]).into(), false).unwrap().unwrap();
        assert_eq!(arrived, Arrived { sequence: 0, info: info(), data: Bytes::from_static(b"abcde") });
        let arrived = incoming.piece(info(), (&b"f"[..]).into(), false).unwrap().unwrap();
        assert_eq!((arrived.sequence, &arrived.data[..]), (1, &b"f"[..]));
    }

    #[test]
    fn a_message_whose_rest_does_not_come_leaves_nothing() {
        let mut incoming = Incoming::default();
        incoming.piece(info(), (&b"ab"[..]).into(), true).unwrap();
        incoming.drop_partial();
        let arrived = incoming.piece(info(), (&b"c"[..]).into(), false).unwrap().unwrap();
        assert_eq!(&arrived.data[..], b"c");
    }

    #[test]
    fn a_message_without_end_is_refused_before_it_fills_the_memory() {
        let mut incoming = Incoming::default();
        let piece = BytesMut::zeroed(MAX_PAYLOAD - 1);
        assert_eq!(incoming.piece(info(), piece, true), Ok(None));
        assert_eq!(incoming.piece(info(), BytesMut::zeroed(2), true), Err(BadPiece::TooLong));
        assert!(!incoming.is_partial());
    }

    #[test]
    fn pieces_of_two_messages_do_not_become_one() {
        for other in [
            ReceiveInfo { stream: 4, ..info() },
            ReceiveInfo { ppid: 12, ..info() },
            ReceiveInfo { unordered: true, ..info() },
        ] {
            let mut incoming = Incoming::default();
            assert_eq!(incoming.piece(info(), (&b"ab"[..]).into(), true), Ok(None));
            assert_eq!(incoming.piece(other, (&b"cd"[..]).into(), false), Err(BadPiece::OfAnother));
        }
    }

    #[test]
    fn it_is_known_whether_a_message_is_being_read_even_if_nobody_wants_it() {
        let mut incoming = Incoming::default();
        assert!(!incoming.is_partial());
        incoming.piece(info(), (&b"ab"[..]).into(), true).unwrap();
        assert!(incoming.is_partial());
        incoming.dropped(info(), true);
        assert!(incoming.is_partial());
        incoming.dropped(info(), false);
        assert!(!incoming.is_partial());
    }

    #[test]
    fn a_short_message_does_not_keep_the_memory_it_was_read_into() {
        let (mut incoming, mut buffer) = (Incoming::default(), BytesMut::with_capacity(64 << 10));
        buffer.resize(COPY_BELOW, 7);
        let short = buffer.split_to(COPY_BELOW - 1);
        let arrived = incoming.piece(info(), short, false).unwrap().unwrap();
        assert_eq!(arrived.data.len(), COPY_BELOW - 1);
        buffer.clear();
        assert!(buffer.try_reclaim(64 << 10), "it is still in use");
    }

    #[test]
    fn what_is_taken_in_any_order_counts_no_more_and_twice_is_harmless() {
        let mut incoming = Incoming::default();
        for _ in 0..3 {
            incoming.piece(info(), (&b"abcd"[..]).into(), false).unwrap();
        }
        assert_eq!(incoming.untaken_bytes(), 60);
        for sequence in [1, 1, 7, u64::MAX] {
            incoming.taken(sequence);
        }
        assert_eq!((incoming.untaken_bytes(), incoming.oldest), (40, 0));
        incoming.taken(0);
        assert_eq!((incoming.untaken_bytes(), incoming.oldest), (20, 2));
        incoming.taken(0);
        incoming.taken(2);
        assert_eq!((incoming.untaken_bytes(), incoming.oldest), (0, 3));
    }
}
