// SPDX-License-Identifier: MIT OR Apache-2.0
//! Least Used with Degradation (LUD), RFC 5356 §5.2: lowest load plus what each selection since the last registration adds.

use rsp_wire::parameter::Policy;

use super::Standing;

pub(super) fn standing(policy: &Policy) -> Option<Standing> {
    match *policy {
        //= https://www.rfc-editor.org/rfc/rfc5356#section-5.2.2
        //# When a pool element entry is added or updated by registration or re-
        //# registration, this counter MUST be set to 0.  When an entry is
        //# selected for being returned to a pool user, the internal degradation
        //# counter MUST be incremented by 1.
        Policy::LeastUsedDegradation { load, degradation } => {
            Some(Standing::Ranked { rank: u64::from(load), degradation })
        }
        _ => None,
    }
}
