// SPDX-License-Identifier: MIT OR Apache-2.0
//! RSPLIB's private policies: carried on the wire, selected from round robin.

use rsp_wire::parameter::Policy;

use super::Standing;

pub(super) fn standing(policy: &Policy) -> Option<Standing> {
    match policy {
        Policy::RandomizedPriorityLeastUsed { .. }
        | Policy::RandomizedLeastUsedDegradation { .. }
        | Policy::PriorityLeastUsedDegradation { .. }
        | Policy::RandomizedPriorityLeastUsedDegradation { .. }
        | Policy::WeightedRandomDpf { .. }
        | Policy::LeastUsedDpf { .. }
        | Policy::LeastUsedDegradationDpf { .. } => Some(Standing::Ranked { rank: 0, degradation: 0 }),
        _ => None,
    }
}
