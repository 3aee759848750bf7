// SPDX-License-Identifier: MIT OR Apache-2.0
//! Mapped descriptors, names of policies, notifications in words.

use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char, c_int, c_uint};
use std::os::fd::RawFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::layout::{Notification, constant};
use crate::errno::{Failure, Result};
use crate::panic::boundary;

/// System descriptors by the number the application knows them by. The number is a descriptor, too: either the same one, or a duplicate.
static MAPPED: Mutex<Option<HashMap<RawFd, RawFd>>> = Mutex::new(None);

struct Mapped(MutexGuard<'static, Option<HashMap<RawFd, RawFd>>>);

impl Mapped {
    fn lock() -> Self {
        Mapped(MAPPED.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Standard input, output and error are there from the beginning.
    fn map(&mut self) -> &mut HashMap<RawFd, RawFd> {
        self.0.get_or_insert_with(|| (0..3).map(|fd| (fd, fd)).collect())
    }
}

/// `rsp_mapsocket`
#[unsafe(no_mangle)]
pub extern "C" fn rsp_mapsocket(sd: c_int, to: c_int) -> c_int {
    boundary(-1, || {
        if !is_open(sd) {
            return Err(Failure::new(libc::EBADF, "it is not open"));
        }
        let mut mapped = Mapped::lock();
        if to < 0 || to == sd {
            mapped.map().insert(sd, sd);
            return Ok(sd);
        }
        if is_open(to) {
            return Err(Failure::new(libc::EBUSY, "the number is in use"));
        }
        // SAFETY: no memory is involved.
        let got = unsafe { libc::fcntl(sd, libc::F_DUPFD_CLOEXEC, to) };
        if got < 0 {
            return Err(Failure::last_os_error());
        }
        if got != to {
            // SAFETY: it is new, and nobody else's.
            unsafe { libc::close(got) };
            return Err(Failure::new(libc::EBUSY, "the number is in use"));
        }
        mapped.map().insert(to, sd);
        Ok(to)
    })
}

/// `rsp_unmapsocket`
#[unsafe(no_mangle)]
pub extern "C" fn rsp_unmapsocket(sd: c_int) -> c_int {
    boundary(-1, || {
        unmap(sd)?;
        Ok(0)
    })
}

fn unmap(sd: RawFd) -> Result<RawFd> {
    let of = Mapped::lock().map().remove(&sd);
    let of = of.ok_or_else(|| Failure::new(libc::EBADF, "it is not mapped"))?;
    if of != sd {
        // SAFETY: it is the duplicate made when it was mapped.
        unsafe { libc::close(sd) };
    }
    Ok(of)
}

/// Closes a mapped descriptor; otherwise does nothing.
pub(super) fn close_mapped(sd: RawFd) -> bool {
    match unmap(sd) {
        Ok(of) => {
            // SAFETY: the application asked for it.
            unsafe { libc::close(of) };
            true
        }
        Err(_) => false,
    }
}

fn is_open(fd: RawFd) -> bool {
    // SAFETY: no memory is involved.
    unsafe { libc::fcntl(fd, libc::F_GETFD) != -1 }
}

/// `rsp_getpolicybytype`
#[unsafe(no_mangle)]
pub extern "C" fn rsp_getpolicybytype(number: c_uint) -> *const c_char {
    POLICIES.iter().find(|(known, _)| *known == number).map_or(std::ptr::null(), |(_, name)| name.as_ptr())
}

/// `rsp_getpolicybyname`
///
/// # Safety
/// `name` is null or a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rsp_getpolicybyname(name: *const c_char) -> c_uint {
    if name.is_null() {
        return 0;
    }
    // SAFETY: by the contract of this function.
    let name = unsafe { CStr::from_ptr(name) }.to_bytes();
    POLICIES.iter().find(|(_, known)| known.to_bytes().eq_ignore_ascii_case(name)).map_or(0, |(number, _)| *number)
}

/// RFC 5356, and RSPLIB's own.
const POLICIES: [(c_uint, &CStr); 18] = [
    (0x0000_0001, c"RoundRobin"),
    (0x0000_0002, c"WeightedRoundRobin"),
    (0x0000_0003, c"Random"),
    (0x0000_0004, c"WeightedRandom"),
    (0x0000_0005, c"Priority"),
    (0x4000_0001, c"LeastUsed"),
    (0x4000_0002, c"LeastUsedDegradation"),
    (0x4000_0003, c"PriorityLeastUsed"),
    (0x4000_0004, c"RandomizedLeastUsed"),
    (0xb000_1001, c"RandomizedPriorityLeastUsed"),
    (0xb000_1002, c"RandomizedLeastUsedDegradation"),
    (0xb000_1003, c"PriorityLeastUsedDegradation"),
    (0xb000_1004, c"RandomizedPriorityLeastUsedDegradation"),
    (0xb000_2001, c"WeightedRandomDPF"),
    (0xb000_2002, c"LeastUsedDPF"),
    (0xb000_2003, c"LeastUsedDegradationDPF"),
    (0xb000_2004, c"PriorityLeastUsedDPF"),
    (0xb000_2005, c"PriorityLeastUsedDegradationDPF"),
];

/// `rsp_print_notification`
///
/// # Safety
/// `notification` is null or points to one, of the length its type has; `file` is null or an open stream.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rsp_print_notification(notification: *const Notification, file: *mut libc::FILE) {
    boundary((), || {
        if notification.is_null() || file.is_null() {
            return Ok(());
        }
        // SAFETY: by the contract of this function; every notification begins with its type.
        let text = match unsafe { notification.cast::<u16>().read_unaligned() } {
            constant::RSERPOOL_SESSION_CHANGE => {
                // SAFETY: as above: it is one of this type.
                let it = unsafe { (&raw const (*notification).rn_session_change).read_unaligned() };
                match it.rsc_state {
                    constant::RSERPOOL_SESSION_ADD => format!("Session change: session {} added", it.rsc_session),
                    constant::RSERPOOL_SESSION_REMOVE => format!("Session change: session {} removed", it.rsc_session),
                    state => format!("Session change: session {}, state {state}", it.rsc_session),
                }
            }
            constant::RSERPOOL_FAILOVER => {
                // SAFETY: as above.
                let it = unsafe { (&raw const (*notification).rn_failover).read_unaligned() };
                let cookie = if it.rf_has_cookie != 0 { "with" } else { "without" };
                match it.rf_state {
                    constant::RSERPOOL_FAILOVER_NECESSARY => {
                        format!("Failover: necessary for session {}, {cookie} cookie", it.rf_session)
                    }
                    constant::RSERPOOL_FAILOVER_COMPLETE => {
                        format!("Failover: complete for session {}, {cookie} cookie", it.rf_session)
                    }
                    state => format!("Failover: session {}, state {state}", it.rf_session),
                }
            }
            constant::RSERPOOL_SHUTDOWN_EVENT => {
                // SAFETY: as above.
                let it = unsafe { (&raw const (*notification).rn_shutdown_event).read_unaligned() };
                format!("Shutdown: session {}", it.rse_session)
            }
            kind => format!("Notification of type {kind}"),
        };
        let text = CString::new(text).expect("there is no NUL in it");
        // SAFETY: a string and an open stream.
        unsafe { libc::fputs(text.as_ptr(), file) };
        Ok(())
    });
}
