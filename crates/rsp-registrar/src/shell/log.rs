// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the registrar reports, as log lines. Counters are its own.

use rsp_core::registrar::{Change, EndReason, Event};

/// What an operator wants to see is `info`, what needs one is `warn`, what happens all the time is `debug`.
pub(super) fn event(event: &Event) {
    match event {
        Event::HandlespaceChanged { change: Change::Updated(changes), .. } if !changes.is_urgent() => {
            tracing::debug!("{event}");
        }
        Event::HandlespaceChanged { .. }
        | Event::PeReported { .. }
        | Event::PeCutOff { .. }
        | Event::Paused { .. }
        | Event::Started { .. }
        | Event::MentorBusy { .. }
        | Event::PeerFound { .. }
        | Event::PeerDead { pool_elements: 0, .. }
        | Event::PeerProbed { .. }
        | Event::TakeoverStarted { .. }
        | Event::TakeoverStopped { .. }
        | Event::TakeoverYielded { .. }
        | Event::TakenOver { .. }
        | Event::Resynchronizing { .. }
        | Event::Resynchronized { .. }
        | Event::Left { .. } => {
            tracing::info!("{event}");
        }
        Event::AssociationRefused { .. }
        | Event::AssociationEnded { reason: EndReason::PeerDoesNotRead, .. }
        | Event::RegistrationRejected { .. }
        | Event::RegistrationModified { .. }
        | Event::DeregistrationRejected { .. }
        | Event::MentorFailed { .. }
        | Event::PeerUnreached { .. }
        | Event::IdentifierChanged { .. }
        | Event::PeerDead { .. }
        | Event::TakeoverRefused { .. }
        | Event::UpdateRejected { .. }
        | Event::PeerRefused { .. } => tracing::warn!("{event}"),
        Event::AssociationUp { .. }
        | Event::AssociationLost { .. }
        | Event::AssociationEnded { .. }
        | Event::MessageIgnored { .. }
        | Event::PeGivenUp { .. }
        | Event::ErrorReceived { .. } => tracing::debug!("{event}"),
    }
}
