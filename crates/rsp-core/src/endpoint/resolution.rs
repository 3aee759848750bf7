// SPDX-License-Identifier: MIT OR Apache-2.0
//! Handle resolution, RFC 5352 §3.3 and §3.7.2.

use std::sync::Arc;

use machine::Time;
use rsp_wire::asap::{HandleResolution, HandleResolutionResponse, Message};
use rsp_wire::parameter::{ErrorCause, OperationError, Policy, PoolElement, UserTransport};
use rsp_wire::{PeId, PoolHandle};
use smallvec::SmallVec;

use super::cache::{Entry, PoolKey};
use super::elsewhere::Elsewhere;
use super::timer::Timer;
use super::{Endpoint, Event, Freshness, HuntCause, Pool, Reply, RequestId, Resolution, ResolveError};
use crate::policy::Candidates;

/// A request to the registrar that is not answered yet.
#[derive(Debug)]
pub(super) struct Asking {
    pub(super) waiters: Vec<Waiter>,
    /// T1 has expired so often.
    unanswered: u32,
    /// Asked for so many.
    items: u32,
}

/// Who waits for the response.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) request: RequestId,
    pub(super) wanted: Wanted,
}

/// What of the response it wants.
#[derive(Debug)]
pub(super) enum Wanted {
    Items { items: u32, freshness: Freshness },
    One { avoid: SmallVec<[PeId; 4]>, elsewhere: Elsewhere },
}

/// Requests that may wait at the same time.
const MAX_WAITING: usize = 65_536;

impl Endpoint {
    /// NR1 and NR2, unless the cache knows it.
    pub(super) fn resolve(&mut self, waiter: Waiter, handle: &PoolHandle, now: Time) {
        let key = match self.open_pool(handle, now) {
            Ok(key) => key,
            Err(error) => return self.fail(waiter, error),
        };
        //= https://www.rfc-editor.org/rfc/rfc5352#section-3.3
        //# C4)  If the cache entry is NOT stale, the endpoint SHOULD NOT send a
        //# handle resolution request but instead SHOULD use the entry from
        //# the cache.
        if self.is_fresh_for(key, &waiter.wanted, now) {
            return self.answer_from_cache(key, waiter, now);
        }
        // C3: while no registrar answers, the user gets the old entry at once and the cache is updated behind it.
        let at_hand = self.pools.get(key).is_some_and(|state| state.entry.is_some());
        let waiter = if at_hand && waiter.takes_stale() && !self.home_responds() {
            self.answer_from_cache(key, waiter, now);
            None
        } else {
            Some(waiter)
        };
        self.ask(key, waiter, now);
    }

    fn open_pool(&mut self, handle: &PoolHandle, now: Time) -> Result<PoolKey, ResolveError> {
        if !self.is_pool_handle(handle) {
            return Err(ResolveError::BadPoolHandle { len: handle.len(), max: self.settings.wire.max_pool_handle });
        }
        if self.pools.requests.len() >= MAX_WAITING {
            return Err(ResolveError::TooMany);
        }
        self.pools.open(handle, self.settings.max_cached_pools, now).ok_or(ResolveError::TooMany)
    }

    /// Whether the cache answers without asking.
    fn is_fresh_for(&self, key: PoolKey, wanted: &Wanted, now: Time) -> bool {
        let Some(state) = self.pools.get(key) else { return false };
        let Some(entry) = &state.entry else { return false };
        let fresh = state.subscribed || now.since(entry.updated) < self.settings.stale_cache_value;
        fresh
            && match wanted {
                Wanted::Items { freshness: Freshness::Fresh, .. } => false,
                Wanted::Items { items, .. } => entry.pool.complete || entry.asked >= *items,
                // If all it knows are PEs that failed, the registrar may know better ones.
                Wanted::One { avoid, .. } => {
                    state.subscribed
                        || entry.pool.elements.iter().any(|pe| self.is_good(&state.handle, pe.id, avoid, now))
                }
            }
    }

