// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is said about messages that cannot be understood: ASAP_ERROR, RFC 5352 §2.2.14 and RFC 5354 §3.12.

use machine::Time;
use rsp_wire::DecodeError;
use rsp_wire::asap::{Error, Message};
use rsp_wire::parameter::{ErrorCause, OperationError};
use smallvec::smallvec;

use super::Registrar;
use super::associations::What;
use super::event::{Event, IgnoreReason};
use crate::association::AssociationId;

impl Registrar {
    /// A message could not be read. Its type's or parameter's action bits decide whether the sender is told.
    pub(super) fn undecodable(&mut self, association: AssociationId, error: &DecodeError, now: Time) {
        self.ignore(association, IgnoreReason::Undecodable);
        if let Some(cause) = error.cause() {
            self.report_error(association, OperationError(smallvec![cause]), now);
        }
    }

    /// Sends an ASAP_ERROR, but not for ever: two ends that do not understand each other would keep each other busy.
    pub(super) fn report_error(&mut self, association: AssociationId, error: OperationError, now: Time) {
        let Some(sender) = self.associations.get_mut(association) else { return };
        if sender.errors.take(ERRORS_PER_SECOND, ERRORS_PER_SECOND, now) {
            self.metrics.errors_sent += 1;
            self.send(association, What::Answer, &Message::Error(Error { error, unknown: Vec::new() }));
        }
    }

    /// An ASAP_ERROR is never answered.
    pub(super) fn error_received(&mut self, association: AssociationId, error: &OperationError) {
        self.metrics.errors_received += 1;
        let causes = error.0.iter().take(CAUSES_TOLD).map(ErrorCause::code).collect();
        self.event(Event::ErrorReceived { association, causes });
    }

    /// A message is not processed.
    pub(super) fn ignore(&mut self, association: AssociationId, reason: IgnoreReason) {
        self.metrics.messages_ignored += 1;
        self.event(Event::MessageIgnored { association, reason });
    }
}

/// An Operation Error of one cause.
pub(super) fn because(cause: ErrorCause) -> Option<OperationError> {
    Some(OperationError(smallvec![cause]))
}

const ERRORS_PER_SECOND: u32 = 10;

/// An error message has room for thousands; an event does not.
const CAUSES_TOLD: usize = 4;
