// SPDX-License-Identifier: MIT OR Apache-2.0
//! Selection at the pool user, among the PEs it got from its registrar (the "Pool User Considerations" of RFC 5356).
//!
//! The engines of the registrar choose here, too, starting from the order of the list:
//!
//! - RR and WRR use the list in a round robin fashion, starting with the first, WRR with the weights it finds there.
//! - RAND draws from the list. WRAND, RLU and RSPLIB's of that kind draw with the weights, since a list may hold the whole pool.
//! - PRIO takes the highest priority; LU, LUD, PLU and RSPLIB's of that kind take the list in its order, round robin among equals. LUD counts
//!   this pool user's own selections.

use std::collections::BTreeMap;
use std::sync::Arc;

use machine::Rng;
use rsp_wire::PeId;
use rsp_wire::parameter::{Policy, PoolElement};

use super::nodes::{Nodes, Slot};
use super::{Selector, Standing, same_type, standing};
use crate::paged::Slab;

/// The PEs of one pool at a pool user.
#[derive(Debug)]
pub struct Candidates {
    policy: Policy,
    selector: Selector,
    nodes: Nodes,
    elements: Slab<Arc<PoolElement>>,
    by_id: BTreeMap<PeId, Slot>,
    picked: Vec<Slot>,
}

impl Candidates {
    /// Nobody yet. No policy in the answer means Round Robin (RFC 5352 §2.2.6).
    pub fn new(policy: Option<&Policy>) -> Self {
        let policy = policy.cloned().unwrap_or(Policy::RoundRobin);
        let standing = standing(&policy).unwrap_or(ROUND_ROBIN);
        Candidates {
            policy,
            selector: Selector::new(standing),
            nodes: Nodes::default(),
            elements: Slab::default(),
            by_id: BTreeMap::new(),
            picked: Vec::new(),
        }
    }

    /// Takes a new list. PEs that were here before keep their turn, so that an update does not send everybody to its
    /// first PE. A PE with another policy than the pool's is treated as the pool's values say.
    pub fn replace(&mut self, policy: Option<&Policy>, elements: impl IntoIterator<Item = Arc<PoolElement>>) {
        if !same_type(policy.unwrap_or(&Policy::RoundRobin), &self.policy) {
            *self = Candidates::new(policy);
        }
        let mut gone: BTreeMap<PeId, Slot> = std::mem::take(&mut self.by_id);
        for element in elements {
            if self.by_id.contains_key(&element.id) {
                continue;
            }
            let slot = match gone.remove(&element.id) {
                Some(slot) => self.renew(slot, element),
                None => self.add(element),
            };
            self.by_id.insert(self.elements[slot.0].id, slot);
        }
        for slot in gone.into_values() {
            self.remove(slot);
        }
    }

    /// Chooses a PE. One that is `unwanted` is chosen only if there is nobody else.
    pub fn select(&mut self, rng: &mut Rng, unwanted: impl Fn(&PoolElement) -> bool) -> Option<&Arc<PoolElement>> {
        let slot = self.choose(rng, |pe| !unwanted(pe)).or_else(|| self.choose(rng, |_| true))?;
        self.elements.get(slot.0)
    }

    /// Chooses one of the `wanted` PEs. If there is none nothing advances.
    pub fn select_wanted(&mut self, rng: &mut Rng, wanted: impl Fn(&PoolElement) -> bool) -> Option<&Arc<PoolElement>> {
        let slot = self.choose(rng, wanted)?;
        self.elements.get(slot.0)
    }

    /// Chooses `limit` PEs, each at most once, in the order of the policy.
    pub fn select_many(&mut self, rng: &mut Rng, limit: usize) -> Vec<Arc<PoolElement>> {
        self.picked.clear();
        self.selector.order(&mut self.nodes, rng, limit, &mut self.picked);
        self.selector.charge(&mut self.nodes, &self.picked);
        self.picked.iter().filter_map(|slot| self.elements.get(slot.0)).cloned().collect()
    }

