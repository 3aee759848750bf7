// SPDX-License-Identifier: MIT OR Apache-2.0
//! A registrar towards other registrars: ENRP, RFC 5353. A file per procedure.
//!
//! Every registrar has the whole handlespace; a PE's home watches it and is the only one that changes it. Peers are told of changes
//! ([`handle_update`]), tell each other that they live ([`presence`]), take over who does not ([`takeover`]) and check now and then that they
//! believe the same ([`audit`]). What a peer may change is decided in one place ([`authority`]).

pub(super) mod audit;
pub(super) mod authority;
pub(super) mod claim;
pub(super) mod contest;
pub(super) mod download;
pub(super) mod error;
pub(super) mod handle_table;
pub(super) mod handle_update;
pub(super) mod leave;
pub(super) mod links;
pub(super) mod peers;
pub(super) mod presence;
pub(super) mod rival;
pub(super) mod slots;
pub(super) mod startup;
pub(super) mod status;
pub(super) mod suggestion;
pub(super) mod takeover;

use std::net::SocketAddr;

use bytes::Bytes;
use machine::Time;
use rsp_wire::enrp::{Body, Message};
use rsp_wire::parameter::Transport;
use rsp_wire::{Dialect, ServerId};

use super::associations::{Sent, What};
use super::event::IgnoreReason;
use super::{Channel, Effect, Registrar};
use crate::association::AssociationId;
use crate::handlespace::Header;
use crate::rate::Rate;
use crate::{PPID_ASAP, PPID_ENRP};

pub use peers::PeerState;
pub use status::{PeerStatus, RegistrarStatus, Unreached};

/// What a registrar knows of the others.
#[derive(Debug, Default)]
pub(super) struct Enrp {
    /// Where ENRP is spoken here.
    pub(super) transports: Vec<Transport>,
    pub(super) static_peers: Vec<peers::StaticPeer>,
    pub(super) peers: peers::Peers,
    pub(super) former_peers: Vec<peers::FormerPeer>,
    pub(super) startup: startup::Startup,
    pub(super) takeovers: takeover::Takeovers,
    pub(super) claims: claim::Claims,
    pub(super) contests: contest::Contests,
    pub(super) rivals: rival::Rivals,
    pub(super) leaving: Option<leave::Leaving>,
    /// PEs we suggested to a peer, which may therefore take them from us.
    pub(super) suggested: suggestion::Suggested,
    /// Events about what did not come over an association.
    complaints: Rate,
    /// PEs that others have taken over, and have not said themselves that they know them.
    pub(super) inherited: slots::Slots,
    /// Those of them that the new home has been told of.
    pub(super) told_of: slots::Slots,
}

impl Registrar {
    /// A message came over an association with a registrar.
    pub(super) fn enrp_message(&mut self, id: AssociationId, ppid: u32, data: &Bytes, now: Time) {
        if ppid == PPID_ASAP {
            return self.asap_from_peer(id, data, now);
        }
        if ppid != PPID_ENRP {
            self.ignore(id, IgnoreReason::PayloadProtocol(ppid));
            return;
        }
        let decoded = match Message::decode(data) {
            Ok(decoded) => decoded,
            Err(error) => return self.enrp_undecodable(id, &error),
        };
        let Message { sender, receiver, .. } = decoded.message;
        if let Body::Error(error) = &decoded.message.body
            && sender == self.id
        {
            // RSPLIB sends back the header of the message it complains of. Nobody is told that an error was wrong.
            return self.error_received(id, &error.error);
        }
        if !self.identify(id, sender, receiver, now) {
            return;
        }
        self.heard_peer(sender, now);
        let unrecognized = decoded.unrecognized();
        match decoded.message.body {
            Body::Presence(presence) => self.presence(sender, presence, now),
            Body::HandleTableRequest(request) => self.handle_table_request(sender, request, now),
            Body::HandleTableResponse(response) => self.handle_table_response(sender, response, now),
            Body::HandleUpdate(update) => self.handle_update(sender, update, now),
            Body::ListRequest(_) => self.list_request(sender),
            Body::ListResponse(response) => self.list_response(sender, response, now),
            Body::InitTakeover(init) => self.init_takeover(sender, init.target, now),
            Body::InitTakeoverAck(ack) => self.init_takeover_ack(sender, ack.target, now),
            Body::TakeoverServer(takeover) => self.takeover_server(sender, takeover.target, now),
            Body::Error(error) => self.error_received(id, &error.error),
        }
        if let Some(error) = unrecognized {
            self.report_to_peer(id, error);
        }
    }

    //= https://www.rfc-editor.org/rfc/rfc5353#section-3.1
    //# Point-to-point communication is always carried out over an SCTP
    //# association between the sending server and the receiving server.
    /// Sends a message to one peer, if there is an association with it. Answers whether there was.
    pub(super) fn tell(&mut self, peer: ServerId, body: impl Into<Body>) -> bool {
        let Some(link) = self.link_of(peer) else { return false };
        let Some(data) = self.encode_enrp(peer, body.into()) else { return false };
        self.send_enrp(link, data);
        true
    }

    //= https://www.rfc-editor.org/rfc/rfc5353#section-3.1
    //# Announcements are sent out via "group-casts" over the ENRP server
    //# channel.
    /// Sends a message to all peers there is an association with: a copy each, which also reaches those no multicast reaches.
    pub(super) fn tell_all(&mut self, body: impl Into<Body>) {
        if let Some(data) = self.encode_enrp(ServerId::NONE, body.into()) {
            self.send_to_all(&data);
        }
    }

    pub(super) fn send_to_all(&mut self, data: &Bytes) {
        for link in self.enrp.peers.links() {
            self.send_enrp(link, data.clone());
        }
    }

    pub(super) fn encode_enrp(&mut self, receiver: ServerId, body: Body) -> Option<Bytes> {
        let dialect = Dialect { length_includes_padding: self.settings.wire.length_includes_padding };
        self.buffer.clear();
        let message = Message { sender: self.id, receiver, body, unknown: Vec::new() };
        message.encode(dialect, &mut self.buffer).ok()?;
        Some(Bytes::copy_from_slice(&self.buffer))
    }

    pub(super) fn send_enrp(&mut self, link: AssociationId, data: Bytes) {
        let sent = Sent { length: data.len(), what: What::Answer };
        self.metrics.enrp_sent += 1;
        self.send_encoded(link, sent, data);
    }

    pub(super) fn announce_enrp(&mut self, data: Bytes) {
        self.effects.push_back(Effect::Announce(Channel::Enrp, data));
    }

    pub(super) fn header(&self, receiver: ServerId) -> Header {
        Header { sender: self.id, receiver }
    }

    /// Something came on the ENRP channel. RSPLIB, too, takes nothing but presences from there.
    pub(super) fn enrp_announcement(&mut self, from: SocketAddr, data: &Bytes, now: Time) {
        if !self.settings.multicast {
            return;
        }
        let Ok(decoded) = Message::decode(data) else { return };
        let sender = decoded.message.sender;
        if let Body::Presence(presence) = decoded.message.body
            && sender != self.id
            && sender != ServerId::NONE
        {
            self.presence_announced(from, sender, presence, now);
        }
    }
}

/// What speaks on a channel is told by its payload protocol identifier.
pub(super) fn ppid_of(channel: Channel) -> u32 {
    match channel {
        Channel::Asap => PPID_ASAP,
        Channel::Enrp => PPID_ENRP,
    }
}
