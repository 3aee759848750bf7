// SPDX-License-Identifier: MIT OR Apache-2.0
//! The registrar's next deadline, and the task that waits for it.

use std::cell::Cell;

use machine::Time;
use net::Clock;
use tokio::sync::Notify;

/// One deadline that moves.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    deadline: Cell<Option<Time>>,
    /// Until when the waiting task sleeps.
    asleep_until: Cell<Option<Time>>,
    earlier: Notify,
}

impl Alarm {
    /// The deadline is this one now. Moving it costs nothing unless it becomes earlier.
    pub(super) fn set(&self, deadline: Option<Time>) {
        self.deadline.set(deadline);
        if let Some(deadline) = deadline
            && self.asleep_until.get().is_none_or(|until| deadline < until)
        {
            self.earlier.notify_one();
        }
    }

    /// Waits until the deadline has passed.
    pub(super) async fn ring(&self, clock: &Clock) {
        loop {
            let deadline = self.deadline.get();
            if deadline.is_some_and(|deadline| deadline <= clock.now()) {
                return;
            }
            self.asleep_until.set(deadline);
            match deadline {
                None => self.earlier.notified().await,
                Some(deadline) => {
                    tokio::select! {
                        () = tokio::time::sleep_until(clock.instant(deadline)) => {}
                        () = self.earlier.notified() => {}
                    }
                }
            }
        }
    }
}
