// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who opened an association to a pool element? A registrar says KEEP_ALIVE first; everyone else wants a session.

use std::sync::Arc;

use bytes::Bytes;
use machine::association::{AssociationId, Event, Mapping, Peer};
use net::{Associations, Clock, Transports};
use rsp_core::PPID_ASAP;
use rsp_core::config::SessionSettings;
use rsp_core::session::{CookieSeal, PeInput, PeSession as Core};
use rsp_wire::session::SessionParameter;
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
    /// The association for user data of a session that has its control on another.
    Data {
        session_id: u64,
        joining: Box<Joining>,
    },
    /// It ended before it said anything.
    Nobody,
}

/// An association for user data that is to join a session.
#[derive(Debug)]
pub(crate) struct Joining {
    pub(crate) association: net::Association,
    pub(crate) peer: Peer,
    /// Of the message that said so.
    pub(crate) sequence: u64,
}

/// What a pool element's application decided for its sessions.
pub(crate) struct Services {
    pub(crate) acks: bool,
    pub(crate) seal: Option<CookieSeal>,
    /// User data has an association of its own.
    pub(crate) separate: bool,
}

/// The association's identifier in its session.
pub(crate) const ACCEPTED: AssociationId = AssociationId(1);

/// That of the second, if user data has its own.
pub(crate) const DATA: AssociationId = AssociationId(3);

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
    if let Ok(Event::Message { ppid: PPID_ASAP, data, sequence, .. }) = &first
        && let Some(session_id) = joins(data)
    {
        return Role::Data { session_id, joining: Box::new(Joining { association, peer, sequence: *sequence }) };
    }
    let mut machine = Core::new(settings, pe, services.acks, ACCEPTED, &peer, clock.now());
    if let Some(seal) = services.seal {
        machine.seal_cookies(seal);
    }
    if services.separate {
        machine.offer_separate_data();
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

/// The session whose user data this association is to carry, if that is what it says.
fn joins(data: &Bytes) -> Option<u64> {
    let asap::Message::Session(session) = asap::Message::decode(data).ok()?.message else { return None };
    match session.parameters.first()? {
        SessionParameter::Hello(hello) if hello.data => Some(hello.session_id),
        _ => None,
    }
}
