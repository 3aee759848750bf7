// SPDX-License-Identifier: MIT OR Apache-2.0
//! A datagram came: whose it is, and whether its tag is right (RFC 9260 §8.5, RFC 6951 §5.4).

use std::net::IpAddr;

use machine::Time;

use super::{Arrival, Engine, Packet, Path, T_BIT, kind};
use crate::sctp::udp::packet::{Chunk, NoPacket};

impl Engine {
    /// Takes a datagram.
    pub fn receive(&mut self, arrival: &Arrival, datagram: &[u8], now: Time) {
        let packet = match Packet::parse(datagram) {
            Ok(packet) => packet,
            Err(NoPacket::Checksum) => return self.counters.wrong_checksum += 1,
            Err(NoPacket::Malformed) => return self.counters.malformed += 1,
        };
        let header = packet.header();
        if header.source_port == 0 || header.destination_port == 0 || !is_unicast(arrival) {
            return self.counters.malformed += 1;
        }
        let path = Path {
            port: arrival.port,
            peer: arrival.from,
            peer_port: header.source_port,
            local_port: header.destination_port,
        };
        let known = self.by_path.get(&path).copied();
        match known.or_else(|| self.moved(&path, &packet)) {
            Some(index) => self.received(index, arrival, &packet, now),
            None => self.out_of_the_blue(path, arrival, &packet, now),
        }
    }

    /// An association whose peer's UDP port has changed, because a NAT forgot it.
    fn moved(&mut self, path: &Path, packet: &Packet<'_>) -> Option<usize> {
        let index = *self.by_tag.get(&packet.header().tag)?;
        // The tag is also known to all that our INIT went to. What they have to say comes late.
        if packet.chunks().any(|chunk| matches!(chunk.kind, kind::ABORT | kind::INIT_ACK | kind::SHUTDOWN_COMPLETE)) {
            return None;
        }
        let association = &mut self.associations[index];
        let old = association.path;
        let is_same = Path { peer: super::association::with_port(old.peer, path.peer.port()), ..old } == *path;
        if !is_same {
            return None;
        }
        //= https://www.rfc-editor.org/rfc/rfc6951#section-5.4
        //# After finding the SCTP association (which
        //# includes checking the verification tag), the UDP source port MUST be
        //# stored as the encapsulation port for the destination address the SCTP
        //# packet is received from (see Section 5.1).
        association.path = *path;
        self.by_path.remove(&old);
        self.by_path.insert(*path, index);
        Some(index)
    }

    fn received(&mut self, index: usize, arrival: &Arrival, packet: &Packet<'_>, now: Time) {
        match packet.first().kind {
            kind::INIT => return self.init_of_known(index, arrival, packet, now),
            kind::COOKIE_ECHO => return self.cookie_echo_of_known(index, arrival, packet, now),
            _ => {}
        }
        let association = &mut self.associations[index];
        let tag = packet.header().tag;
        if !association.is_up && packet.find(kind::SHUTDOWN_ACK).is_some() {
            let path = association.path;
            return self.out_of_the_blue(path, arrival, packet, now);
        }
        //= https://www.rfc-editor.org/rfc/rfc9260#section-8.5
        //# If the received Verification Tag value does not
        //# match the receiver's own tag value, the receiver MUST silently
        //# discard the packet and MUST NOT process it any further, except for
        //# those cases listed in Section 8.5.1 below.
        let may_be_reflected = packet.find(kind::ABORT).or_else(|| packet.find(kind::SHUTDOWN_COMPLETE));
        let expected = match may_be_reflected {
            //= https://www.rfc-editor.org/rfc/rfc9260#section-8.5.1
            //# The receiver of an ABORT chunk MUST accept the packet if the
            //# Verification Tag field of the packet matches its own tag and
            //# the T bit is not set OR if it is set to its Peer's Tag and the
            //# T bit is set in the Chunk Flags.
            Some(chunk) if chunk.flags & T_BIT != 0 => association.peer_tag,
            _ => association.local_tag,
        };
        if tag == 0 || tag != expected {
            return self.counters.wrong_tag += 1;
        }
        if let Some(liveness) = &mut association.liveness {
            liveness.heard(now);
        }
        if association.local.is_none() {
            association.local = arrival.to;
        }
        match packet.first().kind {
            kind::INIT_ACK => self.init_ack(index, arrival, packet, now),
            kind::HEARTBEAT_ACK if packet.is_single() && self.answered(index, packet.first().value, now) => {
                self.settle(index);
            }
            _ if packet.find(kind::ABORT).is_some() && self.waits_for_init_ack(index) => {
                self.refused(index, (arrival.port, arrival.from), now);
            }
            _ => match packet.find(kind::RE_CONFIG).map(|_| packet.without(kind::RE_CONFIG)) {
                None => self.feed(index, packet.bytes(), packet, arrival, now),
                Some(Some(rest)) => self.feed(index, &rest, packet, arrival, now),
                Some(None) => {}
            },
        }
    }

