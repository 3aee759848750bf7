// SPDX-License-Identifier: MIT OR Apache-2.0
//! Acknowledgements: those the application owes, and what became of what it sent.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use rserpool::{Answer, Destination, Outcome, Outgoing, PeHandle, PeId};

use super::notice::only_id;
use super::{Context, Conversation, Notice, NoticeKind, Patience, Socket};
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
                self.track(library, self.addressee(session), sent, context);
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
    pub(crate) fn outcome(
        self: &Arc<Self>,
        library: &Library,
        fd: RawFd,
        context: u32,
        patience: Patience,
    ) -> Result<u32> {
        match self.wait(library, fd, Patience::None, |state| state.outcomes.take(context)) {
            Err(failure) if failure.errno == libc::EAGAIN && patience != Patience::None => {
                // It may be that of a resend.
                crate::ha::callback::release(self);
                self.wait(library, fd, patience, |state| state.outcomes.take(context))
            }
            other => other,
        }
    }

    pub(super) fn came_out(&self, to: &Addressee, context: u32, outcome: rserpool::Result<Outcome>) {
        let (code, count, bytes, by) = match outcome {
            Ok(Outcome::Acknowledged(pe)) => (ACKNOWLEDGED, 0, Bytes::new(), Some(pe)),
            Ok(Outcome::Delivered(pe)) => (DELIVERED, 0, Bytes::new(), Some(pe)),
            Ok(Outcome::Returned(outgoing, why)) => (RETURNED, super::notice::reason(why), outgoing.data, None),
            // The session is over, and the message with it.
            Err(_) => (RETURNED, 2, Bytes::new(), None),
        };
        if context != 0 {
            self.change(None, |state| state.outcomes.end(context, code));
        } else if code != RETURNED {
            return;
        }
        if self.lock().subscriptions.way(NoticeKind::Outcome).is_none() {
            return;
        }
        let (session, pe, address) = self.whereabouts(to, by);
        self.tell(Notice { context, code, count, bytes, pe, address, ..Notice::new(NoticeKind::Outcome, session) });
    }

    /// The session of a message and the server that has it or, if nobody is known to have, had it last.
    fn whereabouts(&self, to: &Addressee, by: Option<PeId>) -> (u32, Option<PeHandle>, Option<SocketAddr>) {
        let now = to.conversation.upgrade().and_then(|it| it.server());
        let candidates = [to.pe.clone(), now];
        let pe = match by {
            None => candidates.into_iter().flatten().next(),
            Some(id) => {
                let fits = candidates.iter().flatten().find(|pe| pe.id == id).cloned();
                fits.or_else(|| candidates.into_iter().flatten().next().map(|pe| only_id(pe.pool, id)))
            }
        };
        match pe.as_ref().filter(|_| to.is_named).and_then(|pe| self.known(&pe.pool, pe.id)) {
            Some((number, pe)) => (number, Some(pe), None),
            None => (to.session, pe, to.address),
        }
    }

    /// Whom a message to this session goes to.
    pub(super) fn addressee(&self, session: u32) -> Addressee {
        let state = self.lock();
        match state.conversations.get(&session) {
            Some(conversation) => Addressee::session(conversation),
            None => {
                let named = state.destination(session).map(|to| Addressee::named(&to));
                Addressee { session, ..named.unwrap_or_default() }
            }
        }
    }
}

/// Whom a message was sent to, as far as is known.
#[derive(Debug, Default)]
pub(super) struct Addressee {
    pub(super) session: u32,
    pub(super) conversation: Weak<Conversation>,
    /// The message named where it goes.
    pub(super) is_named: bool,
    /// The server at that time.
    pub(super) pe: Option<PeHandle>,
    pub(super) address: Option<SocketAddr>,
}

impl Addressee {
    pub(super) fn session(conversation: &Arc<Conversation>) -> Self {
        let pe = conversation.pe();
        Addressee {
            session: conversation.number,
            conversation: Arc::downgrade(conversation),
            is_named: false,
            address: conversation.peer_address().filter(|_| pe.is_none()),
            pe,
        }
    }

    /// As the application named it.
    pub(super) fn named(to: &Destination) -> Self {
        let (pe, address) = match to {
            Destination::Pool(pool) | Destination::Last(pool) => (Some(only_id(pool.clone(), PeId(0))), None),
            Destination::Pe(pe) => (Some(pe.clone()), None),
            Destination::Address(address) => (None, Some(*address)),
        };
        Addressee { is_named: true, pe, address, ..Addressee::default() }
    }
}

fn nothing_to_answer() -> Failure {
    Failure::new(libc::EINVAL, "no message of this session and id waits for an acknowledgement")
}

/// A peer that wants acknowledgements and an application that gives none, or asks for no outcome: the oldest are forgotten.
const MAX_KEPT: usize = 65_536;
