// SPDX-License-Identifier: MIT OR Apache-2.0
//! Making, naming, watching and ending sockets, and their options.

use std::ffi::{c_int, c_uint, c_void};
use std::time::Duration;

use libc::{fd_set, pollfd, sockaddr, socklen_t, timeval};
use rserpool::PeHandle;

use super::layout::{SessionParameters, constant};
use super::miscellaneous::close_mapped;
use super::packed;
use crate::errno::{Failure, Result};
use crate::ha;
use crate::handle;
use crate::library::{library, socket};
use crate::panic::boundary;
use crate::socket::{ByHand, Socket, Style, option};

/// `rsp_socket`
#[unsafe(no_mangle)]
pub extern "C" fn rsp_socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int {
    boundary(-1, || {
        let (style, mapping, non_blocking) = ha::sockets::of_kind(domain, kind, protocol)?;
        let library = library()?;
        let (fd, socket) = Socket::open(&library, style, mapping, non_blocking)?;
        let kind = kind & !(libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC);
        socket.set_by_hand(ByHand::new([domain, kind, protocol]));
        Ok(fd)
    })
}

/// `rsp_update_session_parameters`
///
/// # Safety
/// `parameters` is null or points to a `struct rserpool_session_parameters`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rsp_update_session_parameters(sd: c_int, parameters: *mut SessionParameters) -> c_int {
    boundary(-1, || {
        let (library, socket) = socket(sd)?;
        // SAFETY: by the contract of this function.
        let parameters = unsafe { parameters.as_mut() }.ok_or_else(handle::null)?;
        if parameters.sp_hbinterval != 0 {
            socket.set(option::HEARTBEAT, &parameters.sp_hbinterval.to_ne_bytes())?;
        }
        let millis = |time: Duration| c_uint::try_from(time.as_millis()).unwrap_or(c_uint::MAX);
        let sctp = &library.config.endpoint.sctp;
        let set = socket.number(&library, sd, option::HEARTBEAT)?;
        *parameters = SessionParameters {
            sp_rto_initial: millis(sctp.rto_initial),
            sp_rto_min: millis(sctp.rto_min),
            sp_rto_max: millis(sctp.rto_max),
            sp_assoc_max_rxt: sctp.association_max_retrans,
            sp_path_max_rxt: sctp.path_max_retrans,
            sp_hbinterval: if set == 0 { millis(library.config.session.heartbeat_interval) } else { set },
        };
        Ok(0)
    })
}

/// `rsp_bind`
///
/// # Safety
/// `first` is null or points to `count` packed addresses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rsp_bind(sd: c_int, first: *const sockaddr, count: c_int) -> c_int {
    boundary(-1, || {
        let (library, socket) = socket(sd)?;
        let count = usize::try_from(count).map_err(|_| invalid("a negative number of addresses"))?;
        // SAFETY: by the contract of this function.
        let addresses = unsafe { packed::read(first, count) }?;
        if addresses.windows(2).any(|pair| pair[0].port() != pair[1].port()) {
            return Err(invalid("all addresses of a socket have the same port"));
        }
        socket.bind(&library, addresses)?;
        Ok(0)
    })
}

/// `rsp_listen`: registering listens; this is for programs that are used to it.
#[unsafe(no_mangle)]
pub extern "C" fn rsp_listen(sd: c_int, _backlog: c_int) -> c_int {
    boundary(-1, || {
        socket(sd)?;
        Ok(0)
    })
}

/// `rsp_getsockname`
///
/// # Safety
/// `size` is null or points to the room `pool` has, which is null or has it; `id` is null or points to a number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rsp_getsockname(sd: c_int, pool: *mut u8, size: *mut usize, id: *mut u32) -> c_int {
    boundary(-1, || {
        let (_, socket) = socket(sd)?;
        let (own, _) = socket.own_handle();
        let own = own.ok_or_else(|| Failure::new(libc::ENOTCONN, "it is not registered"))?;
        // SAFETY: by the contract of this function.
        unsafe { tell(&own, pool, size, id) }
    })
}

/// `rsp_getpeername`
///
/// # Safety
/// As [`rsp_getsockname`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rsp_getpeername(sd: c_int, pool: *mut u8, size: *mut usize, id: *mut u32) -> c_int {
    boundary(-1, || {
        let (_, socket) = socket(sd)?;
        let server = socket.server().ok_or_else(|| Failure::new(libc::ENOTCONN, "it is not connected with a pool"))?;
        // SAFETY: by the contract of this function.
        unsafe { tell(&server, pool, size, id) }
    })
}

/// # Safety
/// As [`rsp_getsockname`].
unsafe fn tell(pe: &PeHandle, pool: *mut u8, size: *mut usize, id: *mut u32) -> Result<c_int> {
    // SAFETY: by the contract of this function, here and below.
    if let Some(id) = unsafe { id.as_mut() } {
        *id = pe.id.0;
    }
    if pool.is_null() {
        return Ok(0);
    }
    // SAFETY: as above.
    let size = unsafe { size.as_mut() }.ok_or_else(handle::null)?;
    let name = pe.pool.as_bytes();
    let room = std::mem::replace(size, name.len());
    if room < name.len() {
        return Err(Failure::new(libc::ENOBUFS, "the pool handle does not fit"));
    }
    // SAFETY: as above: there is room for it.
    unsafe { std::ptr::copy_nonoverlapping(name.as_ptr(), pool, name.len()) };
    Ok(0)
}

