// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where messages begin and end in a TCP stream: the TCP mapping (draft-ietf-rserpool-tcpmapping-03) or plain ASAP
//! (RFC 5352 §3.3).

use bytes::BytesMut;
use tcp_mapping::{Chunk, InitFlags, plain};

use super::dissect::Found;
use super::{Protocol, Skipped, Transport, midway};

/// The framing of one direction of a connection.
pub(super) struct Framing {
    kind: Kind,
    /// Bytes of a chunk or message that is not complete.
    buffer: BytesMut,
}

#[derive(Clone, Copy)]
enum Kind {
    /// Fewer than four bytes seen.
    Unknown {
        asap_port: bool,
    },
    /// The beginning is not in the capture, and no segment has shown yet what it is.
    Midway {
        asap_port: bool,
        counted: bool,
    },
    /// The flags of the sender's INIT.
    Mapping(InitFlags),
    Plain,
    /// Not ours, or unreadable from here on.
    Over,
}

impl Framing {
    pub(super) fn new(from_the_beginning: bool, asap_port: bool) -> Self {
        let kind = match from_the_beginning {
            true => Kind::Unknown { asap_port },
            false => Kind::Midway { asap_port, counted: false },
        };
        Framing { kind, buffer: BytesMut::new() }
    }

    /// Whether nothing of this stream can be read before [`begins_with`](Self::begins_with) has recognised it.
    pub(super) fn is_midway(&self) -> bool {
        matches!(self.kind, Kind::Midway { .. })
    }

    /// Looks at a segment of a stream whose beginning is missing. Whether it can be read from here on.
    pub(super) fn begins_with(&mut self, segment: &[u8], skipped: &mut Skipped) -> bool {
        let Kind::Midway { asap_port, counted } = &mut self.kind else { return true };
        self.kind = match segment {
            [INIT, flags, 0, 4, ..] => Kind::Mapping(InitFlags(*flags)),
            _ if midway::is_mapping(segment) => Kind::Mapping(InitFlags::NONE),
            _ if *asap_port && midway::is_plain(segment) => Kind::Plain,
            _ => {
                skipped.without_beginning += u64::from(*asap_port && !std::mem::replace(counted, true));
                return false;
            }
        };
        true
    }

    /// Whether nothing of this stream will be read any more.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.kind, Kind::Over)
    }

    /// Reads nothing of this stream any more.
    pub(super) fn give_up(&mut self) {
        self.kind = Kind::Over;
        self.buffer = BytesMut::new();
    }

    /// Takes the next bytes of the stream.
    pub(super) fn push(&mut self, bytes: &[u8], found: &mut Found<'_>, skipped: &mut Skipped) {
        if self.is_over() {
            return;
        }
        self.buffer.extend_from_slice(bytes);
        let intact = match self.recognise() {
            Kind::Unknown { .. } | Kind::Midway { .. } => Ok(()),
            Kind::Mapping(flags) => self.chunks(flags, found),
            Kind::Plain => self.plain_messages(found),
            Kind::Over => return self.give_up(),
        };
        if intact.is_err() {
            skipped.broken_streams += 1;
            self.give_up();
        }
    }

    /// Decides by the first four bytes, once they are there.
    fn recognise(&mut self) -> Kind {
        let Kind::Unknown { asap_port } = self.kind else { return self.kind };
        self.kind = match self.buffer.first_chunk() {
            None => self.kind,
            Some([INIT, flags, 0, 4]) => Kind::Mapping(InitFlags(*flags)),
            Some(_) if asap_port => Kind::Plain,
            Some(_) => Kind::Over,
        };
        self.kind
    }

    fn chunks(&mut self, sender: InitFlags, found: &mut Found<'_>) -> Result<(), Unframed> {
        while let Some(chunk) = Chunk::decode(&mut self.buffer, sender).map_err(|_| Unframed)? {
            if let Chunk::Data(chunk) = chunk {
                let ppid = chunk.ppid.unwrap_or_default();
                found.carried(Transport::TcpMapping, ppid, chunk.stream, chunk.unordered, chunk.data);
            }
        }
        Ok(())
    }

    fn plain_messages(&mut self, found: &mut Found<'_>) -> Result<(), Unframed> {
        while let Some(message) = plain::take_message(&mut self.buffer).map_err(|_| Unframed)? {
            found.message(Transport::Tcp, Protocol::Asap, message);
        }
        Ok(())
    }
}

/// Nobody knows where the next message begins.
struct Unframed;

const INIT: u8 = 1;
