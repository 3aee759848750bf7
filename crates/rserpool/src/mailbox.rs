// SPDX-License-Identifier: MIT OR Apache-2.0
//! A queue from many senders to one receiver that takes no memory while it is empty: tokio's keeps a block for 32 items from the start, which is
//! most of what an idle session would cost.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use machine::Queue;
use tokio::task::coop;

/// A mailbox: both ends.
pub(crate) fn mailbox<T>() -> (Sender<T>, Receiver<T>) {
    let state = State { queue: Queue::new(), waker: None, senders: 1, open: true };
    let shared = Arc::new(Mutex::new(state));
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

#[derive(Debug)]
struct State<T> {
    queue: Queue<T>,
    /// Of whoever waits for the next item.
    waker: Option<Waker>,
    senders: usize,
    open: bool,
}

fn lock<T>(shared: &Mutex<State<T>>) -> MutexGuard<'_, State<T>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The end that gives.
#[derive(Debug)]
pub(crate) struct Sender<T>(Arc<Mutex<State<T>>>);

impl<T> Sender<T> {
    /// Puts an item in; it comes back if nobody will ever take it.
    pub(crate) fn send(&self, item: T) -> Result<(), T> {
        let mut state = lock(&self.0);
        if !state.open {
            return Err(item);
        }
        state.queue.push(item);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        lock(&self.0).senders += 1;
        Sender(Arc::clone(&self.0))
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = lock(&self.0);
        state.senders -= 1;
        let waker = if state.senders == 0 { state.waker.take() } else { None };
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The end that takes.
#[derive(Debug)]
pub(crate) struct Receiver<T>(Arc<Mutex<State<T>>>);

impl<T> Receiver<T> {
    /// The next item; `None` once there are no senders any more. Cancel-safe.
    pub(crate) async fn recv(&mut self) -> Option<T> {
        poll_fn(|context| self.poll_recv(context)).await
    }

    fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<T>> {
        // Who always finds something lets others run now and then.
        let turn = ready!(coop::poll_proceed(context));
        let mut state = lock(&self.0);
        let item = state.queue.pop();
        if item.is_none() && state.senders > 0 && state.open {
            let before = state.waker.replace(context.waker().clone());
            // Outside the lock: it may be the last of a task that holds an end of this very mailbox.
            drop(state);
            drop(before);
            return Poll::Pending;
        }
        turn.made_progress();
        Poll::Ready(item)
    }

    /// The next item, if there is one now.
    pub(crate) fn try_recv(&mut self) -> Option<T> {
        lock(&self.0).queue.pop()
    }

    /// Nothing can be put in any more; what is in it can still be taken.
    pub(crate) fn close(&mut self) {
        lock(&self.0).open = false;
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = lock(&self.0);
        state.open = false;
        // Dropped outside the lock: an item, or the task to be woken, may hold an end of this very mailbox.
        let rest = (std::mem::take(&mut state.queue), state.waker.take());
        drop(state);
        drop(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn items_come_in_order_and_then_the_end() {
        let (sender, mut receiver) = mailbox();
        let second = sender.clone();
        sender.send(1).unwrap();
        second.send(2).unwrap();
        drop(sender);
        assert_eq!((receiver.recv().await, receiver.recv().await), (Some(1), Some(2)));
        let (end, ()) = tokio::join!(receiver.recv(), async { drop(second) });
        assert_eq!(end, None);
    }

    #[tokio::test]
    async fn who_waits_is_woken() {
        let (sender, mut receiver) = mailbox();
        let (item, sent) = tokio::join!(receiver.recv(), async { sender.send("here") });
        assert_eq!((item, sent), (Some("here"), Ok(())));
    }

    #[test]
    fn what_cannot_be_taken_comes_back() {
        let (sender, mut receiver) = mailbox();
        sender.send(1).unwrap();
        receiver.close();
        assert_eq!(sender.send(2), Err(2));
        assert_eq!((receiver.try_recv(), receiver.try_recv()), (Some(1), None));
        drop(receiver);
        assert_eq!(sender.send(3), Err(3));
    }

    #[test]
    fn an_item_that_holds_a_sender_is_dropped_with_the_receiver() {
        struct Holds(#[expect(dead_code, reason = "held")] Sender<Holds>);
        let (sender, receiver) = mailbox();
        sender.send(Holds(sender.clone())).unwrap_or_else(|_| panic!("it is open"));
        drop(receiver);
        assert_eq!(lock(&sender.0).senders, 1);
    }
}
