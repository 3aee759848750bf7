// SPDX-License-Identifier: MIT OR Apache-2.0
//! Claims to a PE that were refused because its home lives: remembered until the home lets go of it.
//!
//! A PE that leaves a registrar that hangs registers with another one. Of the two this registrar believes the old one, until that yields. If it
//! never hears of the new one, it says that the PE is gone; but the PE is where it said.

use std::collections::HashMap;

use machine::Time;
use rsp_wire::ServerId;
use rsp_wire::parameter::PoolElement;

use crate::handlespace::Slot;
use crate::registrar::Registrar;

/// The last claim to each such PE.
#[derive(Debug, Default)]
pub(in crate::registrar) struct Rivals(HashMap<Slot, Rival>);

#[derive(Debug)]
struct Rival {
    home: ServerId,
    element: Box<PoolElement>,
}

impl Rivals {
    pub(in crate::registrar) fn remember(&mut self, slot: Slot, element: PoolElement) {
        if self.0.len() < MOST_RIVALS || self.0.contains_key(&slot) {
            self.0.insert(slot, Rival { home: element.home, element: Box::new(element) });
        }
    }

    /// The PE has changed, or is gone.
    pub(in crate::registrar) fn forget(&mut self, slot: Slot) {
        self.0.remove(&slot);
    }

    /// Who claimed the PE says that it is not its own after all.
    pub(in crate::registrar) fn withdraw(&mut self, slot: Slot, claimant: ServerId) {
        if self.0.get(&slot).is_some_and(|rival| rival.home == claimant) {
            self.forget(slot);
        }
    }
}

impl Registrar {
    /// The home of a PE does not have it any more: then it is with who claimed it, if that lives. Answers whether so.
    pub(in crate::registrar) fn passes_to_rival(&mut self, slot: Slot, now: Time) -> bool {
        let Some(Rival { home, element }) = self.enrp.rivals.0.remove(&slot) else { return false };
        let Some(pool) = self.handlespace.element(slot).map(|element| element.pool().handle()) else { return false };
        self.enrp.peers.is_alive(home) && self.enter(home, &pool, *element, now).is_some()
    }
}

/// A claim beyond is made again when the claimant's PEs are asked for.
const MOST_RIVALS: usize = 10_000;
