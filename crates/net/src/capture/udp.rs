// SPDX-License-Identifier: MIT OR Apache-2.0
//! UDP: server announcements (RFC 5352 §3.2), ENRP presence by multicast (RFC 5353 §3.1) and encapsulated SCTP (RFC 6951).

use super::Protocol;
use super::dissect::{CutOff, Found};
use crate::crc32c;

/// What a datagram carries.
pub(super) enum Payload<'a> {
    Message(Protocol, &'a [u8]),
    Sctp(&'a [u8]),
    Other,
}

pub(super) fn parse<'a>(datagram: &'a [u8], found: &mut Found<'_>) -> Result<Payload<'a>, CutOff> {
    found.ports(datagram)?;
    let ([.., l0, l1, _, _], _) = datagram.split_first_chunk::<8>().ok_or(CutOff)?;
    let length = match u16::from_be_bytes([*l0, *l1]) {
        // As in IP: left to the network card.
        0 => datagram.len(),
        length => usize::from(length).min(datagram.len()),
    };
    let payload = datagram.get(8..length).unwrap_or_default();
    // Where 9899 is taken, a listener encapsulates on another port, and be it 3863; a right checksum is no accident.
    if found.uses_port(ENCAPSULATION_PORT) || is_sctp(payload) {
        return Ok(Payload::Sctp(payload));
    }
    for protocol in [Protocol::Asap, Protocol::Enrp] {
        if found.uses_port(protocol.port()) && !payload.is_empty() {
            return Ok(Payload::Message(protocol, payload));
        }
    }
    Ok(Payload::Other)
}

fn is_sctp(payload: &[u8]) -> bool {
    crc32c::of_sctp_packet(payload).is_some_and(|checksum| payload[8..12] == checksum)
}

/// RFC 6951 §3.1.
pub(super) const ENCAPSULATION_PORT: u16 = 9899;
