// SPDX-License-Identifier: MIT OR Apache-2.0
//! What other registrars say, RFC 5353: mostly each over its own association, and mostly of its own PEs.

use std::net::SocketAddr;

use machine::association::{AssociationId, Mapping, Peer, PeerIdentity};
use rsp_core::registrar::Input;
use rsp_wire::enrp::{
    Body, Error, HandleTableRequest, HandleTableResponse, HandleUpdate, InitTakeover, InitTakeoverAck, ListRequest,
    ListResponse, Message, PoolEntry, Presence, TakeoverServer, UpdateAction,
};
use rsp_wire::parameter::{ErrorCause, PoolElement, Protocol, ServerInformation, Transport, TransportUse};
use rsp_wire::{Checksum, PeId, PoolHandle, ServerId};
use smallvec::smallvec;

use super::{Command, ID, address, pool_element};
use crate::registrar_harness::RegistrarHarness;
use crate::source::Source;

/// Where ENRP is spoken, and who is named.
pub(super) fn begin(source: &mut Source<'_>, harness: &mut RegistrarHarness) {
    harness.input(Input::EnrpTransports(vec![transport(9)]));
    if source.byte().is_multiple_of(2) {
        harness.input(Input::StaticPeers(vec![SocketAddr::new(address(2), PORT), SocketAddr::new(address(3), PORT)]));
    }
}

/// A registrar connects.
pub(super) fn peer(source: &mut Source<'_>) -> Peer {
    Peer {
        addresses: smallvec![SocketAddr::new(address(1 + source.below(3) as u8), 50_000)],
        local: SocketAddr::new(address(9), PORT),
        mapping: [Mapping::Tcp, Mapping::Sctp][source.below(2)],
        max_message: 65_455,
        identity: PeerIdentity::Anonymous,
        local_addresses: Default::default(),
        own_heartbeat: true,
    }
}

/// A registrar speaks.
pub(super) fn message(source: &mut Source<'_>, id: AssociationId) -> Command {
    let sender = match source.below(16) {
        0 => some_registrar(source),
        _ => REGISTRARS[(id.0 / 2) as usize % 2],
    };
    Command::Enrp(id, Message { sender, receiver: receiver(source), body: body(source, sender), unknown: Vec::new() })
}

/// A registrar speaks to all.
pub(super) fn multicast(source: &mut Source<'_>) -> Command {
    let sender = some_registrar(source);
    let from = SocketAddr::new(address(1 + source.below(3) as u8), PORT);
    let body = if source.below(4) == 0 { body(source, sender) } else { presence(source, sender).into() };
    Command::Multicast(from, Message { sender, receiver: ServerId::NONE, body, unknown: Vec::new() })
}

fn body(source: &mut Source<'_>, sender: ServerId) -> Body {
    match source.below(16) {
        0..=2 => presence(source, sender).into(),
        3 => HandleTableRequest { own_children_only: source.below(2) == 0 }.into(),
        4 | 5 => HandleTableResponse {
            reject: source.below(8) == 0,
            more_to_send: source.below(3) == 0,
            entries: (0..source.below(3)).map(|_| entry(source, sender)).collect(),
        }
        .into(),
        6..=9 => HandleUpdate {
            takeover_suggested: source.below(4) == 0,
            action: match source.below(8) {
                0..5 => UpdateAction::AddPe,
                5 | 6 => UpdateAction::DelPe,
                _ => UpdateAction::Other(9),
            },
            pool_handle: pool(source),
            pool_element: owned(source, sender),
        }
        .into(),
        10 => ListRequest.into(),
        11 => {
            let servers = (0..source.below(4)).map(|_| {
                let server = some_registrar(source);
                information(source, server)
            });
            ListResponse { servers: servers.collect(), reject: source.below(4) == 0 }.into()
        }
        12 => InitTakeover { target: some_registrar(source) }.into(),
        13 => InitTakeoverAck { target: some_registrar(source) }.into(),
        14 => TakeoverServer { target: some_registrar(source) }.into(),
        _ => Error { error: ErrorCause::LackOfResources.into() }.into(),
    }
}

fn presence(source: &mut Source<'_>, sender: ServerId) -> Presence {
    let checksums = [None, Some(Checksum(0xffff)), Some(Checksum(0x1234))];
    Presence {
        reply_required: source.below(2) == 0,
        checksum: checksums[source.below(3)],
        server_information: (source.below(4) > 0).then(|| information(source, sender)),
    }
}

fn information(source: &mut Source<'_>, sender: ServerId) -> ServerInformation {
    let id = if source.below(8) == 0 { some_registrar(source) } else { sender };
    ServerInformation { id, transports: smallvec![transport(1 + source.below(3) as u8)], unknown: Vec::new() }
}

fn transport(host: u8) -> Transport {
    let addresses = smallvec![address(host)];
    Transport { protocol: Protocol::Tcp, port: PORT, transport_use: TransportUse::DATA_ONLY, addresses }
}

fn entry(source: &mut Source<'_>, sender: ServerId) -> PoolEntry {
    let pool_elements = (0..source.below(3)).map(|_| owned(source, sender)).collect();
    PoolEntry { pool_handle: pool(source), pool_elements }
}

fn owned(source: &mut Source<'_>, sender: ServerId) -> PoolElement {
    let id = PeId(source.below(6) as u32);
    let element = pool_element(id, source, address(1));
    let home = if source.below(6) == 0 { some_registrar(source) } else { sender };
    PoolElement { home, ..element }
}

fn pool(source: &mut Source<'_>) -> PoolHandle {
    PoolHandle::from(["echo", "web"][source.below(2)])
}

/// Two that speak, one that never does, the registrar itself, and none.
fn some_registrar(source: &mut Source<'_>) -> ServerId {
    [REGISTRARS[0], REGISTRARS[1], REGISTRARS[1], ServerId(3), ID, ServerId::NONE][source.below(6)]
}

fn receiver(source: &mut Source<'_>) -> ServerId {
    match source.below(16) {
        0 => some_registrar(source),
        1..8 => ID,
        _ => ServerId::NONE,
    }
}

/// One loses arbitrations against the registrar, the other one wins.
const REGISTRARS: [ServerId; 2] = [ServerId(2), ServerId(8)];
const PORT: u16 = 9901;
