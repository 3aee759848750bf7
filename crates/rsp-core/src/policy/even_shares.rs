// SPDX-License-Identifier: MIT OR Apache-2.0
//! Engine of WRR: turns in proportion to weight, as evenly spread as whole turns allow.
//!
//! Instead of a list with a PE's entry repeated `weight` times, which would have to be built again at every change, the
//! list is walked in a virtual time in which a PE of weight w is due every 1/w. Of the PEs that are due the one whose turn
//! ends first is chosen (earliest eligible virtual deadline first, as in fair queueing), so nobody is ever a whole turn
//! ahead of or behind its share. Joining, leaving and new weights need no restart. PEs of the same weight and due time
//! share a ring and move as one, so a pool of equal weights is plain round robin at the price of round robin.

use super::nodes::{Nodes, Slot};
use super::rings::Rings;

/// Virtual time between two turns of weight 1. Divisible by 1 to 16, so that small weights divide it without rest.
const TURN: u64 = 720_720 << 30;

/// When the virtual clock reaches this it is set back, long before it overflows.
const LATE: u64 = 1 << 62;

/// `Node::rank` is the virtual time from which the PE is due, `Node::weight` its weight.
#[derive(Debug, Default)]
pub(crate) struct EvenShares {
    now: u64,
    /// What was lost when `TURN` was divided by the total weight.
    rest: u64,
    total: u64,
    /// Due later than `now`: by due time and weight.
    waiting: Rings<(u64, u32)>,
    /// Due: by end of turn and weight.
    due: Rings<(u64, u32)>,
    /// PEs of weight 0: chosen only when there is nobody else, then as if all had weight 1.
    weightless: Rings<()>,
}

impl EvenShares {
    pub(super) fn insert(&mut self, nodes: &mut Nodes, slot: Slot, weight: u32) {
        nodes[slot].weight = weight;
        if weight == 0 {
            self.weightless.push(nodes, (), slot);
            return;
        }
        if self.total == 0 {
            (self.now, self.rest) = (0, 0);
        }
        self.total += u64::from(weight);
        self.enqueue(nodes, slot, self.now);
    }

    pub(super) fn remove(&mut self, nodes: &mut Nodes, slot: Slot) {
        if nodes[slot].weight == 0 {
            self.weightless.remove(nodes, (), slot);
            return;
        }
        self.total -= u64::from(nodes[slot].weight);
        self.dequeue(nodes, slot);
    }

    /// What is left to wait is stretched or shortened with the turn, so that changing weight often gains nothing.
    pub(super) fn update(&mut self, nodes: &mut Nodes, slot: Slot, weight: u32) {
        let old = nodes[slot].weight;
        if weight == old {
            return;
        }
        if weight == 0 || old == 0 {
            self.remove(nodes, slot);
            self.insert(nodes, slot, weight);
            return;
        }
        self.dequeue(nodes, slot);
        self.total = self.total - u64::from(old) + u64::from(weight);
        nodes[slot].weight = weight;
        let due = nodes[slot].rank;
        let left = u128::from(due.saturating_sub(self.now)) * u128::from(old) / u128::from(weight);
        let left = u64::try_from(left).unwrap_or(TURN).min(TURN);
        self.enqueue(nodes, slot, due.min(self.now) + left);
    }

    pub(super) fn select_one(&mut self, nodes: &mut Nodes) -> Option<Slot> {
        let slot = self.first()?;
        self.charge(nodes, slot);
        Some(slot)
    }

    /// Those that are due, first the one whose turn ends first; then those that wait, as they become due; then the weightless.
    pub(super) fn order(&self, nodes: &Nodes, limit: usize, picked: &mut Vec<Slot>) {
        picked.extend(self.iter(nodes).take(limit));
    }

    /// `slot` had its turn.
    pub(super) fn charge(&mut self, nodes: &mut Nodes, slot: Slot) {
        let weight = nodes[slot].weight;
        if weight == 0 {
            let next = nodes[slot].next;
            self.weightless.set_head((), next);
            return;
        }
        if nodes[slot].rank > self.now {
            // Nobody was due, or nobody who is wanted.
            self.now = nodes[slot].rank;
            self.promote(nodes);
        }
        self.dequeue(nodes, slot);
        let due = nodes[slot].rank + TURN / u64::from(weight);
        let step = TURN + self.rest;
        self.now += step / self.total;
        self.rest = step % self.total;
        // Who waited for the same time comes before `slot`.
        self.promote(nodes);
        self.enqueue(nodes, slot, due);
        if self.now >= LATE {
            self.set_back(nodes);
        }
    }

    /// Another PE was charged although `slot` came before it: what `slot` missed is lost, not saved up.
    pub(super) fn pass_over(&mut self, nodes: &mut Nodes, slot: Slot) {
        if nodes[slot].weight > 0 && nodes[slot].rank < self.now {
            self.dequeue(nodes, slot);
            self.enqueue(nodes, slot, self.now);
        }
    }

