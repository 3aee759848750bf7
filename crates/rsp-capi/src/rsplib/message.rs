// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sending and receiving.

use std::ffi::{c_int, c_uint, c_void};
use std::time::{Duration, Instant};

use bytes::Bytes;
use libc::ssize_t;

use super::layout::{SndRcvInfo, constant};
use crate::descriptor::is_known;
use crate::errno::{Failure, Result};
use crate::ha;
use crate::handle;
use crate::layout::RspSndrcvinfo;
use crate::library::socket;
use crate::panic::boundary;
use crate::socket::{Context, Next, Patience, Received, To};

/// `rsp_sendmsg`
///
/// # Safety
/// `data` is null or points to `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rsp_sendmsg(
    sd: c_int,
    data: *const c_void,
    len: usize,
    flags: c_uint,
    session: c_int,
    ppid: u32,
    stream: u16,
    time_to_live: u32,
    sctp_flags: u16,
    timeout: c_int,
) -> ssize_t {
    boundary(-1, || {
        let wish = SndRcvInfo {
            rinfo_session: session,
            rinfo_ppid: ppid,
            rinfo_timetolive: time_to_live,
            rinfo_stream: stream,
            ..SndRcvInfo::default()
        };
        let patience = patience(sd, timeout, flags.cast_signed() & libc::MSG_DONTWAIT != 0);
        // SAFETY: by the contract of this function.
        unsafe { send(sd, data, len, &wish, sctp_flags & SCTP_UNORDERED != 0, patience) }
    })
}

/// `rsp_send`
///
/// # Safety
/// `data` is null or points to `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rsp_send(sd: c_int, data: *const c_void, len: usize, flags: c_int) -> ssize_t {
    boundary(-1, || {
        if flags & !(libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL | libc::MSG_EOR) != 0 {
            return Err(Failure::new(libc::EOPNOTSUPP, "there is no such flag here"));
        }
        let timeout = socket(sd)?.1.with_by_hand(|it| it.send_timeout)?;
        let patience = within(sd, timeout, flags & libc::MSG_DONTWAIT != 0);
        // SAFETY: by the contract of this function.
        unsafe { send(sd, data, len, &SndRcvInfo::default(), false, patience) }
    })
}

/// `rsp_write`
///
/// # Safety
/// `data` is null or points to `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rsp_write(fd: c_int, data: *const c_void, len: usize) -> ssize_t {
    if !is_known(fd) {
        // SAFETY: by the contract of this function; the system checks the descriptor.
        return unsafe { libc::write(fd, data, len) };
    }
    // SAFETY: by the contract of this function.
    unsafe { rsp_send(fd, data, len, 0) }
}

/// # Safety
/// `data` is null or points to `len` bytes.
unsafe fn send(
    sd: c_int,
    data: *const c_void,
    len: usize,
    wish: &SndRcvInfo,
    unordered: bool,
    patience: Patience,
) -> Result<ssize_t> {
    let (library, socket) = socket(sd)?;
    if data.is_null() && len > 0 {
        return Err(handle::null());
    }
    let Ok(session) = u32::try_from(wish.rinfo_session) else {
        return Err(Failure::new(libc::ENOTCONN, "there is no such session"));
    };
    let to = To::Session(session);
    socket.check_not_failed()?;
    socket.check_length(&library, sd, &to, len, patience)?;
    // SAFETY: by the contract of this function; the length is one that a message can have.
    let data = Bytes::copy_from_slice(unsafe { handle::bytes(data, len) }?);
    let info = RspSndrcvinfo {
        ppid: wish.rinfo_ppid,
        timetolive: wish.rinfo_timetolive,
        stream: wish.rinfo_stream,
        ..RspSndrcvinfo::default()
    };
    let mut flags = if unordered { ha::message::RSP_UNORDERED } else { 0 };
    if !socket.is_automatic() {
        flags |= ha::message::FAILOVER_NOT_ALLOWED;
    }
    let outgoing = ha::message::outgoing(data, &info, flags.cast_signed());
    socket.send(&library, sd, &to, outgoing, patience, Context::default())?;
    Ok(len as ssize_t)
}

/// `rsp_recvmsg`
///
/// # Safety
/// `buffer` is null or points to `len` bytes; `info` and `flags` are null or point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rsp_recvmsg(
    sd: c_int,
    buffer: *mut c_void,
    len: usize,
    info: *mut SndRcvInfo,
    flags: *mut c_int,
    timeout: c_int,
) -> ssize_t {
    boundary(-1, || {
        // SAFETY: by the contract of this function.
        let (info, flags) = unsafe { (info.as_mut(), flags.as_mut()) };
        let dont_wait = flags.as_deref().is_some_and(|flags| flags & libc::MSG_DONTWAIT != 0);
        let patience = patience(sd, timeout, dont_wait);
        // SAFETY: as above.
        match unsafe { receive(sd, buffer, len, flags.is_some(), patience) }? {
            Some(received) => {
                report(&received, info, flags);
                Ok(received.bytes.len() as ssize_t)
            }
            None => Ok(0),
        }
    })
}

