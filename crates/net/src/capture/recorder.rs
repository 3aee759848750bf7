// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writes our own traffic as a pcapng file that tshark reads without being told anything.
//!
//! | in the frame                                | in the file                                         |
//! |---------------------------------------------|-----------------------------------------------------|
//! | SCTP, and SCTP over UDP port 9899           | as it is, the CRC32c filled in where the kernel left it to the network card |
//! | SCTP over another UDP port                  | plain SCTP                                          |
//! | the TCP mapping, plain ASAP on TCP          | each message in SCTP DATA chunks                    |
//! | announcements and presence on UDP           | as they are                                         |
//! | anything else                               | nothing                                             |
//!
//! What was carried another way says so in the comment of its packet.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::net::SocketAddr;

use super::carried::Carried;
use super::dissect::{CutOff, Found};
use super::frames::Frame;
use super::ip::{self, Packet, Unreadable};
use super::reframe::{MAX_SCTP, Message, Reframer, put_ip};
use super::tcp::Streams;
use super::writer::PcapNgWriter;
use super::{Limits, Skipped, Transport, udp};
use crate::crc32c;

/// Takes frames and writes what is ours of them.
pub struct Recorder<W> {
    writer: PcapNgWriter<W>,
    /// Only what has one of these ports on one side; all if there are none.
    ports: Vec<u16>,
    streams: Streams,
    reframer: Reframer,
    found: VecDeque<Carried>,
    frames: u32,
    packets: u64,
    skipped: Skipped,
    scratch: Vec<u8>,
}

impl<W: Write> Recorder<W> {
    /// Writes the beginning of the file. With `ports`, only what has one of them on one side is written.
    pub fn new(output: W, ports: Vec<u16>, limits: &Limits) -> io::Result<Self> {
        Ok(Recorder {
            writer: PcapNgWriter::new(output)?,
            ports,
            streams: Streams::new(limits),
            reframer: Reframer::new(),
            found: VecDeque::new(),
            frames: 0,
            packets: 0,
            skipped: Skipped::default(),
            scratch: Vec::new(),
        })
    }

    /// Writes what is ours of a frame.
    pub fn record(&mut self, frame: &Frame<'_>) -> io::Result<()> {
        self.frames = self.frames.saturating_add(1);
        let Some(link) = frame.link else {
            self.skipped.unknown_link += 1;
            return Ok(());
        };
        let Some(packet) = link.ip_packet(frame.bytes) else { return Ok(()) };
        let mut cut_off = frame.cut_off;
        match ip::parse(packet) {
            Ok(packet) => {
                cut_off |= packet.is_cut_off();
                cut_off |= self.packet(frame, &packet)?.is_err();
            }
            Err(Unreadable::Fragment) => self.skipped.ip_fragments += 1,
            Err(Unreadable::CutOff) => cut_off = true,
            Err(Unreadable::Other) => {}
        }
        self.skipped.cut_off += u64::from(cut_off);
        Ok(())
    }

    /// Writes what is buffered.
    pub fn flush(&mut self) -> io::Result<()> {
        self.writer.output().flush()
    }

    /// Goes on in another file; hands the full one back, flushed.
    pub fn continue_in(&mut self, output: W) -> io::Result<W> {
        self.flush()?;
        Ok(std::mem::replace(&mut self.writer, PcapNgWriter::new(output)?).into_output())
    }

    /// Ends the file and hands it back.
    pub fn finish(&mut self) -> io::Result<()> {
        self.streams.end(&mut self.skipped);
        self.flush()
    }

    /// Bytes in the file so far.
    pub fn written(&self) -> u64 {
        self.writer.written()
    }

    /// Packets written so far, in all files.
    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// Frames seen so far.
    pub fn frames(&self) -> u32 {
        self.frames
    }

    /// What was passed over so far although it may have been ours.
    pub fn skipped(&self) -> &Skipped {
        &self.skipped
    }

    fn packet(&mut self, frame: &Frame<'_>, packet: &Packet<'_>) -> io::Result<Result<(), CutOff>> {
        match packet.protocol {
            ip::SCTP => self.sctp(frame, packet),
            ip::TCP => self.tcp(frame, packet),
            ip::UDP => self.udp(frame, packet),
            _ => Ok(Ok(())),
        }
    }

    fn sctp(&mut self, frame: &Frame<'_>, packet: &Packet<'_>) -> io::Result<Result<(), CutOff>> {
        let Ok(ports) = ports(packet.payload) else { return Ok(Err(CutOff)) };
        if self.wants(ports) {
            self.copy_sctp(frame, packet, packet.payload.len())?;
        }
        Ok(Ok(()))
    }

