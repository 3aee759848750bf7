// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages: sending and receiving in both forms, acknowledging, answering, and what became of them.

use std::ffi::{c_int, c_void};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use libc::ssize_t;
use rserpool::{Destination, Outgoing};

use super::callback::{self, Step, depth};
use crate::errno::{Failure, Result};
use crate::handle::{self, Name};
use crate::layout::{RspSndrcvinfo, SockaddrPehandle};
use crate::library::{Library, socket};
use crate::panic::boundary;
use crate::socket::{Context, Next, Patience, Received, Socket, To};

/// `rsp_sendmsg` with a message header
///
/// # Safety
/// `message` is null or points to a message header whose pointers and lengths are right.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rsp_ha_sendmsg(fd: c_int, message: *mut libc::msghdr, flags: c_int) -> ssize_t {
    let depth = depth!();
    loop {
        let step = boundary(Step::Return(-1), || {
            let (library, socket) = entered(fd, depth)?;
            if let Some(call) = pending(&socket, fd, depth) {
                return Ok(call);
            }
            // SAFETY: by the contract of this function.
            unsafe { send_message(&library, &socket, fd, message, flags) }.map(Step::Return)
        });
        match step {
            Step::Return(result) => return result,
            // SAFETY: it was begun by `pending`, and the application vouches for its function.
            Step::Callback(call) => unsafe { callback::run(call, depth) },
        }
    }
}

/// `rsp_sendmsg` with a buffer
///
/// # Safety
/// `data` is null or points to `len` bytes, `info` is null or points to a `struct rsp_sndrcvinfo`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rsp_ha_send(
    fd: c_int,
    data: *const c_void,
    len: usize,
    info: *const RspSndrcvinfo,
    flags: c_int,
) -> ssize_t {
    let depth = depth!();
    loop {
        let step = boundary(Step::Return(-1), || {
            let (library, socket) = entered(fd, depth)?;
            if let Some(call) = pending(&socket, fd, depth) {
                return Ok(call);
            }
            // SAFETY: by the contract of this function.
            let info = unsafe { info.as_ref() }.copied().unwrap_or_default();
            let flags = info.flags as c_int | flags;
            let patience = Patience::of(fd, flags & libc::MSG_DONTWAIT != 0);
            let to = To::Session(info.session);
            socket.check_length(&library, fd, &to, len, patience)?;
            // SAFETY: as above; the length is one that a message can have.
            let data = Bytes::copy_from_slice(unsafe { handle::bytes(data, len) }?);
            socket.send(&library, fd, &to, outgoing(data, &info, flags), patience, Context { number: info.context })?;
            Ok(Step::Return(len as ssize_t))
        });
        match step {
            Step::Return(result) => return result,
            // SAFETY: as above.
            Step::Callback(call) => unsafe { callback::run(call, depth) },
        }
    }
}

/// `rsp_recvmsg` with a message header
///
/// # Safety
/// As [`rsp_ha_sendmsg`]; what it points to is written to.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rsp_ha_recvmsg(fd: c_int, message: *mut libc::msghdr, flags: c_int) -> ssize_t {
    let depth = depth!();
    loop {
        let step = boundary(Step::Return(-1), || {
            let (library, socket) = entered(fd, depth)?;
            // SAFETY: by the contract of this function.
            let message = unsafe { message.as_mut() }.ok_or_else(handle::null)?;
            // SAFETY: as above.
            let (parts, capacity) = unsafe { parts(message) }?;
            let next = receive(&library, &socket, fd, capacity, flags)?;
            match next {
                Next::Callback(callback, notice) => {
                    Ok(Step::Callback(callback::begin(&socket, callback, notice, depth)))
                }
                // SAFETY: as above.
                Next::Received(received) => Ok(Step::Return(unsafe { write_message(message, parts, &received) })),
                Next::End => {
                    message.msg_namelen = 0;
                    message.msg_controllen = 0;
                    message.msg_flags = 0;
                    Ok(Step::Return(0))
                }
            }
        });
        match step {
            Step::Return(result) => return result,
            // SAFETY: it was just begun.
            Step::Callback(call) => unsafe { callback::run(call, depth) },
        }
    }
}

