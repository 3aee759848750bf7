// SPDX-License-Identifier: MIT OR Apache-2.0
//! Priority Least Used with Degradation (PLUD, RSPLIB's 0xb0001003): PLU, and each selection since the last registration adds the degradation, as in
//! LUD (RFC 5356 §5.2.2: the counter starts at 0).

use rsp_wire::parameter::Policy;

use super::Standing;

pub(super) fn standing(policy: &Policy) -> Option<Standing> {
    match *policy {
        Policy::PriorityLeastUsedDegradation { load, degradation } => {
            Some(Standing::Ranked { rank: u64::from(load) + u64::from(degradation), degradation })
        }
        _ => None,
    }
}
