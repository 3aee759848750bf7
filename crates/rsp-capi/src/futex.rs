// SPDX-License-Identifier: MIT OR Apache-2.0
//! A number threads wait on. The standard library's own ways to wait go on when a signal handler has run; ours stop, since POSIX calls return EINTR.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use crate::runtime::Stopped;

#[derive(Debug, Default)]
pub(crate) struct Futex(AtomicU32);

impl Futex {
    pub(crate) fn set(&self, value: u32) {
        self.0.store(value, Ordering::SeqCst);
    }

    pub(crate) fn set_and_wake(&self, value: u32) {
        if self.0.swap(value, Ordering::SeqCst) == value {
            return;
        }
        // SAFETY: the address is that of a live 32-bit number.
        unsafe {
            libc::syscall(libc::SYS_futex, self.0.as_ptr(), libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG, i32::MAX)
        };
    }

    /// Waits until it has another value.
    pub(crate) fn wait_while(&self, value: u32, deadline: Option<Instant>) -> Result<(), Stopped> {
        while self.0.load(Ordering::SeqCst) == value {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Err(Stopped::TimedOut);
            }
            let time = left.map(|left| libc::timespec {
                tv_sec: left.as_secs().try_into().unwrap_or(libc::time_t::MAX),
                tv_nsec: left.subsec_nanos().into(),
            });
            let time = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
            let operation = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
            // SAFETY: the number and the time live through the call.
            let result = unsafe { libc::syscall(libc::SYS_futex, self.0.as_ptr(), operation, value, time) };
            if result == -1 && crate::errno::errno() == libc::EINTR {
                return Err(Stopped::Interrupted);
            }
        }
        Ok(())
    }
}
