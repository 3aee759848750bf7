// SPDX-License-Identifier: MIT OR Apache-2.0
//! The few associations of one machine: what it asks is done, what happens on any of them comes out.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use machine::association::{AssociationId, Event, Request};

use crate::{Association, Message, Options, SendError, Transports};

/// Associations by the identifiers their machine gave them. Meant for a handful: every wake-up looks at each.
#[derive(Debug)]
pub struct Associations {
    transports: Transports,
    options: Options,
    live: Vec<(AssociationId, Association)>,
    /// Who is looked at first, so that none is starved by one that always has something.
    first: usize,
    /// Sends that could not even be queued, and questions answered at once.
    ready: VecDeque<(AssociationId, Event)>,
}

impl Associations {
    /// None yet; those that are opened get these options.
    pub fn new(transports: Transports, options: Options) -> Self {
        // Most machines have one at a time.
        Associations { transports, options, live: Vec::with_capacity(1), first: 0, ready: VecDeque::new() }
    }

    /// Takes over an association that was accepted.
    pub fn adopt(&mut self, id: AssociationId, association: Association) {
        self.live.push((id, association));
    }

    /// Does what a machine asks. Requests for an association that is gone are ignored.
    pub fn perform(&mut self, id: AssociationId, request: Request) {
        if let Request::Connect { protocol, to } = request {
            return self.live.push((id, self.transports.connect(protocol, to.into_vec(), self.options)));
        }
        let Some(index) = self.live.iter().position(|(live, _)| *live == id) else { return };
        let association = &mut self.live[index].1;
        match request {
            Request::Connect { .. } => {}
            Request::Send { stream, ppid, unordered, lifetime, token, data } => {
                let message = Message { stream, ppid, unordered, lifetime, token, data };
                let limited = lifetime.map(|_| message.clone());
                let mut result = association.send_message(message);
                if let (Err(SendError::NotAvailable(_)), Some(message)) = (&result, limited) {
                    // Its sender watches over the lifetime, too.
                    result = association.send_message(Message { lifetime: None, ..message });
                }
                if let Err(error) = result {
                    self.ready.push_back((id, error.fate(token)));
                }
            }
            Request::Taken { sequence } => association.taken(sequence),
            Request::Heartbeat(heartbeat) => association.set_heartbeat(heartbeat),
            Request::Probe => association.probe(),
            Request::RoundTripTime => {
                let answer = Event::RoundTripTime(association.round_trip_time());
                self.ready.push_back((id, answer));
            }
            Request::Close => {
                let (_, mut association) = self.live.swap_remove(index);
                // What can leave now does, even if the program ends before the rest has had its turn.
                association.flush();
                tokio::spawn(association.finish());
            }
            Request::Abort => {
                let (_, mut association) = self.live.swap_remove(index);
                association.abort();
            }
        }
    }

    /// One of them.
    pub fn get(&self, id: AssociationId) -> Option<&Association> {
        self.live.iter().find(|(live, _)| *live == id).map(|(_, association)| association)
    }

    /// What happens next on any of them. Dropping the future loses nothing.
    pub async fn next(&mut self) -> (AssociationId, Event) {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// [`next`](Self::next) in poll form.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<(AssociationId, Event)> {
        if let Some(event) = self.ready.pop_front() {
            return Poll::Ready(event);
        }
        let count = self.live.len();
        for index in (self.first..count).chain(0..self.first.min(count)) {
            let (id, association) = &mut self.live[index];
            if let Poll::Ready(event) = association.poll_next(cx) {
                let id = *id;
                self.first = index + 1;
                if matches!(event, Event::Lost(_)) {
                    self.live.swap_remove(index);
                }
                return Poll::Ready((id, event));
            }
        }
        Poll::Pending
    }

    /// Writes what can be written without waiting, for an owner that will not await [`next`](Self::next) soon.
    pub fn flush(&mut self) {
        for (_, association) in &mut self.live {
            association.flush();
        }
    }

    /// Ends all of them in order, in the background.
    pub fn close_all(&mut self) {
        for (_, association) in self.live.drain(..) {
            tokio::spawn(association.finish());
        }
    }
}
