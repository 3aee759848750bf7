// SPDX-License-Identifier: MIT OR Apache-2.0
//! Signals that come while a call waits: tokio goes on sleeping then; calls of POSIX return.
//!
//! The thread of a call that waits also runs what others are owed, and a handler that ran then would be forgotten: the call would sleep on. So from
//! the third time it awakes, signals wait while it works, and those that have come are counted before it lets their handlers run. A call that is
//! served before, as most are, pays no system call for it.

use std::cell::{Cell, RefCell};
use std::task::Waker;

use crate::errno;

thread_local! {
    /// A signal handler ran, or is about to, while this thread waits.
    static CAME: Cell<bool> = const { Cell::new(false) };
    /// Whom to tell of that.
    static ROOT: RefCell<Option<Waker>> = const { RefCell::new(None) };
    /// How often it has slept in this call; nothing = it is in none that waits.
    static SLEPT: Cell<Option<u32>> = const { Cell::new(None) };
    /// While it works.
    static BLOCKED: RefCell<Option<Blocked>> = const { RefCell::new(None) };
}

/// A call that waits.
#[derive(Debug)]
pub(crate) struct Watched;

impl Watched {
    pub(crate) fn new() -> Self {
        CAME.set(false);
        SLEPT.set(Some(0));
        Watched
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        SLEPT.set(None);
        ROOT.set(None);
        BLOCKED.set(None);
    }
}

/// Whether a signal has come since it was last asked; if not, this waker is told when one does.
pub(crate) fn came(waker: &Waker) -> bool {
    if CAME.take() {
        return true;
    }
    ROOT.with_borrow_mut(|root| match root {
        Some(root) => root.clone_from(waker),
        None => *root = Some(waker.clone()),
    });
    false
}

/// The thread is going to sleep.
pub(crate) fn before_sleep() {
    // Handlers run when it is dropped.
    if let Some(blocked) = BLOCKED.take()
        && blocked.keeps_one_back()
    {
        tell();
    }
    errno::set_errno(0);
}

/// The thread has slept.
pub(crate) fn after_sleep() {
    if errno::errno() == libc::EINTR {
        tell();
    }
    if let Some(times) = SLEPT.get() {
        SLEPT.set(Some(times.saturating_add(1)));
        if times >= FREE {
            BLOCKED.set(Some(Blocked::but_faults()));
        }
    }
}

fn tell() {
    CAME.set(true);
    ROOT.with_borrow(|root| root.iter().for_each(Waker::wake_by_ref));
}

/// Signals are blocked in this thread, and those it starts, until this is dropped.
#[derive(Debug)]
pub(crate) struct Blocked {
    before: libc::sigset_t,
}

impl Blocked {
    pub(crate) fn all() -> Self {
        Blocked::but(&[])
    }

    /// What the processor raises ends the program if it is blocked.
    fn but_faults() -> Self {
        Blocked::but(&[libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGSYS])
    }

    fn but(free: &[libc::c_int]) -> Self {
        // SAFETY: both sets live here; the system fills the second with the mask as it was.
        unsafe {
            let mut blocked: libc::sigset_t = std::mem::zeroed();
            let mut before: libc::sigset_t = std::mem::zeroed();
            libc::sigfillset(&raw mut blocked);
            for signal in free {
                libc::sigdelset(&raw mut blocked, *signal);
            }
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const blocked, &raw mut before);
            Blocked { before }
        }
    }

    /// Whether a handler will run when this is dropped.
    fn keeps_one_back(&self) -> bool {
        // SAFETY: the sets and the actions live through the calls; the system fills those that are zeroed here.
        unsafe {
            let mut pending: libc::sigset_t = std::mem::zeroed();
            libc::sigpending(&raw mut pending);
            (1..=libc::SIGRTMAX()).any(|signal| {
                if libc::sigismember(&raw const pending, signal) != 1
                    || libc::sigismember(&raw const self.before, signal) == 1
                {
                    return false;
                }
                let mut action: libc::sigaction = std::mem::zeroed();
                libc::sigaction(signal, std::ptr::null(), &raw mut action) == 0
                    && ![libc::SIG_DFL, libc::SIG_IGN].contains(&action.sa_sigaction)
            })
        }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // SAFETY: it is the mask this thread had.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.before, std::ptr::null_mut()) };
    }
}

/// So often a call that waits awakes without a system call more. A signal in the midst of that counts as one that came just before the call.
const FREE: u32 = 2;
