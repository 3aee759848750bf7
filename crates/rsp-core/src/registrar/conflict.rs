// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two pool elements with one identifier in one pool: which one is it? RFC 5352 leaves this open; RFC 5354 §3.12.5 has the cause.
//!
//! On the association it registered over, a PE may change whatever it likes. On another one it must be the same PE (the old association is gone, or
//! the user addresses overlap); otherwise the old PE is asked, and the new one is refused if the old one answers.

use std::collections::HashMap;

use machine::Time;
use rsp_wire::PoolHandle;
use rsp_wire::parameter::{ErrorCause, PoolElement, UserTransport};

use super::Registrar;
use super::registration::Warnings;
use super::timer::Timer;
use super::view::decoded;
use crate::association::AssociationId;
use crate::handlespace::Slot;

/// A registration that has passed every test but the one for its identifier.
#[derive(Debug)]
pub(super) struct Contender {
    pub(super) association: AssociationId,
    pub(super) pool_handle: PoolHandle,
    pub(super) pool_element: PoolElement,
    pub(super) warnings: Warnings,
}

/// Contenders by the slot of the pool element they claim to be: one each.
pub(super) type Contenders = HashMap<Slot, Contender>;

impl Registrar {
    /// Whether the registration is the registered PE's own.
    pub(super) fn may_replace(&self, slot: Slot, contender: &Contender) -> bool {
        let Some(monitor) = self.monitors.get(slot) else { return self.may_come_from_peer(slot, contender) };
        monitor.association == contender.association
            || !self.associations.is_up(monitor.association)
            || self
                .handlespace
                .element(slot)
                .and_then(decoded)
                .is_none_or(|element| overlap(&element.user_transport, &contender.pool_element.user_transport))
    }

    /// The registrar that watches the registered PE cannot be asked in time. If it lives, the PE it knows must be the one that speaks here.
    fn may_come_from_peer(&self, slot: Slot, contender: &Contender) -> bool {
        let Some(element) = self.handlespace.element(slot) else { return true };
        !self.enrp.peers.is_alive(element.home())
            || decoded(element).is_none_or(|known| {
                let new = &contender.pool_element;
                overlap(&known.user_transport, &new.user_transport)
                    || matches!((&known.user_transport, &new.user_transport), (UserTransport::Opaque(a), UserTransport::Opaque(b)) if a == b)
                    || known.asap_transport.is_some() && known.asap_transport == new.asap_transport
            })
    }

    /// Asks the registered PE whether it is still there.
    pub(super) fn probe(&mut self, slot: Slot, contender: Contender, now: Time) {
        let association = contender.association;
        if self.monitors.get(slot).is_none() {
            return self.refuse_contention(contender, ErrorCause::NonUniquePeIdentifier);
        }
        match self.contenders.get(&slot) {
            // Its own retransmission: the newer one is answered.
            Some(waiting) if waiting.association == association => {}
            Some(_) => return self.refuse_contention(contender, ErrorCause::NonUniquePeIdentifier),
            None => {
                let Some(claimant) = self.associations.get_mut(association) else { return };
                if claimant.conflicts >= MOST_CONFLICTS {
                    return self.refuse_contention(contender, ErrorCause::LackOfResources);
                }
                claimant.conflicts += 1;
                self.timers.set(Timer::ConflictProbe(slot), now + self.settings.conflict_probe_timeout);
            }
        }
        self.contenders.insert(slot, contender);
        self.check(slot, now);
    }

    /// The registered PE has not answered in time. If the clock jumped it was ourselves who were not there: ask again.
    pub(super) fn probe_expired(&mut self, slot: Slot, due: Time, now: Time) {
        let late = now.since(due);
        if late <= self.settings.conflict_probe_timeout {
            return self.accept_contender(slot, now);
        }
        self.paused(late);
        self.timers.set(Timer::ConflictProbe(slot), now + self.settings.conflict_probe_timeout);
        self.check_again(slot, now);
    }

    /// The registered PE lives.
    pub(super) fn refuse_contender(&mut self, slot: Slot) {
        if let Some(contender) = self.take_contender(slot) {
            self.refuse_contention(contender, ErrorCause::NonUniquePeIdentifier);
        }
    }

    /// The registered PE is gone or does not answer: the new one takes its place.
    pub(super) fn accept_contender(&mut self, slot: Slot, now: Time) {
        if let Some(contender) = self.take_contender(slot) {
            self.register(contender, now);
        }
    }

    /// The claimant itself is gone.
    pub(super) fn forget_contenders_of(&mut self, association: AssociationId) {
        let timers = &mut self.timers;
        self.contenders.retain(|slot, contender| {
            let stays = contender.association != association;
            if !stays {
                timers.stop(Timer::ConflictProbe(*slot));
            }
            stays
        });
    }

    fn take_contender(&mut self, slot: Slot) -> Option<Contender> {
        let contender = self.contenders.remove(&slot)?;
        self.timers.stop(Timer::ConflictProbe(slot));
        if let Some(claimant) = self.associations.get_mut(contender.association) {
            claimant.conflicts -= 1;
        }
        Some(contender)
    }

    fn refuse_contention(&mut self, contender: Contender, cause: ErrorCause) {
        let Contender { association, pool_handle, pool_element, .. } = contender;
        self.reject_registration(association, pool_handle, pool_element.id, cause);
    }
}

/// Whether two user transports have a transport address in common: protocol, port and address.
fn overlap(a: &UserTransport, b: &UserTransport) -> bool {
    match (a, b) {
        (UserTransport::Ip(a), UserTransport::Ip(b)) => {
            a.protocol == b.protocol
                && a.port == b.port
                && a.addresses
                    .iter()
                    .any(|address| b.addresses.iter().any(|other| other.to_canonical() == address.to_canonical()))
        }
        // Opaque addresses are not checked against the association, so anybody can name them: they prove nothing.
        (UserTransport::Opaque(_), _) | (_, UserTransport::Opaque(_)) => false,
    }
}

/// Undecided registrations of one association.
const MOST_CONFLICTS: u32 = 64;
