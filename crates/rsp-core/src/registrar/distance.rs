// SPDX-License-Identifier: MIT OR Apache-2.0
//! How far pool elements are, for the policies with a distance penalty factor: draft-dreibholz-rserpool-delay §2.
//!
//! The home measures the way to its PE and tells it in the policy's Distance; a registrar that hears of a PE adds the way to whom it hears it from. RSPLIB
//! does the same. What has no round trip time is no distance away.

use std::time::Duration;

use machine::Time;
use rsp_wire::ServerId;
use rsp_wire::parameter::PoolElement;

use super::Registrar;
use super::event::Change;
use super::view::decoded;
use crate::association::{AssociationId, Request};
use crate::handlespace::{self, Slot};

impl Registrar {
    /// What a PE registers says nothing of its distance: that is what was measured on its association. Asks for a new measurement, whose answer changes
    /// what was registered.
    pub(super) fn measured_here(&mut self, association: AssociationId, element: &mut PoolElement) {
        let measured = self.distance_of(association);
        if let Some(distance) = element.policy.distance_mut() {
            *distance = measured;
            self.request(association, Request::RoundTripTime);
        }
    }

    /// A PE that shows that it is alive is measured again.
    pub(super) fn measure_again(&mut self, slot: Slot, association: AssociationId) {
        if self.handlespace.element(slot).is_some_and(|element| element.policy_has_distance()) {
            self.request(association, Request::RoundTripTime);
        }
    }

    /// What a peer says of a PE's distance is told from where the peer is.
    pub(super) fn measured_there(&mut self, sender: ServerId, element: &mut PoolElement) {
        let Some(told) = element.policy.distance_mut() else { return };
        if let Some(link) = self.link_of(sender) {
            *told = told.saturating_add(self.distance_of(link));
            self.request(link, Request::RoundTripTime);
        }
    }

    /// The answer to [`Request::RoundTripTime`]. PEs heard of from peers keep what was added until they are heard of again.
    //= https://datatracker.ietf.org/doc/html/draft-dreibholz-rserpool-delay-26#section-2.1
    //# Distance = DistanceStep * round( (0.5*RTT) / DistanceStep )
    pub(super) fn round_trip_time(&mut self, id: AssociationId, measured: Option<Duration>, now: Time) {
        let distance = measured.map_or(0, |rtt| distance(rtt, self.settings.distance_step));
        let Some(association) = self.associations.get_mut(id) else { return };
        if association.distance == distance {
            return;
        }
        association.distance = distance;
        for slot in association.pool_elements.clone() {
            self.moved(slot, distance, now);
        }
    }

    /// One of our own PEs is nearer or farther than we knew.
    fn moved(&mut self, slot: Slot, distance: u32, now: Time) {
        let Some(kept) = self.handlespace.element(slot).filter(|element| element.home() == self.id) else { return };
        let pool = kept.pool().handle();
        let Some(mut element) = decoded(kept) else { return };
        match element.policy.distance_mut() {
            Some(known) if *known != distance => *known = distance,
            _ => return,
        }
        if let Ok(registered) = self.handlespace.register(&pool, &element, self.id) {
            if let handlespace::Change::Renewed(changes) = registered.change {
                self.changed(&pool, element.id, Change::Updated(changes), now);
            }
            self.announce_pool_element(registered.slot);
        }
    }

    fn distance_of(&self, association: AssociationId) -> u32 {
        self.associations.get(association).map_or(0, |association| association.distance)
    }
}

/// Half the round trip, to the nearest multiple of `step`, in milliseconds. Without steps, to the millisecond.
fn distance(rtt: Duration, step: Duration) -> u32 {
    let step = step.max(Duration::from_millis(1)).as_micros();
    let steps = (rtt.as_micros() / 2 + step / 2) / step;
    u32::try_from(steps * step / 1_000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_the_round_trip_is_rounded_to_steps() {
        let of = |rtt| distance(Duration::from_millis(rtt), Duration::from_millis(50));
        assert_eq!([0, 49, 50, 100, 149, 150, 1_000].map(of), [0, 0, 50, 50, 50, 100, 500]);
        assert_eq!(distance(Duration::from_millis(7), Duration::ZERO), 4);
        assert_eq!(distance(Duration::MAX, Duration::from_millis(50)), u32::MAX);
    }
}
