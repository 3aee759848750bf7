// SPDX-License-Identifier: MIT OR Apache-2.0
//! Packed addresses: one behind the other, each with the length of its family.

use std::net::SocketAddr;

use libc::sockaddr;

use crate::errno::{Failure, Result};
use crate::handle;

/// Reads so many of them.
///
/// # Safety
/// `first` is null or points to `count` packed addresses.
pub(super) unsafe fn read(first: *const sockaddr, count: usize) -> Result<Vec<SocketAddr>> {
    if count > 0 && first.is_null() {
        return Err(handle::null());
    }
    let mut addresses = Vec::new();
    let mut at = first.cast::<u8>();
    for _ in 0..count {
        // SAFETY: by the contract of this function an address begins here, with its family.
        let family = unsafe { at.cast::<libc::sa_family_t>().read_unaligned() };
        let size = size_of_family(family)?;
        // SAFETY: an address of this family is so long.
        let bytes = unsafe { std::slice::from_raw_parts(at, size) };
        addresses.extend(handle::packed_addresses(bytes)?);
        // SAFETY: the next one, if there is one, begins there.
        at = unsafe { at.add(size) };
    }
    Ok(addresses)
}

/// Their bytes, and the length of the first.
pub(super) fn write(addresses: &[SocketAddr]) -> (Vec<u8>, usize) {
    let mut packed = Vec::new();
    let mut first = 0;
    for address in addresses {
        let storage = handle::storage(Some(*address));
        let size = if address.is_ipv4() { size_of::<libc::sockaddr_in>() } else { size_of::<libc::sockaddr_in6>() };
        // SAFETY: a sockaddr_storage was zeroed and holds an address of this length.
        packed.extend_from_slice(unsafe { std::slice::from_raw_parts((&raw const storage).cast::<u8>(), size) });
        if first == 0 {
            first = size;
        }
    }
    (packed, first)
}

/// The same in memory that `free` frees; null = none.
pub(super) fn allocate(addresses: &[SocketAddr]) -> *mut sockaddr {
    let (bytes, _) = write(addresses);
    if bytes.is_empty() {
        return std::ptr::null_mut();
    }
    // SAFETY: the memory is as long as what is copied to it.
    unsafe {
        let memory = libc::malloc(bytes.len());
        if !memory.is_null() {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), memory.cast::<u8>(), bytes.len());
        }
        memory.cast()
    }
}

fn size_of_family(family: libc::sa_family_t) -> Result<usize> {
    match i32::from(family) {
        libc::AF_INET => Ok(size_of::<libc::sockaddr_in>()),
        libc::AF_INET6 => Ok(size_of::<libc::sockaddr_in6>()),
        _ => Err(Failure::new(libc::EAFNOSUPPORT, "neither an IPv4 nor an IPv6 address")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_both_families_are_packed_and_read() {
        let addresses: Vec<SocketAddr> = ["192.0.2.1:7", "[2001:db8::1]:7", "192.0.2.2:7"]
            .iter()
            .map(|it| it.parse().expect("an address"))
            .collect();
        let (bytes, first) = write(&addresses);
        assert_eq!((bytes.len(), first), (16 + 28 + 16, 16));
        // SAFETY: so many were written.
        assert_eq!(unsafe { read(bytes.as_ptr().cast(), 3) }.expect("three"), addresses);
        // SAFETY: as above.
        assert_eq!(unsafe { read(std::ptr::null(), 1) }.expect_err("null").errno, libc::EFAULT);
    }
}