/// `rsp_recvfullmsg`
///
/// # Safety
/// As [`rsp_recvmsg`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rsp_recvfullmsg(
    sd: c_int,
    buffer: *mut c_void,
    len: usize,
    info: *mut SndRcvInfo,
    flags: *mut c_int,
    timeout: c_int,
) -> ssize_t {
    // A message is never split on its way here: what there is of it is all that fits.
    // SAFETY: by the contract of this function.
    unsafe { rsp_recvmsg(sd, buffer, len, info, flags, timeout) }
}

/// `rsp_recv`
///
/// # Safety
/// `buffer` is null or points to `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rsp_recv(sd: c_int, buffer: *mut c_void, len: usize, flags: c_int) -> ssize_t {
    boundary(-1, || {
        if flags & !libc::MSG_DONTWAIT != 0 {
            return Err(Failure::new(libc::EOPNOTSUPP, "there is no such flag here"));
        }
        let timeout = socket(sd)?.1.with_by_hand(|it| it.receive_timeout)?;
        let patience = within(sd, timeout, flags & libc::MSG_DONTWAIT != 0);
        // SAFETY: by the contract of this function.
        let received = unsafe { receive(sd, buffer, len, false, patience) }?;
        Ok(received.map_or(0, |received| received.bytes.len() as ssize_t))
    })
}

/// `rsp_read`
///
/// # Safety
/// `buffer` is null or points to `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rsp_read(fd: c_int, buffer: *mut c_void, len: usize) -> ssize_t {
    if !is_known(fd) {
        // SAFETY: by the contract of this function; the system checks the descriptor.
        return unsafe { libc::read(fd, buffer, len) };
    }
    // SAFETY: by the contract of this function.
    unsafe { rsp_recv(fd, buffer, len, 0) }
}

/// Fills the buffer; nothing = the session has ended.
///
/// # Safety
/// `buffer` is null or points to `len` bytes.
unsafe fn receive(
    sd: c_int,
    buffer: *mut c_void,
    len: usize,
    with_notices: bool,
    patience: Patience,
) -> Result<Option<Received>> {
    let (library, socket) = socket(sd)?;
    if buffer.is_null() {
        return Err(handle::null());
    }
    match socket.receive_by_hand(&library, sd, len, with_notices, patience)? {
        Next::Received(received) => {
            // SAFETY: by the contract of this function; no more than `len` bytes were asked for.
            unsafe {
                std::ptr::copy_nonoverlapping(received.bytes.as_ptr(), buffer.cast::<u8>(), received.bytes.len())
            };
            Ok(Some(received))
        }
        Next::Callback(..) | Next::End => Ok(None),
    }
}

fn report(received: &Received, info: Option<&mut SndRcvInfo>, flags: Option<&mut c_int>) {
    if let Some(info) = info {
        *info = SndRcvInfo {
            rinfo_session: c_int::try_from(received.session).unwrap_or(c_int::MAX),
            rinfo_ppid: received.ppid.to_be(),
            rinfo_pe_id: received.pe.as_ref().map_or(0, |pe| pe.id.0),
            rinfo_timetolive: 0,
            rinfo_stream: received.stream,
        };
    }
    if let Some(flags) = flags {
        let kind = match (received.is_notification, received.is_cookie) {
            (true, _) => constant::MSG_RSERPOOL_NOTIFICATION,
            (_, true) => constant::MSG_RSERPOOL_COOKIE_ECHO,
            _ => 0,
        };
        *flags = kind | if received.is_end { libc::MSG_EOR } else { 0 };
    }
}

/// -1 waits, unless the descriptor says otherwise.
fn patience(sd: c_int, timeout: c_int, dont_wait: bool) -> Patience {
    if timeout < 0 || dont_wait { Patience::of(sd, dont_wait) } else { Patience::millis(timeout) }
}

fn within(sd: c_int, timeout: Option<Duration>, dont_wait: bool) -> Patience {
    match (Patience::of(sd, dont_wait), timeout) {
        (Patience::Until(None), Some(timeout)) => Patience::Until(Instant::now().checked_add(timeout)),
        (patience, _) => patience,
    }
}

/// The flag of lksctp.
const SCTP_UNORDERED: u16 = 1;
