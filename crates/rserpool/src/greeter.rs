// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who opened an association to a pool element? A registrar says KEEP_ALIVE first; everyone else wants a session.

use std::sync::Arc;

use bytes::Bytes;
use machine::association::{AssociationId, Event, Mapping, Peer};
use net::{Associations, Clock, Transports};
use rsp_core::PPID_ASAP;
use rsp_core::config::SessionSettings;
use rsp_core::session::{CookieSeal, PeInput, PeSession as Core};
use rsp_wire::{PeId, asap};

use machine::Machine;

/// What a newly accepted association turned out to be.
pub(crate) enum Role {
    Registrar {
        association: Box<net::Association>,
        first: Vec<Event>,
    },
    PoolUser {
        machine: Box<Core>,
        associations: Box<Associations>,
        peer: Peer,
    },
    /// It ended before it said anything.
    Nobody,
}

/// What a pool element's application decided for its sessions.
pub(crate) struct Services {
    pub(crate) acks: bool,
    pub(crate) seal: Option<CookieSeal>,
}

/// The association's identifier in its session.
pub(crate) const ACCEPTED: AssociationId = AssociationId(1);

/// Waits for the first message, at most `hello_wait` after the association is up.
pub(crate) async fn greet(
    mut association: net::Association,
    settings: Arc<SessionSettings>,
    options: net::Options,
    pe: PeId,
    clock: Clock,
    transports: Transports,
    services: Services,
) -> Role {
    let peer = match association.next().await {
        Event::Up(peer) => peer,
        _ => return Role::Nobody,
    };
    let first = tokio::time::timeout(settings.hello_wait, first_word(&mut association)).await;
    if let Ok(Event::Message { ppid: PPID_ASAP, data, .. }) = &first
        && is_keep_alive(data)
    {
        return Role::Registrar {
            association: Box::new(association),
            first: vec![Event::Up(peer), first.expect("matched above")],
        };
    }
    // Plain ASAP is for registrars; as a session it would have no heartbeat and no end.
    if peer.mapping == Mapping::PlainAsap {
        return Role::Nobody;
    }
    let mut machine = Core::new(settings, pe, services.acks, ACCEPTED, &peer, clock.now());
    if let Some(seal) = services.seal {
        machine.seal_cookies(seal);
    }
    match first {
        Ok(Event::Lost(_)) => return Role::Nobody,
        Ok(event) => machine.handle_input(PeInput::Association(event), clock.now()),
        // Silence: the application may want to speak first.
        Err(_) => {}
    }
    let mut associations = Associations::new(transports, options);
    associations.adopt(ACCEPTED, association);
    Role::PoolUser { machine: Box::new(machine), associations: Box::new(associations), peer }
}

/// What comes first from the other end: that we ourselves were asleep says nothing of who is there.
async fn first_word(association: &mut net::Association) -> Event {
    loop {
        match association.next().await {
            Event::Paused | Event::PathChange { .. } | Event::RoundTripTime(_) => {}
            event => return event,
        }
    }
}

fn is_keep_alive(data: &Bytes) -> bool {
    matches!(asap::Message::decode(data), Ok(decoded) if matches!(decoded.message, asap::Message::EndpointKeepAlive(_)))
}