/// `rsp_close`
#[unsafe(no_mangle)]
pub extern "C" fn rsp_close(sd: c_int) -> c_int {
    boundary(-1, || {
        if !close_mapped(sd) {
            ha::sockets::close(sd)?;
        }
        Ok(0)
    })
}

/// `rsp_poll`
///
/// # Safety
/// `fds` is null or points to `count` of them.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rsp_poll(fds: *mut pollfd, count: c_uint, ms: c_int) -> c_int {
    // SAFETY: by the contract of this function.
    unsafe { ha::wait::rsp_ha_poll(fds, count.into(), ms) }
}

/// `rsp_select`
///
/// # Safety
/// Each pointer is null or points to what its type says.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rsp_select(
    count: c_int,
    read: *mut fd_set,
    write: *mut fd_set,
    except: *mut fd_set,
    time: *mut timeval,
) -> c_int {
    // SAFETY: by the contract of this function.
    unsafe { ha::wait::rsp_ha_select(count, read, write, except, time) }
}

/// `rsp_getsockopt`
///
/// # Safety
/// `len` is null or points to a length, `value` is null or points to so many bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rsp_getsockopt(
    sd: c_int,
    level: c_int,
    option: c_int,
    value: *mut c_void,
    len: *mut socklen_t,
) -> c_int {
    boundary(-1, || {
        let (library, socket) = socket(sd)?;
        if value.is_null() || len.is_null() {
            return Err(handle::null());
        }
        let answer: Vec<u8> = match (level, option) {
            (constant::SOL_RSP, option) => socket.number(&library, sd, option)?.to_ne_bytes().to_vec(),
            (libc::SOL_SOCKET, libc::SO_RCVTIMEO) => time_bytes(socket.with_by_hand(|it| it.receive_timeout)?),
            (libc::SOL_SOCKET, libc::SO_SNDTIMEO) => time_bytes(socket.with_by_hand(|it| it.send_timeout)?),
            (libc::SOL_SOCKET, option) => system_option(&socket, option)?.to_ne_bytes().to_vec(),
            _ => return Err(unknown()),
        };
        // SAFETY: by the contract of this function.
        if (unsafe { len.read_unaligned() } as usize) < answer.len() {
            return Err(invalid("the option does not fit"));
        }
        // SAFETY: there is room for it, as was checked.
        unsafe {
            std::ptr::copy_nonoverlapping(answer.as_ptr(), value.cast::<u8>(), answer.len());
            len.write_unaligned(answer.len() as socklen_t);
        }
        Ok(0)
    })
}

fn system_option(socket: &Socket, option: c_int) -> Result<c_int> {
    let [domain, kind, protocol] = socket.with_by_hand(|it| it.called)?;
    Ok(match option {
        libc::SO_TYPE => kind,
        libc::SO_DOMAIN => domain,
        libc::SO_PROTOCOL => protocol,
        libc::SO_ERROR => socket.take_error(),
        libc::SO_ACCEPTCONN => (socket.style == Style::One && socket.own_handle().0.is_some()).into(),
        _ => return Err(unknown()),
    })
}

/// `rsp_setsockopt`
///
/// # Safety
/// `value` is null or points to `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rsp_setsockopt(
    sd: c_int,
    level: c_int,
    option: c_int,
    value: *const c_void,
    len: socklen_t,
) -> c_int {
    boundary(-1, || {
        let (_, socket) = socket(sd)?;
        // SAFETY: by the contract of this function.
        let value = unsafe { handle::bytes(value, len as usize) }?;
        match (level, option) {
            (constant::SOL_RSP, option) => socket.set(option, value)?,
            (libc::SOL_SOCKET, libc::SO_RCVTIMEO) => {
                let time = time(value)?;
                socket.with_by_hand(|it| it.receive_timeout = time)?;
            }
            (libc::SOL_SOCKET, libc::SO_SNDTIMEO) => {
                let time = time(value)?;
                socket.with_by_hand(|it| it.send_timeout = time)?;
            }
            _ => return Err(unknown()),
        }
        Ok(0)
    })
}

/// A `struct timeval`; zero = without limit.
fn time(value: &[u8]) -> Result<Option<Duration>> {
    if value.len() < size_of::<timeval>() {
        return Err(invalid("it is no struct timeval"));
    }
    // SAFETY: so many bytes are there, and any are a valid structure.
    let time = unsafe { value.as_ptr().cast::<timeval>().read_unaligned() };
    match (u64::try_from(time.tv_sec), u32::try_from(time.tv_usec)) {
        (Ok(0), Ok(0)) => Ok(None),
        (Ok(seconds), Ok(micros @ 0..=999_999)) => Ok(Some(Duration::new(seconds, micros * 1000))),
        _ => Err(invalid("the time is no time")),
    }
}

fn time_bytes(time: Option<Duration>) -> Vec<u8> {
    let time = time.unwrap_or_default();
    let time = timeval { tv_sec: time.as_secs() as _, tv_usec: time.subsec_micros() as _ };
    // SAFETY: it has two numbers of the same size, and no padding.
    unsafe { std::slice::from_raw_parts((&raw const time).cast::<u8>(), size_of::<timeval>()) }.to_vec()
}

fn invalid(text: &'static str) -> Failure {
    Failure::new(libc::EINVAL, text)
}

fn unknown() -> Failure {
    Failure::new(libc::ENOPROTOOPT, "there is no such option")
}
