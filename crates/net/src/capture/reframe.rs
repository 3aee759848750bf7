// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writes ASAP and ENRP messages as a capture of SCTP packets, whatever carried them, so that tshark decodes them: it reads
//! tcp/3863 as bare ASAP and doesn't know the TCP mapping.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::flows::Flows;
use super::{Protocol, crc32c};

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

/// Writes a pcap file of Ethernet frames with IP, SCTP and DATA chunks, all checksums right.
///
/// Each pair of source and destination is one direction of an association, with consecutive TSNs and stream sequence numbers
/// on stream 0. A message that doesn't fit a frame of the usual size is fragmented.
pub struct CaptureWriter<W> {
    output: W,
    frames: u32,
    directions: Flows<(SocketAddr, SocketAddr), Direction>,
    packet: Vec<u8>,
}

/// The numbers of one direction of an association.
struct Direction {
    verification_tag: u32,
    tsn: u32,
    stream_sequence: u16,
}

impl<W: Write> CaptureWriter<W> {
    /// Writes the file header.
    pub fn new(mut output: W) -> io::Result<Self> {
        output.write_all(&PCAP_NANOSECONDS.to_be_bytes())?;
        output.write_all(&[0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0])?;
        output.write_all(&SNAP_LENGTH.to_be_bytes())?;
        output.write_all(&ETHERNET.to_be_bytes())?;
        Ok(CaptureWriter { output, frames: 0, directions: Flows::new(MAX_DIRECTIONS), packet: Vec::new() })
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
        let frames = self.frames;
        let (direction, _) = self.directions.entry((source, destination), || Direction {
            // Tags of associations with the same ports must differ.
            verification_tag: FIRST_TAG.wrapping_add(frames),
            tsn: 1,
            stream_sequence: 0,
        });
        let count = message.chunks(MAX_FRAGMENT).count();
        if count == 0 {
            return Err(ReframeError::Empty);
        }
        for (at, fragment) in message.chunks(MAX_FRAGMENT).enumerate() {
            let packet = &mut self.packet;
            packet.clear();
            put_ethernet_and_ip(packet, source.ip(), destination.ip(), SCTP_AND_DATA_HEADER + fragment.len());
            let sctp = packet.len();
            packet.extend(source.port().to_be_bytes());
            packet.extend(destination.port().to_be_bytes());
            packet.extend(direction.verification_tag.to_be_bytes());
            packet.extend([0; 4]);
            let begins = if at == 0 { BEGINNING_FRAGMENT } else { 0 };
            let ends = if at + 1 == count { ENDING_FRAGMENT } else { 0 };
            packet.extend([DATA, begins | ends]);
            packet.extend(((DATA_HEADER + fragment.len()) as u16).to_be_bytes());
            packet.extend(direction.tsn.to_be_bytes());
            packet.extend([0; 2]);
            packet.extend(direction.stream_sequence.to_be_bytes());
            packet.extend(protocol.ppid().to_be_bytes());
            packet.extend(fragment);
            packet.extend(&[0; 3][..padding(fragment.len())]);
            let checksum = crc32c::of_sctp_packet(&packet[sctp..]).expect("its header was just written");
            packet[sctp + 8..sctp + 12].copy_from_slice(&checksum);
            direction.tsn = direction.tsn.wrapping_add(1);
            write_frame(&mut self.output, time, packet)?;
            self.frames = self.frames.wrapping_add(1);
        }
        direction.stream_sequence = direction.stream_sequence.wrapping_add(1);
        Ok(self.frames)
    }

    /// Flushes and hands the output back.
    pub fn finish(mut self) -> io::Result<W> {
        self.output.flush()?;
        Ok(self.output)
    }
}

fn write_frame(output: &mut impl Write, time: Duration, packet: &[u8]) -> io::Result<()> {
    // pcap counts seconds in 32 bits.
    let seconds = u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
    output.write_all(&seconds.to_be_bytes())?;
    output.write_all(&time.subsec_nanos().to_be_bytes())?;
    let length = (packet.len() as u32).to_be_bytes();
    output.write_all(&length)?;
    output.write_all(&length)?;
    output.write_all(packet)
}

/// Headers for an SCTP packet of `length` bytes, padding not counted.
fn put_ethernet_and_ip(packet: &mut Vec<u8>, source: IpAddr, destination: IpAddr, length: usize) {
    packet.extend(hardware_address(destination));
    packet.extend(hardware_address(source));
    let length = length + padding(length);
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            packet.extend([0x08, 0x00]);
            let start = packet.len();
            packet.extend([0x45, 0]);
            packet.extend(((IPV4_HEADER + length) as u16).to_be_bytes());
            packet.extend([0, 0, 0x40, 0, HOP_LIMIT, SCTP, 0, 0]);
            packet.extend(source.octets());
            packet.extend(destination.octets());
            let checksum = internet_checksum(&packet[start..]);
            packet[start + 10..start + 12].copy_from_slice(&checksum.to_be_bytes());
        }
        (source, destination) => {
            packet.extend([0x86, 0xdd]);
            packet.extend([0x60, 0, 0, 0]);
            packet.extend((length as u16).to_be_bytes());
            packet.extend([SCTP, HOP_LIMIT]);
            packet.extend(as_v6(source).octets());
            packet.extend(as_v6(destination).octets());
        }
    }
}

/// A locally administered address made of the IP address's last bytes, so that hosts can be told apart.
fn hardware_address(address: IpAddr) -> [u8; 6] {
    let [.., a, b, c, d] = as_v6(address).octets();
    [0x02, 0, a, b, c, d]
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

fn padding(length: usize) -> usize {
    length.next_multiple_of(4) - length
}

/// Message bytes per DATA chunk: what fits 1,500 bytes of Ethernet behind the headers of IPv6, SCTP and DATA.
const MAX_FRAGMENT: usize = 1432;
const DATA_HEADER: usize = 16;
const SCTP_AND_DATA_HEADER: usize = 12 + DATA_HEADER;
const IPV4_HEADER: usize = 20;
const HOP_LIMIT: u8 = 64;
const SCTP: u8 = 132;
const DATA: u8 = 0;
const ENDING_FRAGMENT: u8 = 1;
const BEGINNING_FRAGMENT: u8 = 2;

const PCAP_NANOSECONDS: u32 = 0xa1b2_3c4d;
const SNAP_LENGTH: u32 = 65_535;
const ETHERNET: u32 = 1;

/// Pairs of addresses whose numbers are remembered; one that comes back later gets a new tag.
const MAX_DIRECTIONS: usize = 16_384;
const FIRST_TAG: u32 = 0x0100_0000;
