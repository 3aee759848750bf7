// SPDX-License-Identifier: MIT OR Apache-2.0
//! An event of the registrar as a name and values.

use std::fmt::{self, Debug, Write};

use rsp_core::registrar::{Change, Event};
use serde_json::{Value, json};

use super::status::millis;

/// `pe_added`, `pe_updated` and `pe_removed`; otherwise the event's name in the source, in lower case with underscores.
pub(super) fn kind(event: &Event) -> String {
    match event {
        Event::HandlespaceChanged { change: Change::Added, .. } => "pe_added".to_owned(),
        Event::HandlespaceChanged { change: Change::Updated(_), .. } => "pe_updated".to_owned(),
        Event::HandlespaceChanged { change: Change::Removed(_), .. } => "pe_removed".to_owned(),
        event => name(event),
    }
}

/// What programs want to pick out. The text says it all.
pub(super) fn fields(event: &Event) -> Value {
    match event {
        Event::HandlespaceChanged { pool, pe, change: Change::Removed(reason) } => {
            json!({ "pool": pool.to_string(), "pe": pe.to_string(), "reason": name(reason) })
        }
        Event::RegistrationRejected { association, pool, pe, cause } => {
            json!({ "pool": pool.to_string(), "pe": pe.to_string(), "association": association.0, "cause": cause })
        }
        Event::PeReported { pool, pe, reporter, reports } => {
            json!({ "pool": pool.to_string(), "pe": pe.to_string(), "reporter": reporter, "reports": reports })
        }
        Event::DeregistrationRejected { association, pool, pe } => {
            json!({ "pool": pool.to_string(), "pe": pe.to_string(), "association": association.0 })
        }
        Event::HandlespaceChanged { pool, pe, .. }
        | Event::RegistrationModified { pool, pe }
        | Event::PeCutOff { pool, pe } => json!({ "pool": pool.to_string(), "pe": pe.to_string() }),
        Event::AssociationUp { association, peer } => {
            json!({ "association": association.0, "peer": peer.addresses.first() })
        }
        Event::AssociationLost { association, .. }
        | Event::AssociationRefused { association }
        | Event::AssociationEnded { association, .. }
        | Event::MessageIgnored { association, .. }
        | Event::ErrorReceived { association, .. } => json!({ "association": association.0 }),
        Event::PeerFound { peer } | Event::Resynchronizing { peer } => json!({ "peer": peer.to_string() }),
        Event::PeerUnreached { address, reason } => {
            json!({ "address": address, "reason": reason.as_ref().map(ToString::to_string) })
        }
        Event::PeerProbed { peer, silent_for } => {
            json!({ "peer": peer.to_string(), "silent_ms": millis(*silent_for) })
        }
        Event::PeerDead { peer, pool_elements } => {
            json!({ "peer": peer.to_string(), "pool_elements": pool_elements })
        }
        Event::Resynchronized { peer, received, removed } => {
            json!({ "peer": peer.to_string(), "received": received, "removed": removed })
        }
        Event::PeerRefused { peer, reason, .. } => json!({ "peer": peer.to_string(), "reason": name(reason) }),
        Event::UpdateRejected { peer, pool, pe, cause } => {
            json!({ "peer": peer.to_string(), "pool": pool.to_string(), "pe": pe.to_string(), "cause": cause })
        }
        Event::MentorBusy { mentor } | Event::MentorFailed { mentor } => json!({ "peer": mentor.to_string() }),
        Event::Started { mentor, pool_elements } => {
            json!({ "peer": mentor.map(|mentor| mentor.to_string()), "pool_elements": pool_elements })
        }
        Event::TakeoverStarted { target } | Event::TakeoverStopped { target } => {
            json!({ "target": target.to_string() })
        }
        Event::TakeoverYielded { target, to: by } | Event::TakeoverRefused { by, target } => {
            json!({ "target": target.to_string(), "by": by.to_string() })
        }
        Event::TakenOver { target, by, pool_elements } => {
            json!({ "target": target.to_string(), "by": by.to_string(), "pool_elements": pool_elements })
        }
        Event::PeGivenUp { pool, pe, to } => {
            json!({ "pool": pool.to_string(), "pe": pe.to_string(), "to": to.to_string() })
        }
        Event::Left { not_settled } => json!({ "not_settled": not_settled }),
        _ => json!({}),
    }
}

