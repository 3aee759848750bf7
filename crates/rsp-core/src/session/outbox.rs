// SPDX-License-Identifier: MIT OR Apache-2.0
//! What has been sent and has no outcome yet, by message id.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use machine::Time;

use super::{Outgoing, SendId, take};

/// A send without an outcome.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) send: SendId,
    pub(super) outgoing: Outgoing,
    /// It is neither sent nor sent again after this.
    pub(super) expires: Option<Time>,
    /// It went out over the present association.
    pub(super) transmitted: bool,
    /// It went out over an earlier one.
    pub(super) resend: bool,
    /// It waits for the peer's application, and the peer offers that.
    pub(super) awaits_ack: bool,
}

/// Sends in the order of their ids, and those among them that wait for their turn.
#[derive(Debug)]
pub(super) struct Outbox {
    next_id: u64,
    pending: BTreeMap<u64, Pending>,
    queue: VecDeque<u64>,
    /// Of those with a lifetime that wait for their turn, or that the transport gave up.
    expiry: BTreeSet<(Time, u64)>,
}

impl Outbox {
    pub(super) fn new() -> Self {
        Outbox { next_id: 1, pending: BTreeMap::new(), queue: VecDeque::new(), expiry: BTreeSet::new() }
    }

    /// Takes a message in; `first` puts it ahead of everything that waits.
    pub(super) fn push(&mut self, send: SendId, outgoing: Outgoing, first: Option<usize>, now: Time) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        let expires = outgoing.lifetime.map(|lifetime| now + lifetime);
        self.expiry.extend(expires.map(|at| (at, id)));
        let pending = Pending { send, outgoing, expires, transmitted: false, resend: false, awaits_ack: false };
        self.pending.insert(id, pending);
        match first {
            Some(after) => self.queue.insert(after.min(self.queue.len()), id),
            None => self.queue.push_back(id),
        }
        id
    }

    /// The next message to transmit.
    pub(super) fn front(&mut self) -> Option<(u64, &mut Pending)> {
        let id = *self.queue.front()?;
        Some((id, self.pending.get_mut(&id).expect("a queued message is pending")))
    }

    /// The message at the front has been transmitted.
    pub(super) fn advance(&mut self) {
        if let Some(id) = self.queue.pop_front()
            && let Some(at) = self.pending.get(&id).and_then(|pending| pending.expires)
        {
            self.expiry.remove(&(at, id));
        }
    }

    pub(super) fn get(&self, id: u64) -> Option<&Pending> {
        self.pending.get(&id)
    }

    /// Takes out the message at the front, which will not be transmitted.
    pub(super) fn take_front(&mut self) -> Option<Pending> {
        let id = self.queue.pop_front()?;
        self.remove(id)
    }

    /// Takes out a message that was transmitted over the present association and has its outcome now.
    pub(super) fn retire(&mut self, id: u64) -> Option<Pending> {
        if !self.pending.get(&id)?.transmitted {
            return None;
        }
        self.remove(id)
    }

    /// The transport gave up a message that went out.
    pub(super) fn given_up(&mut self, id: u64) {
        if let Some(pending) = self.pending.get(&id) {
            self.expiry.extend(pending.expires.map(|at| (at, id)));
        }
    }

    /// When a message that waits for its turn, or was given up, expires.
    pub(super) fn next_expiry(&self) -> Option<Time> {
        self.expiry.first().map(|(at, _)| *at)
    }

    /// Takes out such a message whose lifetime is over; its place, if it waited for its turn.
    pub(super) fn expire(&mut self, now: Time) -> Option<(Option<usize>, Pending)> {
        let (_, id) = self.expiry.first().copied().filter(|(at, _)| *at <= now)?;
        let place = self.queue.iter().position(|queued| *queued == id);
        if let Some(place) = place {
            self.queue.remove(place);
        }
        Some((place, self.remove(id)?))
    }

    /// The association is gone: everything waits for the next one, in the order of ids, but for what `keep` refuses; that is taken out.
    pub(super) fn rewind(&mut self, mut keep: impl FnMut(&Pending) -> bool) -> Vec<Pending> {
        let refused: Vec<u64> = self.pending.iter().filter(|(_, p)| !keep(p)).map(|(id, _)| *id).collect();
        let refused = refused.iter().filter_map(|id| self.remove(*id)).collect();
        self.queue = self.pending.keys().copied().collect();
        for (id, pending) in &mut self.pending {
            pending.resend |= std::mem::take(&mut pending.transmitted);
            pending.awaits_ack = false;
            self.expiry.extend(pending.expires.map(|at| (at, *id)));
        }
        refused
    }

    /// Takes everything out, in the order of ids.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Pending> + use<> {
        self.queue.clear();
        self.expiry.clear();
        std::mem::take(&mut self.pending).into_values()
    }

    /// Messages that went out and have no outcome.
    pub(super) fn outstanding(&self) -> usize {
        self.pending.len() - self.queue.len()
    }

    /// Messages that will go out again, after [`Outbox::rewind`].
    pub(super) fn resending(&self) -> usize {
        self.pending.values().filter(|p| p.resend).count()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    fn remove(&mut self, id: u64) -> Option<Pending> {
        let pending = take(&mut self.pending, &id)?;
        if let Some(at) = pending.expires {
            self.expiry.remove(&(at, id));
        }
        Some(pending)
    }
}
