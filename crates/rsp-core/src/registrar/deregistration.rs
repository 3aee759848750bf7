// SPDX-License-Identifier: MIT OR Apache-2.0
//! Deregistration, RFC 5352 §3.2.

use machine::Time;
use rsp_wire::asap::{Deregistration, DeregistrationResponse, Message};
use rsp_wire::parameter::{ErrorCause, OperationError, UserTransport};
use rsp_wire::{PeId, PoolHandle};

use super::Registrar;
use super::address_filter::AddressFilter;
use super::admission::{Action, admit};
use super::associations::What;
use super::event::{Event, Removal};
use super::view::decoded;
use crate::association::AssociationId;
use crate::handlespace::Slot;

impl Registrar {
    /// ASAP_DEREGISTRATION.
    pub(super) fn deregistration(&mut self, association: AssociationId, message: Deregistration, now: Time) {
        let Deregistration { pool_handle, pe_id, .. } = message;
        let Some(peer) = self.peer(association) else { return };
        if let Err(cause) = admit(peer, Action::Deregister) {
            return self.reject_deregistration(association, pool_handle, pe_id, cause);
        }
        //= https://www.rfc-editor.org/rfc/rfc5352#section-3.2
        //# If the ENRP server fails to find any record of the PE in its
        //# handlespace, it SHOULD consider the de-registration granted and
        //# completed, and send an ASAP_DEREGISTRATION_RESPONSE message to the
        //# PE.
        if let Some(slot) = self.handlespace.find(&pool_handle, pe_id) {
            if !self.is_itself(slot, association) {
                let cause = ErrorCause::RejectedDueToSecurityConsiderations;
                return self.reject_deregistration(association, pool_handle, pe_id, cause);
            }
            self.metrics.deregistrations += 1;
            // Only its home may say that a PE is gone: become that first.
            if self.monitors.get(slot).is_none() {
                self.handlespace.set_home(slot, self.id);
                self.announce_pool_element(slot);
            }
            self.remove_pool_element(slot, Removal::Deregistered, now);
        }
        self.answer_deregistration(association, pool_handle, pe_id, None);
    }

    /// Refuses a deregistration.
    pub(super) fn reject_deregistration(
        &mut self,
        association: AssociationId,
        pool_handle: PoolHandle,
        pe: PeId,
        cause: ErrorCause,
    ) {
        self.metrics.deregistrations_rejected += 1;
        self.event(Event::DeregistrationRejected { association, pool: pool_handle.detach(), pe });
        self.answer_deregistration(association, pool_handle, pe, super::error::because(cause));
    }

    /// ASAP_DEREGISTRATION_RESPONSE.
    pub(super) fn answer_deregistration(
        &mut self,
        association: AssociationId,
        pool_handle: PoolHandle,
        pe_id: PeId,
        error: Option<OperationError>,
    ) {
        let response = DeregistrationResponse { pool_handle, pe_id, error, unknown: Vec::new() };
        self.send(association, What::Answer, &Message::DeregistrationResponse(response));
    }

    /// The peer is the pool element: it speaks over the association that registered or, if that is gone, from an address
    /// the element is registered with.
    //= https://www.rfc-editor.org/rfc/rfc5352#section-2.2.2
    //# Note that de-registration is
    //# NOT allowed by proxy; in other words, a PE may only de-register
    //# itself.
    fn is_itself(&self, slot: Slot, association: AssociationId) -> bool {
        let registered_over = self.monitors.get(slot).map(|monitor| monitor.association);
        if registered_over == Some(association) {
            return true;
        }
        if registered_over.is_some_and(|other| self.associations.is_up(other)) {
            return false;
        }
        let element = self.handlespace.element(slot).and_then(decoded);
        let (Some(peer), Some(element)) = (self.peer(association), element) else { return false };
        let filter = AddressFilter::new(peer, &self.local_addresses, false);
        let user = match &element.user_transport {
            UserTransport::Ip(transport) => Some(transport),
            UserTransport::Opaque(_) => None,
        };
        let transports = user.into_iter().chain(&element.asap_transport);
        transports.flat_map(|transport| &transport.addresses).any(|address| filter.owns(*address))
    }
}
