// SPDX-License-Identifier: MIT OR Apache-2.0
//! What pool elements do: register, leave, set cookies.

use std::ffi::{c_int, c_void};
use std::time::Duration;

use bytes::Bytes;
use libc::ssize_t;
use rserpool::{BusinessCard, Policy};

use crate::errno::{Failure, Result};
use crate::handle::{self, Name};
use crate::layout::{RspLoadinfo, SockaddrPehandle};
use crate::library::socket;
use crate::panic::boundary;
use crate::socket::Patience;

/// `rsp_register`
///
/// # Safety
/// `pool` is null or points to `len` bytes, `load` is null or points to a `struct rsp_loadinfo`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rsp_ha_register(
    fd: c_int,
    pool: *const c_void,
    len: usize,
    load: *const RspLoadinfo,
) -> ssize_t {
    boundary(-1, || {
        let (library, socket) = socket(fd)?;
        // SAFETY: by the contract of this function.
        let pool = unsafe { handle::pool(pool, len) }?;
        // SAFETY: as above.
        let policy = unsafe { load.as_ref() }.map_or(Ok(Policy::RoundRobin), policy)?;
        socket.register(&library, fd, &pool, policy, Patience::of(fd, false), socket.left())?;
        Ok(0)
    })
}

/// The policy of a load information; loads are 32-bit fractions.
pub(crate) fn policy(load: &RspLoadinfo) -> Result<Policy> {
    let part = |load: u32| f64::from(load) / f64::from(u32::MAX);
    let (now, degradation) = (part(load.load), part(load.load_degradation));
    let (weight_dpf, load_dpf) = (part(load.weight_dpf), part(load.load_dpf));
    Ok(match load.policy {
        1 => Policy::RoundRobin,
        2 => Policy::WeightedRoundRobin { weight: load.weight },
        3 => Policy::Random,
        4 => Policy::WeightedRandom { weight: load.weight },
        5 => Policy::Priority { priority: load.priority },
        0x4000_0001 => Policy::LeastUsed { load: now },
        0x4000_0002 => Policy::LeastUsedDegradation { load: now, degradation },
        0x4000_0003 => Policy::PriorityLeastUsed { load: now, degradation },
        0x4000_0004 => Policy::RandomizedLeastUsed { load: now },
        // RSPLIB's own.
        0xb000_1001 => Policy::RandomizedPriorityLeastUsed { load: now, degradation },
        0xb000_1002 => Policy::RandomizedLeastUsedDegradation { load: now, degradation },
        0xb000_1003 => Policy::PriorityLeastUsedDegradation { load: now, degradation },
        0xb000_1004 => Policy::RandomizedPriorityLeastUsedDegradation { load: now, degradation },
        0xb000_2001 => Policy::WeightedRandomDpf { weight: load.weight, weight_dpf },
        0xb000_2002 => Policy::LeastUsedDpf { load: now, load_dpf },
        0xb000_2003 => Policy::LeastUsedDegradationDpf { load: now, degradation, load_dpf },
        _ => return Err(Failure::new(libc::EINVAL, "there is no such policy, or it has no form on the wire")),
    })
}

/// `rsp_deregister`
#[unsafe(no_mangle)]
pub extern "C-unwind" fn rsp_ha_deregister(fd: c_int) -> ssize_t {
    boundary(-1, || {
        let (library, socket) = socket(fd)?;
        socket.deregister(&library)?;
        Ok(0)
    })
}

/// `rsp_drain`
#[unsafe(no_mangle)]
pub extern "C-unwind" fn rsp_ha_drain(fd: c_int, ms: c_int) -> ssize_t {
    boundary(-1, || {
        let (library, socket) = socket(fd)?;
        let ms = u64::try_from(ms).map_err(|_| Failure::new(libc::EINVAL, "the time is negative"))?;
        socket.drain(&library, Duration::from_millis(ms))?;
        Ok(0)
    })
}

/// `rsp_setcookie`
///
/// # Safety
/// `cookie` is null or points to `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rsp_ha_setcookie(
    fd: c_int,
    session: u32,
    cookie: *const c_void,
    len: usize,
) -> ssize_t {
    boundary(-1, || {
        let (library, socket) = socket(fd)?;
        let conversation = socket.conversation(&library, fd, session, Patience::None)?;
        if len > MAX_COOKIE {
            return Err(Failure::new(libc::EMSGSIZE, "a cookie has at most 65,508 bytes"));
        }
        // SAFETY: by the contract of this function.
        let cookie = Bytes::copy_from_slice(unsafe { handle::bytes(cookie, len) }?);
        library.runtime.enter(|| conversation.set_cookie(cookie))?;
        Ok(0)
    })
}

/// `rsp_setbusinesscard`
///
/// # Safety
/// `prefer` is null or points to `count` structures.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rsp_ha_setbusinesscard(
    fd: c_int,
    prefer: *const SockaddrPehandle,
    count: usize,
) -> ssize_t {
    boundary(-1, || {
        let (library, socket) = socket(fd)?;
        if !(1..=MAX_PREFERRED).contains(&count) {
            return Err(Failure::new(libc::EINVAL, "a business card has between 1 and 10,000 entries"));
        }
        if prefer.is_null() {
            return Err(handle::null());
        }
        let mut card: Option<BusinessCard> = None;
        for index in 0..count {
            // SAFETY: by the contract of this function.
            let named = handle::pe_or_pool(&unsafe { prefer.add(index).read_unaligned() })?;
            let (pool, pe) = match named {
                Name::Pool(pool) => (pool, None),
                Name::Pe(pe) => (pe.pool.clone(), Some(pe)),
                Name::Address(_) => return Err(Failure::new(libc::EINVAL, "an address is no PE handle")),
            };
            let card = card.get_or_insert_with(|| BusinessCard::new(pool.clone()));
            if card.pool != pool {
                return Err(Failure::new(libc::EINVAL, "a business card is of one pool"));
            }
            card.prefer.extend(pe);
        }
        let card = card.expect("there is at least one entry");
        library.runtime.enter(|| socket.set_business_card(card))?;
        Ok(0)
    })
}

/// More than a message has room for.
const MAX_PREFERRED: usize = 10_000;
/// Largest cookie, docs/session-wire.md §8; the session checks it, too.
pub(crate) const MAX_COOKIE: usize = 65_508;
