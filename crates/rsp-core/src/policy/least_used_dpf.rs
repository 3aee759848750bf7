// SPDX-License-Identifier: MIT OR Apache-2.0
//! Least Used with Distance Penalty Factor (LU-DPF, draft-dreibholz-rserpool-delay §3; RSPLIB's 0xb0002002): lowest load first, where distance counts as
//! load; of equal ones the nearest, then round robin.

use rsp_wire::parameter::Policy;

use super::Standing;

pub(super) fn standing(policy: &Policy) -> Option<Standing> {
    match *policy {
        Policy::LeastUsedDpf { load, load_dpf, distance } => {
            let rank = (u64::from(load) + penalty(load_dpf, distance)).min(FARTHEST >> DISTANCE_BITS);
            Some(Standing::Ranked { rank: rank << DISTANCE_BITS | u64::from(distance).min(NEARNESS), degradation: 0 })
        }
        _ => None,
    }
}

/// What a distance in milliseconds costs, in the unit of loads.
pub(super) fn penalty(dpf: u32, distance: u32) -> u64 {
    u64::from(dpf) * u64::from(distance)
}

/// The draft's second key, below the first: half an hour in milliseconds.
const DISTANCE_BITS: u32 = 21;
const NEARNESS: u64 = (1 << DISTANCE_BITS) - 1;
const FARTHEST: u64 = u64::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_distance_makes_a_loaded_pe_the_better_one_by_wrapping_round() {
        let rank = |load, load_dpf, distance| match standing(&Policy::LeastUsedDpf { load, load_dpf, distance }) {
            Some(Standing::Ranked { rank, .. }) => rank,
            other => panic!("{other:?}"),
        };
        let mut before = 0;
        for distance in [0, 1, 50, 100, 2_000, 4_000_000, u32::MAX] {
            let here = rank(u32::MAX, u32::MAX, distance);
            assert!(here >= before, "{distance}");
            before = here;
        }
        assert!(rank(1, 0, 0) > rank(0, 0, u32::MAX), "load is the first key");
        assert!(rank(0, 0, 100) > rank(0, 0, 50), "distance the second");
    }
}
