// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pool element selection from the cache, RFC 5352 §6.5.2.

use std::sync::Arc;

use machine::Time;
use rsp_wire::parameter::PoolElement;
use rsp_wire::{PeId, PoolHandle};

use super::Endpoint;
use super::cache::PoolKey;

impl Endpoint {
    /// Picks a PE: by policy among those that neither failed nor are to be avoided; else the one whose failure is longest ago; else any.
    pub(super) fn choose(&mut self, key: PoolKey, avoid: &[PeId], now: Time) -> Option<Arc<PoolElement>> {
        let Endpoint { pools, reports, settings, rng, .. } = self;
        let state = pools.get_mut(key)?;
        let entry = state.entry.as_mut()?;
        let held = |pe: &PoolElement| reports.held_since(&state.handle, pe.id, settings.failed_hold, now);
        let avoided = |pe: &PoolElement| avoid.contains(&pe.id);
        if let Some(pe) = entry.candidates.select_wanted(rng, |pe| !avoided(pe) && held(pe).is_none()) {
            return Some(pe.clone());
        }
        let failed = entry.pool.elements.iter().filter(|pe| !avoided(pe)).filter_map(|pe| Some((held(pe)?, pe)));
        if let Some((_, pe)) = failed.min_by_key(|(since, _)| *since) {
            return Some(pe.clone());
        }
        entry.candidates.select(rng, |pe| held(pe).is_some()).cloned()
    }

    /// Whether a PE may be chosen without second thoughts.
    pub(super) fn is_good(&self, pool: &PoolHandle, id: PeId, avoid: &[PeId], now: Time) -> bool {
        !avoid.contains(&id) && self.reports.held_since(pool, id, self.settings.failed_hold, now).is_none()
    }
}
