// SPDX-License-Identifier: MIT OR Apache-2.0
//! The client's end of a TCP connection: as much of the TCP mapping as a load generator needs, without a copy or an allocation per message.
//!
//! `tcp_mapping::Connection` keeps every message until its outcome is known, which would cost the client more than the registrar it is
//! to keep busy. Here requests are written into one buffer, and answers are looked at where they were read.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};

use bytes::BytesMut;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use rsp_wire::asap::message_type::{ENDPOINT_KEEP_ALIVE, ENDPOINT_KEEP_ALIVE_ACK};
use tcp_mapping::{InitChunk, InitFlags, PPID_ASAP};

/// What the bytes on a connection are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// Chunks of the TCP mapping.
    Mapping,
    /// Answers of this length, one behind the other.
    Fixed(usize),
}

/// A connection to the server that is measured.
#[derive(Debug)]
pub(super) struct Connection {
    socket: TcpStream,
    framing: Framing,
    /// To be written, from `written` on.
    out: Vec<u8>,
    written: usize,
    /// The start of a chunk whose end has not come yet.
    partial: Vec<u8>,
    numbers: Numbers,
    /// When each request was due that has not been answered, the oldest first.
    due: VecDeque<u64>,
    keep_alives: u64,
    claims: u64,
    /// Its end is nothing to complain of.
    pub(super) may_end: bool,
}

/// The numbers of chunks.
#[derive(Debug, Default)]
struct Numbers {
    /// The peer's INIT has come.
    is_open: bool,
    /// Ours has gone.
    has_greeted: bool,
    next_tsn: u32,
    next_ack: u32,
    next_peer_tsn: u32,
}

/// A message that came, and when the request was due it answers; `None` if nothing is outstanding.
pub(super) struct Answer<'a> {
    pub(super) message: &'a [u8],
    pub(super) due: Option<u64>,
}

impl Connection {
    /// Connects and, in the mapping, says INIT.
    pub(super) fn open(to: SocketAddr, framing: Framing, registry: &Registry, token: Token) -> io::Result<Self> {
        let stream = std::net::TcpStream::connect(to)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut connection = Connection::new(TcpStream::from_std(stream), framing, registry, token)?;
        if framing == Framing::Mapping {
            connection.greet();
        }
        connection.flush()?;
        Ok(connection)
    }

