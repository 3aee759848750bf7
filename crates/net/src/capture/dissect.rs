// SPDX-License-Identifier: MIT OR Apache-2.0
//! Takes a frame apart, layer by layer.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::carried::Carried;
use super::frames::Frame;
use super::ip::{self, Packet, Unreadable};
use super::sctp::Associations;
use super::tcp::Streams;
use super::{Limits, Protocol, Skipped, Transport, udp};

/// What is remembered from frame to frame.
pub(super) struct Dissector {
    associations: Associations,
    streams: Streams,
    skipped: Skipped,
}

impl Dissector {
    pub(super) fn new(limits: &Limits) -> Self {
        Dissector {
            associations: Associations::new(limits),
            streams: Streams::new(limits),
            skipped: Skipped::default(),
        }
    }

    pub(super) fn skipped(&self) -> &Skipped {
        &self.skipped
    }

    /// Appends what this frame completes to `messages`.
    pub(super) fn frame(&mut self, number: u32, frame: &Frame<'_>, messages: &mut VecDeque<Carried>) {
        let Some(link) = frame.link else {
            self.skipped.unknown_link += 1;
            return;
        };
        let Some(packet) = link.ip_packet(frame.bytes) else { return };
        let mut cut_off = frame.cut_off;
        match ip::parse(packet) {
            Ok(packet) => {
                cut_off |= packet.is_cut_off();
                let mut found = Found::of(number, frame, &packet, messages);
                cut_off |= self.packet(packet.protocol, packet.payload, &mut found).is_err();
            }
            Err(Unreadable::Fragment) => self.skipped.ip_fragments += 1,
            Err(Unreadable::CutOff) => cut_off = true,
            Err(Unreadable::Other) => {}
        }
        self.skipped.cut_off += u64::from(cut_off);
    }

    /// Counts what will never become a message now.
    pub(super) fn end(&mut self) {
        self.associations.end(&mut self.skipped);
        self.streams.end(&mut self.skipped);
    }

    fn packet(&mut self, protocol: u8, payload: &[u8], found: &mut Found<'_>) -> Result<(), CutOff> {
        match protocol {
            ip::SCTP => self.associations.packet(payload, Transport::Sctp, found, &mut self.skipped),
            ip::TCP => self.streams.segment(payload, found, &mut self.skipped),
            ip::UDP => match udp::parse(payload, found)? {
                udp::Payload::Message(protocol, bytes) => {
                    found.message(Transport::Udp, protocol, Bytes::copy_from_slice(bytes));
                    Ok(())
                }
                udp::Payload::Sctp(bytes) => {
                    self.associations.packet(bytes, Transport::SctpOverUdp, found, &mut self.skipped)
                }
                udp::Payload::Other => Ok(()),
            },
            _ => Ok(()),
        }
    }
}

/// A header or chunk is longer than the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CutOff;

/// Where messages go that are found in a frame, with what the layers passed so far said about them.
pub(super) struct Found<'a> {
    pub(super) frame: u32,
    pub(super) time: Duration,
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) messages: &'a mut VecDeque<Carried>,
}

impl<'a> Found<'a> {
    pub(super) fn of(number: u32, frame: &Frame<'_>, packet: &Packet<'_>, messages: &'a mut VecDeque<Carried>) -> Self {
        Found {
            frame: number,
            time: frame.time,
            source: SocketAddr::new(packet.source, 0),
            destination: SocketAddr::new(packet.destination, 0),
            messages,
        }
    }

    /// Sets the ports from the first four bytes of a transport header.
    pub(super) fn ports(&mut self, header: &[u8]) -> Result<(), CutOff> {
        let [s0, s1, d0, d1] = *header.first_chunk().ok_or(CutOff)?;
        self.source.set_port(u16::from_be_bytes([s0, s1]));
        self.destination.set_port(u16::from_be_bytes([d0, d1]));
        Ok(())
    }

    /// Whether one side uses this port.
    pub(super) fn uses_port(&self, port: u16) -> bool {
        self.source.port() == port || self.destination.port() == port
    }

    pub(super) fn message(&mut self, transport: Transport, protocol: Protocol, bytes: Bytes) {
        self.carried(transport, protocol.ppid(), None, false, bytes);
    }

    pub(super) fn carried(
        &mut self,
        transport: Transport,
        ppid: u32,
        stream: Option<(u16, u16)>,
        unordered: bool,
        bytes: Bytes,
    ) {
        let Found { frame, time, source, destination, .. } = *self;
        self.messages.push_back(Carried {
            frame,
            time,
            source,
            destination,
            transport,
            ppid,
            stream,
            unordered,
            bytes,
        });
    }
}
