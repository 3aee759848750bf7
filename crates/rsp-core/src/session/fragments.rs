// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages larger than the mapping carries: several envelopes with one id, `docs/session-wire.md` §7.

use bytes::{BufMut, Bytes, BytesMut};

use rsp_wire::session::Envelope;

use super::link::credit;

/// What has come of messages whose last fragment has not. Bounded by the window: every fragment counts in it.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    partial: Vec<Partial>,
}

/// A message as far as it has come.
#[derive(Debug)]
struct Partial {
    stream: u16,
    /// Its words count for the whole.
    first: Envelope,
    pieces: Vec<Bytes>,
    /// By what number the transport knows them.
    sequences: Vec<u64>,
    credit: usize,
}

/// A message is complete.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) envelope: Envelope,
    pub(super) data: Bytes,
    /// Of all fragments but the last.
    pub(super) sequences: Vec<u64>,
}

impl Fragments {
    /// Whether a message on this stream is waiting for more.
    pub(super) fn is_open(&self, stream: u16) -> bool {
        self.on(stream).is_some()
    }

    /// Messages of the transport that are part of one that is not whole.
    pub(super) fn pieces(&self) -> usize {
        self.partial.iter().map(|partial| partial.sequences.len()).sum()
    }

    /// A fragment came; the whole message, if it was the last.
    ///
    /// # Errors
    /// It belongs elsewhere, or the message is larger than `most`.
    pub(super) fn receive(
        &mut self,
        sequence: u64,
        stream: u16,
        envelope: Envelope,
        data: Bytes,
        most: usize,
    ) -> Result<Option<Whole>, String> {
        let at = match self.on(stream) {
            Some(at) if self.partial[at].first.id != envelope.id => {
                return Err(format!("message {} was broken off by {}", self.partial[at].first.id, envelope.id));
            }
            Some(at) => at,
            None if self.partial.iter().any(|partial| partial.first.id == envelope.id) => {
                return Err(format!("message {} goes on on another stream", envelope.id));
            }
            None if self.partial.len() >= MOST_UNFINISHED => {
                return Err(format!("more than {MOST_UNFINISHED} messages begun and not finished"));
            }
            None => {
                let (pieces, sequences) = (Vec::new(), Vec::new());
                self.partial.push(Partial { stream, first: envelope, pieces, sequences, credit: 0 });
                self.partial.len() - 1
            }
        };
        let partial = &mut self.partial[at];
        partial.credit += credit(data.len());
        // The last fragment may be tiny and count more than it is.
        if partial.credit > most.saturating_add(credit(0)) {
            return Err(format!("message {} is longer than the {most} bytes it was told we take", envelope.id));
        }
        partial.pieces.push(data);
        if envelope.more_follows {
            partial.sequences.push(sequence);
            return Ok(None);
        }
        let Partial { first, pieces, sequences, .. } = self.partial.swap_remove(at);
        let mut data = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
        pieces.iter().for_each(|piece| data.put_slice(piece));
        let envelope = Envelope { more_follows: false, ..first };
        Ok(Some(Whole { envelope, data: data.freeze(), sequences }))
    }

    fn on(&self, stream: u16) -> Option<usize> {
        self.partial.iter().position(|partial| partial.stream == stream)
    }
}

/// Messages begun and not finished, each on a stream of its own, docs/session-wire.md §7.
const MOST_UNFINISHED: usize = 256;

/// The pieces a message goes in where each carries `most` bytes, and whether more follow.
pub(super) fn split(data: &Bytes, most: usize) -> impl Iterator<Item = (Bytes, bool)> + '_ {
    (0..data.len()).step_by(most.max(1)).map(move |from| {
        let to = data.len().min(from.saturating_add(most.max(1)));
        (data.slice(from..to), to < data.len())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(id: u64, more_follows: bool) -> Envelope {
        Envelope { ack_wanted: true, resent: false, more_follows, acknowledges: None, id, ppid: 7 }
    }

    fn receive(
        fragments: &mut Fragments,
        id: u64,
        stream: u16,
        data: &Bytes,
        more: bool,
    ) -> Result<Option<Whole>, String> {
        fragments.receive(id, stream, envelope(id, more), data.clone(), 1000)
    }

    #[test]
    fn what_was_split_is_put_together_again_wherever_the_cuts_are() {
        let data: Bytes = (0..=255).cycle().take(1000).collect::<Vec<u8>>().into();
        for most in [64, 100, 500, 999, 1000] {
            let mut fragments = Fragments::default();
            let mut whole = None;
            for (sequence, (piece, more)) in split(&data, most).enumerate() {
                assert!(whole.is_none() && piece.len() <= most);
                whole = fragments.receive(sequence as u64, 3, envelope(9, more), piece, 1000).unwrap();
            }
            let whole = whole.expect("the last says so");
            assert_eq!((whole.data, whole.envelope), (data.clone(), envelope(9, false)));
            assert_eq!(whole.sequences.len(), 1000usize.div_ceil(most) - 1);
            assert!(fragments.partial.is_empty());
        }
    }

    #[test]
    fn a_message_cannot_be_broken_off_or_go_on_elsewhere() {
        let data = Bytes::from_static(b"x");
        let mut fragments = Fragments::default();
        assert!(receive(&mut fragments, 1, 0, &data, true).unwrap().is_none());
        assert!(receive(&mut fragments, 2, 4, &data, true).unwrap().is_none(), "each stream has its own");
        assert!(fragments.is_open(0) && !fragments.is_open(1));
        assert!(receive(&mut fragments, 3, 0, &data, false).is_err());
        assert!(receive(&mut fragments, 2, 5, &data, true).is_err());
    }

    #[test]
    fn pieces_are_those_of_messages_that_are_not_whole() {
        let data = Bytes::from_static(b"x");
        let mut fragments = Fragments::default();
        assert!(receive(&mut fragments, 1, 0, &data, true).unwrap().is_none());
        assert!(receive(&mut fragments, 1, 0, &data, true).unwrap().is_none());
        assert!(receive(&mut fragments, 2, 1, &data, true).unwrap().is_none());
        assert_eq!(fragments.pieces(), 3);
        assert!(receive(&mut fragments, 1, 0, &data, false).unwrap().is_some());
        assert_eq!(fragments.pieces(), 1);
    }

    #[test]
    fn only_so_many_messages_are_begun_and_not_finished() {
        let data = Bytes::from_static(b"x");
        let mut fragments = Fragments::default();
        for id in 0..MOST_UNFINISHED {
            assert!(receive(&mut fragments, id as u64, id as u16, &data, true).unwrap().is_none());
        }
        assert!(receive(&mut fragments, 999, 999, &data, true).is_err());
        assert!(receive(&mut fragments, 0, 0, &data, false).unwrap().is_some(), "those there are go on");
        assert!(receive(&mut fragments, 999, 999, &data, true).is_ok());
    }

    #[test]
    fn more_follows_for_ever_ends_at_the_largest_message_however_small_the_fragments() {
        for piece in [Bytes::new(), Bytes::from_static(b"x"), Bytes::from(vec![0; 400])] {
            let mut fragments = Fragments::default();
            let last = (1..).find(|_| receive(&mut fragments, 1, 0, &piece, true).is_err());
            assert!(last.unwrap() <= 17, "{last:?}");
        }
    }
}
