// SPDX-License-Identifier: MIT OR Apache-2.0
//! A connection of the TCP mapping against a peer that sends anything, cut anywhere, with time.
//!
//! Two connections hear the same stream at the same times. One gets it as it comes, the other in pieces: both must report and
//! write the same. What always must hold is checked after every command.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::{ErrorKind, IoSlice};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use machine::association::{Heartbeat, Token};
use machine::{Output, Time};
use sim::source::Source;
use tcp_mapping::{
    AckChunk, Chunk, Config, Connection, DataChunk, Event, HeartbeatAckChunk, HeartbeatChunk, InitChunk, InitFlags,
    Kind, Role, SocketEnd, UnknownChunk,
};

/// Runs a stream or a list of commands.
pub fn tcp_mapping(data: &[u8]) {
    let mut source = Source::new(data);
    let mut world = World::new(&mut source);
    if source.below(4) == 0 {
        // Nothing but a stream.
        world.wire = source.bytes(usize::MAX).to_vec();
        world.deliver(usize::MAX);
        while let Some(sequence) = world.untaken.keys().next().copied() {
            world.taken(sequence);
        }
        world.write(usize::MAX);
    }
    for _ in 0..MOST_COMMANDS {
        if source.is_empty() || world.after_the_end > MOST_AFTER_THE_END {
            break;
        }
        world.after_the_end += usize::from(world.ended);
        world.command(&mut source);
    }
    world.finish();
}

struct World {
    whole: End,
    cut: End,
    config: Config,
    now: Time,
    /// Where the pieces end.
    cuts: machine::Rng,
    peer: Peer,
    /// What the peer has sent and the network holds.
    wire: Vec<u8>,
    kind: Option<Kind>,
    ended: bool,
    after_the_end: usize,
    closing: Option<Time>,
    next_token: u64,
    /// Accepted for sending and without a fate, with its length.
    sent: VecDeque<(Token, usize)>,
    next_sequence: u64,
    untaken: BTreeMap<u64, usize>,
    written: Written,
}

struct End {
    connection: Connection,
    buffer: BytesMut,
}

/// The peer, as long as it keeps to the rules.
struct Peer {
    flags: InitFlags,
    next_tsn: u32,
    next_ssn: HashMap<u16, u16>,
    acked: u32,
}

/// What the connection wrote, read again.
#[derive(Default)]
struct Written {
    flags: InitFlags,
    buffer: BytesMut,
    opened: bool,
    /// Accepted for sending and not yet found in the stream.
    expected: VecDeque<Bytes>,
    next_tsn: u32,
    acks: u64,
}

impl World {
    fn new(source: &mut Source<'_>) -> Self {
        let role = [Role::Connector, Role::Acceptor][source.below(2)];
        let config = Config {
            init_flags: [InitFlags::NONE, InitFlags(source.byte())][source.below(2)],
            max_untaken_bytes: [1000, 100_000][source.below(2)],
            max_control_bytes: [100, 1000][source.below(2)],
            ..Config::default()
        };
        let end = || End { connection: Connection::new(role, config, Time::ZERO), buffer: BytesMut::new() };
        let flags = InitFlags(source.byte());
        World {
            whole: end(),
            cut: end(),
            config,
            now: Time::ZERO,
            cuts: machine::Rng::new(u64::from(source.byte())),
            peer: Peer { flags, next_tsn: 0, next_ssn: HashMap::new(), acked: 0 },
            wire: if source.below(8) == 0 { Vec::new() } else { vec![1, flags.0, 0, 4] },
            kind: None,
            ended: false,
            after_the_end: 0,
            closing: None,
            next_token: 0,
            sent: VecDeque::new(),
            next_sequence: 0,
            untaken: BTreeMap::new(),
            written: Written { flags: config.init_flags, ..Written::default() },
        }
    }

