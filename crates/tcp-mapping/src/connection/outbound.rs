// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sending: numbers for our DATA, and the peer's ACKs of it (draft §3.2, §3.4).

use std::collections::VecDeque;

use bytes::Bytes;
use machine::association::Token;

use super::output::OutputQueue;
use super::streams::StreamNumbers;
use super::{ProtocolError, SendError};
use crate::chunk::put_padding;
use crate::{DataChunk, InitFlags, MAX_PAYLOAD};

/// DATA sent and not yet acknowledged. The payloads are the session's; here are only its tokens.
#[derive(Debug)]
pub(super) struct Outbound {
    flags: InitFlags,
    pub(super) next_tsn: u32,
    pub(super) streams: StreamNumbers,
    unacked: VecDeque<Sent>,
}

#[derive(Debug)]
struct Sent {
    /// None if nobody waits to hear what became of it.
    token: Option<Token>,
    /// Where its last byte stands in the stream.
    end: u64,
}

impl Outbound {
    pub(super) fn new(flags: InitFlags) -> Self {
        Outbound { flags, next_tsn: 0, streams: StreamNumbers::default(), unacked: VecDeque::new() }
    }

    /// Queues a DATA chunk.
    pub(super) fn send(
        &mut self,
        message: DataMessage,
        token: Token,
        output: &mut OutputQueue,
    ) -> Result<(), SendError> {
        let DataMessage { stream, ppid, unordered, data } = message;
        if (self.flags.no_stream() && stream != 0) || (self.flags.no_ppid() && ppid != 0) {
            return Err(SendError::FieldNotCarried);
        }
        check_length(&data)?;
        let chunk = DataChunk {
            unordered,
            tsn: (!self.flags.no_tsn()).then_some(self.next_tsn),
            stream: (!self.flags.no_stream()).then(|| (stream, self.number(stream, unordered))),
            ppid: (!self.flags.no_ppid()).then_some(ppid),
            data,
        };
        self.next_tsn = self.next_tsn.wrapping_add(1);
        output.push(|out| chunk.encode_head(out));
        let len = chunk.data.len();
        output.push_payload(chunk.data);
        // Before the padding: a peer may acknowledge when the message is whole.
        self.unacked.push_back(Sent { token: Some(token), end: output.end() });
        output.push(|out| put_padding(out, len));
        Ok(())
    }

    /// Queues a plain ASAP message.
    pub(super) fn send_plain(&mut self, data: Bytes, token: Token, output: &mut OutputQueue) -> Result<(), SendError> {
        check_length(&data)?;
        let len = data.len();
        output.push_payload(data);
        output.push(|out| put_padding(out, len));
        self.unacked.push_back(Sent { token: Some(token), end: output.end() });
        Ok(())
    }

    /// TSN and stream sequence number of the next message on stream 0.
    pub(super) fn next_on_stream_0(&self) -> (u32, u16) {
        (self.next_tsn, self.streams.zero)
    }

    /// A message was queued with these numbers, and nobody waits for its fate. It ends there in the stream.
    pub(super) fn sent_at_once(&mut self, end: u64) {
        self.next_tsn = self.next_tsn.wrapping_add(1);
        self.streams.zero = self.streams.zero.wrapping_add(1);
        self.unacked.push_back(Sent { token: None, end });
    }

    /// Takes an ACK if it is of a message whose fate nobody waits for. Whether it was.
    pub(super) fn acked_silently(&mut self, tsn: u32, written: u64) -> bool {
        tsn == self.oldest_tsn()
            && self.unacked.pop_front_if(|sent| sent.token.is_none() && sent.end <= written).is_some()
    }

    /// The peer acknowledges the oldest DATA: answers its token, if it has one.
    pub(super) fn acked(&mut self, tsn: Option<u32>, written: u64) -> Result<Option<Token>, ProtocolError> {
        let expected = self.oldest_tsn();
        if let Some(got) = tsn.filter(|got| *got != expected) {
            return Err(ProtocolError::AckTsn { expected, got });
        }
        self.pop_written(written).ok_or(ProtocolError::AckOfNothing)
    }

    /// The oldest message, if all of it is written.
    pub(super) fn pop_written(&mut self, written: u64) -> Option<Option<Token>> {
        let sent = self.unacked.pop_front_if(|sent| sent.end <= written)?;
        if self.unacked.is_empty() {
            // An idle connection has no memory for it.
            self.unacked = VecDeque::new();
        }
        Some(sent.token)
    }

    /// The oldest message, for good.
    pub(super) fn pop(&mut self) -> Option<Option<Token>> {
        self.unacked.pop_front().map(|sent| sent.token)
    }

    pub(super) fn len(&self) -> usize {
        self.unacked.len()
    }

    /// The TSN of the oldest message not acknowledged, or the next one's.
    fn oldest_tsn(&self) -> u32 {
        self.next_tsn.wrapping_sub(self.unacked.len() as u32)
    }

    fn number(&mut self, stream: u16, unordered: bool) -> u16 {
        if unordered {
            return 0;
        }
        let next = self.streams.next_of(stream);
        let ssn = *next;
        *next = ssn.wrapping_add(1);
        ssn
    }
}

/// What goes into a DATA chunk.
#[derive(Debug)]
pub(super) struct DataMessage {
    pub(super) stream: u16,
    pub(super) ppid: u32,
    pub(super) unordered: bool,
    pub(super) data: Bytes,
}

fn check_length(data: &Bytes) -> Result<(), SendError> {
    match data.len() {
        0 => Err(SendError::Empty),
        len if len > MAX_PAYLOAD => Err(SendError::TooLong { len, max: MAX_PAYLOAD }),
        _ => Ok(()),
    }
}
