// SPDX-License-Identifier: MIT OR Apache-2.0
//! What pool elements do: `rsp_register`, `rsp_deregister`, `rsp_accept`, `rsp_send_cookie`.

use std::ffi::{c_int, c_uint, c_void};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use libc::ssize_t;
use rserpool::{Policy, PoolHandle};

use super::layout::{LoadInfo, constant};
use crate::errno::{Failure, Result};
use crate::ha;
use crate::handle;
use crate::layout::RspLoadinfo;
use crate::library::{Library, socket};
use crate::panic::boundary;
use crate::socket::{Patience, Socket, option};

/// `rsp_register`
///
/// # Safety
/// `pool` is null or points to `len` bytes, `load` is null or points to a `struct rsp_loadinfo`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rsp_register(
    sd: c_int,
    pool: *const u8,
    len: usize,
    load: *const LoadInfo,
    interval: c_uint,
    flags: c_int,
) -> c_int {
    boundary(-1, || {
        let (library, socket) = socket(sd)?;
        // SAFETY: by the contract of this function.
        let pool = unsafe { handle::pool(pool.cast(), len) }?;
        // SAFETY: as above.
        let policy = policy(unsafe { load.as_ref() })?;
        let flags = flags.cast_unsigned();
        if flags & !(constant::REGF_DONTWAIT | constant::REGF_CONTROLCHANNEL | constant::REGF_DAEMONMODE) != 0 {
            return Err(Failure::new(libc::EINVAL, "there is no such flag"));
        }
        if interval != 0 {
            let life = interval.saturating_mul(INTERVALS_OF_LIFE).min(i32::MAX.cast_unsigned());
            socket.set(option::LIFE, &life.to_ne_bytes())?;
        }
        let patience = Patience::of(sd, flags & constant::REGF_DONTWAIT != 0);
        let left = socket.left();
        match socket.register(&library, sd, &pool, policy, patience, left) {
            Err(failure)
                if failure.errno == libc::EINPROGRESS
                    && flags & (constant::REGF_DONTWAIT | constant::REGF_DAEMONMODE) != 0 => {}
            Err(failure) if failure.errno == libc::ENETUNREACH && flags & constant::REGF_DAEMONMODE != 0 => {}
            other => return other.map(|()| 0),
        }
        if flags & constant::REGF_DAEMONMODE != 0 {
            let daemon = keep_trying(Arc::downgrade(&library), Arc::clone(&socket), sd, pool, policy, left);
            socket.become_daemon(library.runtime.spawn_abortable(daemon))?;
        }
        Ok(0)
    })
}

/// Registers as soon as there is a registrar.
async fn keep_trying(
    library: std::sync::Weak<Library>,
    socket: Arc<Socket>,
    sd: c_int,
    pool: PoolHandle,
    policy: Policy,
    left: u64,
) {
    loop {
        tokio::time::sleep(RETRY).await;
        let Some(library) = library.upgrade() else { return };
        if !socket.wants_registration(left) {
            return;
        }
        // How it goes is kept in the socket, for whoever asks again.
        let _ = socket.register(&library, sd, &pool, policy, Patience::None, left);
    }
}

/// The policy of a load information; nothing = round robin.
pub(super) fn policy(load: Option<&LoadInfo>) -> Result<Policy> {
    let Some(load) = load else { return Ok(Policy::RoundRobin) };
    ha::element::policy(&RspLoadinfo {
        policy: load.rli_policy,
        weight: load.rli_weight,
        priority: load.rli_weight,
        load: load.rli_load,
        load_degradation: load.rli_load_degradation,
        weight_dpf: load.rli_weight_dpf,
        load_dpf: load.rli_load_dpf,
        ..RspLoadinfo::default()
    })
}

/// `rsp_deregister`
#[unsafe(no_mangle)]
pub extern "C" fn rsp_deregister(sd: c_int, flags: c_int) -> c_int {
    boundary(-1, || {
        let (library, socket) = socket(sd)?;
        match flags.cast_unsigned() & constant::DEREGF_DONTWAIT {
            0 => socket.deregister(&library)?,
            _ => socket.leave_soon(&library)?,
        }
        Ok(0)
    })
}

/// `rsp_accept`
#[unsafe(no_mangle)]
pub extern "C" fn rsp_accept(sd: c_int, timeout: c_int) -> c_int {
    boundary(-1, || {
        let (library, listening) = socket(sd)?;
        let patience = if timeout < 0 { Patience::of(sd, false) } else { Patience::millis(timeout) };
        Ok(listening.accept(&library, sd, patience)?.0)
    })
}

/// `rsp_send_cookie`
///
/// # Safety
/// `cookie` is null or points to `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rsp_send_cookie(
    sd: c_int,
    cookie: *const u8,
    len: usize,
    session: c_int,
    _timeout: c_int,
) -> ssize_t {
    boundary(-1, || {
        let (library, socket) = socket(sd)?;
        let session = u32::try_from(session).map_err(|_| Failure::new(libc::ENOTCONN, "there is no such session"))?;
        let conversation = socket.conversation(&library, sd, session, Patience::None)?;
        if len > ha::element::MAX_COOKIE {
            return Err(Failure::new(libc::EMSGSIZE, "a cookie has at most 65,508 bytes"));
        }
        // SAFETY: by the contract of this function.
        let cookie = Bytes::copy_from_slice(unsafe { handle::bytes(cookie.cast::<c_void>(), len) }?);
        library.runtime.enter(|| conversation.set_cookie(cookie))?;
        Ok(len as ssize_t)
    })
}

/// A registration lives so many re-registration intervals.
const INTERVALS_OF_LIFE: u32 = 3;
/// Between attempts to find a registrar, in daemon mode.
const RETRY: Duration = Duration::from_secs(1);