/// `rsp_recvmsg` with a buffer
///
/// # Safety
/// `buffer` is null or points to `len` bytes, `info` is null or points to a `struct rsp_sndrcvinfo`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rsp_ha_recv(
    fd: c_int,
    buffer: *mut c_void,
    len: usize,
    info: *mut RspSndrcvinfo,
    flags: c_int,
) -> ssize_t {
    let depth = depth!();
    loop {
        let step = boundary(Step::Return(-1), || {
            let (library, socket) = entered(fd, depth)?;
            if buffer.is_null() {
                return Err(handle::null());
            }
            match receive(&library, &socket, fd, len, flags)? {
                Next::Callback(callback, notice) => {
                    Ok(Step::Callback(callback::begin(&socket, callback, notice, depth)))
                }
                Next::Received(received) => {
                    // SAFETY: by the contract of this function; there are at most `len` of them.
                    unsafe {
                        std::ptr::copy_nonoverlapping(received.bytes.as_ptr(), buffer.cast(), received.bytes.len());
                        if !info.is_null() {
                            info.write_unaligned(info_of(&received));
                        }
                    }
                    Ok(Step::Return(received.bytes.len() as ssize_t))
                }
                Next::End => {
                    if !info.is_null() {
                        // SAFETY: as above.
                        unsafe { info.write_unaligned(RspSndrcvinfo::default()) };
                    }
                    Ok(Step::Return(0))
                }
            }
        });
        match step {
            Step::Return(result) => return result,
            // SAFETY: it was just begun.
            Step::Callback(call) => unsafe { callback::run(call, depth) },
        }
    }
}

/// `rsp_ack`
///
/// # Safety
/// `info` is null or points to a `struct rsp_sndrcvinfo`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rsp_ha_ack(fd: c_int, info: *const RspSndrcvinfo) -> ssize_t {
    boundary(-1, || {
        let (library, socket) = socket(fd)?;
        // SAFETY: by the contract of this function.
        let info = unsafe { info.as_ref() }.ok_or_else(handle::null)?;
        socket.ack(&library, info.session, info.id)?;
        Ok(0)
    })
}

/// `rsp_reply`
///
/// # Safety
/// As [`rsp_ha_send`].
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rsp_ha_reply(
    fd: c_int,
    data: *const c_void,
    len: usize,
    info: *const RspSndrcvinfo,
    flags: c_int,
) -> ssize_t {
    boundary(-1, || {
        let (library, socket) = socket(fd)?;
        // SAFETY: by the contract of this function.
        let info = unsafe { info.as_ref() }.copied().ok_or_else(handle::null)?;
        let flags = info.flags as c_int | flags;
        let patience = Patience::of(fd, flags & libc::MSG_DONTWAIT != 0);
        socket.check_length(&library, fd, &To::Session(info.session), len, patience)?;
        // SAFETY: as above; the length is one that a message can have.
        let data = Bytes::copy_from_slice(unsafe { handle::bytes(data, len) }?);
        let outgoing = outgoing(data, &info, flags);
        let context = Context { number: info.context };
        socket.reply(&library, fd, (info.session, info.id), outgoing, patience, context)?;
        Ok(len as ssize_t)
    })
}

/// `rsp_outcome`
#[unsafe(no_mangle)]
pub extern "C-unwind" fn rsp_ha_outcome(fd: c_int, context: u32, ms: c_int) -> c_int {
    boundary(-1, || {
        let (library, socket) = socket(fd)?;
        if context == 0 {
            return Err(Failure::new(libc::EINVAL, "context 0 is none"));
        }
        Ok(socket.outcome(&library, fd, context, Patience::millis(ms))? as c_int)
    })
}

fn entered(fd: c_int, depth: usize) -> Result<(Arc<Library>, Arc<Socket>)> {
    callback::entered(depth);
    socket(fd)
}

/// A callback that is to run before anything else.
fn pending(socket: &Arc<Socket>, fd: c_int, depth: usize) -> Option<Step<ssize_t>> {
    let (callback, notice) = socket.next_callback(fd)?;
    Some(Step::Callback(callback::begin(socket, callback, notice, depth)))
}

fn receive(library: &Library, socket: &Arc<Socket>, fd: c_int, capacity: usize, flags: c_int) -> Result<Next> {
    let patience = Patience::of(fd, flags & libc::MSG_DONTWAIT != 0);
    socket.receive(library, fd, capacity, flags & libc::MSG_PEEK != 0, patience)
}

