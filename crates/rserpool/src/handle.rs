// SPDX-License-Identifier: MIT OR Apache-2.0
//! What both ends of a session share: the way to the task that drives it, and the send window.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use rsp_core::config::SessionSettings;
use rsp_core::session::{Outcome as CoreOutcome, Receipt, SendId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::mailbox::Sender;
use crate::message::{Outgoing, Sent};
use crate::{Error, Result};

/// What the application asks of the task that drives its session.
#[derive(Debug)]
pub(crate) enum Command<Own> {
    Send {
        send: SendId,
        outgoing: rsp_core::session::Outgoing,
        done: Done,
    },
    Taken(Receipt),
    Acknowledge(Receipt),
    /// What only one of the two ends knows.
    Own(Own),
}

/// Where the outcome of a send goes; holds its place in the send window until then.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) outcome: oneshot::Sender<CoreOutcome>,
    _window: Option<OwnedSemaphorePermit>,
    _counted: Counted,
}

/// Counts one send until its outcome.
#[derive(Debug)]
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(sends: &Arc<AtomicUsize>) -> Self {
        sends.fetch_add(1, Ordering::Relaxed);
        Counted(Arc::clone(sends))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Sends without outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unfinished {
    pub(crate) messages: usize,
    /// In the window; a small message counts as 64 bytes.
    pub(crate) bytes: usize,
}

/// The application's way to its session.
#[derive(Debug)]
pub(crate) struct Handle<Own> {
    pub(crate) commands: Sender<Command<Own>>,
    window: Arc<Semaphore>,
    window_size: usize,
    unfinished: Arc<AtomicUsize>,
    next_send: AtomicU64,
    max_message: usize,
}

impl<Own> Handle<Own> {
    pub(crate) fn new(commands: Sender<Command<Own>>, settings: &SessionSettings) -> Arc<Self> {
        // A peer without fragments takes what the mapping carries: longer messages come back from the session.
        let max_message = if settings.extensions { settings.max_message_size } else { 0 };
        let window_size = settings.send_window.clamp(1, u32::MAX as usize);
        Arc::new(Handle {
            commands,
            window: Arc::new(Semaphore::new(window_size)),
            window_size,
            unfinished: Arc::default(),
            next_send: AtomicU64::new(1),
            max_message: max_message.max(net::MAX_MESSAGE),
        })
    }

    /// Waits for room in the window, then hands the message to the session. Dropped early it has sent nothing.
    pub(crate) async fn send(&self, outgoing: Outgoing, answers: Option<Receipt>) -> Result<Sent> {
        self.check(&outgoing)?;
        let room = self.place_of(outgoing.data.len());
        let window = Arc::clone(&self.window).acquire_many_owned(room).await.map_err(|_| Error::Closed)?;
        self.submit(outgoing, answers, Some(window))
    }

    /// Waits for room for a message of this many bytes, and leaves it to whoever comes first.
    pub(crate) async fn room_for(&self, bytes: usize) {
        // It is never closed.
        let _ = self.window.acquire_many(self.place_of(bytes)).await;
    }

    pub(crate) fn max_message(&self) -> usize {
        self.max_message
    }

    pub(crate) fn room(&self) -> usize {
        self.window.available_permits()
    }

    /// What a message counts in the window.
    fn place_of(&self, bytes: usize) -> u32 {
        bytes.max(64).min(self.window_size) as u32
    }

    /// A send that does not wait for room: for the failover callback, which the resends wait for.
    pub(crate) fn prepare(&self, outgoing: Outgoing) -> Result<(SendId, rsp_core::session::Outgoing, Done, Sent)> {
        self.check(&outgoing)?;
        let send = SendId(self.next_send.fetch_add(1, Ordering::Relaxed));
        let (outcome, sent) = oneshot::channel();
        Ok((send, outgoing.into_core(None), self.done(outcome, None), Sent { outcome: sent, pe: None }))
    }

    fn submit(
        &self,
        outgoing: Outgoing,
        answers: Option<Receipt>,
        window: Option<OwnedSemaphorePermit>,
    ) -> Result<Sent> {
        let send = SendId(self.next_send.fetch_add(1, Ordering::Relaxed));
        let (outcome, sent) = oneshot::channel();
        let done = self.done(outcome, window);
        let command = Command::Send { send, outgoing: outgoing.into_core(answers), done };
        self.commands.send(command).map_err(|_| Error::Closed)?;
        Ok(Sent { outcome: sent, pe: None })
    }

    fn done(&self, outcome: oneshot::Sender<CoreOutcome>, window: Option<OwnedSemaphorePermit>) -> Done {
        Done { outcome, _window: window, _counted: Counted::new(&self.unfinished) }
    }

    /// What has been sent and has no outcome yet.
    pub(crate) fn unfinished(&self) -> Unfinished {
        Unfinished {
            messages: self.unfinished.load(Ordering::Relaxed),
            bytes: self.window_size - self.window.available_permits(),
        }
    }

    fn check(&self, outgoing: &Outgoing) -> Result<()> {
        let len = outgoing.data.len();
        if len > self.max_message {
            return Err(Error::TooLong { len, max: self.max_message });
        }
        if len == 0 || outgoing.ppid == rsp_core::PPID_ASAP || outgoing.ppid == rsp_wire::session::ENVELOPE_PPID {
            return Err(Error::BadMessage);
        }
        Ok(())
    }

    pub(crate) fn own(&self, command: Own) -> Result<()> {
        self.commands.send(Command::Own(command)).map_err(|_| Error::Closed)
    }

    pub(crate) fn taken(&self, receipt: Receipt) {
        // An error means that the session is over, and nobody waits for this any more.
        let _ = self.commands.send(Command::Taken(receipt));
    }
}
