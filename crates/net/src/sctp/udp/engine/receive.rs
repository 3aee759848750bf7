// SPDX-License-Identifier: MIT OR Apache-2.0
//! A datagram came: whose it is, and whether its tag is right (RFC 9260 §8.5, RFC 6951 §5.4).

use std::net::IpAddr;

use machine::Time;
use machine::association::LostReason;

use super::admit::Contents;
use super::{Arrival, Engine, Packet, Path, T_BIT, kind};
use crate::sctp::udp::packet::NoPacket;

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
            None if self.is_of_another_address(&path, &packet) => self.counters.other_address += 1,
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
        self.forget_path(&old, index);
        self.by_path.insert(*path, index);
        Some(index)
    }

    /// Whether a packet comes from the peer of an association, but from an address of its which is not used here. An ABORT in
    /// answer would end what is well.
    fn is_of_another_address(&self, path: &Path, packet: &Packet<'_>) -> bool {
        let Some(index) = self.by_tag.get(&packet.header().tag) else { return false };
        let known = self.associations[*index].path;
        known.peer.ip() != path.peer.ip()
            && (known.peer_port, known.local_port) == (path.peer_port, path.local_port)
            && packet.chunks().all(|chunk| !matches!(chunk.kind, kind::INIT_ACK | kind::COOKIE_ECHO))
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
            _ => self.feed(index, packet, arrival, now),
        }
    }

    /// Hands dcSCTP what it may have of a packet.
    pub(super) fn feed(&mut self, index: usize, packet: &Packet<'_>, arrival: &Arrival, now: Time) {
        let association = &mut self.associations[index];
        let Some(sctp) = &mut association.sctp else { return };
        let Some(contents) = Contents::of(packet, self.settings.max_streams, association.window.acknowledged()) else {
            return self.counters.malformed += 1;
        };
        let mut with_data = true;
        if contents.has_data {
            let Contents { small, is_next, .. } = contents;
            let Some(may) = association.window.admits(small, is_next, sctp.messages_waiting()) else {
                self.give_up(index, LostReason::Protocol("more pieces of messages than anybody sends".to_owned()));
                return self.settle(index);
            };
            with_data = may;
            self.counters.not_taken += u64::from(!may);
        }
        if sctp.advance(now).is_err() {
            return self.broken(index);
        }
        // What has come is handed up even if this packet is the end.
        if contents.may_end {
            association.drain_all(self.settings.receive_window);
        }
        let Some(sctp) = &mut self.associations[index].sctp else { return };
        if let Some(bytes) = contents.admit(packet, with_data).bytes(packet)
            && sctp.input(bytes).is_err()
        {
            return self.broken(index);
        }
        self.pump(index, Some((arrival, packet)), now);
    }
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
