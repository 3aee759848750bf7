// SPDX-License-Identifier: MIT OR Apache-2.0
//! The structures of `<rsp.h>`, as they lie in memory. A test compares them with what a C compiler makes of the header.

use std::ffi::{c_char, c_int, c_void};

use bytes::{Bytes, BytesMut};

use crate::handle;
use crate::socket::Notice;

/// `struct rsp_info`
#[derive(Debug)]
#[repr(C)]
pub struct RspInfo {
    pub(crate) config: *const c_char,
    pub(crate) registrars: *const c_char,
    pub(crate) profile: *const c_char,
    pub(crate) transport: *const c_char,
    pub(crate) reserved: [u64; 8],
}

/// `struct rsp_loadinfo`
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub struct RspLoadinfo {
    pub(crate) policy: u32,
    pub(crate) weight: u32,
    pub(crate) priority: u32,
    pub(crate) load: u32,
    pub(crate) load_degradation: u32,
    pub(crate) weight_dpf: u32,
    pub(crate) load_dpf: u32,
    pub(crate) reserved: u32,
}

/// `struct rsp_sndrcvinfo`
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub struct RspSndrcvinfo {
    pub(crate) session: u32,
    /// Network byte order.
    pub(crate) ppid: u32,
    pub(crate) flags: u32,
    pub(crate) timetolive: u32,
    pub(crate) context: u32,
    pub(crate) id: u32,
    pub(crate) pe_id: u32,
    pub(crate) stream: u16,
    pub(crate) reserved: u16,
}

/// `struct sockaddr_pehandle`
#[derive(Clone, Copy)]
#[repr(C)]
pub struct SockaddrPehandle {
    pub(crate) family: libc::sa_family_t,
    pub(crate) handlelen: u16,
    pub(crate) pe_id: u32,
    pub(crate) mapping: u8,
    pub(crate) protocol: u8,
    pub(crate) reserved: [u16; 3],
    pub(crate) addr: libc::sockaddr_storage,
    pub(crate) handle: [u8; handle::MAX],
}

/// `struct rsp_notification`
#[derive(Clone, Copy)]
#[repr(C)]
pub struct RspNotification {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) length: u32,
    pub(crate) session: u32,
    pub(crate) context: u32,
    pub(crate) code: u32,
    pub(crate) count: u32,
    pub(crate) pe: SockaddrPehandle,
}

/// `struct rsp_peinfo`
#[repr(C)]
pub struct RspPeinfo {
    pub(crate) handle: SockaddrPehandle,
    pub(crate) load: RspLoadinfo,
    pub(crate) home: u32,
    pub(crate) life_ms: u32,
    pub(crate) naddrs: usize,
    pub(crate) addrs: *mut libc::sockaddr_storage,
}

/// `struct rsp_poolinfo`
#[repr(C)]
pub struct RspPoolinfo {
    pub(crate) policy: u32,
    pub(crate) flags: u32,
    pub(crate) count: usize,
    pub(crate) pe: *mut RspPeinfo,
}

/// `rsp_notify_fn`
pub type NotifyFn = unsafe extern "C-unwind" fn(fd: c_int, notification: *const RspNotification, argument: *mut c_void);

/// A PE handle as it lies in memory.
pub(crate) fn pehandle_bytes(pe: &rserpool::PeHandle) -> Vec<u8> {
    let handle = handle::to_c(Some(pe), None);
    // SAFETY: all of its bytes are initialised: it has no padding (the test below); it is only read.
    unsafe { std::slice::from_raw_parts((&raw const handle).cast::<u8>(), size_of::<SockaddrPehandle>()) }.to_vec()
}

/// A notification and its payload, one behind the other.
pub(crate) fn notification_bytes(notice: &Notice) -> Bytes {
    let head = RspNotification {
        kind: notice.kind as u16,
        flags: notice.flags,
        length: notice.bytes.len().try_into().unwrap_or(u32::MAX),
        session: notice.session,
        context: notice.context,
        code: notice.code,
        count: notice.count,
        pe: handle::to_c(notice.pe.as_ref(), notice.address),
    };
    // SAFETY: all of its bytes are initialised: it has no padding (the test below), nor has what it contains; it is only read.
    let head = unsafe { std::slice::from_raw_parts((&raw const head).cast::<u8>(), size_of::<RspNotification>()) };
    let mut bytes = BytesMut::with_capacity(head.len() + notice.bytes.len());
    bytes.extend_from_slice(head);
    bytes.extend_from_slice(&notice.bytes);
    bytes.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_that_are_copied_as_bytes_have_no_padding() {
        assert_eq!(size_of::<SockaddrPehandle>(), 2 + 2 + 4 + 1 + 1 + 6 + 128 + handle::MAX);
        assert_eq!(size_of::<RspNotification>(), 2 + 2 + 5 * 4 + size_of::<SockaddrPehandle>());
    }
}
