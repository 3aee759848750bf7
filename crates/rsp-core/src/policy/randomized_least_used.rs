// SPDX-License-Identifier: MIT OR Apache-2.0
//! Randomized Least Used (RLU), RFC 5356 §5.4: each PE with a probability in proportion to what it has left.

use rsp_wire::parameter::Policy;

use super::Standing;

pub(super) fn standing(policy: &Policy) -> Option<Standing> {
    match *policy {
        //= https://www.rfc-editor.org/rfc/rfc5356#section-5.4.2
        //# The ENRP server SHOULD behave like WRAND, having every PE's weight
        //# set to (0xffffffff -- load value provided by the pool element).
        Policy::RandomizedLeastUsed { load } => Some(Standing::Chance { weight: u32::MAX - load, degradation: 0 }),
        _ => None,
    }
}
