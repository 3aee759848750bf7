// SPDX-License-Identifier: MIT OR Apache-2.0
//! Randomized Least Used with Degradation (RLUD, RSPLIB's 0xb0001002): LUD by chance, each PE in proportion to what it has left; each selection since
//! the last registration takes its degradation away (in RSPLIB it does not).

use rsp_wire::parameter::Policy;

use super::Standing;

pub(super) fn standing(policy: &Policy) -> Option<Standing> {
    match *policy {
        Policy::RandomizedLeastUsedDegradation { load, degradation } => {
            Some(Standing::Chance { weight: u32::MAX - load, degradation })
        }
        _ => None,
    }
}
