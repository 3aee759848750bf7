// SPDX-License-Identifier: MIT OR Apache-2.0
//! Do we believe of a peer's PEs what it believes itself? RFC 5353 §3.6.

use std::time::Duration;

use machine::Time;
use rsp_wire::ServerId;
use rsp_wire::enrp::{HandleTableRequest, UpdateAction};

use super::slots::Slots;
use crate::handlespace::{Cursor, Slot};
use crate::registrar::Registrar;
use crate::registrar::event::{Event, Removal};
use crate::registrar::timer::Timer;

/// What is known of our agreement with one peer.
#[derive(Debug, Default)]
pub(in crate::registrar) struct Audit {
    /// The outcome of the last comparison, made when a checksum came; both sides have changed since then. `None` before the first one.
    pub(in crate::registrar) agreed: Option<bool>,
    /// A resynchronization under way.
    pub(in crate::registrar) running: Option<Download>,
    /// Messages may have been lost with an association. The checksum does not cover addresses and policies.
    updates_lost: bool,
    /// The last one has not helped: the next one waits until then.
    not_before: Time,
    backoff: Duration,
    /// Until then the peer may believe that a download is under way which we have given up.
    abandoned_until: Time,
}

/// A table that is being received.
#[derive(Debug, Default)]
pub(in crate::registrar) struct Download {
    /// Resynchronization: PEs of the peer it has not named yet. Initialization: PEs that have changed since, which the table must not undo.
    pub(in crate::registrar) marked: Slots,
    /// PEs received, of which some may be the same.
    pub(in crate::registrar) received: usize,
}

impl Registrar {
    //= https://www.rfc-editor.org/rfc/rfc5353#section-3.6.1
    //# When an ENRP server (server A) receives a PE checksum (carried in
    //# an arrived ENRP_PRESENCE) from a peer ENRP server (server B),
    //# server A SHOULD compare the PE checksum found in the
    //# ENRP_PRESENCE with its own internal PE checksum of server B
    //# (i.e., "pe_checksum_prB").
    /// A peer has told its checksum over an association, so behind all its updates.
    pub(in crate::registrar) fn audit(&mut self, id: ServerId, now: Time) {
        if !self.enrp.startup.is_done() {
            return;
        }
        let sum = self.handlespace.sum_of(id);
        let Some(peer) = self.enrp.peers.get_mut(id) else { return };
        let audit = &mut peer.audit;
        let agrees = peer.announced.is_none_or(|announced| sum.agrees_with(announced));
        audit.agreed = Some(agrees);
        if agrees && !audit.updates_lost {
            audit.backoff = Duration::ZERO;
            audit.not_before = now;
        } else if audit.running.is_none() && audit.not_before <= now && audit.abandoned_until <= now {
            self.resynchronize(id, now);
        }
    }

    //= https://www.rfc-editor.org/rfc/rfc5353#section-3.6.3
    //# The ENRP server SHOULD first "mark" every PE it knows about that
    //# is owned by the peer in its local handlespace database;
    fn resynchronize(&mut self, id: ServerId, now: Time) {
        let mut download = Download::default();
        for (slot, _) in self.handlespace.owned_by(id, Cursor::default()) {
            download.marked.insert(slot);
        }
        let Some(peer) = self.enrp.peers.get_mut(id) else { return };
        peer.audit.running = Some(download);
        self.metrics.resynchronizations += 1;
        self.event(Event::Resynchronizing { peer: id });
        self.download_progress(id, now);
        self.tell(id, HandleTableRequest { own_children_only: true });
    }

    /// A page has come, or the first one has been asked for.
    pub(in crate::registrar) fn download_progress(&mut self, id: ServerId, now: Time) {
        self.timers.set(Timer::Download(id), now + self.settings.enrp.max_time_no_response);
    }

