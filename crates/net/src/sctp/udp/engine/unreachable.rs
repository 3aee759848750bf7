// SPDX-License-Identifier: MIT OR Apache-2.0
//! ICMP says that nobody has the UDP port (RFC 6951 §5.5, RFC 9260 §10): the peer's process is gone. Together with the tag it
//! quotes this is as good as an ABORT, and is what tells of a killed process at once.

use std::net::SocketAddr;

use machine::Time;
use machine::association::LostReason;

use super::{Engine, Path, PortId, packet};
use crate::sctp::udp::packet::{CHUNK_HEADER, HEADER, kind};

impl Engine {
    /// The system reports that `to` has no such port; `quoted` is the beginning of what was sent there.
    pub fn unreachable(&mut self, port: PortId, to: SocketAddr, quoted: &[u8], now: Time) {
        let known = packet::header(quoted).and_then(|header| {
            let path = Path { port, peer: to, peer_port: header.destination_port, local_port: header.source_port };
            Some((*self.by_path.get(&path)?, header.tag))
        });
        let Some((index, tag)) = known else { return self.counters.forged_reports += 1 };
        let association = &self.associations[index];
        //= https://www.rfc-editor.org/rfc/rfc9260#section-10
        //# If the Verification Tag is 0 and the ICMP message contains enough bytes to be sure that the chunk is an INIT
        let is_of_init = tag == 0
            && quoted.get(HEADER) == Some(&kind::INIT)
            && quoted.get(HEADER + CHUNK_HEADER..HEADER + CHUNK_HEADER + 4)
                == Some(&association.local_tag.to_be_bytes()[..]);
        let waits_for_init_ack = association.connecting.as_ref().is_some_and(|connecting| !connecting.is_answered);
        if waits_for_init_ack && is_of_init {
            return self.refused(index, (port, to), now);
        }
        //= https://www.rfc-editor.org/rfc/rfc6951#section-5.5
        //# If a
        //# received ICMP or ICMPv6 packet cannot be related to a specific SCTP
        //# association or the verification tag cannot be verified, it MUST be
        //# discarded silently.
        if tag == 0 || tag != association.peer_tag {
            return self.counters.forged_reports += 1;
        }
        let peer_had_closed = association.sctp.as_ref().is_some_and(|sctp| sctp.is_shutting_down());
        let reason = match association.close_until {
            Some(_) => LostReason::Closed,
            None if !association.is_up => LostReason::Refused,
            None if peer_had_closed => LostReason::PeerClosed,
            None => LostReason::Reset,
        };
        self.associations[index].drain_all(self.settings.receive_window);
        self.lose(index, reason);
        self.settle(index);
    }
}
