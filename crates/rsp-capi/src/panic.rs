// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where Rust ends: nothing unwinds into C.

use std::cell::Cell;
use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::errno::{Failure, Result, errno, set_errno};

/// Runs what an exported function does; an error sets `errno` and what `rsp_lasterror` says, and `failed` is returned. A panic, which is a bug of
/// ours, is EIO. A success leaves `errno` as it was: the calls of the system inside change it, and POSIX lets no function set it to 0.
pub(crate) fn boundary<T>(failed: T, call: impl FnOnce() -> Result<T>) -> T {
    let _not_cancelled = NotCancelled::new();
    let before = errno();
    let result = if is_ending() { on_another_thread(call) } else { catch_unwind(AssertUnwindSafe(call)) };
    let result = result.unwrap_or_else(|panic| {
        let text = match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
            (Some(text), _) => (*text).to_owned(),
            (_, Some(text)) => text.clone(),
            _ => "a panic".to_owned(),
        };
        Err(Failure::new(libc::EIO, format!("a bug in librserpool: {text}")))
    });
    match result {
        Ok(done) => {
            set_errno(before);
            done
        }
        Err(failure) => {
            failure.set();
            failed
        }
    }
}

/// Whether this thread has ended but for exit handlers and static destructors: the runtime has lost what it keeps for each thread.
pub(crate) fn is_ending() -> bool {
    tokio::runtime::Handle::try_current().is_err_and(|error| error.is_thread_local_destroyed())
}

/// Runs a call on a thread that is whole, and waits for it.
fn on_another_thread<T>(call: impl FnOnce() -> Result<T>) -> std::thread::Result<Result<T>> {
    let call = Lent(call);
    std::thread::scope(|scope| {
        let started = std::thread::Builder::new().spawn_scoped(scope, move || {
            HELPS.set(true);
            Lent(call.take()())
        });
        match started {
            Ok(thread) => thread.join().map(Lent::take),
            Err(error) => Ok(Err(error.into())),
        }
    })
}

/// Whether this thread makes a call for one that is ending.
pub(crate) fn helps() -> bool {
    HELPS.get()
}

thread_local! {
    static HELPS: Cell<bool> = const { Cell::new(false) };
}

/// What another thread uses while its owner waits.
struct Lent<T>(T);

// SAFETY: its owner waits, so that it is used by one thread at a time; what the calls of C are given may be used on any thread.
unsafe impl<T> Send for Lent<T> {}

impl<T> Lent<T> {
    fn take(self) -> T {
        self.0
    }
}

/// A thread that is cancelled inside a call would be unwound through Rust: it waits until the call is over.
struct NotCancelled(c_int);

impl NotCancelled {
    fn new() -> Self {
        let mut before = 0;
        // SAFETY: the place for the state as it was lives through the call.
        unsafe { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &raw mut before) };
        NotCancelled(before)
    }
}

impl Drop for NotCancelled {
    fn drop(&mut self) {
        // SAFETY: it need not be told what the state was.
        unsafe { pthread_setcancelstate(self.0, std::ptr::null_mut()) };
    }
}

unsafe extern "C" {
    fn pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
}

const PTHREAD_CANCEL_DISABLE: c_int = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_errno() {
        assert_eq!(boundary(-1, || panic!("of a test")), -1);
        assert_eq!(crate::errno::errno(), libc::EIO);
        assert_eq!(boundary(-1, || Ok(7)), 7);
    }

    #[test]
    fn a_success_leaves_errno_alone() {
        set_errno(libc::EDOM);
        let done = boundary(-1, || {
            set_errno(0);
            Ok(7)
        });
        assert_eq!((done, errno()), (7, libc::EDOM));
    }
}
