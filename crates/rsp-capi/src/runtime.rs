// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who drives the library, and how calls wait.
//!
//! Everything runs on one tokio runtime, driven by one thread at a time: whoever has the [`baton`](crate::baton). That is the background thread, unless
//! a call waits: then the calling thread drives by itself, so that a message that arrives is in its hands without waking anybody. The background
//! thread comes back when no call has come for a moment.

use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::baton::{Baton, Parked};
use crate::errno::{Failure, Result};
use crate::signals;

/// The runtime and its background thread.
#[derive(Debug)]
pub(crate) struct Runtime {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    runtime: ManuallyDrop<tokio::runtime::Runtime>,
    baton: Baton,
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
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .on_thread_park(signals::before_sleep)
            .on_thread_unpark(signals::after_sleep)
            .build()?;
        let shared = Arc::new(Shared { runtime: ManuallyDrop::new(runtime), baton: Baton::default() });
        let background = Arc::clone(&shared);
        let blocked = signals::Blocked::all();
        let thread = std::thread::Builder::new().name("rserpool".to_owned()).spawn(move || background.run())?;
        drop(blocked);
        Ok(Runtime { shared, thread: Some(thread) })
    }

    /// Runs a task in the background.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.shared.runtime.spawn(task);
    }

    /// Runs a task in the background that may be ended.
    pub(crate) fn spawn_abortable(&self, task: impl Future<Output = ()> + Send + 'static) -> tokio::task::AbortHandle {
        self.shared.runtime.spawn(task).abort_handle()
    }

    /// Runs something in the background and waits for it; if a signal comes, it goes on without us.
    pub(crate) fn call<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> Result<T> {
        let (done, mut is_done) = oneshot::channel();
        self.spawn(async move { drop(done.send(task.await)) });
        let result = self.wait(None, |cx| Pin::new(&mut is_done).poll(cx));
        result?.map_err(|_| Failure::new(libc::EIO, "the library is being cleaned up"))
    }

    /// Runs something in the background and waits for it, at most so long; signals do not end that.
    pub(crate) fn finish(&self, time: Duration, task: impl Future<Output = ()> + Send + 'static) {
        let deadline = Instant::now() + time;
        let (done, mut is_done) = oneshot::channel::<()>();
        self.spawn(async move {
            let _ = tokio::time::timeout_at(deadline.into(), task).await;
            drop(done);
        });
        while let Err(Stopped::Interrupted) = self.wait(Some(deadline), |cx| Pin::new(&mut is_done).poll(cx)) {}
    }

    /// Waits, at most until `deadline`, for what `poll` asks for.
    pub(crate) fn wait<T>(
        &self,
        deadline: Option<Instant>,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> std::result::Result<T, Stopped> {
        let _inside = self.shared.runtime.enter();
        let parked = Arc::new(Parked::default());
        let waker = Waker::from(Arc::clone(&parked));
        let mut cx = Context::from_waker(&waker);
        let mut place = self.shared.baton.queue(&parked);
        loop {
            if let Some(turn) = place.take() {
                let result = self.shared.drive(deadline, &mut poll);
                drop(turn);
                return result;
            }
            if let Poll::Ready(done) = poll(&mut cx) {
                return Ok(done);
            }
            if let Err(stopped) = parked.wait(deadline) {
                // What came at the last moment counts.
                return match poll(&mut cx) {
                    Poll::Ready(done) => Ok(done),
                    Poll::Pending => Err(stopped),
                };
            }
        }
    }

    /// Lets what was just asked for happen, unless somebody else will do so anyway.
    pub(crate) fn nudge(&self) {
        if let Some(turn) = self.shared.baton.try_take() {
            let mut turns = 0;
            // All tasks that are ready have their turn before this one has its second.
            let _ = self.shared.drive(None, &mut |cx| {
                turns += 1;
                if turns > 1 {
                    return Poll::Ready(());
                }
                cx.waker().wake_by_ref();
                Poll::Pending
            });
            drop(turn);
        }
    }

    /// Runs something that starts tasks.
    pub(crate) fn enter<T>(&self, run: impl FnOnce() -> T) -> T {
        let _inside = self.shared.runtime.enter();
        run()
    }

    /// Asks once, without waiting.
    pub(crate) fn try_now<T>(&self, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Option<T> {
        let _inside = self.shared.runtime.enter();
        match poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(done) => Some(done),
            Poll::Pending => None,
        }
    }
}

impl Shared {
    /// The background thread: drives whenever nobody else does.
    fn run(&self) {
        while let Some(turn) = self.baton.take_in_background() {
            self.runtime.block_on(turn.wanted());
            drop(turn);
        }
    }

