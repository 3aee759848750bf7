// SPDX-License-Identifier: MIT OR Apache-2.0
//! Making, naming and ending sockets, and their options.

use std::ffi::{c_int, c_void};
use std::os::fd::RawFd;

use libc::{socklen_t, ssize_t};
use rserpool::Mapping;

use crate::errno::{Failure, Result};
use crate::handle;
use crate::layout::SockaddrPehandle;
use crate::library::{library, socket};
use crate::panic::boundary;
use crate::socket::{Patience, Socket, Style};

/// `rsp_socket`
#[unsafe(no_mangle)]
pub extern "C-unwind" fn rsp_ha_socket(domain: c_int, kind: c_int, protocol: c_int) -> ssize_t {
    boundary(-1, || {
        let (style, mapping, non_blocking) = of_kind(domain, kind, protocol)?;
        let library = library()?;
        let (fd, _) = Socket::open(&library, style, mapping, non_blocking)?;
        Ok(fd as ssize_t)
    })
}

/// What the arguments of `rsp_socket` mean.
pub(crate) fn of_kind(domain: c_int, kind: c_int, protocol: c_int) -> Result<(Style, Option<Mapping>, bool)> {
    if ![libc::AF_UNSPEC, libc::AF_INET, libc::AF_INET6].contains(&domain) {
        return Err(Failure::new(libc::EAFNOSUPPORT, "neither AF_INET nor AF_INET6"));
    }
    let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    let style = match kind & !flags {
        libc::SOCK_STREAM => Style::One,
        libc::SOCK_DGRAM | libc::SOCK_SEQPACKET => Style::Many,
        _ => return Err(Failure::new(libc::EPROTOTYPE, "neither SOCK_STREAM nor SOCK_DGRAM nor SOCK_SEQPACKET")),
    };
    let mapping = match protocol {
        0 => None,
        libc::IPPROTO_SCTP => Some(Mapping::Sctp),
        libc::IPPROTO_TCP => Some(Mapping::Tcp),
        _ => return Err(Failure::new(libc::EPROTONOSUPPORT, "neither IPPROTO_SCTP nor IPPROTO_TCP nor 0")),
    };
    Ok((style, mapping, kind & libc::SOCK_NONBLOCK != 0))
}

/// `rsp_bind`
///
/// # Safety
/// `packed` is null or points to `total` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rsp_ha_bind(fd: c_int, packed: *const c_void, total: socklen_t) -> ssize_t {
    boundary(-1, || {
        let (library, socket) = socket(fd)?;
        // SAFETY: by the contract of this function.
        let packed = unsafe { handle::bytes(packed, total as usize) }?;
        let addresses = handle::packed_addresses(packed)?;
        if addresses.is_empty() {
            return Err(Failure::new(libc::EINVAL, "there is no address"));
        }
        socket.bind(&library, addresses)?;
        Ok(0)
    })
}

/// `rsp_listen`: registering listens; this is for programs that are used to it.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn rsp_ha_listen(fd: c_int, _backlog: c_int) -> ssize_t {
    boundary(-1, || {
        socket(fd)?;
        Ok(0)
    })
}

/// `rsp_accept`
///
/// # Safety
/// `peer` is null or points to a `struct sockaddr_pehandle`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rsp_ha_accept(fd: c_int, peer: *mut SockaddrPehandle) -> ssize_t {
    boundary(-1, || {
        let (library, listening) = socket(fd)?;
        let (accepted, address) = listening.accept(&library, fd, Patience::of(fd, false))?;
        if !peer.is_null() {
            // SAFETY: by the contract of this function.
            unsafe { peer.write(handle::to_c(None, address)) };
        }
        Ok(accepted as ssize_t)
    })
}

/// `rsp_connect`
///
/// # Safety
/// `pool` is null or points to `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rsp_ha_connect(fd: c_int, pool: *const c_void, len: usize) -> ssize_t {
    boundary(-1, || {
        let (library, socket) = socket(fd)?;
        // SAFETY: by the contract of this function.
        let pool = unsafe { handle::pool(pool, len) }?;
        socket.connect(&library, fd, &pool, Patience::of(fd, false))?;
        Ok(0)
    })
}

/// `rsp_close`
#[unsafe(no_mangle)]
pub extern "C-unwind" fn rsp_ha_close(fd: c_int) -> ssize_t {
    boundary(-1, || {
        close(fd)?;
        Ok(0)
    })
}

