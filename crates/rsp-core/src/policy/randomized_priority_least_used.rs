// SPDX-License-Identifier: MIT OR Apache-2.0
//! Randomized Priority Least Used (RPLU, RSPLIB's 0xb0001001): PLU by chance, each PE in proportion to what it would have left with one more
//! session.

use rsp_wire::parameter::Policy;

use super::Standing;

pub(super) fn standing(policy: &Policy) -> Option<Standing> {
    match *policy {
        Policy::RandomizedPriorityLeastUsed { load, degradation } => {
            Some(Standing::Chance { weight: u32::MAX - load.saturating_add(degradation), degradation: 0 })
        }
        _ => None,
    }
}
