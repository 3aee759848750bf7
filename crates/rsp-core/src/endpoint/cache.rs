// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is known of pools, and who wants to know it: C1 to C4 of RFC 5352 §3.3.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use machine::Time;
use rsp_wire::PoolHandle;

use super::resolution::Asking;
use super::{Pool, RequestId};
use crate::policy::Candidates;

/// Names a pool here; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PoolKey(u64);

/// A pool somebody has asked for.
#[derive(Debug)]
pub(super) struct PoolState {
    pub(super) handle: PoolHandle,
    /// What a registrar has told of it.
    pub(super) entry: Option<Entry>,
    /// A request that waits for its response.
    pub(super) asking: Option<Asking>,
    /// [`Command::Watch`](super::Command::Watch) less [`Command::Unwatch`](super::Command::Unwatch).
    pub(super) watchers: u32,
    /// The home sends updates.
    pub(super) subscribed: bool,
    /// The watchers have been told that there is no such pool.
    pub(super) gone: bool,
    /// The next pause before a watched pool is asked for again.
    pub(super) pause: Duration,
    used: Time,
}

/// A cache entry.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) pool: Arc<Pool>,
    /// The order in which its elements are chosen here.
    pub(super) candidates: Candidates,
    /// When the registrar said so.
    pub(super) updated: Time,
    /// How many items were asked for.
    pub(super) asked: u32,
}

/// All pools.
#[derive(Debug, Default)]
pub(super) struct Pools {
    by_handle: HashMap<PoolHandle, PoolKey>,
    states: BTreeMap<PoolKey, PoolState>,
    /// Those with a request or a watcher.
    active: BTreeSet<PoolKey>,
    /// Where a request waits.
    pub(super) requests: BTreeMap<RequestId, PoolKey>,
    next_key: u64,
}

impl Pools {
    pub(super) fn find(&self, handle: &PoolHandle) -> Option<PoolKey> {
        self.by_handle.get(handle).copied()
    }

    pub(super) fn get(&self, key: PoolKey) -> Option<&PoolState> {
        self.states.get(&key)
    }

    pub(super) fn get_mut(&mut self, key: PoolKey) -> Option<&mut PoolState> {
        self.states.get_mut(&key)
    }

    /// The pool of this name, made if need be. `None` if there are `max` and each of them is being asked for.
    pub(super) fn open(&mut self, handle: &PoolHandle, max: usize, now: Time) -> Option<PoolKey> {
        if let Some(key) = self.find(handle) {
            self.states.get_mut(&key)?.used = now;
            return Some(key);
        }
        if self.states.len() >= max {
            self.make_room();
        }
        if self.states.len() >= max {
            return None;
        }
        let (key, handle) = (PoolKey(self.next_key), handle.detach());
        self.next_key += 1;
        self.by_handle.insert(handle.clone(), key);
        let state = PoolState {
            handle,
            entry: None,
            asking: None,
            watchers: 0,
            subscribed: false,
            gone: false,
            pause: Duration::ZERO,
            used: now,
        };
        self.states.insert(key, state);
        Some(key)
    }

    /// Drops the eighth of the idle pools that was not used for longest, so that a full cache does not search at every new pool.
    fn make_room(&mut self) {
        let mut idle: Vec<(Time, PoolKey)> =
            self.states.iter().filter(|(key, _)| !self.active.contains(key)).map(|(key, s)| (s.used, *key)).collect();
        if idle.is_empty() {
            return;
        }
        let last = idle.len() / 8;
        idle.select_nth_unstable(last);
        for (_, key) in idle.drain(..=last) {
            self.drop_pool(key);
        }
    }

    fn drop_pool(&mut self, key: PoolKey) {
        if let Some(state) = self.states.remove(&key) {
            self.by_handle.remove(&state.handle);
        }
    }

    /// To be called when a request or a watcher came or went. A pool nobody asks for and nothing is known of is forgotten.
    pub(super) fn settle(&mut self, key: PoolKey) {
        let Some(state) = self.states.get(&key) else { return };
        if state.asking.is_some() || state.watchers > 0 {
            self.active.insert(key);
        } else {
            self.active.remove(&key);
            if state.entry.is_none() {
                self.drop_pool(key);
            }
        }
    }

    /// Whether a pool is asked for or watched.
    pub(super) fn is_active(&self) -> bool {
        !self.active.is_empty()
    }

    /// The pools that are asked for or watched.
    pub(super) fn active(&self) -> Vec<PoolKey> {
        self.active.iter().copied().collect()
    }
}