    /// Adds a waiter to the request for a pool, and sends it if it has to be.
    pub(super) fn ask(&mut self, key: PoolKey, waiter: Option<Waiter>, now: Time) {
        let cache_items = self.settings.cache_items;
        let Some(state) = self.pools.get_mut(key) else { return };
        let items = match waiter.as_ref().map(|waiter| &waiter.wanted) {
            // Only who wants it fresh from the registrar and for nobody else leaves the choice to the registrar.
            Some(Wanted::Items { items, freshness: Freshness::Fresh }) if state.watchers == 0 => *items,
            Some(Wanted::Items { items, .. }) => cache_items.max(*items),
            _ => cache_items,
        };
        let new = state.asking.is_none();
        let asking = state.asking.get_or_insert_with(|| Asking { waiters: Vec::new(), unanswered: 0, items });
        let more = items > asking.items;
        asking.items = asking.items.max(items);
        let request = waiter.as_ref().map(|waiter| waiter.request);
        asking.waiters.extend(waiter);
        self.pools.requests.extend(request.map(|request| (request, key)));
        self.pools.settle(key);
        if new {
            //= https://www.rfc-editor.org/rfc/rfc5352#section-3.3
            //# NR4)  Start a T1-ENRPrequest timer.
            self.timers.set(Timer::Request(key), now + self.settings.t1_request);
        }
        if new || more {
            self.send_resolution(key);
        }
    }

    /// NR3. While the cache is subscribed, each request repeats that.
    pub(super) fn send_resolution(&mut self, key: PoolKey) {
        let Some(state) = self.pools.get(key) else { return };
        let items = state.asking.as_ref().map_or(self.settings.cache_items, |asking| asking.items);
        let message = Message::HandleResolution(HandleResolution {
            subscribe: state.watchers > 0,
            pool_handle: state.handle.clone(),
            items: Some(items),
            unknown: Vec::new(),
        });
        self.send_home(&message);
    }

    //= https://www.rfc-editor.org/rfc/rfc5352#section-3.7.2
    //# When the T1-ENRPrequest timer expires, the ASAP Endpoint should re-
    //# send the original request to the ENRP server and restart the T1-
    //# ENRPrequest timer.  In parallel, the ASAP Endpoint should begin the
    //# ENRP server hunt procedures described in Section 3.6.
    pub(super) fn request_expired(&mut self, key: PoolKey, now: Time) {
        let Some(state) = self.pools.get_mut(key) else { return };
        let Some(asking) = &mut state.asking else { return };
        asking.unanswered += 1;
        let (attempts, pool) = (asking.unanswered, state.handle.clone());
        if self.home.is_some() {
            self.event(Event::ResolutionUnanswered { pool, attempts });
        }
        self.answer_stale(key, now);
        //= https://www.rfc-editor.org/rfc/rfc5352#section-3.7.2
        //# This should be repeated up to MAX-REQUEST-RETRANSMIT times.  After
        //# that, an Error.Report notification should be generated to inform the
        //# ASAP User, and the ENRP request message associated with the T1-
        //# ENRPrequest timer should be discarded.
        if attempts > self.settings.max_request_retransmit {
            return self.give_up(key, now);
        }
        self.home_silent(HuntCause::ResolutionUnanswered, now);
        self.timers.set(Timer::Request(key), now + self.settings.t1_request);
        self.send_resolution(key);
    }

    /// Those who wait get what is in the cache, those who insist on fresh news go on waiting.
    fn answer_stale(&mut self, key: PoolKey, now: Time) {
        let Some(state) = self.pools.get_mut(key).filter(|state| state.entry.is_some()) else { return };
        let Some(asking) = &mut state.asking else { return };
        let waiters: Vec<Waiter> = asking.waiters.extract_if(.., |waiter| waiter.takes_stale()).collect();
        for waiter in waiters {
            self.answer_from_cache(key, waiter, now);
        }
    }

    /// There is no registrar any more, and an old entry is better than none.
    pub(super) fn answer_all_stale(&mut self, now: Time) {
        for key in self.pools.active() {
            self.answer_stale(key, now);
        }
    }

    fn give_up(&mut self, key: PoolKey, now: Time) {
        let error = match &self.home {
            Some(link) => ResolveError::Timeout { home: link.home },
            None => ResolveError::NoRegistrar { tried: self.attempts() },
        };
        for waiter in self.take_waiters(key) {
            self.fail(waiter, error.clone());
        }
        self.pools.settle(key);
        self.watch_later(key, now);
    }

