// SPDX-License-Identifier: MIT OR Apache-2.0
//! Updates pushed to pool users that asked for them with the S bit, RFC 5352 §2.2.5 and §2.2.6.
//!
//! An update is a whole ASAP_HANDLE_RESOLUTION_RESPONSE with the item count of the request. Changes coalesce: a pool is pushed once however often it
//! changed since the last time the shell asked for work, and not to a subscriber whose previous update is still on its way.

use bytes::Bytes;
use machine::Time;
use rsp_wire::PoolHandle;
use smallvec::SmallVec;

use super::Registrar;
use super::associations::{Sent, What};
use super::event::Change;
use super::timer::Timer;
use crate::association::AssociationId;
use crate::handlespace::Advance;

impl Registrar {
    /// The S bit of a request: the answer's A bit.
    pub(super) fn subscribe(&mut self, association: AssociationId, pool: &PoolHandle, items: u32) -> bool {
        if self.handlespace.pool(pool).is_none() {
            return false;
        }
        let known = self.subscribers.key_of(pool.as_bytes());
        let Some(subscriber) = self.associations.get_mut(association) else { return false };
        let is_new = known.is_none_or(|key| !subscriber.subscriptions.contains(&key));
        if is_new && self.subscribers.len() >= self.settings.limits.subscriptions {
            return false;
        }
        let (key, _) = self.subscribers.subscribe(pool, association, items);
        subscriber.subscriptions.insert(key);
        true
    }

    /// A request without the S bit, a negative answer, or the end of the association.
    pub(super) fn unsubscribe(&mut self, association: AssociationId, pool: &[u8]) {
        if let Some(key) = self.subscribers.key_of(pool) {
            self.end_subscription(association, key);
        }
    }

    pub(super) fn end_subscription(&mut self, association: AssociationId, key: u32) {
        if let Some(subscriber) = self.associations.get_mut(association) {
            subscriber.subscriptions.remove(&key);
        }
        if self.subscribers.unsubscribe(key, association) {
            self.timers.stop(Timer::LoadUpdate(key));
        }
        self.end_if_idle(association);
    }

    /// A pool changed: its subscribers hear of it at once, of mere load at most once per `update_min_interval`.
    pub(super) fn update_subscribers(&mut self, pool: &PoolHandle, change: Change, now: Time) {
        let Some(key) = self.subscribers.key_of(pool.as_bytes()) else { return };
        match change {
            Change::Updated(changes) if !changes.is_urgent() && !changes.load => {}
            Change::Updated(changes) if !changes.is_urgent() => {
                let Some(pool) = self.subscribers.get_mut(key) else { return };
                let due = pool.pushed_at.map_or(now, |pushed| pushed + self.settings.update_min_interval);
                if due <= now {
                    self.subscribers.mark_changed(key);
                } else {
                    self.timers.set(Timer::LoadUpdate(key), due);
                }
            }
            Change::Added | Change::Removed(_) | Change::Updated(_) => self.subscribers.mark_changed(key),
        }
    }

    /// Pushes every pool that has changed. Called before the registrar goes to sleep.
    pub(super) fn push_updates(&mut self) {
        while let Some(key) = self.subscribers.changed.pop() {
            let now = self.now;
            let Some(pool) = self.subscribers.get_mut(key).filter(|pool| pool.is_changed) else { continue };
            pool.is_changed = false;
            pool.pushed_at = Some(now);
            let mut due: Vec<(AssociationId, u32)> = Vec::with_capacity(pool.subscribers.len());
            for (association, subscriber) in &mut pool.subscribers {
                if std::mem::replace(&mut subscriber.on_its_way, true) {
                    subscriber.missed = true;
                } else {
                    due.push((*association, subscriber.items));
                }
            }
            let handle = pool.handle.clone();
            self.timers.stop(Timer::LoadUpdate(key));
            self.push(key, &handle, &due);
        }
    }

    /// The update is with its subscriber; one that was held back meanwhile follows.
    pub(super) fn update_delivered(&mut self, association: AssociationId, key: u32) {
        let Some(pool) = self.subscribers.get_mut(key) else { return };
        let Some(subscriber) = pool.subscribers.get_mut(&association) else { return };
        subscriber.on_its_way = std::mem::take(&mut subscriber.missed);
        if subscriber.on_its_way {
            let (items, handle) = (subscriber.items, pool.handle.clone());
            self.push(key, &handle, &[(association, items)]);
        }
    }

    /// Sends one update each. Subscribers with the same item count get the same bytes.
    fn push(&mut self, key: u32, handle: &PoolHandle, due: &[(AssociationId, u32)]) {
        let mut encoded: SmallVec<[(Kind, Option<Bytes>); 2]> = SmallVec::new();
        for &(association, items) in due {
            let Some(max_message) = self.peer(association).map(|peer| peer.max_message) else { continue };
            let kind = (items, max_message);
            let update = match encoded.iter().find(|(of, _)| *of == kind) {
                Some((_, update)) => update.clone(),
                None => {
                    let update = self.encode_resolution(handle, items, max_message, true, Advance::No);
                    encoded.push((kind, update.clone()));
                    update
                }
            };
            self.metrics.updates += 1;
            match update {
                Some(message) => {
                    let sent = Sent { length: message.len(), what: What::Update(key) };
                    self.send_encoded(association, sent, message);
                }
                //= https://www.rfc-editor.org/rfc/rfc5352#section-2.2.5
                //# If a negative
                //# response is returned, no further updates to the Pool (when it is
                //# created) will occur.
                None => {
                    self.send_unknown_pool(association, handle.clone());
                    self.end_subscription(association, key);
                }
            }
        }
    }
}

/// What an update depends on beside its pool: item count and longest message.
type Kind = (u32, usize);
