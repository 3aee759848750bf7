// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is said about messages that cannot be understood: ASAP_ERROR, RFC 5352 §2.2.14 and RFC 5354 §3.12.

use rsp_wire::DecodeError;
use rsp_wire::asap::{Error, Message};
use rsp_wire::parameter::{ErrorCause, OperationError};
use smallvec::smallvec;

use super::Registrar;
use super::associations::What;
use super::event::{Event, IgnoreReason};
use crate::association::AssociationId;
use crate::rate::COMPLAINTS_PER_SECOND;

impl Registrar {
    /// A message could not be read. Its type's or parameter's action bits decide whether the sender is told.
    pub(super) fn undecodable(&mut self, association: AssociationId, error: &DecodeError) {
        if self.ignore(association, IgnoreReason::Undecodable)
            && let Some(cause) = error.cause()
        {
            self.send_error(association, OperationError(smallvec![cause]));
        }
    }

    /// A message was understood but for these parameters, whose senders want to hear of it.
    pub(super) fn report_unrecognized(&mut self, association: AssociationId, error: OperationError) {
        if self.may_complain(association) {
            self.send_error(association, error);
        }
    }

    /// An answer does not fit into a message: the peer hears that there was one.
    pub(super) fn answer_too_long(&mut self, association: AssociationId) {
        if self.may_complain(association) {
            self.send_error(association, OperationError(smallvec![ErrorCause::Unspecified]));
        }
    }

    fn send_error(&mut self, association: AssociationId, error: OperationError) {
        self.metrics.errors_sent += 1;
        self.send(association, What::Answer, &Message::Error(Error { error, unknown: Vec::new() }));
    }

    /// An ASAP_ERROR is never answered.
    pub(super) fn error_received(&mut self, association: AssociationId, error: &OperationError) {
        self.metrics.errors_received += 1;
        let causes = error.0.iter().take(CAUSES_TOLD).map(ErrorCause::code).collect();
        self.event(Event::ErrorReceived { association, causes });
    }

    /// A message is not processed. Answers whether anything more may be said about it.
    pub(super) fn ignore(&mut self, association: AssociationId, reason: IgnoreReason) -> bool {
        self.metrics.messages_ignored += 1;
        let may_complain = self.may_complain(association);
        if may_complain {
            self.event(Event::MessageIgnored { association, reason });
        }
        may_complain
    }

    /// Neither the peer nor the log hears of everything: two ends that do not understand each other would keep each other busy
    /// for ever.
    pub(super) fn may_complain(&mut self, association: AssociationId) -> bool {
        let now = self.now;
        self.associations
            .get_mut(association)
            .is_some_and(|sender| sender.complaints.take(COMPLAINTS_PER_SECOND, COMPLAINTS_PER_SECOND, now))
    }
}

/// An Operation Error of one cause.
pub(super) fn because(cause: ErrorCause) -> Option<OperationError> {
    Some(OperationError(smallvec![cause]))
}

/// An error message has room for thousands; an event does not.
const CAUSES_TOLD: usize = 4;