    fn command(&mut self, source: &mut Source<'_>) {
        match source.below(16) {
            0 if source.below(32) == 31 => {
                let length = source.below(40);
                self.wire.extend(source.bytes(length));
            }
            0..=2 => self.peer_sends(Peer::data, source),
            3 if self.peer.acked < self.written.next_tsn || source.below(64) == 63 => {
                self.peer_sends(Peer::ack, source)
            }
            3 => self.write(usize::MAX),
            4 => self.peer_sends(Peer::other, source),
            5 | 6 => self.deliver(usize::MAX),
            7 => self.deliver(source.below(256)),
            8 | 9 => self.send(source),
            10 | 11 => {
                let sequence = self.untaken.keys().nth(source.below(3)).copied();
                // One that was taken before, or never came. What came after closing was not handed up.
                let other = Some(u64::from(source.byte())).filter(|_| self.closing.is_none());
                sequence.or(other).into_iter().for_each(|sequence| self.taken(sequence));
            }
            12 => self.write([usize::MAX, 1, 7, 300][source.below(4)]),
            13 => self.wait_for_deadline(Duration::ZERO),
            14 => match source.below(3) {
                0 => self.wait(Duration::from_millis(u64::from(source.byte()))),
                1 => self.wait(Duration::from_millis(u64::from(source.byte()) * 40)),
                _ => self.wait_for_deadline(Duration::from_millis(u64::from(source.byte()) * 40)),
            },
            _ => self.rare(source),
        }
    }

