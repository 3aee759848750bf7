// SPDX-License-Identifier: MIT OR Apache-2.0
//! Randomized Priority Least Used with Degradation (RPLUD, RSPLIB's 0xb0001004): RPLU, and each selection since the last registration takes the
//! degradation away (in RSPLIB it does not).

use rsp_wire::parameter::Policy;

use super::Standing;

pub(super) fn standing(policy: &Policy) -> Option<Standing> {
    match *policy {
        Policy::RandomizedPriorityLeastUsedDegradation { load, degradation } => {
            Some(Standing::Chance { weight: u32::MAX - load.saturating_add(degradation), degradation })
        }
        _ => None,
    }
}
