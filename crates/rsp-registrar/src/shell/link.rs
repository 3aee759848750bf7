// SPDX-License-Identifier: MIT OR Apache-2.0
//! One association, shared between its task and whoever has something to send on it.

use std::cell::{Cell, RefCell};
use std::task::{Context, Poll, Waker};

use machine::association::{Event, Request};
use net::{Association, Responder};

/// An association and the waker of its task.
#[derive(Debug)]
pub(super) struct Link {
    association: RefCell<Association>,
    waker: RefCell<Option<Waker>>,
    /// The registrar has ended it and hears nothing more of it.
    closed: Cell<bool>,
}

impl Link {
    pub(super) fn new(association: Association) -> Self {
        Link { association: RefCell::new(association), waker: RefCell::default(), closed: Cell::new(false) }
    }

    /// What happens next that `responder` does not deal with.
    pub(super) fn poll_turn(&self, cx: &mut Context<'_>, responder: &mut Responder<'_>) -> Poll<Event> {
        let event = self.association.borrow_mut().poll_turn(cx, responder);
        if event.is_pending() {
            match &mut *self.waker.borrow_mut() {
                Some(waker) => waker.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
        }
        event
    }

    /// Does what the registrar wants. Answers what there is to hear of it at once.
    pub(super) fn perform(&self, request: Request) -> Option<Event> {
        let mut association = self.association.borrow_mut();
        match request {
            // It is there already.
            Request::Connect { .. } => {}
            Request::Send { stream, ppid, unordered, token, data, .. } => {
                if let Err(error) = association.send(stream, ppid, unordered, token, data) {
                    tracing::debug!(peer = %association.peer_addr(), %error, "cannot send");
                    return Some(error.fate(token));
                }
            }
            Request::Taken { sequence } => association.taken(sequence),
            Request::Heartbeat(heartbeat) => association.set_heartbeat(heartbeat),
            Request::Probe => association.probe(),
            Request::RoundTripTime => return Some(Event::RoundTripTime(association.round_trip_time())),
            Request::Close => {
                self.closed.set(true);
                association.close();
            }
            Request::Abort => {
                self.closed.set(true);
                association.abort();
            }
        }
        None
    }

    /// Ends it because the whole registrar ends: nobody is told.
    pub(super) fn close(&self) {
        self.closed.set(true);
        self.association.borrow_mut().close();
        self.wake();
    }

    /// Lets its task write what was sent.
    pub(super) fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// Whether the registrar has ended it.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.get()
    }
}
