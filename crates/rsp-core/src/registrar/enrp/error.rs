// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is said to peers about messages that cannot be obeyed: ENRP_ERROR, RFC 5353 §3.7. Every refusal is an event.

use rsp_wire::enrp::Error;
use rsp_wire::parameter::{ErrorCause, OperationError};
use rsp_wire::{DecodeError, ServerId};
use smallvec::smallvec;

use crate::association::AssociationId;
use crate::rate::COMPLAINTS_PER_SECOND;
use crate::registrar::Registrar;
use crate::registrar::event::{EndReason, Event, IgnoreReason, Refusal};

impl Registrar {
    /// A message could not be read. Its type's or parameter's action bits decide whether the sender is told.
    pub(in crate::registrar) fn enrp_undecodable(&mut self, association: AssociationId, error: &DecodeError) {
        if self.ignore(association, IgnoreReason::Undecodable)
            && let Some(cause) = error.cause()
        {
            self.send_enrp_error(association, OperationError(smallvec![cause]));
        }
    }

    //= https://www.rfc-editor.org/rfc/rfc5353#section-3.7
    //# According to the rules, if an error report to the message sender is
    //# needed, the ENRP server that discovered the error SHOULD send back an
    //# ENRP_ERROR message with a proper error cause code.
    pub(in crate::registrar) fn report_to_peer(&mut self, association: AssociationId, error: OperationError) {
        if self.may_complain(association) {
            self.send_enrp_error(association, error);
        }
    }

    /// A message of a peer is not obeyed.
    pub(in crate::registrar) fn refuse(&mut self, peer: ServerId, reason: Refusal) {
        let association = self.link_of(peer);
        self.complain(peer, Event::PeerRefused { peer, association, reason });
    }

    /// As [`Registrar::refuse`], with an event of its own. Answers whether it was not one too many.
    pub(in crate::registrar) fn complain(&mut self, about: ServerId, event: Event) -> bool {
        self.metrics.peer_messages_refused += 1;
        let may_complain = self.link_of(about).is_some_and(|association| self.may_complain(association));
        if may_complain {
            self.event(event);
        }
        may_complain
    }

    /// What came by multicast, or was told of a registrar by another one, is not believed.
    pub(in crate::registrar) fn refuse_hearsay(&mut self, peer: ServerId, reason: Refusal) {
        self.metrics.peer_messages_refused += 1;
        if self.enrp.complaints.take(COMPLAINTS_PER_SECOND, COMPLAINTS_PER_SECOND, self.now) {
            self.event(Event::PeerRefused { peer, association: None, reason });
        }
    }

    /// Whoever sent this is not the peer it says it is, or must not be one. Always answers no.
    pub(in crate::registrar) fn refuse_peer(&mut self, id: AssociationId, peer: ServerId, reason: Refusal) -> bool {
        self.metrics.peer_messages_refused += 1;
        if self.may_complain(id) {
            self.event(Event::PeerRefused { peer, association: Some(id), reason });
            let cause = match reason {
                Refusal::TooManyPeers => ErrorCause::LackOfResources,
                Refusal::NotAllowed => ErrorCause::RejectedDueToSecurityConsiderations,
                // Invalid Values would have to quote a parameter; what is wrong here is in the header.
                _ => ErrorCause::Unspecified,
            };
            self.send_enrp_error(id, OperationError(smallvec![cause]));
        }
        if reason.ends_association() {
            self.to_end.push((id, EndReason::NotAPeer));
        }
        false
    }

    fn send_enrp_error(&mut self, association: AssociationId, error: OperationError) {
        self.metrics.errors_sent += 1;
        let receiver = self.associations.get(association).map_or(ServerId::NONE, |it| it.registrar);
        if let Some(data) = self.encode_enrp(receiver, Error { error }.into()) {
            self.send_enrp(association, data);
        }
    }
}
