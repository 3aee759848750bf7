// SPDX-License-Identifier: MIT OR Apache-2.0
//! Addresses, pool handles and PE handles between C and Rust. What comes from C is copied before it is looked at.

use std::ffi::{CStr, c_char};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use rserpool::{Mapping, PeHandle, PeId, PoolHandle};
use rsp_wire::parameter::Protocol;

use crate::errno::{Failure, Result};
use crate::layout::SockaddrPehandle;

/// `RSP_MAX_HANDLE`
pub(crate) const MAX: usize = 256;
/// `AF_RSP`
pub(crate) const AF_RSP: libc::sa_family_t = 245;

/// What `msg_name` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Name {
    Pool(PoolHandle),
    Pe(PeHandle),
    Address(SocketAddr),
}

/// Bytes of the application.
///
/// # Safety
/// Unless it is null, `pointer` points to `len` readable bytes.
pub(crate) unsafe fn bytes<'a>(pointer: *const std::ffi::c_void, len: usize) -> Result<&'a [u8]> {
    if pointer.is_null() {
        return Err(null());
    }
    if len > isize::MAX as usize {
        return Err(Failure::new(libc::EINVAL, "that is more than there can be in memory"));
    }
    // SAFETY: by the contract of this function.
    Ok(unsafe { std::slice::from_raw_parts(pointer.cast(), len) })
}

/// A pool handle of `len` bytes.
///
/// # Safety
/// As [`bytes`].
pub(crate) unsafe fn pool(pointer: *const std::ffi::c_void, len: usize) -> Result<PoolHandle> {
    check_length(len)?;
    // SAFETY: by the contract of this function.
    Ok(PoolHandle::new(unsafe { bytes(pointer, len) }?.to_vec()))
}

fn check_length(len: usize) -> Result<()> {
    match len {
        0 => Err(Failure::new(libc::EINVAL, "a pool handle has at least one byte")),
        1..=MAX => Ok(()),
        _ => Err(Failure::new(libc::ENAMETOOLONG, "a pool handle has at most 256 bytes")),
    }
}

/// Text of the application; null = none.
///
/// # Safety
/// Unless it is null, `pointer` points to a string that ends with NUL.
pub(crate) unsafe fn text<'a>(pointer: *const c_char) -> Result<Option<&'a str>> {
    if pointer.is_null() {
        return Ok(None);
    }
    // SAFETY: by the contract of this function.
    let text = unsafe { CStr::from_ptr(pointer) };
    text.to_str().map(Some).map_err(|_| Failure::new(libc::EINVAL, "the text is not UTF-8"))
}

/// What a `msg_name` of `len` bytes names: a structure if family and length fit, otherwise a pool handle, with or without its NUL.
///
/// # Safety
/// As [`bytes`].
pub(crate) unsafe fn name(pointer: *const std::ffi::c_void, len: usize) -> Result<Name> {
    // SAFETY: by the contract of this function.
    let name = unsafe { bytes(pointer, len) }?;
    if let [low, high, ..] = name {
        let family = libc::sa_family_t::from_ne_bytes([*low, *high]);
        if family == AF_RSP && len >= size_of::<SockaddrPehandle>() {
            // SAFETY: so many bytes are there, and any bytes are a valid structure.
            let handle = unsafe { name.as_ptr().cast::<SockaddrPehandle>().read_unaligned() };
            return pe_or_pool(&handle);
        }
        let is_address = [libc::AF_INET, libc::AF_INET6].contains(&i32::from(family));
        if is_address && let Ok((address, _)) = socket_address(name) {
            return Ok(Name::Address(address));
        }
    }
    let text = name.strip_suffix(&[0]).unwrap_or(name);
    check_length(text.len())?;
    Ok(Name::Pool(PoolHandle::new(text.to_vec())))
}

pub(crate) fn pe_or_pool(handle: &SockaddrPehandle) -> Result<Name> {
    let pe = from_c(handle)?;
    Ok(if pe.id == PeId(0) { Name::Pool(pe.pool) } else { Name::Pe(pe) })
}

