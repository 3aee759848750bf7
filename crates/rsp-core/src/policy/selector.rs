// SPDX-License-Identifier: MIT OR Apache-2.0
//! One pool's order, whichever engine keeps it.

use machine::Rng;

use super::Standing;
use super::chances::Chances;
use super::dense::Dense;
use super::even_shares::EvenShares;
use super::nodes::{Nodes, Slot};
use super::ranked::Ranked;

/// The PEs of one pool in their order. A pool has one policy, so all standings given to one selector are of one kind.
#[derive(Debug)]
pub(crate) enum Selector {
    Ranked(Ranked),
    EvenShares(Box<EvenShares>),
    Random(Dense),
    Chances(Box<Chances>),
}

impl Selector {
    /// An empty one of the engine that keeps such a standing.
    pub(crate) fn new(standing: Standing) -> Self {
        match standing {
            Standing::Ranked { .. } => Selector::Ranked(Ranked::default()),
            Standing::EvenShare { .. } => Selector::EvenShares(Box::default()),
            Standing::Random => Selector::Random(Dense::default()),
            Standing::Chance { .. } => Selector::Chances(Box::default()),
        }
    }

    /// Adds a PE.
    pub(crate) fn insert(&mut self, nodes: &mut Nodes, slot: Slot, standing: Standing) {
        match (self, standing) {
            (Selector::Ranked(ranked), Standing::Ranked { rank, degradation }) => {
                ranked.insert(nodes, slot, rank, degradation);
            }
            (Selector::EvenShares(shares), Standing::EvenShare { weight }) => shares.insert(nodes, slot, weight),
            (Selector::Random(dense), Standing::Random) => dense.insert(nodes, slot),
            (Selector::Chances(chances), Standing::Chance { weight, degradation }) => {
                chances.insert(nodes, slot, weight, degradation);
            }
            _ => unreachable!("a pool has one policy"),
        }
    }

    /// The PE registered again: its degradation starts anew.
    pub(crate) fn update(&mut self, nodes: &mut Nodes, slot: Slot, standing: Standing) {
        match (self, standing) {
            (Selector::Ranked(ranked), Standing::Ranked { rank, degradation }) => {
                ranked.update(nodes, slot, rank, degradation);
            }
            (Selector::EvenShares(shares), Standing::EvenShare { weight }) => shares.update(nodes, slot, weight),
            (Selector::Random(_), Standing::Random) => {}
            (Selector::Chances(chances), Standing::Chance { weight, degradation }) => {
                chances.update(nodes, slot, weight, degradation);
            }
            _ => unreachable!("a pool has one policy"),
        }
    }

    /// Takes a PE out.
    pub(crate) fn remove(&mut self, nodes: &mut Nodes, slot: Slot) {
        match self {
            Selector::Ranked(ranked) => ranked.remove(nodes, slot),
            Selector::EvenShares(shares) => shares.remove(nodes, slot),
            Selector::Random(dense) => dense.remove(nodes, slot),
            Selector::Chances(chances) => chances.remove(nodes, slot),
        }
    }

    /// Chooses one PE: [`Selector::order`] for one, then [`Selector::charge`].
    pub(crate) fn select_one(&mut self, nodes: &mut Nodes, rng: &mut Rng) -> Option<Slot> {
        match self {
            Selector::Ranked(ranked) => ranked.select_one(nodes),
            Selector::EvenShares(shares) => shares.select_one(nodes),
            Selector::Random(dense) => dense.select_one(rng),
            Selector::Chances(chances) => chances.select_one(nodes, rng),
        }
    }

    /// Appends the next `limit` PEs to `picked`, in order and each at most once. Nothing advances.
    pub(crate) fn order(&mut self, nodes: &mut Nodes, rng: &mut Rng, limit: usize, picked: &mut Vec<Slot>) {
        match self {
            Selector::Ranked(ranked) => ranked.order(nodes, limit, picked),
            Selector::EvenShares(shares) => shares.order(nodes, limit, picked),
            Selector::Random(dense) => dense.order(nodes, rng, limit, picked),
            Selector::Chances(chances) => chances.order(nodes, rng, limit, picked),
        }
    }

    /// `picked` were handed out, the first of them to be used: the order advances.
    pub(crate) fn charge(&mut self, nodes: &mut Nodes, picked: &[Slot]) {
        match (self, picked) {
            (Selector::Ranked(ranked), _) => ranked.charge(nodes, picked),
            (Selector::EvenShares(shares), [first, ..]) => shares.charge(nodes, *first),
            (Selector::Chances(chances), _) => chances.charge(nodes, picked),
            _ => {}
        }
    }

    /// `slot` came before the one just charged, but was not wanted.
    pub(crate) fn pass_over(&mut self, nodes: &mut Nodes, slot: Slot) {
        if let Selector::EvenShares(shares) = self {
            shares.pass_over(nodes, slot);
        }
    }

    /// All PEs, each once.
    pub(crate) fn iter<'a>(&'a self, nodes: &'a Nodes) -> Box<dyn Iterator<Item = Slot> + 'a> {
        match self {
            Selector::Ranked(ranked) => Box::new(ranked.iter(nodes)),
            Selector::EvenShares(shares) => Box::new(shares.iter(nodes)),
            Selector::Random(dense) => Box::new(dense.iter()),
            Selector::Chances(chances) => Box::new(chances.iter()),
        }
    }
}