/// Every [`kind`] there is, and what a reader is told who has missed some.
pub(super) const KINDS: [&str; 35] = [
    "pe_added",
    "pe_updated",
    "pe_removed",
    "registration_rejected",
    "registration_modified",
    "deregistration_rejected",
    "pe_reported",
    "pe_cut_off",
    "association_up",
    "association_lost",
    "association_refused",
    "association_ended",
    "message_ignored",
    "error_received",
    "started",
    "mentor_busy",
    "mentor_failed",
    "identifier_changed",
    "peer_unreached",
    "peer_found",
    "peer_probed",
    "peer_dead",
    "takeover_started",
    "takeover_stopped",
    "takeover_yielded",
    "takeover_refused",
    "taken_over",
    "resynchronizing",
    "resynchronized",
    "update_rejected",
    "peer_refused",
    "pe_given_up",
    "left",
    "paused",
    "lost",
];

/// The name of an enum's variant, as `Debug` begins with it.
fn name(value: &impl Debug) -> String {
    struct Name(String);

    impl Write for Name {
        /// Ends the writing where the name ends.
        fn write_str(&mut self, text: &str) -> fmt::Result {
            for character in text.chars() {
                if !character.is_ascii_alphanumeric() {
                    return Err(fmt::Error);
                }
                if character.is_ascii_uppercase() && !self.0.is_empty() {
                    self.0.push('_');
                }
                self.0.push(character.to_ascii_lowercase());
            }
            Ok(())
        }
    }

    let mut name = Name(String::new());
    // The error is the end of the name.
    let _ = write!(name, "{value:?}");
    name.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use rsp_core::registrar::Removal;
    use rsp_wire::{PeId, PoolHandle};

    #[test]
    fn an_event_has_a_kind_and_fields() {
        let (pool, pe) = (PoolHandle::from("echo"), PeId(7));
        let gone = Change::Removed(Removal::KeepAliveTimeout);
        let event = Event::HandlespaceChanged { pool: pool.clone(), pe, change: gone };
        assert_eq!(kind(&event), "pe_removed");
        assert_eq!(fields(&event), json!({ "pool": "echo", "pe": "0x00000007", "reason": "keep_alive_timeout" }));
        assert_eq!(kind(&Event::PeCutOff { pool, pe }), "pe_cut_off");
        assert_eq!(kind(&Event::Paused { late: std::time::Duration::ZERO }), "paused");
    }

    #[test]
    fn every_event_has_its_kind_in_the_list_and_every_kind_is_documented() {
        let source = include_str!("../../../rsp-core/src/registrar/event.rs");
        let body =
            source.split("pub enum Event {").nth(1).and_then(|rest| rest.split("\n}\n").next()).expect("it is there");
        let variants = body.lines().filter_map(|line| line.strip_prefix("    "));
        let variants = variants.filter(|line| line.starts_with(|first: char| first.is_ascii_uppercase()));
        let names: Vec<_> = variants.map(|line| name(&format_args!("{line}"))).collect();
        assert!(names.len() > 20 && names[0] == "handlespace_changed", "{names:?}");
        for name in &names[1..] {
            assert!(KINDS.contains(&name.as_str()), "{name} is not in KINDS");
        }
        assert_eq!(KINDS.len(), names.len() - 1 + 3 + 1);
        let documented = include_str!("../../../../docs/admin-http.md");
        for kind in KINDS {
            assert!(documented.contains(&format!("`{kind}`")), "{kind} is not in docs/admin-http.md");
        }
    }
}