pub(crate) fn outgoing(data: Bytes, info: &RspSndrcvinfo, flags: c_int) -> Outgoing {
    let mut outgoing = Outgoing::new(data).stream(info.stream).ppid(u32::from_be(info.ppid));
    if info.timetolive != 0 {
        outgoing = outgoing.lifetime(Duration::from_millis(info.timetolive.into()));
    }
    let flags = flags.cast_unsigned();
    if flags & RSP_ACK != 0 {
        outgoing = outgoing.ack();
    }
    if flags & RSP_UNORDERED != 0 {
        outgoing = outgoing.unordered();
    }
    if flags & FAILOVER_ALLOWED != 0 {
        outgoing = outgoing.failover();
    }
    if flags & FAILOVER_NOT_ALLOWED != 0 {
        outgoing = outgoing.no_failover();
    }
    outgoing
}

fn info_of(received: &Received) -> RspSndrcvinfo {
    RspSndrcvinfo {
        session: received.session,
        ppid: received.ppid.to_be(),
        flags: flags_of(received).cast_unsigned(),
        id: received.id,
        pe_id: received.pe.as_ref().map_or(0, |pe| pe.id.0),
        stream: received.stream,
        ..RspSndrcvinfo::default()
    }
}

fn flags_of(received: &Received) -> c_int {
    let flag = |is_set: bool, flag: c_int| if is_set { flag } else { 0 };
    flag(received.is_end, libc::MSG_EOR)
        | flag(received.is_notification, RSP_NOTIFICATION)
        | flag(received.is_resent, RSP_RESENT)
        | flag(received.is_ack_wanted, RSP_ACK_WANTED)
}

/// The buffers of a message header and the room in them.
///
/// # Safety
/// `msg_iov` is null or points to `msg_iovlen` buffers.
unsafe fn parts<'a>(message: &libc::msghdr) -> Result<(&'a [libc::iovec], usize)> {
    let count = message.msg_iovlen;
    if count == 0 {
        return Ok((&[], 0));
    }
    if count > MAX_PARTS {
        return Err(Failure::new(libc::EMSGSIZE, "a message has at most 1,024 parts"));
    }
    if message.msg_iov.is_null() {
        return Err(handle::null());
    }
    // SAFETY: by the contract of this function.
    let parts = unsafe { std::slice::from_raw_parts(message.msg_iov.cast_const(), count) };
    if parts.iter().any(|part| part.iov_base.is_null() && part.iov_len > 0) {
        return Err(handle::null());
    }
    Ok((parts, parts.iter().fold(0, |sum: usize, part| sum.saturating_add(part.iov_len))))
}

/// # Safety
/// As [`rsp_ha_sendmsg`].
unsafe fn send_message(
    library: &Library,
    socket: &Arc<Socket>,
    fd: c_int,
    message: *mut libc::msghdr,
    flags: c_int,
) -> Result<ssize_t> {
    // SAFETY: by the contract of this function.
    let message = unsafe { message.as_mut() }.ok_or_else(handle::null)?;
    // SAFETY: as above.
    let (parts, len) = unsafe { parts(message) }?;
    // SAFETY: as above.
    let info = unsafe { control(message, CMSG_INFO, size_of::<RspSndrcvinfo>()) }
        // SAFETY: there are as many bytes as it is long.
        .map(|info| unsafe { info.cast::<RspSndrcvinfo>().read_unaligned() })
        .unwrap_or_default();
    let flags = info.flags as c_int | message.msg_flags | flags;
    let patience = Patience::of(fd, flags & libc::MSG_DONTWAIT != 0);
    let to = match message.msg_name.is_null() {
        true => To::Session(info.session),
        // SAFETY: as above.
        false => match unsafe { handle::name(message.msg_name, message.msg_namelen as usize) }? {
            Name::Pool(pool) => To::Named(Destination::Pool(pool)),
            Name::Pe(pe) => To::Named(Destination::Pe(pe)),
            Name::Address(address) => To::Named(Destination::Address(address)),
        },
    };
    socket.check_length(library, fd, &to, len, patience)?;
    let mut data = BytesMut::with_capacity(len);
    for part in parts.iter().filter(|part| part.iov_len > 0) {
        // SAFETY: as above; the sum of the lengths is one that a message can have.
        data.extend_from_slice(unsafe { handle::bytes(part.iov_base, part.iov_len) }?);
    }
    let outgoing = outgoing(data.freeze(), &info, flags);
    let pe = socket.send(library, fd, &to, outgoing, patience, Context { number: info.context })?;
    // SAFETY: as above.
    if let Some(place) = unsafe { control(message, CMSG_PEHANDLE, size_of::<SockaddrPehandle>()) } {
        // SAFETY: there is room for it.
        unsafe { place.cast::<SockaddrPehandle>().write_unaligned(handle::to_c(pe.as_ref(), None)) };
    }
    Ok(len as ssize_t)
}

