// SPDX-License-Identifier: MIT OR Apache-2.0
//! Priority Least Used (PLU), RFC 5356 §5.3: lowest load as it would be with one more session.

use rsp_wire::parameter::Policy;

use super::Standing;

pub(super) fn standing(policy: &Policy) -> Option<Standing> {
    match *policy {
        //= https://www.rfc-editor.org/rfc/rfc5356#section-5.3.2
        //# The returned list of pool elements MUST be sorted
        //# ascending by the sum of load and degradation value.
        Policy::PriorityLeastUsed { load, degradation } => {
            Some(Standing::Ranked { rank: u64::from(load) + u64::from(degradation), degradation: 0 })
        }
        _ => None,
    }
}
