// SPDX-License-Identifier: MIT OR Apache-2.0
//! A pool whose elements offer another mapping than the one that is wanted: they may register it in a pool of its own (seed 004 §5.1).

use machine::Time;
use rsp_wire::PoolHandle;
use rsp_wire::parameter::PoolElement;
use smallvec::SmallVec;

use super::resolution::{Waiter, Wanted};
use super::{Endpoint, ResolveError};
use crate::offer::Offer;

/// Which mappings will do, and where they were looked for already.
#[derive(Debug)]
pub(super) struct Elsewhere {
    /// The pool that was asked for.
    pub(super) named: PoolHandle,
    offers: SmallVec<[Offer; 3]>,
    /// What is offered there, once we look elsewhere, and how many of `offers` were looked for.
    tried: Option<(Offer, usize)>,
}

impl Elsewhere {
    pub(super) fn new(named: PoolHandle, offers: SmallVec<[Offer; 3]>) -> Self {
        Elsewhere { named, offers, tried: None }
    }

    /// What the element offers, if it is not among what will do.
    pub(super) fn refuses(&self, element: &PoolElement) -> Option<Offer> {
        let offered = Offer::of(element);
        (!self.offers.is_empty() && !self.offers.contains(&offered)).then_some(offered)
    }
}

impl Wanted {
    /// What the pool that was asked for offers, if this is looked for elsewhere.
    pub(super) fn offered(&self) -> Option<Offer> {
        match self {
            Wanted::One { elsewhere, .. } => elsewhere.tried.map(|(offered, _)| offered),
            Wanted::Items { .. } => None,
        }
    }
}

impl Endpoint {
    /// Looks for the next mapping that will do, or gives up.
    pub(super) fn select_elsewhere(&mut self, mut waiter: Waiter, offered: Offer, now: Time) {
        let Wanted::One { elsewhere, .. } = &mut waiter.wanted else { return };
        let (offered, next) = elsewhere.tried.unwrap_or((offered, 0));
        let Some(offer) = elsewhere.offers.get(next).copied() else {
            let (pool, wanted) = (elsewhere.named.clone(), elsewhere.offers.clone());
            return self.fail(waiter, ResolveError::NoMapping { pool, offered, wanted });
        };
        elsewhere.tried = Some((offered, next + 1));
        let pool = offer.pool(&elsewhere.named);
        self.resolve(waiter, &pool, now);
    }
}
