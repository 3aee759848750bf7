// SPDX-License-Identifier: MIT OR Apache-2.0
//! The state machine of one TCP connection (draft §3, and §4 where the draft says "TBD").
//!
//! The owner of the socket drives it:
//!
//! ```text
//! read into a BytesMut     -> received(&mut buffer, now)      takes whole chunks off the buffer
//! the socket ended         -> ended(end, now)                 only after all that could be read was handed in
//! upper layer sends, takes -> send(..), taken(..)
//! deadline passed          -> handle_timeout(now)             only after all that can be read was handed in
//! then: poll_output() until Output::Wait(deadline), and write slices(..) while there are any
//! ```

mod at_once;
mod config;
mod event;
mod inbound;
mod outbound;
mod output;
mod streams;

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Bytes, BytesMut};
use machine::association::{Heartbeat, Token};
use machine::liveness::{Liveness, Verdict};
use machine::{Output, Time};

pub use at_once::Responder;
pub use config::{Config, Role};
pub use event::{Event, Kind, LostReason, ProtocolError, SendError, SocketEnd};
use inbound::Inbound;
use outbound::{DataMessage, Outbound};
use output::OutputQueue;

use crate::{AckChunk, Chunk, HeartbeatAckChunk, HeartbeatChunk, InitChunk, InitFlags, PPID_ASAP, plain};

/// One TCP connection of the mapping, without its socket.
#[derive(Debug)]
pub struct Connection {
    role: Role,
    config: Config,
    state: State,
    /// An orderly end was asked for and may last until then.
    closing: Option<Time>,
    inbound: Inbound,
    outbound: Outbound,
    output: OutputQueue,
    events: VecDeque<Event>,
}

#[derive(Debug)]
enum State {
    /// Waits for the peer's first bytes.
    Opening { deadline: Time },
    /// Both INITs were sent; `peer` are the flags of the peer's.
    Mapping { peer: InitFlags, liveness: Liveness },
    /// The peer speaks plain ASAP.
    Plain,
    /// `Lost` was reported.
    Ended,
}

impl Connection {
    /// A connection whose socket is being connected or was just accepted.
    pub fn new(role: Role, config: Config, now: Time) -> Self {
        let mut connection = Connection {
            role,
            config,
            state: State::Opening { deadline: now + config.connect_timeout },
            closing: None,
            inbound: Inbound::default(),
            outbound: Outbound::new(config.init_flags),
            output: OutputQueue::default(),
            events: VecDeque::new(),
        };
        if role == Role::Connector {
            connection.send_init();
        }
        connection
    }

    /// Bytes came. Takes every whole chunk off `buffer`; call again when more bytes have been appended.
    pub fn received(&mut self, buffer: &mut BytesMut, now: Time) {
        if let State::Mapping { liveness, .. } = &mut self.state {
            liveness.heard(now);
        }
        while self.take_next(buffer, now) {}
    }

    /// Takes what comes next off `buffer`; `false` if nothing whole is left in it.
    fn take_next(&mut self, buffer: &mut BytesMut, now: Time) -> bool {
        let progress = match self.state {
            State::Opening { .. } => self.open(buffer, now),
            State::Mapping { peer, .. } => self.take_chunk(buffer, peer),
            State::Plain => self.take_plain(buffer),
            State::Ended => {
                buffer.clear();
                Ok(false)
            }
        };
        progress.unwrap_or_else(|reason| {
            self.end(reason);
            true
        })
    }

    /// The socket ended. What it had received must have been handed in before.
    pub fn ended(&mut self, end: SocketEnd) {
        self.end(match end {
            _ if self.closing.is_some() => LostReason::Closed,
            SocketEnd::Eof => LostReason::PeerClosed,
            SocketEnd::Failed(kind) => LostReason::Socket(kind),
        });
    }

    /// Queues a message. `token` comes back in [`Event::Delivered`] or [`Event::Undelivered`]. A connector may send
    /// before the connection is up: the message follows the INIT.
    pub fn send(
        &mut self,
        stream: u16,
        ppid: u32,
        unordered: bool,
        token: Token,
        data: Bytes,
    ) -> Result<(), SendError> {
        match self.state {
            _ if self.closing.is_some() => Err(SendError::NotUp),
            State::Plain if stream != 0 || ppid != PPID_ASAP => Err(SendError::FieldNotCarried),
            State::Plain => self.outbound.send_plain(data, token, &mut self.output),
            State::Opening { .. } if self.role == Role::Acceptor => Err(SendError::NotUp),
            State::Ended => Err(SendError::NotUp),
            State::Opening { .. } | State::Mapping { .. } => {
                self.outbound.send(DataMessage { stream, ppid, unordered, data }, token, &mut self.output)
            }
        }
    }

