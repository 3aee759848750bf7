// SPDX-License-Identifier: MIT OR Apache-2.0
//! Subscriptions to a pool's changes, the S bit of RFC 5352 §2.2.5: at most one per pool, kept up over changes of home and negative answers.

use machine::Time;
use rsp_wire::PoolHandle;

use super::cache::PoolKey;
use super::resolution::gone;
use super::timer::Timer;
use super::{Endpoint, Reply};

impl Endpoint {
    pub(super) fn watch(&mut self, handle: &PoolHandle, now: Time) {
        if !self.is_pool_handle(handle) {
            return;
        }
        let Some(key) = self.pools.open(handle, self.settings.max_cached_pools, now) else { return };
        let Some(state) = self.pools.get_mut(key) else { return };
        state.watchers = state.watchers.saturating_add(1);
        let first = state.watchers == 1;
        let known = match &state.entry {
            Some(entry) => Some(Reply::PoolChanged { pool: entry.pool.clone(), gone: false }),
            None => state.gone.then(|| gone(&state.handle)),
        };
        if let Some(news) = known {
            self.reply(news);
        }
        if first {
            self.subscribe(key, now);
        }
        self.pools.settle(key);
    }

    pub(super) fn unwatch(&mut self, handle: &PoolHandle) {
        let Some(key) = self.pools.find(handle) else { return };
        let Some(state) = self.pools.get_mut(key) else { return };
        state.watchers = state.watchers.saturating_sub(1);
        if state.watchers > 0 {
            return;
        }
        state.gone = false;
        self.timers.stop(Timer::Resubscribe(key));
        // A request without the S bit ends the subscription; its answer keeps the cache fresh once more.
        if std::mem::take(&mut state.subscribed) || state.asking.is_some() {
            self.send_resolution(key);
        }
        self.pools.settle(key);
    }

    /// Asks with the S bit.
    fn subscribe(&mut self, key: PoolKey, now: Time) {
        let Some(state) = self.pools.get_mut(key) else { return };
        state.pause = self.settings.resubscribe.0;
        // A request on its way did not have the S bit.
        if state.asking.is_some() {
            self.send_resolution(key);
        }
        self.resubscribe(key, now);
    }

    /// It is time to ask for a watched pool again. Without a home that is done as soon as there is one.
    pub(super) fn resubscribe(&mut self, key: PoolKey, now: Time) {
        let wanted = self.pools.get(key).is_some_and(|state| state.watchers > 0 && !state.subscribed);
        if wanted && self.home.is_some() {
            self.ask(key, None, now);
        }
    }

    /// There is a new home: what is asked for, and what is watched, is asked of it.
    //= https://www.rfc-editor.org/rfc/rfc5352#section-2.2.5
    //# Thus, upon change of Home ENRP
    //# server, the PU will need to re-send an ASAP_HANDLE_RESOLUTION message
    //# with the 'S' bit set to '1'.
    pub(super) fn resolve_all(&mut self, now: Time) {
        for key in self.pools.active() {
            let Some(state) = self.pools.get_mut(key) else { continue };
            if state.asking.is_some() {
                self.timers.set(Timer::Request(key), now + self.settings.t1_request);
                self.send_resolution(key);
            } else {
                self.ask(key, None, now);
            }
        }
    }

    /// The association with the subscriptions is gone.
    pub(super) fn unsubscribed(&mut self) {
        for key in self.pools.active() {
            if let Some(state) = self.pools.get_mut(key) {
                state.subscribed = false;
            }
        }
    }

    /// A watched pool got a negative answer or none: ask again after a pause that doubles.
    pub(super) fn watch_later(&mut self, key: PoolKey, now: Time) {
        let (first, longest) = self.settings.resubscribe;
        let Some(state) = self.pools.get_mut(key).filter(|state| state.watchers > 0) else { return };
        let pause = state.pause.max(first);
        state.pause = (pause * 2).min(longest);
        self.timers.set(Timer::Resubscribe(key), now + pause);
    }

    /// The registrar does not send updates of a watched pool: ask when the entry grows stale.
    pub(super) fn poll_later(&mut self, key: PoolKey, now: Time) {
        if self.pools.get(key).is_some_and(|state| state.watchers > 0) {
            self.timers.set(Timer::Resubscribe(key), now + self.settings.stale_cache_value);
        }
    }
}
