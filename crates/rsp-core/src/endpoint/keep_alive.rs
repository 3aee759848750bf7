// SPDX-License-Identifier: MIT OR Apache-2.0
//! Answers to keep-alives, RFC 5352 §3.4.

use machine::Time;
use rsp_wire::asap::{EndpointKeepAlive, EndpointKeepAliveAck, Message};
use rsp_wire::{PeId, ServerId};

use super::home::HomeLink;
use super::{AdoptCause, Endpoint, Home};
use crate::association::AssociationId;

impl Endpoint {
    pub(super) fn keep_alive(&mut self, id: AssociationId, keep_alive: EndpointKeepAlive, now: Time) {
        //= https://www.rfc-editor.org/rfc/rfc5352#section-3.4
        //# If the Pool Handle does not match, the PE MUST silently discard the
        //# message.
        let wanted = |pe_id: &PeId| keep_alive.pe_id.is_none_or(|wanted| wanted == *pe_id);
        let ours: Vec<PeId> = self.registered_in(&keep_alive.pool_handle).filter(wanted).collect();
        if ours.is_empty() {
            return;
        }
        self.learn_server(id, keep_alive.server_id);
        // Without a PE identifier it may be meant for any PE of that pool, so each answers.
        for pe_id in ours {
            let ack = EndpointKeepAliveAck { pool_handle: keep_alive.pool_handle.clone(), pe_id, unknown: Vec::new() };
            self.answer(id, &Message::EndpointKeepAliveAck(ack));
        }
        if keep_alive.home && !self.is_home(id, keep_alive.server_id) {
            let Some(association) = self.associations.get(&id) else { return };
            let home = Home { address: association.address, server: keep_alive.server_id };
            self.adopt(HomeLink { association: id, home, silent: false }, AdoptCause::KeepAlive, now);
        }
    }

    //= https://www.rfc-editor.org/rfc/rfc5352#section-3.4
    //# KA2.4)  If the H flag in the received ASAP_ENDPOINT_KEEP_ALIVE
    //# message is set, and the Server Identifier in the message is NOT
    //# the identity of your Home ENRP server (or it is not set, e.g.,
    //# you have a no Home ENRP server) adopt the sender of the
    //# ASAP_ENDPOINT_KEEP_ALIVE message as the new Home ENRP server.
    fn is_home(&self, id: AssociationId, server: ServerId) -> bool {
        // One that takes us for two on the association we chose knows us on the one it chose.
        let knows_us = || !self.registrations.values().any(|registration| registration.taken_for_two);
        self.home.as_ref().is_some_and(|link| {
            link.association == id
                || (server != ServerId::NONE && link.home.server == server && !link.silent && knows_us())
        })
    }
}
