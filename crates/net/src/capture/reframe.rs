// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writes messages as SCTP packets, whatever carried them, so that tshark decodes them: it reads tcp/3863 as bare ASAP and
//! doesn't know the TCP mapping.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::Protocol;
use super::flows::Flows;
use super::writer::PcapNgWriter;
use crate::crc32c;

/// Why a message can't be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReframeError {
    /// SCTP has no empty message.
    #[error("a message of 0 bytes can't be carried by SCTP")]
    Empty,
    /// The output refuses the bytes.
    #[error("writing the capture failed: {0}")]
    Io(#[from] io::Error),
}

/// Writes messages as a pcapng file of IP packets with SCTP and DATA chunks, all checksums right.
///
/// Each pair of source and destination is one direction of an association, with consecutive TSNs and stream sequence numbers
/// on stream 0. A message that doesn't fit a packet of the usual size is fragmented.
pub struct CaptureWriter<W> {
    writer: PcapNgWriter<W>,
    reframer: Reframer,
}

impl<W: Write> CaptureWriter<W> {
    /// Writes the beginning of the file.
    pub fn new(output: W) -> io::Result<Self> {
        Ok(CaptureWriter { writer: PcapNgWriter::new(output)?, reframer: Reframer::new() })
    }

    /// Writes one message, sent at `time` since 1970-01-01 UTC. Answers the number of its last frame, counted from 1, where
    /// tshark shows the message.
    pub fn write(
        &mut self,
        time: Duration,
        protocol: Protocol,
        source: SocketAddr,
        destination: SocketAddr,
        message: &[u8],
    ) -> Result<u32, ReframeError> {
        if message.is_empty() {
            return Err(ReframeError::Empty);
        }
        let CaptureWriter { writer, reframer } = self;
        let message = Message { ppid: protocol.ppid(), stream: None, unordered: false, bytes: message };
        reframer
            .packets(source, destination, &message, |packet| writer.packet(None, time, packet, packet.len(), None))?;
        Ok(self.reframer.packets)
    }

    /// Flushes and hands the output back.
    pub fn finish(mut self) -> io::Result<W> {
        self.writer.output().flush()?;
        Ok(self.writer.into_output())
    }
}

/// Makes packets of messages, direction by direction.
pub(super) struct Reframer {
    directions: Flows<(SocketAddr, SocketAddr), Direction>,
    packet: Vec<u8>,
    /// Packets made.
    packets: u32,
}

/// The numbers of one direction of an association.
struct Direction {
    verification_tag: u32,
    tsn: u32,
    /// Of messages that bring no stream.
    stream_sequence: u16,
}

/// What DATA chunks say of a message.
pub(super) struct Message<'a> {
    pub(super) ppid: u32,
    /// Stream and stream sequence number; without them, the next of stream 0.
    pub(super) stream: Option<(u16, u16)>,
    pub(super) unordered: bool,
    pub(super) bytes: &'a [u8],
}

impl Reframer {
    pub(super) fn new() -> Self {
        Reframer { directions: Flows::new(MAX_DIRECTIONS), packet: Vec::new(), packets: 0 }
    }

    /// The IP packets of one message, one after another.
    pub(super) fn packets(
        &mut self,
        source: SocketAddr,
        destination: SocketAddr,
        message: &Message<'_>,
        mut write: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let Reframer { directions, packet, packets } = self;
        let (direction, _) = directions.entry((source, destination), || Direction {
            // Tags of associations with the same ports must differ.
            verification_tag: FIRST_TAG.wrapping_add(*packets),
            tsn: 1,
            stream_sequence: 0,
        });
        let (stream, sequence) = message.stream.unwrap_or((0, direction.stream_sequence));
        if message.stream.is_none() && !message.unordered {
            direction.stream_sequence = direction.stream_sequence.wrapping_add(1);
        }
        let count = message.bytes.chunks(MAX_FRAGMENT).count();
        for (at, fragment) in message.bytes.chunks(MAX_FRAGMENT).enumerate() {
            packet.clear();
            let length = SCTP_AND_DATA_HEADER + fragment.len().next_multiple_of(4);
            put_ip(packet, source.ip(), destination.ip(), length as u16);
            let sctp = packet.len();
            packet.extend(source.port().to_be_bytes());
            packet.extend(destination.port().to_be_bytes());
            packet.extend(direction.verification_tag.to_be_bytes());
            packet.extend([0; 4]);
            let begins = if at == 0 { BEGINNING_FRAGMENT } else { 0 };
            let ends = if at + 1 == count { ENDING_FRAGMENT } else { 0 };
            let unordered = if message.unordered { UNORDERED } else { 0 };
            packet.extend([DATA, unordered | begins | ends]);
            packet.extend(((DATA_HEADER + fragment.len()) as u16).to_be_bytes());
            packet.extend(direction.tsn.to_be_bytes());
            packet.extend(stream.to_be_bytes());
            packet.extend(sequence.to_be_bytes());
            packet.extend(message.ppid.to_be_bytes());
            packet.extend(fragment);
            packet.resize(packet.len() + fragment.len().next_multiple_of(4) - fragment.len(), 0);
            let checksum = crc32c::of_sctp_packet(&packet[sctp..]).expect("its header was just written");
            packet[sctp + 8..sctp + 12].copy_from_slice(&checksum);
            direction.tsn = direction.tsn.wrapping_add(1);
            *packets = packets.wrapping_add(1);
            write(packet)?;
        }
        Ok(())
    }
}

/// An IP header for an SCTP packet of `length` bytes, which is at most [`MAX_SCTP`].
pub(super) fn put_ip(packet: &mut Vec<u8>, source: IpAddr, destination: IpAddr, length: u16) {
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let start = packet.len();
            packet.extend([0x45, 0]);
            packet.extend((IPV4_HEADER + length).to_be_bytes());
            packet.extend([0, 0, 0x40, 0, HOP_LIMIT, SCTP, 0, 0]);
            packet.extend(source.octets());
            packet.extend(destination.octets());
            let checksum = internet_checksum(&packet[start..]);
            packet[start + 10..start + 12].copy_from_slice(&checksum.to_be_bytes());
        }
        (source, destination) => {
            packet.extend([0x60, 0, 0, 0]);
            packet.extend(length.to_be_bytes());
            packet.extend([SCTP, HOP_LIMIT]);
            packet.extend(as_v6(source).octets());
            packet.extend(as_v6(destination).octets());
        }
    }
}

fn as_v6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

/// RFC 1071.
fn internet_checksum(header: &[u8]) -> u16 {
    let sum: u32 = header.chunks_exact(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]]))).sum();
    !((sum & 0xffff) + (sum >> 16)) as u16
}

/// Message bytes per DATA chunk: what fits 1,500 bytes behind the headers of IPv6, SCTP and DATA.
const MAX_FRAGMENT: usize = 1432;
const DATA_HEADER: usize = 16;
const SCTP_AND_DATA_HEADER: usize = 12 + DATA_HEADER;
const IPV4_HEADER: u16 = 20;
/// The largest SCTP packet behind an IPv4 header.
pub(super) const MAX_SCTP: u16 = u16::MAX - IPV4_HEADER;
const HOP_LIMIT: u8 = 64;
const SCTP: u8 = 132;
const DATA: u8 = 0;
const ENDING_FRAGMENT: u8 = 1;
const BEGINNING_FRAGMENT: u8 = 2;
const UNORDERED: u8 = 4;

/// Pairs of addresses whose numbers are remembered; one that comes back later gets a new tag.
const MAX_DIRECTIONS: usize = 16_384;
const FIRST_TAG: u32 = 0x0100_0000;
