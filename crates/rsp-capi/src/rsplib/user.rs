// SPDX-License-Identifier: MIT OR Apache-2.0
//! What pool users do: `rsp_connect`, `rsp_has_cookie`, `rsp_forcefailover`.

use std::ffi::{c_int, c_uint};

use rserpool::Report;

use super::layout::constant;
use crate::handle;
use crate::library::socket;
use crate::panic::boundary;
use crate::socket::Patience;

/// `rsp_connect`
///
/// # Safety
/// `pool` is null or points to `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rsp_connect(sd: c_int, pool: *const u8, len: usize, stale: c_uint) -> c_int {
    boundary(-1, || {
        let (library, socket) = socket(sd)?;
        // SAFETY: by the contract of this function.
        let pool = unsafe { handle::pool(pool.cast(), len) }?;
        socket.with_by_hand(|it| it.connecting(&pool))?;
        socket.set_may_be_stale(stale != 0);
        socket.connect(&library, sd, &pool, Patience::of(sd, false))?;
        Ok(0)
    })
}

/// `rsp_has_cookie`
#[unsafe(no_mangle)]
pub extern "C" fn rsp_has_cookie(sd: c_int) -> c_int {
    boundary(-1, || {
        let (_, socket) = socket(sd)?;
        Ok(socket.has_cookie()?.into())
    })
}

/// `rsp_forcefailover`
#[unsafe(no_mangle)]
pub extern "C" fn rsp_forcefailover(sd: c_int, flags: c_uint, stale: c_uint) -> c_int {
    boundary(-1, || {
        let (library, socket) = socket(sd)?;
        socket.set_may_be_stale(stale != 0);
        let report = if flags & constant::FFF_UNREACHABLE != 0 { Report::Yes } else { Report::No };
        socket.move_by_hand(&library, sd, report)?;
        Ok(0)
    })
}