    /// A response, asked for or pushed: it answers all who wait for the pool.
    pub(super) fn resolution_response(&mut self, response: HandleResolutionResponse, length: usize, now: Time) {
        let Some(key) = self.pools.find(&response.pool_handle) else { return };
        match response.error {
            //= https://www.rfc-editor.org/rfc/rfc5352#section-2.2.6
            //# When the response is positive, an array of PE parameters are
            //# included, indicating the current information about the PEs in the
            //# named pool.  At least one PE parameter MUST be present.
            None if response.pool_elements.is_empty() => self.pool_unknown(key, now),
            None => self.pool_known(key, response, length, now),
            Some(error) if error.0.contains(&ErrorCause::UnknownPoolHandle) => self.pool_unknown(key, now),
            Some(error) => self.resolution_rejected(key, &error, now),
        }
    }

    fn pool_known(&mut self, key: PoolKey, response: HandleResolutionResponse, length: usize, now: Time) {
        let cache_items = self.settings.cache_items;
        let room = self.home.as_ref().and_then(|link| self.associations.get(&link.association));
        let room = room.map_or(usize::MAX, |association| association.max_message).min(usize::from(u16::MAX));
        let Some(state) = self.pools.get_mut(key) else { return };
        let asked = match &state.asking {
            Some(asking) => asking.items,
            None if state.watchers > 0 => cache_items,
            None => state.entry.as_ref().map_or(cache_items, |entry| entry.asked),
        };
        // A push need not repeat the A bit; the answer to a request must.
        state.subscribed =
            state.watchers > 0 && (response.accept_updates || (state.subscribed && state.asking.is_none()));
        let count = response.pool_elements.len();
        // A registrar asked for all sends as many as fit one message.
        let complete = (count as u64) < u64::from(asked) && length + 2 * (length / count.max(1)) < room;
        let pool = Arc::new(Pool {
            handle: state.handle.clone(),
            //= https://www.rfc-editor.org/rfc/rfc5352#section-2.2.6
            //# If not present, a Round-Robin overall pool member selection
            //# policy is assumed.
            policy: response.policy.unwrap_or(Policy::RoundRobin),
            elements: response.pool_elements.into_iter().map(kept).map(Arc::new).collect(),
            complete,
        });
        let mut candidates =
            state.entry.take().map_or_else(|| Candidates::new(Some(&pool.policy)), |entry| entry.candidates);
        candidates.replace(Some(&pool.policy), pool.elements.iter().cloned());
        state.entry = Some(Entry { pool: pool.clone(), candidates, updated: now, asked });
        let subscribed = state.subscribed;
        state.gone = false;
        state.pause = self.settings.resubscribe.0;
        if state.watchers > 0 {
            self.reply(Reply::PoolChanged { pool, gone: false });
        }
        for waiter in self.take_waiters(key) {
            self.answer_from_cache(key, waiter, now);
        }
        self.pools.settle(key);
        if subscribed {
            self.timers.stop(Timer::Resubscribe(key));
        } else {
            self.poll_later(key, now);
        }
    }

    /// There is no such pool. That also ends a subscription.
    fn pool_unknown(&mut self, key: PoolKey, now: Time) {
        let Some(home) = self.home.as_ref().map(|link| link.home) else { return };
        let Some(state) = self.pools.get_mut(key) else { return };
        state.entry = None;
        state.subscribed = false;
        let handle = state.handle.clone();
        if state.watchers > 0 {
            let pool =
                Pool { handle: handle.clone(), policy: Policy::RoundRobin, elements: Vec::new(), complete: true };
            self.reply(Reply::PoolChanged { pool: Arc::new(pool), gone: true });
        }
        for waiter in self.take_waiters(key) {
            match waiter.wanted.offered() {
                // None of the elements registers this further mapping: perhaps the next one.
                Some(offered) => self.select_elsewhere(waiter, offered, now),
                None => self.fail(waiter, ResolveError::UnknownPool { pool: handle.clone(), home }),
            }
        }
        self.pools.settle(key);
        self.watch_later(key, now);
    }

    /// The registrar will not say. What is in the cache may still be right.
    fn resolution_rejected(&mut self, key: PoolKey, error: &OperationError, now: Time) {
        let Some(home) = self.home.as_ref().map(|link| link.home) else { return };
        let Some(state) = self.pools.get_mut(key) else { return };
        state.subscribed = false;
        let at_hand = state.entry.is_some();
        for waiter in self.take_waiters(key) {
            if at_hand && waiter.takes_stale() {
                self.answer_from_cache(key, waiter, now);
            } else {
                self.fail(waiter, ResolveError::Rejected { home, error: error.clone() });
            }
        }
        self.pools.settle(key);
        self.watch_later(key, now);
    }