    /// Takes over a connection a registrar has opened to a pool element.
    pub(super) fn accepted(socket: TcpStream, registry: &Registry, token: Token) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        Ok(Connection { may_end: true, ..Connection::new(socket, Framing::Mapping, registry, token)? })
    }

    fn new(mut socket: TcpStream, framing: Framing, registry: &Registry, token: Token) -> io::Result<Self> {
        registry.register(&mut socket, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Connection {
            socket,
            framing,
            out: Vec::new(),
            written: 0,
            partial: Vec::new(),
            numbers: Numbers::default(),
            due: VecDeque::new(),
            keep_alives: 0,
            claims: 0,
            may_end: false,
        })
    }

    fn greet(&mut self) {
        let mut init = BytesMut::new();
        InitChunk { flags: InitFlags::NONE }.encode(&mut init);
        self.out.extend_from_slice(&init);
        self.numbers.has_greeted = true;
    }

    /// Our address on it.
    pub(super) fn local_ip(&self) -> io::Result<IpAddr> {
        Ok(self.socket.local_addr()?.ip())
    }

    /// Puts a request into the next write.
    pub(super) fn send(&mut self, message: &[u8], due: u64) {
        self.due.push_back(due);
        match self.framing {
            Framing::Mapping => self.put_data(message),
            Framing::Fixed(_) => self.out.extend_from_slice(message),
        }
    }

    /// Writes what is there to be written, as far as the socket takes it.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        while self.written < self.out.len() {
            match self.socket.write(&self.out[self.written..]) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.out.clear();
        self.written = 0;
        Ok(())
    }

    /// Requests without an answer.
    pub(super) fn outstanding(&self) -> usize {
        self.due.len()
    }

    /// Keep-alives answered.
    pub(super) fn keep_alives(&self) -> u64 {
        self.keep_alives
    }

    /// Keep-alives with the H flag: a registrar wants to be the home of the pool element.
    pub(super) fn claims(&self) -> u64 {
        self.claims
    }

    /// Reads once into `buffer` and hands up the answers. `false`: there was nothing to read. A read that doesn't fill the buffer has
    /// emptied the socket, and the system tells when more comes.
    pub(super) fn read(&mut self, buffer: &mut [u8], hand_up: impl FnMut(Answer<'_>)) -> io::Result<bool> {
        let kept = self.partial.len();
        buffer[..kept].copy_from_slice(&self.partial);
        let count = match self.socket.read(&mut buffer[kept..]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(true),
            Err(error) => return Err(error),
        };
        let bytes = &buffer[..kept + count];
        let taken = match self.framing {
            Framing::Mapping => self.take_chunks(bytes, hand_up)?,
            Framing::Fixed(length) => self.take_fixed(bytes, length, hand_up),
        };
        self.partial.clear();
        self.partial.extend_from_slice(&bytes[taken..]);
        Ok(kept + count == buffer.len())
    }

    fn take_fixed(&mut self, bytes: &[u8], length: usize, mut hand_up: impl FnMut(Answer<'_>)) -> usize {
        for message in bytes.chunks_exact(length) {
            hand_up(Answer { message, due: self.due.pop_front() });
        }
        bytes.len() - bytes.len() % length
    }

    /// Does what the chunks say and answers how many bytes they were.
    fn take_chunks(&mut self, bytes: &[u8], mut hand_up: impl FnMut(Answer<'_>)) -> io::Result<usize> {
        let mut taken = 0;
        while let Some(header) = bytes[taken..].first_chunk::<HEADER>() {
            let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
            if length < HEADER {
                return Err(broken("a chunk is shorter than its header"));
            }
            let padded = length.next_multiple_of(4);
            if bytes.len() < taken + padded {
                break;
            }
            let chunk = &bytes[taken..taken + length];
            match header[0] {
                DATA => self.take_data(chunk, &mut hand_up)?,
                ACK => self.take_ack(chunk)?,
                INIT if !self.numbers.is_open => {
                    self.numbers.is_open = true;
                    if !self.numbers.has_greeted {
                        self.greet();
                    }
                }
                HEARTBEAT => {
                    self.out.push(HEARTBEAT_ACK);
                    self.out.extend_from_slice(&bytes[taken + 1..taken + padded]);
                }
                HEARTBEAT_ACK => {}
                _ => return Err(broken("an unexpected chunk")),
            }
            taken += padded;
        }
        Ok(taken)
    }

    fn take_data(&mut self, chunk: &[u8], hand_up: &mut impl FnMut(Answer<'_>)) -> io::Result<()> {
        let (head, message) = chunk.split_at_checked(DATA_HEAD).ok_or_else(|| broken("a DATA chunk is too short"))?;
        if head[4..8] != self.numbers.next_peer_tsn.to_be_bytes() || head[12..16] != PPID_ASAP.to_be_bytes() {
            return Err(broken("a DATA chunk has the wrong number or payload"));
        }
        self.out.extend_from_slice(&[ACK, 0, 0, 8]);
        self.out.extend_from_slice(&head[4..8]);
        self.numbers.next_peer_tsn = self.numbers.next_peer_tsn.wrapping_add(1);
        match message {
            [ENDPOINT_KEEP_ALIVE, ..] => self.answer_keep_alive(message),
            _ => {
                let due = self.due.pop_front();
                hand_up(Answer { message, due });
                Ok(())
            }
        }
    }

    fn take_ack(&mut self, chunk: &[u8]) -> io::Result<()> {
        if chunk[HEADER..] != self.numbers.next_ack.to_be_bytes() || self.numbers.next_ack == self.numbers.next_tsn {
            return Err(broken("an ACK has the wrong number"));
        }
        self.numbers.next_ack = self.numbers.next_ack.wrapping_add(1);
        Ok(())
    }

    /// The answer repeats what stands behind the registrar's identifier: Pool Handle and PE Identifier.
    fn answer_keep_alive(&mut self, message: &[u8]) -> io::Result<()> {
        let length = usize::from(u16::from_be_bytes([message[2], message[3]]));
        let parameters = message.get(8..).filter(|_| (8..=message.len()).contains(&length));
        let parameters = parameters.ok_or_else(|| broken("a keep-alive is too short"))?;
        let mut ack = [0; LONGEST_KEEP_ALIVE];
        let whole = 4 + parameters.len();
        let ack = ack.get_mut(..whole).ok_or_else(|| broken("a keep-alive is too long"))?;
        ack[0] = ENDPOINT_KEEP_ALIVE_ACK;
        ack[2..4].copy_from_slice(&(length as u16 - 4).to_be_bytes());
        ack[4..].copy_from_slice(parameters);
        self.put_data(ack);
        self.keep_alives += 1;
        self.claims += u64::from(message[1] & HOME);
        Ok(())
    }

    fn put_data(&mut self, message: &[u8]) {
        let tsn = self.numbers.next_tsn.to_be_bytes();
        self.numbers.next_tsn = self.numbers.next_tsn.wrapping_add(1);
        let [high, low] = ((DATA_HEAD + message.len()) as u16).to_be_bytes();
        let [.., p0, p1] = PPID_ASAP.to_be_bytes();
        // Everything goes over stream 0, so its numbers are the last half of the TSN.
        #[rustfmt::skip]
        let head = [
            DATA, 0, high, low,
            tsn[0], tsn[1], tsn[2], tsn[3],
            0, 0, tsn[2], tsn[3],
            0, 0, p0, p1,
        ];
        self.out.extend_from_slice(&head);
        self.out.extend_from_slice(message);
        self.out.extend_from_slice(&[0; 3][..message.len().next_multiple_of(4) - message.len()]);
    }
}

fn broken(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Chunk types, draft-ietf-rserpool-tcpmapping-03 §3.1.
const DATA: u8 = 0;
const INIT: u8 = 1;
const ACK: u8 = 3;
const HEARTBEAT: u8 = 4;
const HEARTBEAT_ACK: u8 = 5;

/// The H flag of ASAP_ENDPOINT_KEEP_ALIVE.
const HOME: u8 = 1;

/// Bytes of a chunk's header, and of a DATA chunk before its data.
const HEADER: usize = 4;
const DATA_HEAD: usize = 16;

/// A keep-alive names a pool whose handle we chose.
const LONGEST_KEEP_ALIVE: usize = 256;