    fn peer_sends(&mut self, chunk: fn(&mut Peer, &mut Source<'_>) -> Chunk, source: &mut Source<'_>) {
        let mut bytes = BytesMut::new();
        chunk(&mut self.peer, source).encode(&mut bytes);
        self.wire.extend(bytes);
    }

    /// The first `most` bytes of what the network holds arrive.
    fn deliver(&mut self, most: usize) {
        let arrived: Vec<u8> = self.wire.drain(..most.min(self.wire.len())).collect();
        if arrived.is_empty() {
            return;
        }
        self.whole.receive(&arrived, self.now);
        let mut rest = &arrived[..];
        while !rest.is_empty() {
            let most = 1 << self.cuts.below(12);
            let (piece, after) = rest.split_at((1 + self.cuts.below(most) as usize).min(rest.len()));
            self.cut.receive(piece, self.now);
            rest = after;
        }
        self.check();
    }

    fn send(&mut self, source: &mut Source<'_>) {
        let (stream, ppid) = ([0, 0, 1, 2][source.below(4)], [0, 11, 11, 5][source.below(4)]);
        let (unordered, length) = (source.below(4) == 0, LENGTHS[source.below(LENGTHS.len())]);
        let data = Bytes::from(vec![source.byte(); length]);
        let token = Token(self.next_token);
        self.next_token += 1;
        let was_ended = self.ended;
        if self.both(|end, _| end.connection.send(stream, ppid, unordered, token, data.clone())).is_ok() {
            assert!(!was_ended && self.closing.is_none());
            self.sent.push_back((token, length));
            self.written.expected.push_back(data);
        }
        self.check();
    }

    fn taken(&mut self, sequence: u64) {
        self.both(|end, _| end.connection.taken(sequence));
        self.untaken.remove(&sequence);
        self.check();
    }

    fn write(&mut self, most: usize) {
        let bytes = self.both(|end, _| end.write(most));
        self.written.buffer.extend_from_slice(&bytes);
        self.check();
        let first_untaken = self.untaken.keys().next().copied().unwrap_or(self.next_sequence);
        match self.kind {
            Some(Kind::Plain) => self.written.read_plain(),
            _ => self.written.read_chunks(first_untaken),
        }
    }

    /// Waits for the deadline, and sees it this much later.
    fn wait_for_deadline(&mut self, late: Duration) {
        if let Some(deadline) = self.check() {
            self.wait(deadline.since(self.now) + late);
        }
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        let due = self.check().is_some_and(|deadline| deadline <= self.now);
        let (buffered, ended) = (self.whole.connection.buffered(), self.ended);
        self.both(|end, now| end.connection.handle_timeout(now));
        let deadline = self.check();
        assert!(deadline.is_none_or(|deadline| deadline > self.now), "a deadline that does not move");
        if !due {
            let unchanged = (self.whole.connection.buffered(), self.ended) == (buffered, ended);
            assert!(unchanged, "nothing was due");
        }
        if self.closing.is_some_and(|deadline| deadline <= self.now) {
            assert!(self.ended, "closing takes no longer");
        }
    }

    fn rare(&mut self, source: &mut Source<'_>) {
        let heartbeat = Heartbeat {
            interval: Duration::from_millis([0, 1, 100, 5000][source.below(4)]),
            dead_after: Duration::from_millis([0, 1, 1000, 60_000][source.below(4)]),
        };
        match source.below(64) {
            0 => {
                self.both(|end, now| end.connection.close(now));
                self.closing.get_or_insert(self.now + self.config.close_timeout);
            }
            1 => self.both(|end, _| end.connection.abort()),
            2 => self.both(|end, _| end.connection.ended(SocketEnd::Eof)),
            3 => self.both(|end, _| end.connection.ended(SocketEnd::Failed(ErrorKind::ConnectionReset))),
            4..32 => self.both(|end, now| end.connection.probe(now)),
            _ => self.both(|end, now| end.connection.set_heartbeat(heartbeat, now)),
        }
        self.check();
    }

    /// Every send has its fate when the connection has ended, and nothing is left over.
    fn finish(&mut self) {
        self.both(|end, _| end.connection.abort());
        assert_eq!(self.check(), None);
        assert!(self.ended && self.whole.connection.is_ended());
        assert_eq!((self.whole.connection.buffered(), self.whole.connection.outstanding()), (0, 0));
    }

    /// Does the same to both and answers what both answer.
    fn both<T: PartialEq + std::fmt::Debug>(&mut self, act: impl Fn(&mut End, Time) -> T) -> T {
        let answer = act(&mut self.whole, self.now);
        assert_eq!(answer, act(&mut self.cut, self.now));
        answer
    }

    /// Checks what must hold and answers the deadline.
    fn check(&mut self) -> Option<Time> {
        let (events, deadline) = self.both(|end, _| end.events());
        for event in events {
            self.event(event);
        }
        assert!(self.both(|end, _| end.buffer.len()) < 65_540, "more than a chunk waits for more");
        let buffered = self.both(|end, _| end.connection.buffered());
        assert_eq!(self.whole.connection.outstanding(), self.sent.len());
        let untaken: usize = self.untaken.values().map(|length| length + Config::MESSAGE_OVERHEAD).sum();
        assert!(self.ended || untaken <= self.config.max_untaken_bytes, "{untaken} bytes wait to be taken");
        let data: usize = self.sent.iter().map(|(_, length)| length + DATA_OVERHEAD).sum();
        let most = self.config.max_control_bytes + DATA_OVERHEAD + data;
        assert!(buffered <= most, "{buffered} bytes wait to be written");
        deadline
    }

    fn event(&mut self, event: Event) {
        assert!(!self.ended, "{event:?} after the end");
        match event {
            Event::Up(kind) => assert_eq!(self.kind.replace(kind), None),
            Event::Message { sequence, data, .. } => {
                assert!(self.kind.is_some() && self.closing.is_none());
                assert_eq!(sequence, self.next_sequence);
                self.next_sequence += 1;
                self.untaken.insert(sequence, data.len());
            }
            Event::Delivered(token) | Event::Undelivered(token) => {
                assert_eq!(self.sent.pop_front().map(|(token, _)| token), Some(token), "in order, and once");
            }
            Event::Paused(_) => {}
            Event::Lost(_) => {
                assert!(self.sent.is_empty());
                self.ended = true;
            }
        }
    }
}

impl End {
    fn receive(&mut self, bytes: &[u8], now: Time) {
        self.buffer.extend_from_slice(bytes);
        self.connection.received(&mut self.buffer, now);
    }

    fn write(&mut self, most: usize) -> Vec<u8> {
        // Head, payload and padding of each message, and what stands before and behind them.
        let mut slices = vec![IoSlice::new(&[]); 3 * self.connection.outstanding() + 2];
        let count = self.connection.slices(&mut slices);
        let mut bytes: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.iter().copied()).collect();
        assert_eq!(bytes.len(), self.connection.buffered());
        bytes.truncate(most);
        self.connection.written(bytes.len());
        bytes
    }