/// Ends a socket, in order, waiting for that unless it may not wait.
pub(crate) fn close(fd: RawFd) -> Result<()> {
    let (library, found) = match socket(fd) {
        Ok(found) => found,
        Err(_) if crate::descriptor::close_left(fd) => return Ok(()),
        Err(failure) => return Err(failure),
    };
    let patience = Patience::of(fd, false);
    let going = library.closing.begin();
    let Some(socket) = library.table.take(found.key()) else {
        return Err(Failure::new(libc::EBADF, "the socket is being closed"));
    };
    // A session does not end before its resends have gone.
    super::callback::release(&socket);
    let ended = library.runtime.enter(|| socket.close());
    let closing = async move {
        ended.await;
        drop(going);
    };
    crate::descriptor::close(fd);
    match patience {
        Patience::None => library.runtime.spawn(closing),
        // A signal does not bring it back.
        Patience::Until(_) => drop(library.runtime.call(closing)),
    }
    Ok(())
}

/// `rsp_getsockname`
///
/// # Safety
/// `own` is null or points to a `struct sockaddr_pehandle`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rsp_ha_getsockname(fd: c_int, own: *mut SockaddrPehandle) -> ssize_t {
    boundary(-1, || {
        let (_, socket) = socket(fd)?;
        if own.is_null() {
            return Err(handle::null());
        }
        let (pe, bound) = socket.own_handle();
        if pe.is_none() && bound.is_none() {
            return Err(Failure::new(libc::ENOTCONN, "it is neither registered nor bound"));
        }
        // SAFETY: by the contract of this function.
        unsafe { own.write(handle::to_c(pe.as_ref(), bound.filter(|_| pe.is_none()))) };
        Ok(0)
    })
}

/// `rsp_getpeername`
///
/// # Safety
/// `peer` is null or points to a `struct sockaddr_pehandle`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rsp_ha_getpeername(fd: c_int, session: u32, peer: *mut SockaddrPehandle) -> ssize_t {
    boundary(-1, || {
        let (library, socket) = socket(fd)?;
        if peer.is_null() {
            return Err(handle::null());
        }
        let conversation = match socket.conversation(&library, fd, session, Patience::None) {
            Err(failure) if [libc::EAGAIN, libc::EDESTADDRREQ].contains(&failure.errno) => {
                return Err(Failure::new(libc::ENOTCONN, "it is not connected"));
            }
            other => other?,
        };
        let (pe, address) = (conversation.pe(), conversation.peer_address());
        if pe.is_none() && address.is_none() {
            return Err(Failure::new(libc::ENOTCONN, "the session is between two servers"));
        }
        // SAFETY: by the contract of this function.
        unsafe { peer.write(handle::to_c(pe.as_ref(), address)) };
        Ok(0)
    })
}

/// `rsp_getsockopt`
///
/// # Safety
/// `len` is null or points to a length, `value` is null or points to so many bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rsp_ha_getsockopt(
    fd: c_int,
    level: c_int,
    option: c_int,
    value: *mut c_void,
    len: *mut socklen_t,
) -> c_int {
    boundary(-1, || {
        let (library, socket) = socket(fd)?;
        check_level(level)?;
        if value.is_null() || len.is_null() {
            return Err(handle::null());
        }
        // SAFETY: by the contract of this function.
        if (unsafe { len.read_unaligned() } as usize) < size_of::<u32>() {
            return Err(Failure::new(libc::EINVAL, "an option is 4 bytes long"));
        }
        let number = socket.number(&library, fd, option)?;
        // SAFETY: there is room for it, as was checked.
        unsafe {
            value.cast::<u32>().write_unaligned(number);
            len.write_unaligned(size_of::<u32>() as socklen_t);
        }
        Ok(0)
    })
}

/// `rsp_setsockopt`
///
/// # Safety
/// `value` is null or points to `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rsp_ha_setsockopt(
    fd: c_int,
    level: c_int,
    option: c_int,
    value: *const c_void,
    len: socklen_t,
) -> c_int {
    boundary(-1, || {
        let (_, socket) = socket(fd)?;
        check_level(level)?;
        // SAFETY: by the contract of this function.
        let value = unsafe { handle::bytes(value, len as usize) }?;
        socket.set(option, value)?;
        Ok(0)
    })
}

fn check_level(level: c_int) -> Result<()> {
    match level {
        SOL_RSP => Ok(()),
        _ => Err(Failure::new(libc::ENOPROTOOPT, "the level is not SOL_RSP")),
    }
}

/// `SOL_RSP`
const SOL_RSP: c_int = 245;
