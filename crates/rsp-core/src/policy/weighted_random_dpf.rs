// SPDX-License-Identifier: MIT OR Apache-2.0
//! Weighted Random with Distance Penalty Factor (WRAND-DPF, RSPLIB's 0xb0002001): each PE in proportion to its weight, less the part that its distance
//! costs: weight x (1 - distance x DPF), the DPF in parts of 2^32 per millisecond.

use rsp_wire::parameter::Policy;

use super::Standing;
use super::least_used_dpf::penalty;

pub(super) fn standing(policy: &Policy) -> Option<Standing> {
    match *policy {
        Policy::WeightedRandomDpf { weight, weight_dpf, distance } => {
            let near = (1 << 32) - penalty(weight_dpf, distance).min(1 << 32);
            let weight = (u64::from(weight) * near) >> 32;
            Some(Standing::Chance { weight: weight as u32, degradation: 0 })
        }
        _ => None,
    }
}
