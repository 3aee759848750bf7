// SPDX-License-Identifier: MIT OR Apache-2.0
//! Round Robin (RR), RFC 5356 §4.1: the circular list of all PEs from its head on, which then moves by one.

use rsp_wire::parameter::Policy;

use super::Standing;

pub(super) fn standing(policy: &Policy) -> Option<Standing> {
    match policy {
        //= https://www.rfc-editor.org/rfc/rfc5356#section-4.1.2
        //# On reception of a handle resolution request, the
        //# ENRP server SHOULD return the pool elements from the circular list,
        //# starting with head.  Then the head SHOULD be advanced by one element.
        Policy::RoundRobin => Some(Standing::Ranked { rank: 0, degradation: 0 }),
        _ => None,
    }
}
