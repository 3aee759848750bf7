// SPDX-License-Identifier: MIT OR Apache-2.0
//! Least Used with Degradation and Distance Penalty Factor (LUD-DPF, RSPLIB's 0xb0002003): LUD, where distance counts as load.

use rsp_wire::parameter::Policy;

use super::Standing;
use super::least_used_dpf::penalty;

pub(super) fn standing(policy: &Policy) -> Option<Standing> {
    match *policy {
        Policy::LeastUsedDegradationDpf { load, degradation, load_dpf, distance } => {
            Some(Standing::Ranked { rank: u64::from(load).saturating_add(penalty(load_dpf, distance)), degradation })
        }
        _ => None,
    }
}
