// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pool Member Selection Policies: RFC 5356's, and the private ones RSPLIB puts on the wire.
//!
//! A policy says where a PE stands among the others of its pool (`Standing`), from the values it registered with. The
//! engines keep PEs in that standing and choose, each operation in O(log n): `ranked`, `even_shares`, `dense` and
//! `chances`. They serve the registrar and the pool user ([`Candidates`]) alike.
//!
//! To add a policy, write its file and add it to `POLICIES`.

mod block;
mod chances;
mod dense;
mod even_shares;
mod least_used;
mod least_used_degradation;
mod least_used_degradation_dpf;
mod least_used_dpf;
mod nodes;
mod pool_user;
mod priority;
mod priority_least_used;
mod priority_least_used_degradation;
mod random;
mod randomized_least_used;
mod randomized_least_used_degradation;
mod randomized_priority_least_used;
mod randomized_priority_least_used_degradation;
mod ranked;
mod ring_heads;
mod rings;
mod round_robin;
mod selector;
mod sum_tree;
mod weighted_random;
mod weighted_random_dpf;
mod weighted_round_robin;

pub(crate) use nodes::Nodes;
pub use nodes::Slot;
pub use pool_user::Candidates;
pub(crate) use selector::Selector;

use rsp_wire::parameter::Policy;

/// Every policy that can select; the first that knows the values answers.
const POLICIES: &[fn(&Policy) -> Option<Standing>] = &[
    round_robin::standing,
    weighted_round_robin::standing,
    random::standing,
    weighted_random::standing,
    priority::standing,
    least_used::standing,
    least_used_degradation::standing,
    priority_least_used::standing,
    randomized_least_used::standing,
    randomized_priority_least_used::standing,
    randomized_least_used_degradation::standing,
    priority_least_used_degradation::standing,
    randomized_priority_least_used_degradation::standing,
    weighted_random_dpf::standing,
    least_used_dpf::standing,
    least_used_degradation_dpf::standing,
];

/// Where a PE stands among the others of its pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Lowest rank first, round robin among equals; every selection adds `degradation` to the rank.
    Ranked {
        /// What the PE is compared by.
        rank: u64,
        /// What each selection adds.
        degradation: u32,
    },
    /// Turns in proportion to weight, evenly spread. Weight 0 has a turn only if nobody has weight.
    EvenShare {
        /// Turns relative to the others.
        weight: u32,
    },
    /// Every PE with the same probability.
    Random,
    /// A probability in proportion to weight; every selection takes `degradation` off it. Weight 0 is drawn only if nobody has weight.
    Chance {
        /// Probability relative to the others.
        weight: u32,
        /// What each selection takes away.
        degradation: u32,
    },
}

/// Where a PE with these values stands, `None` if no policy here knows them.
pub(crate) fn standing(policy: &Policy) -> Option<Standing> {
    POLICIES.iter().find_map(|policy_of| policy_of(policy))
}

/// Whether two PEs may be in one pool: same policy, whatever the values.
pub(crate) fn same_type(a: &Policy, b: &Policy) -> bool {
    match (a, b) {
        (Policy::Other { policy_type: a, .. }, Policy::Other { policy_type: b, .. }) => a == b,
        _ => std::mem::discriminant(a) == std::mem::discriminant(b),
    }
}