    fn choose(&mut self, rng: &mut Rng, wanted: impl Fn(&PoolElement) -> bool) -> Option<Slot> {
        self.picked.clear();
        self.selector.order(&mut self.nodes, rng, 1, &mut self.picked);
        if !wanted(&self.elements[self.picked.first()?.0]) {
            self.picked.clear();
            self.selector.order(&mut self.nodes, rng, self.elements.len(), &mut self.picked);
            let at = self.picked.iter().position(|slot| wanted(&self.elements[slot.0]))?;
            self.picked.truncate(at + 1);
        }
        let chosen = *self.picked.last()?;
        self.selector.charge(&mut self.nodes, &[chosen]);
        for &slot in &self.picked {
            if slot != chosen {
                self.selector.pass_over(&mut self.nodes, slot);
            }
        }
        Some(chosen)
    }

    /// The PE with this identifier.
    pub fn find(&self, id: PeId) -> Option<&Arc<PoolElement>> {
        self.elements.get(self.by_id.get(&id)?.0)
    }

    /// All PEs, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<PoolElement>> {
        self.elements.iter().map(|(_, element)| element)
    }

    /// The pool's policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Number of PEs.
    pub fn len(&self) -> usize {
        self.elements.len()
    }

    /// Whether there is nobody to choose.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn add(&mut self, element: Arc<PoolElement>) -> Slot {
        let standing = self.standing_of(&element);
        let slot = Slot(self.elements.insert(element));
        self.nodes.make_room(slot);
        self.selector.insert(&mut self.nodes, slot, standing);
        slot
    }

    fn renew(&mut self, slot: Slot, element: Arc<PoolElement>) -> Slot {
        let old = &self.elements[slot.0];
        // An unchanged PE may not have registered again at all: only new values start its degradation anew.
        if old.policy != element.policy {
            let standing = self.standing_of(&element);
            self.selector.update(&mut self.nodes, slot, standing);
        }
        self.elements[slot.0] = element;
        slot
    }

    fn remove(&mut self, slot: Slot) {
        self.selector.remove(&mut self.nodes, slot);
        self.elements.remove(slot.0);
    }

    fn standing_of(&self, element: &PoolElement) -> Standing {
        let policy = if same_type(&element.policy, &self.policy) { &element.policy } else { &self.policy };
        standing(policy).unwrap_or(ROUND_ROBIN)
    }
}

