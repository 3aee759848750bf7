// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who drives the runtime: one thread at a time. Calls that wait come before the background thread, which then keeps away until it is quiet.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Wake;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::futex::Futex;
use crate::runtime::Stopped;

/// The right to drive.
#[derive(Debug, Default)]
pub(crate) struct Baton {
    state: Mutex<State>,
    /// Tells the background thread that it is wanted elsewhere.
    wanted: Notify,
    /// The background thread sleeps on it while it keeps away.
    away: Futex,
}

#[derive(Debug, Default)]
struct State {
    holder: Holder,
    queue: VecDeque<Arc<Parked>>,
    /// How often a call had it.
    turns: u64,
    /// The background thread sleeps until a call's turn ends.
    is_far_away: bool,
    is_stopped: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Holder {
    #[default]
    Nobody,
    Background,
    Call,
}

/// The baton in somebody's hands; it goes to the next when this is dropped.
#[derive(Debug)]
pub(crate) struct Turn<'a>(&'a Baton);

/// A place in the queue for it.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    baton: &'a Baton,
    parked: &'a Arc<Parked>,
    is_queued: bool,
}

impl Baton {
    /// A place for a call that waits.
    pub(crate) fn queue<'a>(&'a self, parked: &'a Arc<Parked>) -> Place<'a> {
        Place { baton: self, parked, is_queued: false }
    }

    /// If nobody has it.
    pub(crate) fn try_take(&self) -> Option<Turn<'_>> {
        let mut state = self.lock();
        let is_free = state.holder == Holder::Nobody && !state.is_stopped;
        is_free.then(|| {
            state.holder = Holder::Call;
            Turn(self)
        })
    }

    /// Once it has been quiet for a moment; `None` when it is over.
    pub(crate) fn take_in_background(&self) -> Option<Turn<'_>> {
        let mut turns = None;
        loop {
            let mut state = self.lock();
            if state.is_stopped {
                return None;
            }
            let is_quiet = state.turns == 0 || turns == Some(state.turns);
            if is_quiet && state.holder == Holder::Nobody && state.queue.is_empty() {
                state.holder = Holder::Background;
                return Some(Turn(self));
            }
            turns = Some(state.turns);
            self.away.set(0);
            // A call that has it for long: whoever gives it back wakes us.
            state.is_far_away = is_quiet;
            let until = (!is_quiet).then(|| Instant::now() + QUIET);
            drop(state);
            // Signals are blocked in this thread, and time is no failure.
            let _ = self.away.wait_while(0, until);
        }
    }

    /// Ends the background thread.
    pub(crate) fn stop(&self) {
        self.lock().is_stopped = true;
        self.away.set_and_wake(1);
        self.wanted.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> Turn<'a> {
    /// Ready when somebody else wants it.
    pub(crate) async fn wanted(&self) {
        self.0.wanted.notified().await;
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        let was_call = std::mem::take(&mut state.holder) == Holder::Call;
        if was_call {
            state.turns += 1;
        }
        let next = state.queue.front().cloned();
        let background = was_call && std::mem::take(&mut state.is_far_away);
        drop(state);
        if let Some(next) = next {
            next.wake_by_ref();
        }
        if background {
            self.0.away.set_and_wake(1);
        }
    }
}

impl<'a> Place<'a> {
    /// The baton, if it is to be had; otherwise a place in the queue, and whoever is first in it is woken.
    pub(crate) fn take(&mut self) -> Option<Turn<'a>> {
        let mut state = self.baton.lock();
        if state.holder == Holder::Nobody {
            state.holder = Holder::Call;
            if std::mem::take(&mut self.is_queued) {
                state.queue.retain(|queued| !Arc::ptr_eq(queued, self.parked));
            }
            return Some(Turn(self.baton));
        }
        if !std::mem::replace(&mut self.is_queued, true) {
            state.queue.push_back(Arc::clone(self.parked));
        }
        if state.holder == Holder::Background {
            drop(state);
            self.baton.wanted.notify_one();
        }
        None
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if !self.is_queued {
            return;
        }
        let mut state = self.baton.lock();
        state.queue.retain(|queued| !Arc::ptr_eq(queued, self.parked));
        // It may have been our turn.
        let next = (state.holder == Holder::Nobody).then(|| state.queue.front().cloned()).flatten();
        let background = state.holder == Holder::Nobody && std::mem::take(&mut state.is_far_away);
        drop(state);
        if let Some(next) = next {
            next.wake_by_ref();
        }
        if background {
            self.baton.away.set_and_wake(1);
        }
    }
}

/// A thread that waits, as a waker.
#[derive(Debug, Default)]
pub(crate) struct Parked(Futex);

impl Parked {
    /// Until it is woken.
    pub(crate) fn wait(&self, deadline: Option<Instant>) -> Result<(), Stopped> {
        self.0.wait_while(0, deadline)?;
        self.0.set(0);
        Ok(())
    }
}

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.set_and_wake(1);
    }
}

/// How long no call must have come before the background thread drives again.
const QUIET: Duration = Duration::from_millis(1);