    /// Drives everything until `poll` has what it wants. Only with the baton.
    fn drive<T>(
        &self,
        deadline: Option<Instant>,
        poll: &mut impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> std::result::Result<T, Stopped> {
        let _watched = signals::Watched::new();
        self.runtime.block_on(async {
            let waiting = std::future::poll_fn(|cx| {
                if let Poll::Ready(done) = poll(cx) {
                    return Poll::Ready(Ok(done));
                }
                match signals::came(cx.waker()) {
                    true => Poll::Ready(Err(Stopped::Interrupted)),
                    false => Poll::Pending,
                }
            });
            match deadline {
                None => waiting.await,
                Some(deadline) => {
                    tokio::time::timeout_at(deadline.into(), waiting).await.unwrap_or(Err(Stopped::TimedOut))
                }
            }
        })
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.shared.baton.stop();
        // A task that held the library last drops it on that thread, which then ends by itself.
        let other = self.thread.take().filter(|thread| thread.thread().id() != std::thread::current().id());
        if let Some(thread) = other {
            // It only fails to join if it panicked, which it has said by itself.
            let _ = thread.join();
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: nobody uses it after this.
        let runtime = unsafe { ManuallyDrop::take(&mut self.runtime) };
        // Without a limit it would wait for a name that is being looked up.
        runtime.shutdown_timeout(Duration::from_millis(100));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_wait_at_once_all_get_what_they_wait_for() {
        let runtime = Arc::new(Runtime::start().expect("a runtime"));
        let threads: Vec<_> = (0..8)
            .map(|n| {
                let runtime = Arc::clone(&runtime);
                std::thread::spawn(move || {
                    for i in 0..200_u64 {
                        let slept = async move {
                            tokio::time::sleep(Duration::from_micros(i % 7 * 100)).await;
                            n + i
                        };
                        assert_eq!(runtime.call(slept).expect("it is driven"), n + i);
                        runtime.nudge();
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().expect("no thread panics"));
    }

    #[test]
    fn what_nobody_waits_for_happens_too() {
        let runtime = Runtime::start().expect("a runtime");
        for _ in 0..20 {
            let (done, is_done) = std::sync::mpsc::channel();
            // A call drives, and leaves.
            runtime.call(async {}).expect("it is driven");
            runtime.spawn(async move {
                tokio::time::sleep(Duration::from_millis(1)).await;
                done.send(()).expect("the test waits");
            });
            is_done.recv_timeout(Duration::from_secs(30)).expect("the background thread drives");
        }
    }

    #[test]
    fn a_signal_does_not_cut_short_what_is_to_be_finished() {
        extern "C" fn nothing(_: std::ffi::c_int) {}
        let runtime = Runtime::start().expect("a runtime");
        // SAFETY: the handler does nothing, and no other test uses this signal; the thread that gets it is joined below.
        let me = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = nothing as extern "C" fn(std::ffi::c_int) as libc::sighandler_t;
            libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut());
            libc::pthread_self()
        };
        let (is_over, over) = std::sync::mpsc::channel::<()>();
        let signals = std::thread::spawn(move || {
            while over.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                // SAFETY: the thread waits for this one.
                unsafe { libc::pthread_kill(me, libc::SIGUSR1) };
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let (done, is_done) = std::sync::mpsc::channel();
        runtime.finish(Duration::from_secs(30), async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            done.send(()).expect("the test waits");
        });
        let finished = is_done.try_recv();
        drop(is_over);
        signals.join().expect("it does not panic");
        assert_eq!(finished, Ok(()));
    }

    /// Waits, on this thread, while a task sends it this signal from the midst of its work.
    fn wait_while_working(runtime: &Runtime, signal: std::ffi::c_int) -> std::result::Result<(), Stopped> {
        let me = std::thread::current().id();
        let (done, mut is_done) = oneshot::channel();
        runtime.spawn(async move {
            let mut turns = 0;
            while turns < 5 {
                tokio::time::sleep(Duration::from_millis(1)).await;
                turns += u32::from(std::thread::current().id() == me);
            }
            // SAFETY: the tests have a handler for it, or it is one that is ignored.
            unsafe { libc::raise(signal) };
            // It has worked on, and slept.
            tokio::time::sleep(Duration::from_millis(50)).await;
            let _ = done.send(());
            std::future::pending::<()>().await;
        });
        let deadline = Instant::now() + Duration::from_secs(30);
        runtime.wait(Some(deadline), |cx| Pin::new(&mut is_done).poll(cx).map(drop))
    }

    #[test]
    fn a_signal_that_comes_while_a_waiting_thread_works_ends_the_call() {
        extern "C" fn nothing(_: std::ffi::c_int) {}
        let runtime = Runtime::start().expect("a runtime");
        // SAFETY: the handler does nothing, and no other test uses this signal.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = nothing as extern "C" fn(std::ffi::c_int) as libc::sighandler_t;
            libc::sigaction(libc::SIGUSR2, &raw const action, std::ptr::null_mut());
        }
        assert_eq!(wait_while_working(&runtime, libc::SIGUSR2), Err(Stopped::Interrupted));
        // SAFETY: the set lives through the calls, and the system fills it.
        let is_blocked = unsafe {
            let mut mask: libc::sigset_t = std::mem::zeroed();
            libc::pthread_sigmask(libc::SIG_SETMASK, std::ptr::null(), &raw mut mask);
            libc::sigismember(&raw const mask, libc::SIGUSR2)
        };
        assert_eq!(is_blocked, 0, "the mask is the caller's again");
    }

    #[test]
    fn a_signal_that_nobody_handles_does_not_end_the_call() {
        let runtime = Runtime::start().expect("a runtime");
        assert_eq!(wait_while_working(&runtime, libc::SIGURG), Ok(()));
    }

    #[test]
    fn a_task_may_be_the_last_that_holds_the_runtime() {
        let runtime = Arc::new(Runtime::start().expect("a runtime"));
        let (done, is_done) = std::sync::mpsc::channel();
        let last = Arc::clone(&runtime);
        runtime.spawn(async move {
            while Arc::strong_count(&last) > 1 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            drop(last);
            done.send(()).expect("the test waits");
        });
        drop(runtime);
        is_done.recv_timeout(Duration::from_secs(30)).expect("dropping it neither waits nor panics");
    }

    #[test]
    fn waiting_ends_in_time() {
        let runtime = Runtime::start().expect("a runtime");
        for _ in 0..2 {
            let deadline = Instant::now() + Duration::from_millis(1);
            assert_eq!(runtime.wait(Some(deadline), |_| Poll::<()>::Pending), Err(Stopped::TimedOut));
        }
    }
}
