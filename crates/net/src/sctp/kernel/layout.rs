// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kernel's structures as bytes: RFC 6458's, laid out as Linux has them (`linux/sctp.h`). No pointer is ever cast to one, so a short buffer is
//! an absent field and nothing else. Numbers are in the host's byte order unless a comment says otherwise.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// A structure to hand to the kernel; what is not set is zero.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<const N: usize>([u8; N]);

impl<const N: usize> Fields<N> {
    pub(super) fn new() -> Self {
        Fields([0; N])
    }

    /// A structure that begins with an association id (`sctp_assoc_t`), as most do.
    pub(super) fn of(association: i32) -> Self {
        Self::new().u32(0, association as u32)
    }

    pub(super) fn u8(mut self, at: usize, value: u8) -> Self {
        self.0[at] = value;
        self
    }

    pub(super) fn u16(mut self, at: usize, value: u16) -> Self {
        self.0[at..at + 2].copy_from_slice(&value.to_ne_bytes());
        self
    }

    pub(super) fn u32(mut self, at: usize, value: u32) -> Self {
        self.0[at..at + 4].copy_from_slice(&value.to_ne_bytes());
        self
    }

    /// A `sockaddr_storage`.
    pub(super) fn address(mut self, at: usize, address: SocketAddr) -> Self {
        let mut bytes = Vec::with_capacity(28);
        push_address(address, &mut bytes);
        self.0[at..at + bytes.len()].copy_from_slice(&bytes);
        self
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(super) fn i32_at(bytes: &[u8], at: usize) -> Option<i32> {
    u32_at(bytes, at).map(|value| value as i32)
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The address that begins there (`sockaddr_in` or `sockaddr_in6`); an IPv4 one in IPv6's clothes is IPv4.
pub(super) fn address_at(bytes: &[u8], at: usize) -> Option<SocketAddr> {
    address(bytes.get(at..)?).map(|(address, _)| address)
}

/// Addresses one behind the other, as `sctp_bindx()` and `sctp_connectx()` take them.
pub(super) fn pack(addresses: &[SocketAddr]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(addresses.len() * 28);
    for address in addresses {
        push_address(*address, &mut bytes);
    }
    bytes
}

/// The first `count` of addresses one behind the other.
pub(super) fn unpack(mut bytes: &[u8], count: usize) -> Vec<SocketAddr> {
    let mut addresses = Vec::new();
    while addresses.len() < count
        && let Some((next, length)) = address(bytes)
    {
        addresses.push(next);
        bytes = &bytes[length..];
    }
    addresses
}

fn push_address(address: SocketAddr, bytes: &mut Vec<u8>) {
    let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    bytes.extend((family as u16).to_ne_bytes());
    bytes.extend(address.port().to_be_bytes());
    match address {
        SocketAddr::V4(v4) => {
            bytes.extend(v4.ip().octets());
            bytes.extend([0; 8]);
        }
        SocketAddr::V6(v6) => {
            bytes.extend(v6.flowinfo().to_be_bytes());
            bytes.extend(v6.ip().octets());
            bytes.extend(v6.scope_id().to_ne_bytes());
        }
    }
}

/// The address at the beginning and how many bytes it takes.
fn address(bytes: &[u8]) -> Option<(SocketAddr, usize)> {
    let port = u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?);
    match i32::from(u16_at(bytes, 0)?) {
        libc::AF_INET => {
            let ip: [u8; 4] = *bytes.get(4..)?.first_chunk()?;
            bytes.get(..16)?;
            Some((SocketAddr::new(Ipv4Addr::from(ip).into(), port), 16))
        }
        libc::AF_INET6 => {
            let ip: [u8; 16] = *bytes.get(8..)?.first_chunk()?;
            let scope = u32_at(bytes, 24)?;
            // The kernel gives others one too, at times.
            let scope = if Ipv6Addr::from(ip).is_unicast_link_local() { scope } else { 0 };
            let address = match Ipv6Addr::from(ip).to_canonical() {
                ip @ IpAddr::V4(_) => SocketAddr::new(ip, port),
                IpAddr::V6(ip) => SocketAddrV6::new(ip, port, 0, scope).into(),
            };
            Some((address, 28))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_and_mapped_ones_are_ipv4() {
        let addresses: Vec<SocketAddr> =
            ["192.0.2.1:3863", "[2001:db8::1]:9901", "[fe80::1%3]:1"].map(|text| text.parse().unwrap()).into();
        let bytes = pack(&addresses);
        assert_eq!(bytes.len(), 16 + 28 + 28);
        assert_eq!(unpack(&bytes, 3), addresses);
        assert_eq!(unpack(&bytes, 2), addresses[..2]);
        let mapped = pack(&["[::ffff:192.0.2.1]:7".parse().unwrap()]);
        assert_eq!(address_at(&mapped, 0), Some("192.0.2.1:7".parse().unwrap()));
    }

    #[test]
    fn a_short_buffer_has_no_fields() {
        let bytes = pack(&["[2001:db8::1]:9901".parse().unwrap()]);
        for length in 0..bytes.len() {
            assert_eq!(address_at(&bytes[..length], 0), None);
            assert!(unpack(&bytes[..length], 1).is_empty());
        }
        assert_eq!(address_at(&bytes, 29), None);
        assert_eq!((u32_at(&[0; 7], 4), u16_at(&[0; 7], 5)), (None, Some(0)));
        assert_eq!(u64_at(&[1; 8], 1), None);
    }

    #[test]
    fn what_is_not_set_is_zero() {
        let fields = Fields::<8>::of(-1).u16(4, 0x0102).u8(7, 9);
        assert_eq!(i32_at(fields.bytes(), 0), Some(-1));
        assert_eq!(fields.bytes()[6..], [0, 9]);
    }
}