    fn tcp(&mut self, frame: &Frame<'_>, packet: &Packet<'_>) -> io::Result<Result<(), CutOff>> {
        let (found, skipped) = (&mut self.found, &mut self.skipped);
        let result = self.streams.segment(packet.payload, &mut Found::of(self.frames, frame, packet, found), skipped);
        while let Some(carried) = self.found.pop_front() {
            let Carried { source, destination, transport, ppid, stream, unordered, bytes, .. } = carried;
            if !self.wants([source.port(), destination.port()]) {
                continue;
            }
            let comment = match transport {
                Transport::Tcp => "carried by TCP, bare",
                _ => "carried by TCP, in the TCP mapping",
            };
            let message = Message { ppid, stream, unordered, bytes: &bytes };
            let (writer, packets) = (&mut self.writer, &mut self.packets);
            self.reframer.packets(source, destination, &message, |packet| {
                *packets += 1;
                writer.packet(frame.interface, frame.time, packet, packet.len(), Some(comment))
            })?;
        }
        Ok(result)
    }

    fn udp(&mut self, frame: &Frame<'_>, packet: &Packet<'_>) -> io::Result<Result<(), CutOff>> {
        let mut found = Found::of(self.frames, frame, packet, &mut self.found);
        let payload = match udp::parse(packet.payload, &mut found) {
            Ok(payload) => payload,
            Err(cut_off) => return Ok(Err(cut_off)),
        };
        let (source, destination) = (found.source, found.destination);
        let udp_ports = [source.port(), destination.port()];
        match payload {
            udp::Payload::Other => {}
            udp::Payload::Message(..) if self.wants(udp_ports) => {
                self.write(frame, packet.whole, packet.length, None)?;
            }
            udp::Payload::Message(..) => {}
            udp::Payload::Sctp(sctp) => {
                let Ok(sctp_ports) = ports(sctp) else { return Ok(Err(CutOff)) };
                if !self.wants(udp_ports) && !self.wants(sctp_ports) {
                    return Ok(Ok(()));
                }
                if udp_ports.contains(&udp::ENCAPSULATION_PORT) {
                    self.copy_sctp(frame, packet, sctp.len())?;
                } else if let Ok(length) = u16::try_from(sctp.len())
                    && length <= MAX_SCTP
                {
                    self.unpack(frame, [source, destination], sctp, length)?;
                } else {
                    return Ok(Err(CutOff));
                }
            }
        }
        Ok(Ok(()))
    }

    fn wants(&self, ports: [u16; 2]) -> bool {
        self.ports.is_empty() || ports.iter().any(|port| self.ports.contains(port))
    }

    /// Writes a packet of which the last `length` bytes are an SCTP packet.
    fn copy_sctp(&mut self, frame: &Frame<'_>, packet: &Packet<'_>, length: usize) -> io::Result<()> {
        let sctp = packet.whole.len() - length;
        let checksum = packet.whole.get(sctp + CHECKSUM..sctp + CHECKSUM + 4);
        if checksum != Some(&[0; 4]) || packet.is_cut_off() || frame.cut_off {
            return self.write(frame, packet.whole, packet.length, None);
        }
        let mut whole = std::mem::take(&mut self.scratch);
        whole.clear();
        whole.extend(packet.whole);
        if let Some(checksum) = crc32c::of_sctp_packet(&whole[sctp..]) {
            whole[sctp + CHECKSUM..sctp + CHECKSUM + 4].copy_from_slice(&checksum);
        }
        let result =
            self.write(frame, &whole, packet.length, Some("CRC32c filled in: it was left to the network card"));
        self.scratch = whole;
        result
    }

    /// Writes an SCTP packet without the UDP header it came behind.
    fn unpack(
        &mut self,
        frame: &Frame<'_>,
        [source, destination]: [SocketAddr; 2],
        sctp: &[u8],
        length: u16,
    ) -> io::Result<()> {
        let mut packet = std::mem::take(&mut self.scratch);
        packet.clear();
        put_ip(&mut packet, source.ip(), destination.ip(), length);
        packet.extend(sctp);
        let comment = format!("carried by UDP, port {} to port {}", source.port(), destination.port());
        let result = self.write(frame, &packet, packet.len(), Some(&comment));
        self.scratch = packet;
        result
    }

    fn write(&mut self, frame: &Frame<'_>, packet: &[u8], length: usize, comment: Option<&str>) -> io::Result<()> {
        self.packets += 1;
        self.writer.packet(frame.interface, frame.time, packet, length, comment)
    }
}

/// The ports a transport header begins with.
fn ports(header: &[u8]) -> Result<[u16; 2], CutOff> {
    let [s0, s1, d0, d1] = *header.first_chunk().ok_or(CutOff)?;
    Ok([u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1])])
}

/// Where the checksum stands in an SCTP packet.
const CHECKSUM: usize = 8;
