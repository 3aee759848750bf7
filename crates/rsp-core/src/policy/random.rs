// SPDX-License-Identifier: MIT OR Apache-2.0
//! Random (RAND), RFC 5356 §4.3: each PE with the same probability, at most once in an answer.

use rsp_wire::parameter::Policy;

use super::Standing;

pub(super) fn standing(policy: &Policy) -> Option<Standing> {
    match policy {
        Policy::Random => Some(Standing::Random),
        _ => None,
    }
}
