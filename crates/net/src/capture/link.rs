// SPDX-License-Identifier: MIT OR Apache-2.0
//! From a frame of the link layer to the IP packet in it.

/// The link types we can read (numbers of the tcpdump.org registry).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkType {
    /// BSD loopback: an address family in the byte order of the machine, or in network order.
    Null,
    /// IEEE 802.3, with 802.1Q tags if there are any.
    Ethernet,
    /// Linux "cooked" capture.
    Sll,
    /// Linux "cooked" capture, version 2.
    Sll2,
    /// The packet begins with its IPv4 or IPv6 header.
    Raw,
}

impl LinkType {
    pub(super) fn from_number(number: u16) -> Option<Self> {
        Some(match number {
            0 | 108 => LinkType::Null,
            1 => LinkType::Ethernet,
            12 | 14 | 101 | 228 | 229 => LinkType::Raw,
            113 => LinkType::Sll,
            276 => LinkType::Sll2,
            _ => return None,
        })
    }

    /// The IP packet in a frame; `None` if it carries something else or ends too early.
    pub(super) fn ip_packet(self, frame: &[u8]) -> Option<&[u8]> {
        match self {
            LinkType::Raw => Some(frame),
            LinkType::Null => {
                let (family, packet) = frame.split_first_chunk::<4>()?;
                // The family is a small number in one of the two byte orders; 24, 28 and 30 are IPv6 on the BSDs and macOS.
                let family = u32::from_ne_bytes(*family);
                matches!(family.min(family.swap_bytes()), 2 | 10 | 24 | 28 | 30).then_some(packet)
            }
            LinkType::Ethernet => behind_tags(frame.get(12..)?),
            LinkType::Sll => behind_tags(frame.get(14..)?),
            LinkType::Sll2 => {
                let ethertype = u16::from_be_bytes(*frame.first_chunk()?);
                matches!(ethertype, IPV4 | IPV6).then_some(frame.get(20..)?)
            }
        }
    }
}

/// From an EtherType on, over any number of VLAN tags.
fn behind_tags(mut bytes: &[u8]) -> Option<&[u8]> {
    loop {
        let (ethertype, rest) = bytes.split_first_chunk()?;
        match u16::from_be_bytes(*ethertype) {
            IPV4 | IPV6 => return Some(rest),
            VLAN | SERVICE_VLAN | OLD_SERVICE_VLAN => bytes = rest.get(2..)?,
            _ => return None,
        }
    }
}

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const VLAN: u16 = 0x8100;
const SERVICE_VLAN: u16 = 0x88a8;
const OLD_SERVICE_VLAN: u16 = 0x9100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ip_packet_is_found_behind_every_link_header() {
        let behind = |link: LinkType, header: &[u8]| {
            let frame = [header, b"packet"].concat();
            link.ip_packet(&frame) == Some(b"packet")
        };
        assert!(behind(LinkType::Raw, &[]));
        assert!(behind(LinkType::Null, &[2, 0, 0, 0]));
        assert!(behind(LinkType::Null, &[0, 0, 0, 30]));
        assert!(!behind(LinkType::Null, &[0, 0, 0, 7]));
        assert!(behind(LinkType::Ethernet, &[[0; 12].as_slice(), &[0x08, 0x00]].concat()));
        assert!(behind(LinkType::Ethernet, &[[0; 12].as_slice(), &[0x86, 0xdd]].concat()));
        assert!(!behind(LinkType::Ethernet, &[[0; 12].as_slice(), &[0x08, 0x06]].concat()));
        let tags = [0x88, 0xa8, 0, 1, 0x81, 0x00, 0, 2, 0x08, 0x00];
        assert!(behind(LinkType::Ethernet, &[[0; 12].as_slice(), &tags].concat()));
        assert!(behind(LinkType::Sll, &[[0; 14].as_slice(), &[0x08, 0x00]].concat()));
        assert!(behind(LinkType::Sll2, &[[0x86, 0xdd].as_slice(), &[0; 18]].concat()));
    }

    #[test]
    fn a_frame_that_ends_in_its_header_holds_nothing() {
        for link in [LinkType::Null, LinkType::Ethernet, LinkType::Sll, LinkType::Sll2] {
            assert_eq!(link.ip_packet(&[0x81, 0x00]), None);
        }
        assert_eq!(LinkType::Ethernet.ip_packet(&[[0; 12].as_slice(), &[0x81, 0, 0]].concat()), None);
    }
}