    /// Ends the request for a pool.
    fn take_waiters(&mut self, key: PoolKey) -> Vec<Waiter> {
        self.timers.stop(Timer::Request(key));
        self.pools.get_mut(key).and_then(|state| state.asking.take()).map_or_else(Vec::new, |asking| asking.waiters)
    }

    fn answer_from_cache(&mut self, key: PoolKey, waiter: Waiter, now: Time) {
        self.pools.requests.remove(&waiter.request);
        let Waiter { request, wanted } = waiter;
        match wanted {
            Wanted::One { avoid, elsewhere } => {
                // An entry is never empty.
                let Some(pe) = self.choose(key, &avoid, now) else { return };
                if let Some(offered) = elsewhere.refuses(&pe) {
                    return self.select_elsewhere(
                        Waiter { request, wanted: Wanted::One { avoid, elsewhere } },
                        offered,
                        now,
                    );
                }
                let Some(pool) = self.pools.get(key).map(|state| state.handle.clone()) else { return };
                self.reply(Reply::Selected { request, pool, result: Ok(pe) });
            }
            Wanted::Items { items, .. } => {
                let stale = !self.is_fresh_for(key, &Wanted::Items { items: 0, freshness: Freshness::Cached }, now);
                let Endpoint { pools, rng, .. } = self;
                let Some(entry) = pools.get_mut(key).and_then(|state| state.entry.as_mut()) else { return };
                let pool = match usize::try_from(items) {
                    Ok(items) if items > 0 && items < entry.pool.elements.len() => {
                        let elements = entry.candidates.select_many(rng, items);
                        let (handle, policy) = (entry.pool.handle.clone(), entry.pool.policy.clone());
                        Arc::new(Pool { handle, policy, elements, complete: false })
                    }
                    _ => entry.pool.clone(),
                };
                self.reply(Reply::Resolved { request, result: Ok(Resolution { pool, stale }) });
            }
        }
    }

    pub(super) fn fail(&mut self, waiter: Waiter, error: ResolveError) {
        let Waiter { request, wanted } = waiter;
        self.pools.requests.remove(&request);
        self.reply(match wanted {
            Wanted::One { elsewhere, .. } => Reply::Selected { request, pool: elsewhere.named, result: Err(error) },
            Wanted::Items { .. } => Reply::Resolved { request, result: Err(error) },
        });
    }

    //= https://www.rfc-editor.org/rfc/rfc5352#section-6.4
    //# If the user passes a Pool Handle and local handle translation cache
    //# exists, the ASAP Endpoint should remove the mapping information on
    //# the Pool Handle from its local cache.
    pub(super) fn purge(&mut self, handle: &PoolHandle) {
        let Some(key) = self.pools.find(handle) else { return };
        if let Some(state) = self.pools.get_mut(key) {
            state.entry = None;
        }
        self.pools.settle(key);
    }

    /// The answer is not wanted. A request nobody waits for goes on: its answer keeps the cache fresh.
    pub(super) fn cancel(&mut self, request: RequestId) {
        let Some(key) = self.pools.requests.remove(&request) else { return };
        if let Some(asking) = self.pools.get_mut(key).and_then(|state| state.asking.as_mut()) {
            asking.waiters.retain(|waiter| waiter.request != request);
        }
    }
}

impl Waiter {
    /// Whether an old entry is better than an error.
    fn takes_stale(&self) -> bool {
        !matches!(self.wanted, Wanted::Items { freshness: Freshness::Fresh, .. })
    }
}

/// What watchers hear of a pool that does not exist.
pub(super) fn gone(handle: &PoolHandle) -> Reply {
    let (handle, policy) = (handle.clone(), Policy::RoundRobin);
    Reply::PoolChanged { pool: Arc::new(Pool { handle, policy, elements: Vec::new(), complete: true }), gone: true }
}

/// What is kept of a PE: nothing that holds the whole message in memory.
fn kept(mut pe: PoolElement) -> PoolElement {
    pe.unknown = Vec::new();
    if let UserTransport::Opaque(bytes) = &mut pe.user_transport {
        *bytes = bytes::Bytes::copy_from_slice(bytes);
    }
    if let Policy::Other { data, .. } = &mut pe.policy {
        *data = bytes::Bytes::copy_from_slice(data);
    }
    pe
}
