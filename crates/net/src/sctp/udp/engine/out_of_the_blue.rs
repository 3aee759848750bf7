// SPDX-License-Identifier: MIT OR Apache-2.0
//! Packets that belong to no association (RFC 9260 §8.4). What is answered is answered without keeping anything.

use machine::Time;

use super::{Arrival, Engine, Packet, Path, T_BIT, kind, packet};
use crate::sctp::udp::cookie::INIT_FIXED;
use crate::sctp::udp::packet::{Header, cause, error_cause, parameters};

impl Engine {
    pub(super) fn out_of_the_blue(&mut self, path: Path, arrival: &Arrival, packet: &Packet<'_>, now: Time) {
        self.counters.out_of_the_blue += 1;
        let first = packet.first();
        let tag = packet.header().tag;
        //= https://www.rfc-editor.org/rfc/rfc9260#section-8.4
        //# If the OOTB packet contains an ABORT chunk, the receiver MUST
        //# silently discard the OOTB packet and take no further action.
        if packet.find(kind::ABORT).is_some() {
            return;
        }
        if first.kind == kind::INIT {
            //= https://www.rfc-editor.org/rfc/rfc9260#section-8.5.1
            //# When an endpoint receives an SCTP packet with the Verification
            //# Tag set to 0, it SHOULD verify that the packet contains only an
            //# INIT chunk.  Otherwise, the receiver MUST silently discard the
            //# packet.
            if tag == 0 && packet.is_single() {
                self.init(path, arrival, packet, 0, now);
            }
            return;
        }
        //= https://www.rfc-editor.org/rfc/rfc9260#section-8.4
        //# If the packet contains a COOKIE ECHO chunk as the first chunk, it
        //# MUST be processed as described in Section 5.1.
        if first.kind == kind::COOKIE_ECHO {
            return self.cookie_echo(path, arrival, packet, now);
        }
        if tag == 0 || packet.find(kind::INIT).is_some() {
            return;
        }
        //= https://www.rfc-editor.org/rfc/rfc9260#section-8.4
        //# If the packet contains a SHUTDOWN ACK chunk, the receiver SHOULD
        //# respond to the sender of the OOTB packet with a SHUTDOWN COMPLETE
        //# chunk.
        if packet.find(kind::SHUTDOWN_ACK).is_some() {
            return self.reflect(arrival, packet, kind::SHUTDOWN_COMPLETE);
        }
        //= https://www.rfc-editor.org/rfc/rfc9260#section-5.2.3
        //# If an INIT ACK chunk is received by an endpoint in any state other
        //# than the COOKIE-WAIT or CLOSED state, the endpoint SHOULD discard the
        //# INIT ACK chunk.
        // Our INIT went to several addresses of this peer, and another one was quicker: an ABORT would end the association that is
        // about to stand, for it has our tag. Whoever else sent it keeps nothing that an ABORT could end.
        let is_of_a_lost_attempt = packet.chunks().any(|chunk| {
            matches!(chunk.kind, kind::SHUTDOWN_COMPLETE | kind::COOKIE_ACK | kind::INIT_ACK)
                || chunk.kind == kind::ERROR && parameters(chunk.value).any(|(cause, _)| cause == cause::STALE_COOKIE)
        });
        if is_of_a_lost_attempt {
            return;
        }
        //= https://www.rfc-editor.org/rfc/rfc9260#section-8.4
        //# When sending the ABORT chunk, the receiver of
        //# the OOTB packet MUST fill in the Verification Tag field of the
        //# outbound packet with the value found in the Verification Tag
        //# field of the OOTB packet and set the T bit in the Chunk Flags to
        //# indicate that the Verification Tag is reflected.
        self.reflect(arrival, packet, kind::ABORT);
    }

    /// Answers with one chunk without a value and the tag that came.
    fn reflect(&mut self, arrival: &Arrival, to: &Packet<'_>, kind: u8) {
        let answer = packet::single(back(to, to.header().tag), kind, T_BIT, &[]);
        self.reply(arrival, answer);
    }

    /// Refuses an INIT.
    pub(super) fn abort_init(&mut self, arrival: &Arrival, init: &Packet<'_>, because: Option<u16>) {
        //= https://www.rfc-editor.org/rfc/rfc9260#section-8.4
        //# If,
        //# for whatever reason, the INIT chunk cannot be processed normally
        //# and an ABORT chunk has to be sent in response, the Verification
        //# Tag of the packet containing the ABORT chunk MUST be the Initiate
        //# Tag of the received INIT chunk, and the T bit of the ABORT chunk
        //# has to be set to 0, indicating that the Verification Tag is not
        //# reflected.
        let Some(tag) = InitFields::of(init).map(|fields| fields.tag).filter(|tag| *tag != 0) else { return };
        let value = because.map_or(Vec::new(), |cause| error_cause(cause, &[]));
        self.reply(arrival, packet::single(back(init, tag), kind::ABORT, 0, &[&value]));
    }
}

/// The header of an answer.
pub(super) fn back(packet: &Packet<'_>, tag: u32) -> Header {
    let Header { source_port, destination_port, .. } = packet.header();
    Header { source_port: destination_port, destination_port: source_port, tag }
}

/// The fixed fields of INIT and INIT ACK (RFC 9260 §3.3.2).
#[derive(Debug, Clone, Copy)]
pub(super) struct InitFields {
    pub(super) tag: u32,
    window: u32,
    outbound: u16,
    /// Streams on which the sender takes messages.
    pub(super) inbound: u16,
}

impl InitFields {
    pub(super) fn of(packet: &Packet<'_>) -> Option<Self> {
        let [t3, t2, t1, t0, w3, w2, w1, w0, o1, o0, i1, i0, ..] = *packet.first().value.first_chunk::<INIT_FIXED>()?;
        Some(InitFields {
            tag: u32::from_be_bytes([t3, t2, t1, t0]),
            window: u32::from_be_bytes([w3, w2, w1, w0]),
            outbound: u16::from_be_bytes([o1, o0]),
            inbound: u16::from_be_bytes([i1, i0]),
        })
    }

    /// Whether an association with these is possible.
    pub(super) fn are_valid(&self) -> bool {
        self.window >= LEAST_WINDOW && self.outbound > 0 && self.inbound > 0
    }
}

/// The least a_rwnd that INIT may carry.
const LEAST_WINDOW: u32 = 1500;