/// The data of an ancillary object of ours, if it has so many bytes.
///
/// # Safety
/// `msg_control` is null or points to `msg_controllen` bytes.
unsafe fn control(message: &libc::msghdr, kind: c_int, size: usize) -> Option<*mut u8> {
    let (start, length) = (message.msg_control.cast::<u8>(), message.msg_controllen);
    let head = size_of::<libc::cmsghdr>();
    let mut at = 0_usize;
    while !start.is_null() && at.checked_add(head)? <= length {
        // SAFETY: a header fits before the end.
        let object = unsafe { start.add(at).cast::<libc::cmsghdr>().read_unaligned() };
        let object_length = object.cmsg_len;
        if object_length < head || object_length > length - at {
            return None;
        }
        if object.cmsg_level == SOL_RSP && object.cmsg_type == kind && object_length - head >= size {
            // SAFETY: it lies inside the object, which lies inside the buffer.
            return Some(unsafe { start.add(at + head) });
        }
        at = at.checked_add(object_length.next_multiple_of(align_of::<usize>()))?;
    }
    None
}

/// # Safety
/// As [`rsp_ha_recvmsg`]; `parts` are the buffers of `message`.
unsafe fn write_message(message: &mut libc::msghdr, parts: &[libc::iovec], received: &Received) -> ssize_t {
    let mut left = &received.bytes[..];
    for part in parts {
        let (now, later) = left.split_at(left.len().min(part.iov_len));
        // SAFETY: the buffer has room for at least as many.
        unsafe { std::ptr::copy_nonoverlapping(now.as_ptr(), part.iov_base.cast(), now.len()) };
        left = later;
    }
    if message.msg_name.is_null() {
        message.msg_namelen = 0;
    } else {
        let name = handle::to_c(received.pe.as_ref(), received.peer);
        let len = size_of::<SockaddrPehandle>().min(message.msg_namelen as usize);
        // SAFETY: there is room for so much, and all its bytes are initialised.
        unsafe { std::ptr::copy_nonoverlapping((&raw const name).cast::<u8>(), message.msg_name.cast(), len) };
        message.msg_namelen = size_of::<SockaddrPehandle>() as libc::socklen_t;
    }
    let mut flags = flags_of(received);
    let (head, size) = (size_of::<libc::cmsghdr>(), size_of::<RspSndrcvinfo>());
    if message.msg_control.is_null() {
        message.msg_controllen = 0;
    } else if (message.msg_controllen) < head + size {
        message.msg_controllen = 0;
        flags |= libc::MSG_CTRUNC;
    } else {
        let start = message.msg_control.cast::<u8>();
        // SAFETY: a cmsghdr of zeros is a valid one; there is room for it and the information.
        unsafe {
            let mut object: libc::cmsghdr = std::mem::zeroed();
            object.cmsg_len = (head + size) as _;
            object.cmsg_level = SOL_RSP;
            object.cmsg_type = CMSG_INFO;
            start.cast::<libc::cmsghdr>().write_unaligned(object);
            start.add(head).cast::<RspSndrcvinfo>().write_unaligned(info_of(received));
        }
        message.msg_controllen = ((head + size).next_multiple_of(align_of::<usize>())).min(message.msg_controllen) as _;
    }
    message.msg_flags = flags;
    received.bytes.len() as ssize_t
}

const FAILOVER_ALLOWED: u32 = 0x0020_0000;
pub(crate) const FAILOVER_NOT_ALLOWED: u32 = 0x0040_0000;
const RSP_ACK: u32 = 0x0080_0000;
pub(crate) const RSP_UNORDERED: u32 = 0x0100_0000;
const RSP_NOTIFICATION: c_int = 0x8000;
const RSP_RESENT: c_int = 0x1_0000;
const RSP_ACK_WANTED: c_int = 0x2_0000;
const SOL_RSP: c_int = 245;
const CMSG_INFO: c_int = 1;
const CMSG_PEHANDLE: c_int = 2;
/// IOV_MAX
const MAX_PARTS: usize = 1024;