/// # Errors
/// EINVAL if it is none; ENAMETOOLONG.
pub(crate) fn from_c(handle: &SockaddrPehandle) -> Result<PeHandle> {
    if handle.family != AF_RSP {
        return Err(Failure::new(libc::EAFNOSUPPORT, "spe_family is not AF_RSP"));
    }
    let len = usize::from(handle.handlelen);
    check_length(len)?;
    let mapping = crate::socket::mapping(handle.mapping.into())?;
    let protocol = match i32::from(handle.protocol) {
        libc::IPPROTO_SCTP => Some(Protocol::Sctp),
        libc::IPPROTO_TCP => Some(Protocol::Tcp),
        libc::IPPROTO_UDP => Some(Protocol::Udp),
        _ => None,
    };
    // SAFETY: a sockaddr_storage is plain bytes, all of them initialised since the application gave them.
    let storage = unsafe {
        std::slice::from_raw_parts((&raw const handle.addr).cast::<u8>(), size_of::<libc::sockaddr_storage>())
    };
    Ok(PeHandle {
        pool: PoolHandle::new(handle.handle[..len].to_vec()),
        id: PeId(handle.pe_id),
        mapping,
        protocol,
        addrs: socket_address(storage).map(|(address, _)| address).into_iter().collect(),
    })
}

/// A PE handle for C; where there is none, only the address.
pub(crate) fn to_c(pe: Option<&PeHandle>, address: Option<SocketAddr>) -> SockaddrPehandle {
    let mut handle = SockaddrPehandle {
        family: AF_RSP,
        handlelen: 0,
        pe_id: 0,
        mapping: 0,
        protocol: 0,
        reserved: [0; 3],
        addr: storage(address.or_else(|| pe.and_then(|pe| pe.addrs.first().copied()))),
        handle: [0; MAX],
    };
    if let Some(pe) = pe {
        // One that is longer than C has room for can still be told by its PE identifier.
        let name = &pe.pool.as_bytes()[..pe.pool.len().min(MAX)];
        handle.handle[..name.len()].copy_from_slice(name);
        handle.handlelen = name.len() as u16;
        handle.pe_id = pe.id.0;
        handle.mapping = match pe.mapping {
            Mapping::None => 0,
            Mapping::Sctp => 1,
            Mapping::Tcp => 2,
        };
        handle.protocol = pe.protocol.map_or(0, |protocol| number_of(protocol) as u8);
    }
    handle
}

fn number_of(protocol: Protocol) -> i32 {
    match protocol {
        Protocol::Sctp => libc::IPPROTO_SCTP,
        Protocol::Tcp => libc::IPPROTO_TCP,
        Protocol::Udp => libc::IPPROTO_UDP,
        Protocol::UdpLite => libc::IPPROTO_UDPLITE,
        Protocol::Dccp { .. } => libc::IPPROTO_DCCP,
    }
}

/// Addresses one behind the other, as `sctp_bindx` takes them.
pub(crate) fn packed_addresses(mut packed: &[u8]) -> Result<Vec<SocketAddr>> {
    let mut addresses = Vec::new();
    while !packed.is_empty() {
        let (address, size) = socket_address(packed)?;
        addresses.push(address);
        packed = &packed[size..];
    }
    Ok(addresses)
}

/// The address at the beginning, and how many bytes it takes.
fn socket_address(bytes: &[u8]) -> Result<(SocketAddr, usize)> {
    let short = || Failure::new(libc::EINVAL, "the address is cut short");
    let family = bytes.first_chunk::<2>().map(|family| i32::from(libc::sa_family_t::from_ne_bytes(*family)));
    match family.ok_or_else(short)? {
        libc::AF_INET => {
            let size = size_of::<libc::sockaddr_in>();
            let bytes = bytes.get(..size).ok_or_else(short)?;
            // SAFETY: so many bytes are there, and any bytes are a valid structure.
            let address = unsafe { bytes.as_ptr().cast::<libc::sockaddr_in>().read_unaligned() };
            let ip = Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr));
            Ok((SocketAddrV4::new(ip, u16::from_be(address.sin_port)).into(), size))
        }
        libc::AF_INET6 => {
            let size = size_of::<libc::sockaddr_in6>();
            let bytes = bytes.get(..size).ok_or_else(short)?;
            // SAFETY: as above.
            let address = unsafe { bytes.as_ptr().cast::<libc::sockaddr_in6>().read_unaligned() };
            let ip = Ipv6Addr::from(address.sin6_addr.s6_addr);
            let port = u16::from_be(address.sin6_port);
            Ok((SocketAddrV6::new(ip, port, address.sin6_flowinfo, address.sin6_scope_id).into(), size))
        }
        _ => Err(Failure::new(libc::EAFNOSUPPORT, "neither an IPv4 nor an IPv6 address")),
    }
}