const ROUND_ROBIN: Standing = Standing::Ranked { rank: 0, degradation: 0 };

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use rsp_wire::ServerId;
    use rsp_wire::parameter::{RegistrationLife, UserTransport};

    fn pe(id: u32, policy: Policy) -> Arc<PoolElement> {
        Arc::new(PoolElement {
            id: PeId(id),
            home: ServerId(1),
            life: RegistrationLife(300),
            user_transport: UserTransport::Opaque(Bytes::new()),
            policy,
            asap_transport: None,
            unknown: vec![],
        })
    }

    fn candidates(policies: &[Policy]) -> Candidates {
        let mut candidates = Candidates::new(policies.first());
        candidates.replace(policies.first(), (1..).zip(policies).map(|(id, policy)| pe(id, policy.clone())));
        candidates
    }

    fn ids(candidates: &mut Candidates, count: usize, unwanted: &[u32]) -> Vec<u32> {
        let mut rng = Rng::new(1);
        let mut select = || candidates.select(&mut rng, |pe| unwanted.contains(&pe.id.0)).map(|pe| pe.id.0);
        (0..count).filter_map(|_| select()).collect()
    }

    //= https://www.rfc-editor.org/rfc/rfc5356#section-4.1.3
    //= type=test
    //# A pool user SHOULD use the list of pool elements returned by the ENRP
    //# server in a round robin fashion, starting with the first.
    #[test]
    fn a_list_is_used_round_robin_from_its_first_pe() {
        let mut candidates = candidates(&[Policy::RoundRobin, Policy::RoundRobin, Policy::RoundRobin]);
        assert_eq!(ids(&mut candidates, 5, &[]), [1, 2, 3, 1, 2]);
        assert_eq!(ids(&mut candidates, 3, &[3]), [1, 2, 1], "one that failed is left out");
        assert_eq!(ids(&mut candidates, 2, &[1, 2, 3]), [2, 3], "unless there is nobody else");
    }

    //= https://www.rfc-editor.org/rfc/rfc5356#section-4.5.3
    //= type=test
    //# The pool user MUST select the active pool element with the highest
    //# priority.
    #[test]
    fn the_highest_priority_that_has_not_failed_is_chosen() {
        let priority = |priority| Policy::Priority { priority };
        let mut candidates = candidates(&[priority(1), priority(7), priority(3)]);
        assert_eq!(ids(&mut candidates, 2, &[]), [2, 2]);
        assert_eq!(ids(&mut candidates, 2, &[2]), [3, 3]);
    }

    #[test]
    fn weights_count_when_the_list_is_the_whole_pool() {
        let weight = |weight| Policy::WeightedRoundRobin { weight };
        let mut candidates = candidates(&[weight(5), weight(1), weight(1), weight(0)]);
        assert_eq!(ids(&mut candidates, 7, &[]), [1, 2, 1, 1, 3, 1, 1]);
        assert_eq!(ids(&mut candidates, 4, &[1]), [2, 3, 2, 3]);
        assert_eq!(ids(&mut candidates, 1, &[1, 2, 3]), [4]);
    }

    #[test]
    fn a_pool_user_spreads_its_own_sessions_by_degradation() {
        let load = |load| Policy::LeastUsedDegradation { load, degradation: 10 };
        let mut candidates = candidates(&[load(0), load(15)]);
        assert_eq!(ids(&mut candidates, 4, &[]), [1, 1, 2, 1]);
    }

    #[test]
    fn several_are_each_another_and_none_is_chosen_against_its_will() {
        let mut candidates = candidates(&[Policy::RoundRobin, Policy::RoundRobin, Policy::RoundRobin]);
        let many = |candidates: &mut Candidates, limit| {
            candidates.select_many(&mut Rng::new(1), limit).iter().map(|pe| pe.id.0).collect::<Vec<_>>()
        };
        assert_eq!(many(&mut candidates, 2), [1, 2]);
        assert_eq!(many(&mut candidates, 9).len(), 3);
        let before = format!("{candidates:?}");
        assert_eq!(candidates.select_wanted(&mut Rng::new(1), |_| false), None);
        candidates.picked.clear();
        assert_eq!(format!("{candidates:?}").split("picked").next(), before.split("picked").next());
        assert_eq!(candidates.select_wanted(&mut Rng::new(1), |pe| pe.id.0 == 3).map(|pe| pe.id.0), Some(3));
    }

    #[test]
    fn an_update_changes_the_list_and_keeps_the_turn() {
        let rr = Policy::RoundRobin;
        let mut candidates = candidates(&[rr.clone(), rr.clone(), rr.clone()]);
        assert_eq!(ids(&mut candidates, 1, &[]), [1]);
        candidates.replace(Some(&rr), [1, 2, 4, 4].map(|id| pe(id, rr.clone())));
        assert_eq!((candidates.len(), candidates.find(PeId(3))), (3, None));
        assert_eq!(ids(&mut candidates, 4, &[]), [2, 1, 4, 2]);
        candidates.replace(Some(&Policy::Random), [pe(9, Policy::Random), pe(8, rr)]);
        assert_eq!(candidates.len(), 2);
        assert_eq!(ids(&mut candidates, 3, &[9]), [8, 8, 8]);
        candidates.replace(None, []);
        assert!(candidates.is_empty() && ids(&mut candidates, 1, &[]).is_empty());
    }
}
