// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which messages have not been delivered: the exact set, in the order they were sent.
//!
//! Messages that are to share packets are handed to dcSCTP together, and share the identifier their fate is reported by. So the
//! identifier names the stream. A stream's messages get their TSNs in the order they are handed over, ordered or not
//! (tx/send_queue.rs keeps one queue for each), and their delivery is reported in the order of TSNs as the Cumulative TSN Ack passes
//! them (tx/outstanding_data.rs `remove_acked`): the n-th report of a stream is that of its n-th message. A message with
//! a lifetime may be given up while those before it are on their way, and has an identifier of its own.

use std::collections::{BTreeMap, VecDeque};

use machine::association::Token;

/// The tokens of messages that were sent and not delivered.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    /// By stream, in the order they were handed over. Emptied ones are kept, while there are few.
    streams: Vec<(u16, VecDeque<Sent>)>,
    /// Those with a lifetime.
    limited: BTreeMap<u64, Sent>,
    /// Identifiers given to those.
    next_limited: u64,
    count: usize,
    bytes: usize,
}

/// A message that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sent {
    /// Its place among all that were sent.
    pub(super) number: u64,
    /// `None` if nobody waits to hear of it.
    pub(super) token: Option<Token>,
    pub(super) len: u32,
}

impl Tokens {
    /// A message is handed over; answers the identifier by which its fate will be reported.
    pub(super) fn handed_over(&mut self, stream: u16, sent: Sent) -> u64 {
        self.count_in(sent);
        match self.streams.iter_mut().find(|(of, _)| *of == stream) {
            Some((_, queue)) => queue.push_back(sent),
            None => {
                if self.streams.len() >= MOST_EMPTY {
                    self.streams.retain(|(_, queue)| !queue.is_empty());
                }
                self.streams.push((stream, VecDeque::from([sent])));
            }
        }
        u64::from(stream) + 1
    }

    /// One with a lifetime is handed over.
    pub(super) fn limited_handed_over(&mut self, sent: Sent) -> u64 {
        self.count_in(sent);
        self.next_limited += 1;
        let id = FIRST_LIMITED + self.next_limited;
        self.limited.insert(id, sent);
        id
    }

    /// The fate of a message with this identifier was reported: whose.
    pub(super) fn settled(&mut self, id: u64) -> Option<Sent> {
        let sent = if id > FIRST_LIMITED {
            self.limited.remove(&id)?
        } else {
            let stream = u16::try_from(id.checked_sub(1)?).ok()?;
            self.streams.iter_mut().find(|(of, _)| *of == stream)?.1.pop_front()?
        };
        self.count -= 1;
        self.bytes -= sent.len as usize;
        Some(sent)
    }

    /// All that are left.
    pub(super) fn take(&mut self) -> Vec<Sent> {
        let Tokens { streams, limited, .. } = std::mem::take(self);
        streams.into_iter().flat_map(|(_, queue)| queue).chain(limited.into_values()).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// The bytes of these messages.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The streams that have been used lately.
    pub(super) fn streams(&self) -> impl Iterator<Item = u16> {
        self.streams.iter().map(|(stream, _)| *stream)
    }

    fn count_in(&mut self, sent: Sent) {
        self.count += 1;
        self.bytes += sent.len as usize;
    }
}

/// Above every stream's identifier.
const FIRST_LIMITED: u64 = 1 << 17;

/// So many streams are remembered although nothing is on its way on them.
const MOST_EMPTY: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(number: u64) -> Sent {
        Sent { number, token: Some(Token(number * 10)), len: 1 }
    }

    #[test]
    fn the_oldest_of_a_stream_is_delivered_first() {
        let mut tokens = Tokens::default();
        let (zero, seven) = (tokens.handed_over(0, sent(1)), tokens.handed_over(7, sent(2)));
        assert_eq!((tokens.handed_over(0, sent(3)), tokens.len(), tokens.bytes()), (zero, 3, 3));
        assert_eq!(tokens.settled(zero), Some(sent(1)));
        assert_eq!(tokens.settled(seven), Some(sent(2)));
        assert_eq!(tokens.settled(zero), Some(sent(3)));
        assert_eq!((tokens.settled(zero), tokens.settled(0), tokens.len(), tokens.bytes()), (None, None, 0, 0));
    }

    #[test]
    fn one_with_a_lifetime_is_settled_by_itself() {
        let mut tokens = Tokens::default();
        let stream = tokens.handed_over(0, sent(1));
        let limited = tokens.limited_handed_over(sent(2));
        assert_eq!(tokens.settled(limited), Some(sent(2)));
        assert_eq!(tokens.settled(limited), None);
        assert_eq!(tokens.settled(stream), Some(sent(1)));
    }

    #[test]
    fn many_streams_leave_nothing_behind() {
        let mut tokens = Tokens::default();
        for stream in 0..1000 {
            let id = tokens.handed_over(stream, sent(u64::from(stream)));
            assert!(tokens.settled(id).is_some());
        }
        assert!(tokens.streams.len() <= MOST_EMPTY + 1);
    }
}