    //= https://www.rfc-editor.org/rfc/rfc5353#section-3.6.3
    //# After transferring all the PE entries from the received
    //# ENRP_HANDLE_TABLE_RESPONSE message into its local database, the
    //# ENRP server SHOULD check whether there are still PE entries that
    //# remain "marked" in its local handlespace.  If so, the ENRP server
    //# SHOULD silently remove those "marked" entries.
    pub(in crate::registrar) fn resynchronized(&mut self, id: ServerId, now: Time) {
        let Some(download) = self.resynchronization_over(id, now) else { return };
        if let Some(peer) = self.enrp.peers.get_mut(id) {
            peer.audit.updates_lost = false;
        }
        let mut removed = 0;
        for slot in download.marked.iter() {
            if self.handlespace.element(slot).is_none_or(|element| element.home() != id) {
                continue;
            }
            if !self.hand_over_inherited(slot, id) && !self.passes_to_rival(slot, now) {
                self.remove_pool_element(slot, Removal::NotConfirmed, now);
                removed += 1;
            }
        }
        let sum = self.handlespace.sum_of(id);
        if let Some(peer) = self.enrp.peers.get_mut(id)
            && peer.announced.is_some_and(|announced| sum.agrees_with(announced))
        {
            peer.audit.agreed = Some(true);
        }
        self.event(Event::Resynchronized { peer: id, received: download.received, removed });
    }

    /// Whoever takes over a peer may not know all of its PEs: it was asleep, or the last update did not reach it before the peer died. So one it
    /// has never named is not forgotten but told to it once; it asks the PE, and says what comes of it. Answers whether so.
    fn hand_over_inherited(&mut self, slot: Slot, home: ServerId) -> bool {
        let is_due = self.enrp.inherited.contains(slot) && !self.enrp.told_of.contains(slot);
        let Some(link) = self.link_of(home).filter(|_| is_due) else { return false };
        self.enrp.told_of.insert(slot);
        let update = self.encode_update(slot, UpdateAction::AddPe);
        update.is_some_and(|update| {
            self.send_enrp(link, update);
            true
        })
    }

    /// It is over, well or not. One more that is needed all the same waits longer each time: a peer whose checksum never agrees must
    /// not keep us busy.
    pub(in crate::registrar) fn resynchronization_over(&mut self, id: ServerId, now: Time) -> Option<Download> {
        self.timers.stop(Timer::Download(id));
        let shortest = self.settings.enrp.resync_min_interval;
        let audit = &mut self.enrp.peers.get_mut(id)?.audit;
        audit.not_before = now + audit.backoff;
        audit.backoff = (audit.backoff * 2).clamp(shortest, LONGEST_BACKOFF.max(shortest));
        audit.running.take()
    }

    /// An association is gone, and what was on its way.
    pub(in crate::registrar) fn updates_lost(&mut self, id: ServerId, now: Time) {
        if let Some(peer) = self.enrp.peers.get_mut(id) {
            peer.audit.updates_lost = true;
            if peer.audit.running.take().is_some() {
                self.timers.stop(Timer::Download(id));
                self.download_abandoned(id, now);
            }
        }
    }

    /// The peer believes a download to be under way that is not. It would go on in the middle with the next one, and what came before would
    /// seem to be gone: there is no other until it has forgotten this one.
    pub(in crate::registrar) fn download_abandoned(&mut self, id: ServerId, now: Time) {
        if let Some(peer) = self.enrp.peers.get_mut(id) {
            peer.audit.abandoned_until = now + self.settings.enrp.max_time_no_response * 2;
        }
    }

    /// The PE at this place has changed or is gone: no table says anything newer of it.
    pub(in crate::registrar) fn unmark(&mut self, slot: Slot) {
        self.enrp.inherited.remove(slot);
        self.enrp.told_of.remove(slot);
        self.enrp.rivals.forget(slot);
        if let super::startup::Phase::Downloading { download, .. } = &mut self.enrp.startup.phase {
            download.marked.insert(slot);
        }
        for (_, peer) in self.enrp.peers.iter_mut() {
            if let Some(download) = &mut peer.audit.running {
                download.marked.remove(slot);
            }
        }
    }
}

/// RETRAN-MAX.
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);
