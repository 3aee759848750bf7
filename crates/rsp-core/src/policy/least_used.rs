// SPDX-License-Identifier: MIT OR Apache-2.0
//! Least Used (LU), RFC 5356 §5.1: lowest load first, round robin among equals.

use rsp_wire::parameter::Policy;

use super::Standing;

pub(super) fn standing(policy: &Policy) -> Option<Standing> {
    match *policy {
        //= https://www.rfc-editor.org/rfc/rfc5356#section-5.1.2
        //# If there is a choice of equal-loaded pool elements,
        //# round robin selection SHOULD be made among these elements.  The
        //# returned list of pool elements MUST be sorted in ascending order by
        //# load value.
        Policy::LeastUsed { load } => Some(Standing::Ranked { rank: u64::from(load), degradation: 0 }),
        _ => None,
    }
}
