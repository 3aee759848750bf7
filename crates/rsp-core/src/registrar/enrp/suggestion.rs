// SPDX-License-Identifier: MIT OR Apache-2.0
//! The takeover suggestion flag, draft-dreibholz-rserpool-enrp-takeover: the PEs of a scope spread over its registrars by themselves.

use std::collections::HashMap;

use machine::Time;
use rsp_wire::enrp::UpdateAction;
use rsp_wire::{PeId, ServerId};

use crate::handlespace::Slot;
use crate::registrar::Registrar;

/// To whom we suggested which PE.
#[derive(Debug, Default)]
pub(in crate::registrar) struct Suggested(HashMap<Slot, ServerId>);

impl Suggested {
    pub(in crate::registrar) fn is_to(&self, slot: Slot, peer: ServerId) -> bool {
        self.0.get(&slot) == Some(&peer)
    }

    pub(in crate::registrar) fn forget(&mut self, slot: Slot) {
        self.0.remove(&slot);
    }
}

impl Registrar {
    /// A PE has newly registered here. If it fits another registrar better, that one is asked to take it.
    pub(in crate::registrar) fn suggest_takeover(&mut self, slot: Slot, pe: PeId) {
        if !self.settings.enrp.takeover_suggestions {
            return;
        }
        // RSPLIB's measure: every registrar comes to the same result.
        let fit = |registrar: ServerId| registrar.0 ^ pe.0;
        let Some(best) = self.enrp.peers.reachable().max_by_key(|peer| fit(*peer)) else { return };
        let Some(link) = self.link_of(best).filter(|_| fit(best) > fit(self.id)) else { return };
        if self.enrp.suggested.0.len() >= MOST_SUGGESTED {
            self.enrp.suggested.0.clear();
        }
        self.enrp.suggested.0.insert(slot, best);
        self.buffer.clear();
        self.handlespace.encode_update(self.header(best), UpdateAction::AddPe, true, slot, &mut self.buffer);
        let update = bytes::Bytes::copy_from_slice(&self.buffer);
        self.send_enrp(link, update);
    }

    /// A PE's home suggests that we take it.
    pub(in crate::registrar) fn takeover_suggested(&mut self, slot: Slot, now: Time) {
        if self.settings.enrp.takeover_suggestions && !self.is_leaving() {
            self.handlespace.set_home(slot, self.id);
            self.claim(slot, now);
            self.announce_pool_element(slot);
        }
    }
}

/// Suggestions remembered; one that is forgotten is contested like any other claim.
const MOST_SUGGESTED: usize = 10_000;
