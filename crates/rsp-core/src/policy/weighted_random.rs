// SPDX-License-Identifier: MIT OR Apache-2.0
//! Weighted Random (WRAND), RFC 5356 §4.4: each PE with a probability in proportion to its weight, at most once in an answer.

use rsp_wire::parameter::Policy;

use super::Standing;

pub(super) fn standing(policy: &Policy) -> Option<Standing> {
    match *policy {
        //= https://www.rfc-editor.org/rfc/rfc5356#section-4.4.2
        //# The probability of
        //# selecting a pool element should be the ratio of the weight of that
        //# pool element to the sum of weights.
        Policy::WeightedRandom { weight } => Some(Standing::Chance { weight, degradation: 0 }),
        _ => None,
    }
}
