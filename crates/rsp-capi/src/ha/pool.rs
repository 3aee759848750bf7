// SPDX-License-Identifier: MIT OR Apache-2.0
//! Basic mode: who is in a pool, who serves next, who failed. The descriptor only says whose settings count.

use std::ffi::{c_int, c_void};

use libc::ssize_t;
use rserpool::{Items, PeHandle, Pool, Report};
use rsp_core::config::LifeUnit;
use rsp_wire::parameter::{PoolElement, UserTransport};

use crate::errno::{Failure, Result};
use crate::handle::{self, Name};
use crate::layout::{RspLoadinfo, RspPeinfo, RspPoolinfo, SockaddrPehandle};
use crate::library::socket;
use crate::panic::boundary;

/// `rsp_getpoolinfo`
///
/// # Safety
/// `pool` is null or points to `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rsp_ha_getpoolinfo(
    fd: c_int,
    pool: *const c_void,
    len: usize,
    items: u32,
) -> *mut RspPoolinfo {
    boundary(std::ptr::null_mut(), || {
        let (library, socket) = socket(fd)?;
        // SAFETY: by the contract of this function.
        let pool = unsafe { handle::pool(pool, len) }?;
        let items = match items {
            0 => Items::Default,
            u32::MAX => Items::All,
            n => Items::AtMost(n),
        };
        let (user, may_be_stale) = (library.user.clone(), socket.may_be_stale());
        let found = library.runtime.call(async move {
            match may_be_stale {
                true => user.resolve(pool, items).await,
                false => user.resolve_fresh(pool, items).await,
            }
        })??;
        Ok(Box::into_raw(Box::new(poolinfo(&found, library.life_unit))))
    })
}

/// `rsp_freepoolinfo`
///
/// # Safety
/// `info` is null or came from [`rsp_ha_getpoolinfo`], and was not freed before.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rsp_ha_freepoolinfo(info: *mut RspPoolinfo) {
    boundary((), || {
        if info.is_null() {
            return Ok(());
        }
        // SAFETY: by the contract of this function it is a box of ours, and so are the lists in it, whose lengths nobody has changed.
        unsafe {
            let info = Box::from_raw(info);
            let elements = Box::from_raw(std::ptr::slice_from_raw_parts_mut(info.pe, info.count));
            for element in elements {
                drop(Box::from_raw(std::ptr::slice_from_raw_parts_mut(element.addrs, element.naddrs)));
            }
        }
        Ok(())
    });
}

/// `rsp_getprimaryserver`
///
/// # Safety
/// `pool` is null or points to `len` bytes, `server` is null or points to a `struct sockaddr_pehandle`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rsp_ha_getprimaryserver(
    fd: c_int,
    pool: *const c_void,
    len: usize,
    server: *mut SockaddrPehandle,
) -> ssize_t {
    boundary(-1, || {
        let (library, _) = socket(fd)?;
        // SAFETY: by the contract of this function.
        let pool = unsafe { handle::pool(pool, len) }?;
        if server.is_null() {
            return Err(handle::null());
        }
        let user = library.user.clone();
        let found = library.runtime.call(async move { user.get_primary_server(pool).await })??;
        // SAFETY: as above.
        unsafe { server.write_unaligned(handle::to_c(Some(&found), None)) };
        Ok(0)
    })
}

/// `rsp_getnextserver`
///
/// # Safety
/// `server` is null or points to a `struct sockaddr_pehandle`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rsp_ha_getnextserver(fd: c_int, server: *mut SockaddrPehandle) -> ssize_t {
    boundary(-1, || {
        let (library, _) = socket(fd)?;
        // SAFETY: by the contract of this function.
        let failed = unsafe { element(server) }?;
        let user = library.user.clone();
        let found = library.runtime.call(async move { user.get_next_server(&failed).await })??;
        // SAFETY: as above.
        unsafe { server.write_unaligned(handle::to_c(Some(&found), None)) };
        Ok(0)
    })
}

/// `rsp_reportfailure`
///
/// # Safety
/// `server` is null or points to a `struct sockaddr_pehandle`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rsp_ha_reportfailure(fd: c_int, server: *const SockaddrPehandle) -> ssize_t {
    boundary(-1, || {
        let (library, _) = socket(fd)?;
        // SAFETY: by the contract of this function.
        let failed = unsafe { element(server) }?;
        let user = library.user.clone();
        library.runtime.call(async move { user.report_failure(&failed).await })?;
        Ok(0)
    })
}

/// `rsp_forcefailover`
#[unsafe(no_mangle)]
pub extern "C-unwind" fn rsp_ha_forcefailover(fd: c_int, session: u32, report: c_int) -> ssize_t {
    boundary(-1, || {
        let (library, socket) = socket(fd)?;
        let report = if report != 0 { Report::Yes } else { Report::No };
        socket.force_failover(&library, fd, session, report)?;
        Ok(0)
    })
}

/// # Safety
/// `server` is null or points to a `struct sockaddr_pehandle`.
unsafe fn element(server: *const SockaddrPehandle) -> Result<PeHandle> {
    if server.is_null() {
        return Err(handle::null());
    }
    // SAFETY: by the contract of this function.
    match handle::pe_or_pool(&unsafe { server.read_unaligned() })? {
        Name::Pe(pe) => Ok(pe),
        _ => Err(Failure::new(libc::EINVAL, "it names a pool and no server of it")),
    }
}

fn poolinfo(pool: &Pool, life_unit: LifeUnit) -> RspPoolinfo {
    let elements: Box<[RspPeinfo]> = pool.elements.iter().map(|element| peinfo(pool, element, life_unit)).collect();
    let count = elements.len();
    RspPoolinfo {
        policy: pool.policy.policy_type(),
        flags: if pool.stale { STALE } else { 0 },
        count,
        pe: Box::into_raw(elements).cast(),
    }
}

fn peinfo(pool: &Pool, element: &PoolElement, life_unit: LifeUnit) -> RspPeinfo {
    let addresses: Box<[libc::sockaddr_storage]> = match &element.user_transport {
        UserTransport::Ip(transport) => transport
            .addresses
            .iter()
            .map(|ip| handle::storage(Some(std::net::SocketAddr::new(*ip, transport.port))))
            .collect(),
        UserTransport::Opaque(_) => Box::default(),
    };
    let mut load = RspLoadinfo { policy: element.policy.policy_type(), ..RspLoadinfo::default() };
    element.policy.fields(|name, value| match name {
        "weight" => load.weight = value,
        "priority" => load.priority = value,
        "load" => load.load = value,
        "load_degradation" => load.load_degradation = value,
        "weight_dpf" => load.weight_dpf = value,
        "load_dpf" => load.load_dpf = value,
        _ => {}
    });
    let unit = match life_unit {
        LifeUnit::Seconds => 1000,
        LifeUnit::Milliseconds => 1,
    };
    let handle = PeHandle::of(&pool.handle, element);
    RspPeinfo {
        handle: handle::to_c(Some(&handle), None),
        load,
        home: element.home.0,
        // -1 is for ever.
        life_ms: u32::try_from(element.life.0).map_or(u32::MAX, |life| life.saturating_mul(unit)),
        naddrs: addresses.len(),
        addrs: Box::into_raw(addresses).cast(),
    }
}

/// `RSP_POOL_STALE`: no registrar answers, this is what was known.
const STALE: u32 = 1;
