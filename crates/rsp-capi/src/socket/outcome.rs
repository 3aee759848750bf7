// SPDX-License-Identifier: MIT OR Apache-2.0
//! Acknowledgements: those the application owes, and what became of what it sent.

use std::collections::{HashMap, VecDeque};
use std::os::fd::RawFd;
use std::sync::Arc;

use bytes::Bytes;
use rserpool::{Answer, Outcome, Outgoing};

use super::{Context, Notice, NoticeKind, Patience, Socket};
use crate::errno::{Failure, Result};
use crate::library::Library;

/// `RSP_ACKNOWLEDGED`, `RSP_DELIVERED`, `RSP_RETURNED`
pub(super) const ACKNOWLEDGED: u32 = 1;
pub(super) const DELIVERED: u32 = 2;
pub(super) const RETURNED: u32 = 3;

/// Ways to answer messages whose senders wait for it, by session and message id.
#[derive(Debug, Default)]
pub(super) struct Answers {
    by_id: HashMap<(u32, u32), Answer>,
    order: VecDeque<(u32, u32)>,
}

impl Answers {
    pub(super) fn keep(&mut self, session: u32, id: u32, answer: Answer) {
        while self.order.len() >= MAX_KEPT {
            if let Some(oldest) = self.order.pop_front() {
                self.by_id.remove(&oldest);
            }
        }
        if self.by_id.insert((session, id), answer).is_none() {
            self.order.push_back((session, id));
        }
    }

    fn take(&mut self, session: u32, id: u32) -> Option<Answer> {
        let answer = self.by_id.remove(&(session, id))?;
        if self.order.front() == Some(&(session, id)) {
            self.order.pop_front();
        } else {
            self.order.retain(|known| *known != (session, id));
        }
        Some(answer)
    }

    pub(super) fn forget(&mut self, session: u32) {
        self.by_id.retain(|(of, _), _| *of != session);
        self.order.retain(|(of, _)| *of != session);
    }
}

/// What became of sends with a context, until the application asks.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    under_way: HashMap<u32, u32>,
    known: VecDeque<(u32, u32)>,
}

impl Outcomes {
    pub(super) fn begin(&mut self, context: u32) {
        *self.under_way.entry(context).or_default() += 1;
    }

    fn end(&mut self, context: u32, code: u32) {
        if let Some(count) = self.under_way.get_mut(&context) {
            *count -= 1;
            if *count == 0 {
                self.under_way.remove(&context);
            }
        }
        if self.known.len() >= MAX_KEPT {
            self.known.pop_front();
        }
        self.known.push_back((context, code));
    }

    fn take(&mut self, context: u32) -> Option<Result<u32>> {
        if let Some(index) = self.known.iter().position(|(of, _)| *of == context) {
            return self.known.remove(index).map(|(_, code)| Ok(code));
        }
        match self.under_way.contains_key(&context) {
            true => None,
            false => Some(Err(Failure::new(libc::ENOENT, "nothing was sent with this context"))),
        }
    }

    pub(super) fn under_way(&self) -> u32 {
        self.under_way.values().sum()
    }
}

impl Socket {
    /// The application has dealt with a message.
    pub(crate) fn ack(&self, library: &Library, session: u32, id: u32) -> Result<()> {
        let Some(answer) = self.lock().answers.take(session, id) else {
            return Err(nothing_to_answer());
        };
        let mut acknowledging = std::pin::pin!(answer.ack());
        let done = library.runtime.try_now(|cx| acknowledging.as_mut().poll(cx));
        Ok(done.unwrap_or(Ok(()))?)
    }

    /// Answers and acknowledges in one step.
    pub(crate) fn reply(
        self: &Arc<Self>,
        library: &Library,
        fd: RawFd,
        (session, id): (u32, u32),
        outgoing: Outgoing,
        patience: Patience,
        context: Context,
    ) -> Result<()> {
        let Some(answer) = self.lock().answers.take(session, id) else {
            return Err(nothing_to_answer());
        };
        let conversation = self.lock().conversations.get(&session).cloned();
        let replying = answer.reply(outgoing.clone());
        let sent = self.wait_for_room(library, fd, patience, conversation.as_ref(), outgoing.data.len(), replying);
        match sent {
            Ok(Ok(sent)) => {
                self.track(library, session, sent, context);
                library.runtime.nudge();
                Ok(())
            }
            // It can be tried again.
            Ok(Err(failure)) | Err(failure) => {
                self.lock().answers.keep(session, id, answer);
                Err(failure)
            }
        }
    }

    /// What became of a send.
    ///
    /// # Errors
    /// ENOENT if there was none with this context, EAGAIN if it is not known in time.
    pub(crate) fn outcome(&self, library: &Library, fd: RawFd, context: u32, patience: Patience) -> Result<u32> {
        self.wait(library, fd, patience, |state| state.outcomes.take(context))
    }

    pub(super) fn came_out(&self, session: u32, context: u32, outcome: rserpool::Result<Outcome>) {
        let (code, count, bytes) = match outcome {
            Ok(Outcome::Acknowledged(_)) => (ACKNOWLEDGED, 0, Bytes::new()),
            Ok(Outcome::Delivered(_)) => (DELIVERED, 0, Bytes::new()),
            Ok(Outcome::Returned(outgoing, why)) => (RETURNED, super::notice::reason(why), outgoing.data),
            // The session is over, and the message with it.
            Err(_) => (RETURNED, 2, Bytes::new()),
        };
        if context != 0 {
            self.change(None, |state| state.outcomes.end(context, code));
        } else if code != RETURNED {
            return;
        }
        self.tell(Notice { context, code, count, bytes, ..Notice::new(NoticeKind::Outcome, session) });
    }
}

fn nothing_to_answer() -> Failure {
    Failure::new(libc::EINVAL, "no message of this session and id waits for an acknowledgement")
}

/// A peer that wants acknowledgements and an application that gives none, or asks for no outcome: the oldest are forgotten.
const MAX_KEPT: usize = 65_536;