    /// The upper layer has taken the message of [`Event::Message`] with this number: acknowledges it, or does so when
    /// the ones before it are taken. The ACK leaves with the next write.
    pub fn taken(&mut self, sequence: u64) {
        let acks = self.inbound.taken(sequence);
        let State::Mapping { peer, .. } = self.state else { return };
        //= https://www.ietf.org/archive/id/draft-ietf-rserpool-tcpmapping-03.txt#section-3.4
        //# Each such ACK chunk
        //# SHOULD contain the TSN corresponding to the DATA chunk that was
        //# delivered, unless inclusion of the TSN has been supressed by receipt
        //# of the 0x01 flag value in a previous INIT chunk from the data sender
        //# to the data receiver.
        for sequence in acks {
            let ack = AckChunk { tsn: (!peer.no_tsn()).then_some(sequence as u32) };
            self.output.push_control(|out| ack.encode(out));
        }
        self.check_control();
    }

    /// Ends the connection in order: accepts no more messages, hands up no more, and ends when all that was sent is
    /// written and acknowledged, or `close_timeout` has passed.
    pub fn close(&mut self, now: Time) {
        if !matches!(self.state, State::Ended) && self.closing.is_none() {
            self.closing = Some(now + self.config.close_timeout);
            self.end_if_done();
        }
    }

    /// Ends the connection now.
    pub fn abort(&mut self) {
        self.end(LostReason::Closed);
    }

    /// Changes the heartbeat, as both ends agreed in HELLO. The silence counts anew from now.
    pub fn set_heartbeat(&mut self, heartbeat: Heartbeat, now: Time) {
        self.config.heartbeat = heartbeat;
        if let State::Mapping { liveness, .. } = &mut self.state {
            *liveness = Liveness::new(heartbeat, now);
        }
    }

    /// Something made the upper layer doubt the peer: asks it for a sign of life at once, and declares it dead if none
    /// comes within one interval.
    pub fn probe(&mut self, now: Time) {
        if let State::Mapping { liveness, .. } = &mut self.state {
            liveness.probe(now);
            self.send_heartbeat(now);
        }
    }

    /// The deadline of [`poll_output`](Self::poll_output) has passed. Early or twice is harmless.
    pub fn handle_timeout(&mut self, now: Time) {
        if self.closing.is_some_and(|deadline| deadline <= now) {
            self.end(LostReason::Closed);
        }
        match &mut self.state {
            State::Opening { deadline } if *deadline <= now => {
                let late = now.since(*deadline);
                if late > self.config.connect_timeout {
                    *deadline = now + self.config.connect_timeout;
                    self.events.push_back(Event::Paused(late));
                } else {
                    self.end(LostReason::ConnectTimeout);
                }
            }
            State::Mapping { liveness, .. } => match liveness.check(now) {
                Verdict::Fine => {}
                Verdict::Ask => self.send_heartbeat(now),
                Verdict::Paused(late) => {
                    self.events.push_back(Event::Paused(late));
                    self.send_heartbeat(now);
                }
                Verdict::Dead(silence) => self.end(LostReason::HeartbeatMissed(silence)),
            },
            State::Opening { .. } | State::Plain | State::Ended => {}
        }
    }

    /// Call until it answers [`Output::Wait`].
    pub fn poll_output(&mut self) -> Output<Event> {
        match self.events.pop_front() {
            Some(event) => Output::Effect(event),
            None => {
                // An idle connection has no memory for them.
                self.events = VecDeque::new();
                Output::Wait(self.deadline())
            }
        }
    }