/// An address for C; all zero = none.
pub(crate) fn storage(address: Option<SocketAddr>) -> libc::sockaddr_storage {
    // SAFETY: a sockaddr_storage of zeros is a valid one.
    let mut storage: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    match address {
        None => {}
        Some(SocketAddr::V4(address)) => {
            // SAFETY: as above.
            let mut v4: libc::sockaddr_in = unsafe { std::mem::zeroed() };
            v4.sin_family = libc::AF_INET as libc::sa_family_t;
            v4.sin_port = address.port().to_be();
            v4.sin_addr.s_addr = u32::from(*address.ip()).to_be();
            // SAFETY: a sockaddr_storage has room for, and the alignment of, every address.
            unsafe { (&raw mut storage).cast::<libc::sockaddr_in>().write(v4) };
        }
        Some(SocketAddr::V6(address)) => {
            // SAFETY: as above.
            let mut v6: libc::sockaddr_in6 = unsafe { std::mem::zeroed() };
            v6.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            v6.sin6_port = address.port().to_be();
            v6.sin6_addr.s6_addr = address.ip().octets();
            v6.sin6_flowinfo = address.flowinfo();
            v6.sin6_scope_id = address.scope_id();
            // SAFETY: as above.
            unsafe { (&raw mut storage).cast::<libc::sockaddr_in6>().write(v6) };
        }
    }
    storage
}

pub(crate) fn null() -> Failure {
    Failure::new(libc::EFAULT, "a pointer is NULL")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    #[test]
    fn a_pe_handle_goes_to_c_and_back() {
        let pe = PeHandle {
            pool: "echo".into(),
            id: PeId(7),
            mapping: Mapping::Tcp,
            protocol: Some(Protocol::Tcp),
            addrs: vec![SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 7000)],
        };
        assert_eq!(from_c(&to_c(Some(&pe), None)).expect("a handle"), pe);
    }

    #[test]
    fn a_name_is_a_structure_or_a_pool_handle() {
        let pool = |name: &[u8]| {
            // SAFETY: it is a slice.
            match unsafe { super::name(name.as_ptr().cast(), name.len()) } {
                Ok(Name::Pool(pool)) => Ok(pool.as_bytes().to_vec()),
                other => Err(format!("{other:?}")),
            }
        };
        assert_eq!(pool(b"echo\0"), Ok(b"echo".to_vec()));
        assert_eq!(pool(b"e"), Ok(b"e".to_vec()));
        assert!(pool(b"\0").is_err_and(|error| error.contains("at least one byte")));
        assert!(pool(&[b'a'; 300]).is_err_and(|error| error.contains("256")));
        assert!(pool(&[0; 16]).is_ok(), "bytes that are no address may be a handle");
    }

    #[test]
    fn a_packed_list_of_addresses_that_is_cut_short_is_refused() {
        let address = storage(Some("127.0.0.1:7".parse().expect("an address")));
        // SAFETY: it is that long.
        let bytes = unsafe { std::slice::from_raw_parts((&raw const address).cast::<u8>(), 16) };
        assert_eq!(packed_addresses(&[bytes, bytes].concat()).expect("two").len(), 2);
        assert_eq!(packed_addresses(&bytes[..15]).expect_err("too short").errno, libc::EINVAL);
    }
}
