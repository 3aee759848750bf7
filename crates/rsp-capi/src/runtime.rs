// SPDX-License-Identifier: MIT OR Apache-2.0
//! The one background thread on which everything happens that no call waits for, and how calls wait.

use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::errno::{Failure, Result};
use crate::futex::Futex;

/// The thread and its tasks.
#[derive(Debug)]
pub(crate) struct Runtime {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Why waiting ended without what was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// A signal handler ran: EINTR.
    Interrupted,
    /// Time is up.
    TimedOut,
}

impl Runtime {
    /// Starts the thread. It blocks all signals: handlers run on the application's own threads.
    pub(crate) fn start() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, is_stopped) = oneshot::channel();
        let run = move || {
            // An error means that the library is gone without a word, which is the same.
            let _ = runtime.block_on(is_stopped);
            runtime.shutdown_timeout(Duration::from_millis(100));
        };
        let blocked = SignalsBlocked::new();
        let thread = std::thread::Builder::new().name("rserpool".to_owned()).spawn(run)?;
        drop(blocked);
        Ok(Runtime { handle, stop: Some(stop), thread: Some(thread) })
    }

    /// Runs a task in the background.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(task);
    }

    /// Runs something in the background and waits for it; if a signal comes, it goes on without us.
    pub(crate) fn call<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> Result<T> {
        let (done, mut is_done) = oneshot::channel();
        self.spawn(async move { drop(done.send(task.await)) });
        let result = self.wait(None, |cx| std::pin::Pin::new(&mut is_done).poll(cx));
        result?.map_err(|_| Failure::new(libc::EIO, "the background thread is gone"))
    }

    /// Waits, at most until `deadline`, for what `poll` asks for.
    pub(crate) fn wait<T>(
        &self,
        deadline: Option<Instant>,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> std::result::Result<T, Stopped> {
        let _inside = self.handle.enter();
        let parked = Arc::new(Parked(Futex::new(0)));
        let waker = Waker::from(Arc::clone(&parked));
        let mut cx = Context::from_waker(&waker);
        loop {
            if let Poll::Ready(done) = poll(&mut cx) {
                return Ok(done);
            }
            if let Err(stopped) = parked.0.wait_while(0, deadline) {
                // What came at the last moment counts.
                return match poll(&mut cx) {
                    Poll::Ready(done) => Ok(done),
                    Poll::Pending => Err(stopped),
                };
            }
            parked.0.set(0);
        }
    }

    /// Runs something that starts tasks.
    pub(crate) fn enter<T>(&self, run: impl FnOnce() -> T) -> T {
        let _inside = self.handle.enter();
        run()
    }

    /// Asks once, without waiting.
    pub(crate) fn try_now<T>(&self, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Option<T> {
        let _inside = self.handle.enter();
        match poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(done) => Some(done),
            Poll::Pending => None,
        }
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It only fails to join if it panicked, which it has said by itself.
            let _ = thread.join();
        }
    }
}

impl From<Stopped> for Failure {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Interrupted => Failure::new(libc::EINTR, "a signal came"),
            Stopped::TimedOut => Failure::new(libc::EAGAIN, "time is up"),
        }
    }
}

/// A thread that waits, as a waker.
struct Parked(Futex);

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.set_and_wake(1);
    }
}

/// All signals are blocked in this thread, and those it starts, until this is dropped.
struct SignalsBlocked(libc::sigset_t);

impl SignalsBlocked {
    fn new() -> Self {
        // SAFETY: both sets live here; the system fills the second with the mask as it was.
        unsafe {
            let mut all: libc::sigset_t = std::mem::zeroed();
            let mut before: libc::sigset_t = std::mem::zeroed();
            libc::sigfillset(&raw mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
            SignalsBlocked(before)
        }
    }
}

impl Drop for SignalsBlocked {
    fn drop(&mut self) {
        // SAFETY: it is the mask this thread had.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, std::ptr::null_mut()) };
    }
}