    pub(super) fn iter<'a>(&'a self, nodes: &'a Nodes) -> impl Iterator<Item = Slot> + 'a {
        self.due.iter(nodes).chain(self.waiting.iter(nodes)).chain(self.weightless.iter(nodes))
    }

    fn first(&self) -> Option<Slot> {
        if let Some((_, slot)) = self.due.first() {
            return Some(slot);
        }
        self.waiting.first().map(|(_, slot)| slot).or_else(|| self.weightless.first().map(|(_, slot)| slot))
    }

    fn enqueue(&mut self, nodes: &mut Nodes, slot: Slot, due: u64) {
        nodes[slot].rank = due;
        let weight = nodes[slot].weight;
        if due <= self.now {
            self.due.push(nodes, (due + TURN / u64::from(weight), weight), slot);
        } else {
            self.waiting.push(nodes, (due, weight), slot);
        }
    }

    fn dequeue(&mut self, nodes: &mut Nodes, slot: Slot) {
        let (due, weight) = (nodes[slot].rank, nodes[slot].weight);
        if due <= self.now {
            self.due.remove(nodes, (due + TURN / u64::from(weight), weight), slot);
        } else {
            self.waiting.remove(nodes, (due, weight), slot);
        }
    }

    /// Who waits in the same ring has the same due time and weight, so also the same end of turn: the ring moves as one.
    fn promote(&mut self, nodes: &mut Nodes) {
        while let Some(((due, weight), _)) = self.waiting.first()
            && due <= self.now
            && let Some((_, first)) = self.waiting.pop_ring()
        {
            self.due.append(nodes, (due + TURN / u64::from(weight), weight), first);
        }
    }

    fn set_back(&mut self, nodes: &mut Nodes) {
        let all: Vec<Slot> = self.due.iter(nodes).chain(self.waiting.iter(nodes)).collect();
        let base = self.now - 2 * TURN;
        self.now -= base;
        (self.due, self.waiting) = Default::default();
        for slot in all {
            self.enqueue(nodes, slot, nodes[slot].rank.saturating_sub(base));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use machine::Rng;

    fn pool(weights: &[u32]) -> (EvenShares, Nodes) {
        let (mut shares, mut nodes) = (EvenShares::default(), Nodes::default());
        for (i, &weight) in weights.iter().enumerate() {
            let slot = Slot(i as u32);
            nodes.make_room(slot);
            shares.insert(&mut nodes, slot, weight);
        }
        (shares, nodes)
    }

    #[test]
    fn nobody_is_ever_a_whole_turn_ahead_or_behind() {
        let mut rng = Rng::new(11);
        for _ in 0..50 {
            let weights: Vec<u32> = (0..1 + rng.below(40)).map(|_| 1 + rng.below(100) as u32).collect();
            let total: u64 = weights.iter().map(|&w| u64::from(w)).sum();
            let (mut shares, mut nodes) = pool(&weights);
            let mut turns = vec![0u64; weights.len()];
            for n in 1..=3 * total {
                turns[shares.select_one(&mut nodes).expect("not empty").index()] += 1;
                for (&had, &weight) in turns.iter().zip(&weights) {
                    let fair = (n * u64::from(weight)) as f64 / total as f64;
                    assert!((had as f64 - fair).abs() < 1.0 + 1e-6, "{weights:?} after {n}: {had} of {fair}");
                }
                if n % total == 0 {
                    assert!(turns.iter().zip(&weights).all(|(&had, &w)| had == n / total * u64::from(w)));
                }
            }
        }
    }

    #[test]
    fn the_clock_is_set_back_without_a_trace_in_the_order() {
        let (mut shares, mut nodes) = pool(&[3, 2, 2]);
        let first: Vec<_> = (0..7).map(|_| shares.select_one(&mut nodes)).collect();
        for _ in 0..LATE / TURN + 10 {
            let again: Vec<_> = (0..7).map(|_| shares.select_one(&mut nodes)).collect();
            assert_eq!(again, first);
        }
        assert!(shares.now < LATE / 2, "it was set back");
    }

    #[test]
    fn weights_at_the_limit_neither_overflow_nor_starve() {
        let (mut shares, mut nodes) = pool(&[u32::MAX, u32::MAX / 2, 1]);
        let mut turns = [0; 3];
        for _ in 0..30_000 {
            turns[shares.select_one(&mut nodes).expect("not empty").index()] += 1;
        }
        assert!(turns[0] >= 19_990 && turns[1] >= 9_990 && turns[2] <= 1, "{turns:?}");
    }

    #[test]
    fn who_is_passed_over_does_not_catch_up_later() {
        let (mut shares, mut nodes) = pool(&[1, 1]);
        for _ in 0..1000 {
            shares.charge(&mut nodes, Slot(1));
            shares.pass_over(&mut nodes, Slot(0));
        }
        let next: Vec<_> = (0..6).filter_map(|_| shares.select_one(&mut nodes)).map(|slot| slot.0).collect();
        assert!((2..=4).contains(&next.iter().filter(|&&s| s == 0).count()), "{next:?}");
    }
}
