// SPDX-License-Identifier: MIT OR Apache-2.0
//! Priority (PRIO), RFC 5356 §4.5: highest priority first. Among equals, where the RFC allows any order, round robin.

use rsp_wire::parameter::Policy;

use super::Standing;

pub(super) fn standing(policy: &Policy) -> Option<Standing> {
    match *policy {
        //= https://www.rfc-editor.org/rfc/rfc5356#section-4.5.2
        //# The ENRP server MUST select the pool elements with the highest
        //# priorities.  They MUST be reported in decreasing order.
        Policy::Priority { priority } => Some(Standing::Ranked { rank: u64::from(!priority), degradation: 0 }),
        _ => None,
    }
}
