// SPDX-License-Identifier: MIT OR Apache-2.0
//! A registrar that stops in order gives its PEs to the others before it goes. RFC 5353 has only the takeover for that.

use std::collections::BTreeSet;

use machine::Time;
use rsp_wire::ServerId;

use super::peers::Peer;
use crate::handlespace::{Cursor, Slot};
use crate::registrar::Registrar;
use crate::registrar::event::{EndReason, Event};
use crate::registrar::timer::Timer;

/// What is still to be waited for.
#[derive(Debug, Default)]
pub(in crate::registrar) struct Leaving {
    /// PEs whose new home has not yet said that they are with it.
    waiting: BTreeSet<Slot>,
    done: bool,
}

impl Registrar {
    /// Whether this registrar is on its way out, or gone.
    pub(in crate::registrar) fn is_leaving(&self) -> bool {
        self.enrp.leaving.is_some()
    }

    /// Hands all PEs over, one to each peer in turn.
    pub(in crate::registrar) fn leave(&mut self, now: Time) {
        if self.is_leaving() {
            return;
        }
        self.enrp.leaving = Some(Leaving::default());
        let heirs: Vec<_> = self.enrp.peers.reachable().collect();
        let owned: Vec<_> = self.handlespace.owned_by(self.id, Cursor::default()).map(|(slot, _)| slot).collect();
        if !heirs.is_empty() {
            for (slot, heir) in owned.into_iter().zip(heirs.into_iter().cycle()) {
                self.give_up(slot, heir, None, now);
                if let Some(leaving) = &mut self.enrp.leaving {
                    leaving.waiting.insert(slot);
                }
            }
        }
        self.timers.set(Timer::Leave, now + self.settings.enrp.leave_timeout);
        self.leave_if_settled();
    }

    /// A PE has registered with its new home.
    pub(in crate::registrar) fn settled_elsewhere(&mut self, slot: Slot, home: ServerId) {
        if home != self.id
            && let Some(leaving) = &mut self.enrp.leaving
            && leaving.waiting.remove(&slot)
        {
            self.leave_if_settled();
        }
    }

    /// A PE is gone: nobody will say that it is with its new home.
    pub(in crate::registrar) fn gone_meanwhile(&mut self, slot: Slot) {
        if let Some(leaving) = &mut self.enrp.leaving
            && leaving.waiting.remove(&slot)
        {
            self.leave_if_settled();
        }
    }

    fn leave_if_settled(&mut self) {
        if self.enrp.leaving.as_ref().is_some_and(|leaving| leaving.waiting.is_empty()) {
            self.left();
        }
    }

    /// All are settled, or there was no more time.
    pub(in crate::registrar) fn left(&mut self) {
        let Some(leaving) = self.enrp.leaving.as_mut().filter(|leaving| !leaving.done) else { return };
        leaving.done = true;
        let waiting = leaving.waiting.len();
        let kept = self.handlespace.sum_of(self.id).pool_elements();
        self.timers.stop(Timer::Leave);
        self.timers.stop(Timer::Heartbeat);
        let links: Vec<_> = self.enrp.peers.iter().filter_map(|(_, peer): (ServerId, &Peer)| peer.link).collect();
        for link in links {
            self.to_end.push((link.association, EndReason::Leaving));
        }
        self.event(Event::Left { not_settled: waiting + kept });
    }
}