    /// Hands dcSCTP `bytes`, which are `packet` or what it holds.
    pub(super) fn feed(&mut self, index: usize, bytes: &[u8], packet: &Packet<'_>, arrival: &Arrival, now: Time) {
        let association = &mut self.associations[index];
        let Some(sctp) = &mut association.sctp else { return };
        let mut has_data = false;
        for chunk in packet.chunks().filter(|chunk| chunk.kind == kind::DATA) {
            has_data = true;
            // Each stream takes memory at dcSCTP.
            if stream(&chunk).is_none_or(|stream| stream >= self.settings.max_streams) {
                return self.counters.malformed += 1;
            }
        }
        // The window closes by bytes. A peer that sends very small messages to somebody who takes none must wait too.
        if has_data && sctp.messages_waiting() >= MOST_WAITING {
            return self.counters.not_taken += 1;
        }
        if sctp.advance(now).is_err() {
            return self.broken(index);
        }
        // What has come is handed up even if this packet is the end.
        if packet.chunks().any(|chunk| ENDS.contains(&chunk.kind)) {
            association.drain(true, |_, _, _| false);
        }
        let Some(sctp) = &mut self.associations[index].sctp else { return };
        if sctp.input(bytes).is_err() {
            return self.broken(index);
        }
        self.pump(index, Some((arrival, packet)), now);
    }
}

/// Whether a message that was completed by `packet` was sent unordered. dcSCTP does not tell.
pub(super) fn came_unordered(packet: &Packet<'_>, of: u16, ppid: u32, message: &[u8]) -> bool {
    packet.chunks().filter(|chunk| chunk.kind == kind::DATA && chunk.flags & U_BIT != 0).any(|chunk| {
        let payload = chunk.value.get(DATA_FIXED..).unwrap_or_default();
        stream(&chunk) == Some(of)
            && chunk.value.get(8..12) == Some(&ppid.to_be_bytes()[..])
            && (message.ends_with(payload) || message.windows(payload.len().max(1)).any(|part| part == payload))
    })
}

fn stream(chunk: &Chunk<'_>) -> Option<u16> {
    chunk.value.get(4..6).map(|stream| u16::from_be_bytes([stream[0], stream[1]]))
}

//= https://www.rfc-editor.org/rfc/rfc9260#section-8.4
//# If the OOTB packet is to or from a non-unicast address, a
//# receiver SHOULD silently discard the packet.
fn is_unicast(arrival: &Arrival) -> bool {
    let is_one = |ip: IpAddr| {
        let is_broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
        !(ip.is_multicast() || ip.is_unspecified() || is_broadcast)
    };
    is_one(arrival.from.ip()) && arrival.from.port() != 0 && arrival.to.is_none_or(is_one)
}

/// Chunks with which dcSCTP forgets an association, and what of it was not taken.
const ENDS: [u8; 4] = [kind::ABORT, kind::SHUTDOWN_ACK, kind::SHUTDOWN_COMPLETE, kind::COOKIE_ECHO];

/// The U bit of DATA.
const U_BIT: u8 = 4;

/// Fixed fields of DATA: TSN, stream, stream sequence number, PPID.
const DATA_FIXED: usize = 12;

/// Messages that wait at dcSCTP because nobody takes those before them. It counts their bytes for each chunk that comes.
const MOST_WAITING: usize = 1024;
