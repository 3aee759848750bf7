// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who is subscribed to which pool: one subscription per association and pool.

use std::collections::HashMap;

use indexmap::IndexMap;
use machine::Time;
use rsp_wire::PoolHandle;
use slab::Slab;

use crate::association::AssociationId;

/// All subscriptions.
#[derive(Debug, Default)]
pub(super) struct Subscribers {
    by_handle: HashMap<PoolHandle, u32>,
    pools: Slab<SubscribedPool>,
    count: usize,
    /// Pools with something to push before the registrar goes to sleep.
    pub(super) changed: Vec<u32>,
}

/// A pool somebody is subscribed to.
#[derive(Debug)]
pub(super) struct SubscribedPool {
    pub(super) handle: PoolHandle,
    pub(super) subscribers: IndexMap<AssociationId, Subscriber>,
    /// It stands in `changed`.
    pub(super) is_changed: bool,
    /// When something was last pushed.
    pub(super) pushed_at: Option<Time>,
}

/// One subscription.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subscriber {
    /// Items the request asked for.
    pub(super) items: u32,
    /// An update is on its way. The next one waits for it, so a slow reader gets fewer and fresher ones.
    pub(super) on_its_way: bool,
    /// The pool changed while one was on its way.
    pub(super) missed: bool,
}

impl Subscribers {
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Number of subscriptions to a pool.
    pub(super) fn count_of(&self, handle: &[u8]) -> usize {
        self.key_of(handle).map_or(0, |key| self.pools[key as usize].subscribers.len())
    }

    /// The key of a pool somebody is subscribed to.
    pub(super) fn key_of(&self, handle: &[u8]) -> Option<u32> {
        self.by_handle.get(handle).copied()
    }

    pub(super) fn get_mut(&mut self, key: u32) -> Option<&mut SubscribedPool> {
        self.pools.get_mut(key as usize)
    }

    /// Adds a subscription or changes its items; answers its key and whether it is new.
    pub(super) fn subscribe(&mut self, handle: &PoolHandle, association: AssociationId, items: u32) -> (u32, bool) {
        let key = self.key_of(handle.as_bytes()).unwrap_or_else(|| {
            let handle = handle.detach();
            let key = self.pools.insert(SubscribedPool {
                handle: handle.clone(),
                subscribers: IndexMap::new(),
                is_changed: false,
                pushed_at: None,
            }) as u32;
            self.by_handle.insert(handle, key);
            key
        });
        let subscribers = &mut self.pools[key as usize].subscribers;
        let before = subscribers.get(&association).copied();
        let fresh = Subscriber { items, on_its_way: false, missed: false };
        subscribers.insert(association, Subscriber { items, ..before.unwrap_or(fresh) });
        self.count += usize::from(before.is_none());
        (key, before.is_none())
    }

    /// Ends a subscription. Answers whether it was the pool's last one.
    pub(super) fn unsubscribe(&mut self, key: u32, association: AssociationId) -> bool {
        let Some(pool) = self.pools.get_mut(key as usize) else { return false };
        if pool.subscribers.swap_remove(&association).is_none() {
            return false;
        }
        self.count -= 1;
        if !pool.subscribers.is_empty() {
            return false;
        }
        let pool = self.pools.remove(key as usize);
        self.by_handle.remove(&pool.handle);
        true
    }

    /// Notes that the pool is to be pushed.
    pub(super) fn mark_changed(&mut self, key: u32) {
        if let Some(pool) = self.pools.get_mut(key as usize)
            && !std::mem::replace(&mut pool.is_changed, true)
        {
            self.changed.push(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_subscription_per_association_and_pool() {
        let mut subscribers = Subscribers::default();
        let (echo, alice) = (PoolHandle::from("echo"), AssociationId(1));
        let (key, new) = subscribers.subscribe(&echo, alice, 3);
        assert!(new);
        assert_eq!(subscribers.subscribe(&echo, alice, 5), (key, false));
        assert_eq!(subscribers.get_mut(key).map(|pool| pool.subscribers[&alice].items), Some(5));
        assert_eq!((subscribers.len(), subscribers.count_of(b"echo"), subscribers.count_of(b"none")), (1, 1, 0));
    }

    #[test]
    fn a_pool_without_subscribers_leaves_nothing_behind() {
        let mut subscribers = Subscribers::default();
        let echo = PoolHandle::from("echo");
        let (key, _) = subscribers.subscribe(&echo, AssociationId(1), 3);
        subscribers.subscribe(&echo, AssociationId(3), 3);
        assert!(!subscribers.unsubscribe(key, AssociationId(1)));
        assert!(!subscribers.unsubscribe(key, AssociationId(1)));
        assert!(subscribers.unsubscribe(key, AssociationId(3)));
        assert_eq!((subscribers.len(), subscribers.key_of(b"echo"), subscribers.pools.len()), (0, None, 0));
    }
}