    /// Fills `slices` with the bytes to write next and answers how many slices it filled; 0 = nothing to write.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        self.output.slices(slices)
    }

    /// The first `count` bytes of [`slices`](Self::slices) have been written.
    ///
    /// # Panics
    /// If that is more than is [`buffered`](Self::buffered).
    pub fn written(&mut self, count: usize) {
        self.output.written(count);
        if matches!(self.state, State::Plain) {
            while let Some(token) = self.outbound.pop_written(self.output.position()) {
                self.events.extend(token.map(Event::Delivered));
            }
        }
        self.end_if_done();
    }

    /// Lends memory for what is to be written; of use only while nothing waits. So an idle connection need not have any.
    pub fn lend(&mut self, memory: BytesMut) {
        self.output.lend(memory);
    }

    /// Takes that memory back, once all is written.
    pub fn take_back(&mut self) -> Option<BytesMut> {
        self.output.take_back()
    }

    /// Bytes to write.
    pub fn buffered(&self) -> usize {
        self.output.len()
    }

    /// Messages sent and not yet acknowledged.
    pub fn outstanding(&self) -> usize {
        self.outbound.len()
    }

    /// What the peer speaks, once it is known.
    pub fn kind(&self) -> Option<Kind> {
        match self.state {
            State::Mapping { .. } => Some(Kind::Mapping),
            State::Plain => Some(Kind::Plain),
            State::Opening { .. } | State::Ended => None,
        }
    }

    /// Whether [`Event::Lost`] was reported or waits to be.
    pub fn is_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// Reads the peer's first four bytes.
    fn open(&mut self, buffer: &mut BytesMut, now: Time) -> Result<bool, LostReason> {
        let Some(&first) = buffer.first_chunk::<4>() else { return Ok(false) };
        let kind = if InitChunk::opens(first) {
            // The connector has spoken already.
            if self.role == Role::Acceptor {
                self.send_init();
            }
            let _init = buffer.split_to(4);
            let liveness = Liveness::new(self.config.heartbeat, now);
            self.state = State::Mapping { peer: InitFlags(first[1]), liveness };
            Kind::Mapping
        } else if self.role == Role::Acceptor {
            self.state = State::Plain;
            Kind::Plain
        } else {
            return Err(LostReason::Protocol(ProtocolError::NoInit));
        };
        self.events.push_back(Event::Up(kind));
        Ok(true)
    }

    /// Takes one chunk off `buffer` and does what it says; `false` if there is none.
    fn take_chunk(&mut self, buffer: &mut BytesMut, peer: InitFlags) -> Result<bool, LostReason> {
        let Some(chunk) = Chunk::decode(buffer, peer).map_err(ProtocolError::from)? else { return Ok(false) };
        match chunk {
            Chunk::Data(chunk) => {
                self.inbound.check(&chunk)?;
                let stream = chunk.stream.map_or(0, |(stream, _)| stream);
                self.hand_up(stream, chunk.ppid.unwrap_or(0), chunk.unordered, chunk.data)?;
            }
            Chunk::Init(_) => return Err(LostReason::Protocol(ProtocolError::SecondInit)),
            Chunk::Ack(AckChunk { tsn }) => {
                let token = self.outbound.acked(tsn, self.output.position())?;
                self.events.extend(token.map(Event::Delivered));
                self.end_if_done();
            }
            Chunk::Heartbeat(HeartbeatChunk { info }) => {
                //= https://www.ietf.org/archive/id/draft-ietf-rserpool-tcpmapping-03.txt#section-3.6
                //# The RSerPool TCP mapping layer MUST transmit exactly one
                //# HEARTBEAT ACK chunk in response to each HEARTBEAT chunk received.
                //# The Heartbeat Information parameter received in the HEARTBEAT chunk
                //# MUST be included in the HEARTBEAT ACK chunk.
                self.output.push_control(|out| HeartbeatAckChunk { info }.encode(out));
                self.check_control();
            }
            // It came, and that is all it is for.
            Chunk::HeartbeatAck(_) | Chunk::Unknown(_) => {}
        }
        Ok(true)
    }

    fn take_plain(&mut self, buffer: &mut BytesMut) -> Result<bool, LostReason> {
        let Some(message) = plain::take_message(buffer).map_err(ProtocolError::from)? else { return Ok(false) };
        self.hand_up(0, PPID_ASAP, false, message)?;
        Ok(true)
    }

    fn hand_up(&mut self, stream: u16, ppid: u32, unordered: bool, data: Bytes) -> Result<(), LostReason> {
        let sequence = self.inbound.add(data.len());
        if self.inbound.bytes() > self.config.max_untaken_bytes {
            return Err(LostReason::Overrun("it sent more than it may before any of it was taken"));
        }
        if self.closing.is_none() {
            self.events.push_back(Event::Message { sequence, stream, ppid, unordered, data });
        }
        Ok(())
    }

    fn send_init(&mut self) {
        let init = InitChunk { flags: self.config.init_flags };
        self.output.push(|out| init.encode(out));
    }

    fn send_heartbeat(&mut self, now: Time) {
        let info = Bytes::copy_from_slice(&now.as_micros().to_be_bytes());
        self.output.push_control(|out| HeartbeatChunk { info }.encode(out));
        self.check_control();
    }

    /// A peer that makes us answer and reads no answer must not fill our memory.
    fn check_control(&mut self) {
        if self.output.control_len() > self.config.max_control_bytes {
            self.end(LostReason::Overrun("it reads nothing of what it asks for"));
        }
    }

    fn end_if_done(&mut self) {
        let open = matches!(self.state, State::Mapping { .. } | State::Plain);
        if self.closing.is_some() && open && self.output.is_empty() && self.outbound.len() == 0 {
            self.end(LostReason::Closed);
        }
    }

    fn end(&mut self, reason: LostReason) {
        if matches!(self.state, State::Ended) {
            return;
        }
        self.state = State::Ended;
        self.closing = None;
        self.output.clear();
        while let Some(token) = self.outbound.pop() {
            self.events.extend(token.map(Event::Undelivered));
        }
        self.events.push_back(Event::Lost(reason));
    }

    fn deadline(&self) -> Option<Time> {
        let of_state = match &self.state {
            State::Opening { deadline } => Some(*deadline),
            State::Mapping { liveness, .. } => Some(liveness.deadline()),
            State::Plain | State::Ended => None,
        };
        of_state.into_iter().chain(self.closing).min()
    }
}

impl From<ProtocolError> for LostReason {
    fn from(error: ProtocolError) -> Self {
        LostReason::Protocol(error)
    }
}

#[cfg(test)]
mod tests;
