// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages answered at once: read where they lie in the read buffer, answered straight into what will be written.
//!
//! A server that answers most messages from what it knows need not have each handed up as an [`Event`] with memory of its
//! own, nor hear that the answer was acknowledged. Order is kept: a message is answered at once only if nothing that came
//! before it waits to be handed up. A peer that does not read its answers is dealt with the ordinary way, by events.

use bytes::{Buf, BufMut, BytesMut};
use machine::Time;

use super::{Connection, Event, State};
use crate::chunk::{ACK, DATA, padded, put_padding};
use crate::data_chunk::{FULL_HEAD, put_full_head};
use crate::{AckChunk, InitFlags, PPID_ASAP, plain};

/// Is shown a message (the time, its PPID and its bytes, which came on stream 0) and either appends the whole answer, 1 to
/// [`MAX_PAYLOAD`](crate::MAX_PAYLOAD) bytes, to the buffer and says `true`, or has done nothing and says `false`: then it is handed up.
pub type Responder<'a> = dyn FnMut(Time, u32, &[u8], &mut BytesMut) -> bool + 'a;

impl Connection {
    /// As [`received`](Self::received), but shows messages to `responder` first. Its answers have the message's PPID and
    /// no token. `true` if it stopped because much waits to be written: write, then call again.
    pub fn received_and_answered(&mut self, buffer: &mut BytesMut, now: Time, responder: &mut Responder<'_>) -> bool {
        if let State::Mapping { liveness, .. } = &mut self.state {
            liveness.heard(now);
        }
        let mut in_order = self.waits_for_nothing(0);
        loop {
            if in_order && self.may_answer_at_once() {
                let taken = self.answer_at_once(buffer, now, responder);
                buffer.advance(taken);
                if self.output.len() >= MOST_ANSWERS {
                    return true;
                }
            }
            let handed_up = self.events.len();
            if !self.take_next(buffer, now) {
                return false;
            }
            in_order &= self.waits_for_nothing(handed_up);
        }
    }

    /// Whether the events from this one on are such as a message may overtake: what became of our own.
    fn waits_for_nothing(&self, first: usize) -> bool {
        self.events.range(first..).all(|event| matches!(event, Event::Delivered(_)))
    }

    /// Nothing waits to be taken, and the peer reads its answers.
    fn may_answer_at_once(&self) -> bool {
        let is_usual = match self.state {
            State::Mapping { peer, .. } => peer == InitFlags::NONE && self.config.init_flags == InitFlags::NONE,
            State::Plain => true,
            State::Opening { .. } | State::Ended => false,
        };
        is_usual
            && self.closing.is_none()
            && self.outbound.len() < MOST_UNACKED
            && self.inbound.is_all_taken()
            && self.output.len() < MOST_ANSWERS
    }

    /// Answers how many bytes it has dealt with.
    fn answer_at_once(&mut self, bytes: &[u8], now: Time, responder: &mut Responder<'_>) -> usize {
        let is_plain = matches!(self.state, State::Plain);
        let mut taken = 0;
        while self.output.len() < MOST_ANSWERS {
            let rest = &bytes[taken..];
            let dealt_with = match rest {
                _ if is_plain => self.answer_plain(rest, now, responder),
                [DATA, 0, ..] => self.answer_data(rest, now, responder),
                [ACK, _, 0, 8, a, b, c, d, ..] => self.ack_of_answer(u32::from_be_bytes([*a, *b, *c, *d])),
                _ => None,
            };
            let Some(length) = dealt_with else { break };
            taken += length;
        }
        taken
    }

    /// A DATA chunk with all its fields, on stream 0.
    fn answer_data(&mut self, bytes: &[u8], now: Time, responder: &mut Responder<'_>) -> Option<usize> {
        let [_, _, high, low, tsn @ .., p3, p2, p1, p0] = *bytes.first_chunk::<FULL_HEAD>()?;
        let (length, ppid) = (usize::from(u16::from_be_bytes([high, low])), u32::from_be_bytes([p3, p2, p1, p0]));
        let message = bytes.get(FULL_HEAD..length).filter(|_| bytes.len() >= padded(length))?;
        if tsn != self.inbound.expected_on_stream_0() {
            return None;
        }
        let ack = AckChunk { tsn: Some(self.inbound.next_sequence as u32) };
        let numbers = self.outbound.next_on_stream_0();
        let mut padding = 0;
        let is_answered = self.output.push_if(|out| {
            ack.encode(out);
            let head = out.len();
            out.put_bytes(0, FULL_HEAD);
            if !responder(now, ppid, message, out) {
                return false;
            }
            let answer = out.len() - head - FULL_HEAD;
            padding = padded(answer) - answer;
            put_padding(out, answer);
            put_full_head(&mut out[head..], numbers, ppid, answer)
        });
        if !is_answered {
            return None;
        }
        self.inbound.taken_at_once();
        self.output.count_control(ACK_LENGTH);
        // Before the padding: a peer may acknowledge when the message is whole.
        self.outbound.sent_at_once(self.output.end() - padding as u64);
        Some(padded(length))
    }

    fn answer_plain(&mut self, bytes: &[u8], now: Time, responder: &mut Responder<'_>) -> Option<usize> {
        let length = plain::whole_message(bytes).ok()??;
        let is_answered = self.output.push_if(|out| {
            let start = out.len();
            let is_answered = responder(now, PPID_ASAP, &bytes[..length], out);
            put_padding(out, out.len() - start);
            is_answered
        });
        is_answered.then(|| {
            self.inbound.taken_at_once();
            length
        })
    }

    /// The ACK of an answer nobody waits to hear of.
    fn ack_of_answer(&mut self, tsn: u32) -> Option<usize> {
        self.outbound.acked_silently(tsn, self.output.position()).then_some(ACK_LENGTH)
    }
}

const ACK_LENGTH: usize = 8;

/// From here on what waits is written first, and as long as it cannot be, nothing more is answered at once.
const MOST_ANSWERS: usize = 64 << 10;

/// A peer that acknowledges nothing is remembered by as many answers at most.
const MOST_UNACKED: usize = 4096;