    fn events(&mut self) -> (Vec<Event>, Option<Time>) {
        let mut events = Vec::new();
        loop {
            match self.connection.poll_output() {
                Output::Effect(event) => events.push(event),
                Output::Wait(deadline) => return (events, deadline),
            }
        }
    }
}

impl Peer {
    /// DATA as it must be, or with one number wrong.
    fn data(&mut self, source: &mut Source<'_>) -> Chunk {
        let (stream, unordered) = (source.below(3) as u16, source.below(4) == 0);
        let wrong = [0u32, 1, 2][source.below(64).saturating_sub(61)];
        let ssn = self.next_ssn.entry(stream).or_default();
        let data = DataChunk {
            unordered,
            tsn: (!self.flags.no_tsn()).then_some(self.next_tsn.wrapping_add(wrong & 1)),
            stream: (!self.flags.no_stream()).then_some((stream, ssn.wrapping_add((wrong >> 1) as u16))),
            ppid: (!self.flags.no_ppid()).then_some(11),
            data: vec![source.byte(); LENGTHS[source.below(LENGTHS.len() - 1)]].into(),
        };
        self.next_tsn = self.next_tsn.wrapping_add(1);
        *ssn = ssn.wrapping_add(u16::from(!unordered));
        Chunk::Data(data)
    }

    fn ack(&mut self, source: &mut Source<'_>) -> Chunk {
        let tsn = self.acked.wrapping_add(u32::from(source.below(64) == 63));
        self.acked = self.acked.wrapping_add(1);
        Chunk::Ack(AckChunk { tsn: (source.below(4) != 0).then_some(tsn) })
    }

    fn other(&mut self, source: &mut Source<'_>) -> Chunk {
        let bytes = Bytes::from(vec![source.byte(); source.below(64)]);
        match source.below(64) {
            0..32 => Chunk::Heartbeat(HeartbeatChunk { info: bytes }),
            32..48 => Chunk::HeartbeatAck(HeartbeatAckChunk { info: bytes }),
            48..63 => Chunk::Unknown(UnknownChunk { chunk_type: 2, flags: source.byte(), value: bytes }),
            _ => Chunk::Init(InitChunk { flags: InitFlags(source.byte()) }),
        }
    }
}

impl Written {
    /// INIT first, DATA in order and unchanged, an ACK for nothing that is not taken.
    fn read_chunks(&mut self, first_untaken: u64) {
        while let Some(chunk) = Chunk::decode(&mut self.buffer, self.flags).expect("we wrote it") {
            assert_eq!(std::mem::replace(&mut self.opened, true), !matches!(chunk, Chunk::Init(_)), "INIT once, first");
            match chunk {
                Chunk::Init(init) => assert_eq!(init.flags, self.flags),
                Chunk::Data(data) => {
                    assert!(data.tsn.is_none_or(|tsn| tsn == self.next_tsn));
                    self.next_tsn += 1;
                    assert_eq!(Some(data.data), self.expected.pop_front());
                }
                Chunk::Ack(ack) => {
                    assert!(ack.tsn.is_none_or(|tsn| u64::from(tsn) == self.acks));
                    self.acks += 1;
                    assert!(self.acks <= first_untaken, "an ACK of what is not taken");
                }
                Chunk::Heartbeat(_) | Chunk::HeartbeatAck(_) => {}
                Chunk::Unknown(unknown) => panic!("{unknown:?}"),
            }
        }
    }

    fn read_plain(&mut self) {
        while let Some(data) = self.expected.front() {
            let padded = data.len().next_multiple_of(4);
            if self.buffer.len() < padded {
                return;
            }
            assert_eq!(self.buffer.split_to(padded)[..data.len()], data[..]);
            self.expected.pop_front();
        }
        assert!(self.buffer.is_empty());
    }
}

/// Of messages, with those that are copied and those that are not, and at last one that is too long.
const LENGTHS: [usize; 10] = [1, 2, 3, 4, 100, 500, 2048, 5000, 0, 65_520];
/// What a message takes beside its data: fields and padding.
const DATA_OVERHEAD: usize = 16 + 3;
const MOST_COMMANDS: usize = 2_000;
const MOST_AFTER_THE_END: usize = 8;
