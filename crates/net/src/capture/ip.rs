// SPDX-License-Identifier: MIT OR Apache-2.0
//! IPv4 (RFC 791) and IPv6 (RFC 8200) headers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an IP packet carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packet<'a> {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    /// The protocol number of the payload.
    pub(super) protocol: u8,
    pub(super) payload: &'a [u8],
    /// The packet with its header, without what the link layer has behind it.
    pub(super) whole: &'a [u8],
    /// Its length as its header says.
    pub(super) length: usize,
}

impl Packet<'_> {
    /// Whether the packet is shorter than its header says.
    pub(super) fn is_cut_off(&self) -> bool {
        self.length > self.whole.len()
    }
}

/// Why a packet has nothing for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    Fragment,
    CutOff,
    Other,
}

pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
pub(super) const SCTP: u8 = 132;

pub(super) fn parse(packet: &[u8]) -> Result<Packet<'_>, Unreadable> {
    match packet.first().map(|byte| byte >> 4) {
        Some(4) => v4(packet),
        Some(6) => v6(packet),
        _ => Err(Unreadable::Other),
    }
}

fn v4(packet: &[u8]) -> Result<Packet<'_>, Unreadable> {
    let header = packet.first_chunk::<20>().ok_or(Unreadable::CutOff)?;
    let header_length = usize::from(header[0] & 0x0f) * 4;
    if header_length < header.len() {
        return Err(Unreadable::Other);
    }
    let more_fragments_or_offset = u16::from_be_bytes([header[6], header[7]]) & 0x3fff;
    if more_fragments_or_offset != 0 {
        return Err(Unreadable::Fragment);
    }
    let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let [s0, s1, s2, s3, d0, d1, d2, d3] = *header.last_chunk().expect("8 of 20 bytes");
    let whole = whole(packet, total);
    let payload = whole.get(header_length..).ok_or(Unreadable::CutOff)?;
    Ok(Packet {
        source: Ipv4Addr::new(s0, s1, s2, s3).into(),
        destination: Ipv4Addr::new(d0, d1, d2, d3).into(),
        protocol: header[9],
        payload,
        whole,
        length: total.max(whole.len()),
    })
}

fn v6(packet: &[u8]) -> Result<Packet<'_>, Unreadable> {
    let header = packet.first_chunk::<40>().ok_or(Unreadable::CutOff)?;
    let (source, destination) = header[8..].split_at(16);
    let address = |bytes: &[u8]| Ipv6Addr::from(<[u8; 16]>::try_from(bytes).expect("split at 16 of 32"));
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let total = if length == 0 { 0 } else { header.len() + length };
    let whole = whole(packet, total);
    let mut payload = whole.get(header.len()..).ok_or(Unreadable::CutOff)?;
    let mut protocol = header[6];
    // Each turn passes at least 8 bytes.
    loop {
        let length = match protocol {
            HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS => {
                let [_, length] = payload.first_chunk().ok_or(Unreadable::CutOff)?;
                8 + usize::from(*length) * 8
            }
            AUTHENTICATION => {
                let [_, length] = payload.first_chunk().ok_or(Unreadable::CutOff)?;
                (8 + usize::from(*length) * 4).next_multiple_of(8)
            }
            FRAGMENT => {
                let [_, _, offset, more, ..] = payload.first_chunk::<8>().ok_or(Unreadable::CutOff)?;
                if u16::from_be_bytes([*offset, *more]) & 0xfff9 != 0 {
                    return Err(Unreadable::Fragment);
                }
                8
            }
            _ => break,
        };
        protocol = payload[0];
        payload = payload.get(length..).ok_or(Unreadable::CutOff)?;
    }
    let (source, destination) = (address(source).into(), address(destination).into());
    Ok(Packet { source, destination, protocol, payload, whole, length: total.max(whole.len()) })
}

/// The packet without the padding of short Ethernet frames. A total length of 0 is written by hosts that leave segmentation to the
/// network card.
fn whole(packet: &[u8], total: usize) -> &[u8] {
    let end = if total == 0 { packet.len() } else { total.min(packet.len()) };
    &packet[..end]
}

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION_OPTIONS: u8 = 60;

#[cfg(test)]
mod tests {
    use super::*;

    fn v4_packet(options: usize, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0; 20 + options];
        packet[0] = 0x40 | ((20 + options) / 4) as u8;
        packet[2..4].copy_from_slice(&((20 + options + payload.len()) as u16).to_be_bytes());
        packet[9] = SCTP;
        packet[12..20].copy_from_slice(&[192, 0, 2, 1, 192, 0, 2, 2]);
        packet.extend(payload);
        packet
    }

    fn v6_packet(next_header: u8, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0; 40];
        packet[0] = 0x60;
        packet[4..6].copy_from_slice(&(payload.len() as u16).to_be_bytes());
        packet[6] = next_header;
        packet[23] = 1;
        packet[39] = 2;
        packet.extend(payload);
        packet
    }

    #[test]
    fn the_payload_is_found_behind_ipv4_options_and_before_ethernet_padding() {
        let packet = [v4_packet(12, b"payload"), vec![0; 9]].concat();
        let parsed = parse(&packet).unwrap();
        assert_eq!((parsed.protocol, parsed.payload, parsed.is_cut_off()), (SCTP, b"payload".as_slice(), false));
        assert_eq!(parsed.whole, &packet[..packet.len() - 9]);
        assert_eq!(parsed.destination, IpAddr::from([192, 0, 2, 2]));
    }

    #[test]
    fn the_payload_is_found_behind_ipv6_extension_headers() {
        let hop_by_hop = [DESTINATION_OPTIONS, 0, 1, 4, 0, 0, 0, 0];
        let destination_options = [FRAGMENT, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let atomic_fragment = [UDP, 0, 0, 0, 0, 0, 0, 7];
        let payload = [&hop_by_hop[..], &destination_options, &atomic_fragment, b"payload"].concat();
        let packet = v6_packet(HOP_BY_HOP, &payload);
        let parsed = parse(&packet).unwrap();
        assert_eq!((parsed.protocol, parsed.payload), (UDP, b"payload".as_slice()));
        assert_eq!(parsed.source, "::1".parse::<IpAddr>().unwrap());
    }

    #[test]
    fn fragments_are_told_from_other_packets() {
        let mut packet = v4_packet(0, b"payload");
        packet[6] = 0x20;
        assert_eq!(parse(&packet), Err(Unreadable::Fragment));
        packet[6] = 0x40; // don't fragment
        assert!(parse(&packet).is_ok());
        packet[7] = 1;
        assert_eq!(parse(&packet), Err(Unreadable::Fragment));
        assert_eq!(parse(&v6_packet(FRAGMENT, &[UDP, 0, 0, 1, 0, 0, 0, 7])), Err(Unreadable::Fragment));
    }

    #[test]
    fn every_beginning_of_a_packet_is_survived() {
        let extension = [[ROUTING, 0, 1, 4, 0, 0, 0, 0], [UDP, 200, 1, 4, 0, 0, 0, 0]].concat();
        for packet in [v4_packet(8, b"payload"), v6_packet(HOP_BY_HOP, &extension)] {
            for end in 0..packet.len() {
                if let Ok(parsed) = parse(&packet[..end]) {
                    assert!(parsed.is_cut_off());
                }
            }
        }
    }
}
