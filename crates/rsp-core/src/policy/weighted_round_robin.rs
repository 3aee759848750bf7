// SPDX-License-Identifier: MIT OR Apache-2.0
//! Weighted Round Robin (WRR), RFC 5356 §4.2: as often as the weight says, and evenly spread.

use rsp_wire::parameter::Policy;

use super::Standing;

pub(super) fn standing(policy: &Policy) -> Option<Standing> {
    match *policy {
        Policy::WeightedRoundRobin { weight } => Some(Standing::EvenShare { weight }),
        _ => None,
    }
}
