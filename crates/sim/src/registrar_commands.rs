// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any bytes as a list of commands, with time, to a registrar: for property tests and the fuzz target `registrar`.
//!
//! A few pools, identifiers, addresses and associations, so that commands meet each other often. Other registrars (`registrars.rs`) say whatever they like.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use machine::association::{AssociationId, LostReason, Mapping, Peer, PeerIdentity};
use rsp_core::config::{Limits, Profile, RegistrarSettings};
use rsp_core::registrar::{Channel, Input};
use rsp_core::{PPID_ASAP, PPID_ENRP};
use rsp_wire::asap::{
    Deregistration, EndpointKeepAliveAck, EndpointUnreachable, Error, HandleResolution, Message, Registration,
    ServerAnnounce,
};
use rsp_wire::parameter::{
    ErrorCause, OperationError, Policy, PoolElement, Protocol, RegistrationLife, Transport, TransportUse, UserTransport,
};
use rsp_wire::{Dialect, PeId, PoolHandle, ServerId, enrp};
use smallvec::smallvec;

mod registrars;

use crate::registrar_harness::RegistrarHarness;
use crate::source::Source;

/// One command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// An association comes up: a new one, or one the registrar opened.
    Up(AssociationId, Peer),
    /// One ends.
    Lost(AssociationId, LostReason),
    /// A message arrives.
    Message(AssociationId, Message),
    /// Bytes arrive.
    Raw(AssociationId, u32, Bytes),
    /// Every keep-alive on its way is answered.
    AnswerKeepAlives,
    /// The peer stops reading, or reads again.
    Hold(AssociationId, bool),
    /// Another registrar's announcement arrives.
    Announcement(ServerId),
    /// A registrar's message arrives.
    Enrp(AssociationId, enrp::Message),
    /// A registrar's message arrives by multicast.
    Multicast(SocketAddr, enrp::Message),
    /// The registrar is to stop in order.
    Leave,
    /// Time passes.
    Wait(Duration),
    /// The process is stopped.
    Sleep(Duration),
}

/// Runs the commands that `bytes` stand for. Panics if something does not hold that always must.
pub fn run(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    let mut harness = RegistrarHarness::new(ID, settings(&mut source), vec![address(9)], u64::from(source.byte()));
    registrars::begin(&mut source, &mut harness);
    let mut accepted = 1;
    for _ in 0..MOST_COMMANDS {
        if source.is_empty() {
            return;
        }
        let command = command(&mut source, &harness, &mut accepted);
        perform(&mut harness, command);
    }
}

/// Does one command.
pub fn perform(harness: &mut RegistrarHarness, command: Command) {
    match command {
        Command::Up(id, peer) => {
            // An even identifier is one the registrar has drawn.
            if !harness.is_up(id) && (id.0 % 2 == 1 || harness.has(id)) {
                harness.up(id, peer);
            }
        }
        Command::Lost(id, reason) => drop(harness.lost(id, reason)),
        Command::Message(id, message) => {
            if let Ok(data) = message.to_bytes(Dialect::STANDARD)
                && harness.is_up(id)
            {
                harness.message(id, PPID_ASAP, data);
            }
        }
        Command::Raw(id, ppid, data) => {
            if harness.is_up(id) {
                harness.message(id, ppid, data);
            }
        }
        Command::AnswerKeepAlives => answer_keep_alives(harness),
        Command::Hold(id, held) => drop(harness.hold(id, held)),
        Command::Announcement(server_id) => {
            let announce = ServerAnnounce { server_id, transports: smallvec![], unknown: Vec::new() };
            if let Ok(data) = Message::ServerAnnounce(announce).to_bytes(Dialect::STANDARD) {
                harness.input(Input::Announcement {
                    channel: Channel::Asap,
                    from: SocketAddr::new(address(8), 3863),
                    data,
                });
            }
        }
        Command::Enrp(id, message) => {
            if let Ok(data) = message.to_bytes(Dialect::STANDARD)
                && harness.is_up(id)
            {
                harness.message(id, PPID_ENRP, data);
            }
        }
        Command::Multicast(from, message) => {
            if let Ok(data) = message.to_bytes(Dialect::STANDARD) {
                harness.input(Input::Announcement { channel: Channel::Enrp, from, data });
            }
        }
        Command::Leave => drop(harness.input(Input::Leave)),
        Command::Wait(duration) => drop(harness.wait(duration)),
        Command::Sleep(duration) => drop(harness.sleep(duration)),
    }
}

fn answer_keep_alives(harness: &mut RegistrarHarness) {
    let handles: Vec<PoolHandle> = harness.registrar.pools().map(|pool| pool.handle).collect();
    for pool_handle in handles {
        let Some((_, members)) = harness.registrar.pool(&pool_handle, harness.now()) else { continue };
        for member in members {
            if let Some(reached) = member.reached.filter(|reached| reached.up && reached.keep_alive_pending) {
                let pe_id = member.element.id;
                let ack = EndpointKeepAliveAck { pool_handle: pool_handle.clone(), pe_id, unknown: Vec::new() };
                perform(harness, Command::Message(reached.association, ack.into()));
            }
        }
    }
}

/// Settings whose limits are met soon.
fn settings(source: &mut Source<'_>) -> RegistrarSettings {
    let profile = Profile::ALL[source.below(4)];
    let limits = Limits {
        pools: 2,
        pool_elements: 6,
        pool_elements_per_pool: 4,
        subscriptions: 3,
        associations: 6,
        requests_per_second: [2, 50, 1_000_000][source.below(3)],
        buffered_bytes: [600, 4 << 20][source.below(2)],
        peers: 3,
        downloads: 1,
        ..Limits::default()
    };
    let accept_foreign_addresses = source.byte().is_multiple_of(8);
    let mut settings = RegistrarSettings { limits, accept_foreign_addresses, ..RegistrarSettings::of(profile) };
    settings.multicast = source.byte().is_multiple_of(2);
    settings.enrp.handle_table_page = 150;
    settings.enrp.takeover_suggestions = source.byte().is_multiple_of(2);
    settings
}

fn command(source: &mut Source<'_>, harness: &RegistrarHarness, accepted: &mut u64) -> Command {
    match source.below(28) {
        0 => {
            *accepted += 2;
            Command::Up(AssociationId(*accepted), peer(source))
        }
        1 => Command::Up(association(source, harness), peer(source)),
        2 => {
            let reasons = [LostReason::Reset, LostReason::Refused, LostReason::PeerClosed, LostReason::HeartbeatMissed];
            Command::Lost(association(source, harness), reasons[source.below(4)].clone())
        }
        3 => Command::AnswerKeepAlives,
        4 => Command::Hold(association(source, harness), source.below(2) == 0),
        5 => Command::Wait(Duration::from_millis(u64::from(source.byte()) * 20)),
        6 => Command::Wait(Duration::from_millis(u64::from(source.byte()))),
        7 => match source.below(3) {
            0 => Command::Sleep(Duration::from_millis(u64::from(source.byte()) * 200)),
            1 => Command::Announcement(ServerId(source.below(3) as u32)),
            _ => {
                let ppid = [PPID_ASAP, PPID_ASAP, 12, 0][source.below(4)];
                let length = source.below(64);
                Command::Raw(association(source, harness), ppid, source.bytes(length))
            }
        },
        16..=24 => {
            let id = association(source, harness);
            registrars::message(source, id)
        }
        25 => {
            *accepted += 2;
            Command::Up(AssociationId(*accepted), registrars::peer(source))
        }
        26 => registrars::multicast(source),
        27 => match source.byte() {
            0 if source.byte() < 64 => Command::Leave,
            _ => Command::AnswerKeepAlives,
        },
        _ => {
            let id = association(source, harness);
            let peer =
                harness.registrar.associations().find(|(up, _)| *up == id).map(|(_, peer)| peer.addresses[0].ip());
            let own = peer.unwrap_or(address(1));
            Command::Message(id, message(source, own))
        }
    }
}

fn message(source: &mut Source<'_>, own: IpAddr) -> Message {
    let pool_handle = PoolHandle::from(["echo", "echo", "web", "mail"][source.below(4)]);
    let pe_id = PeId(source.below(4) as u32);
    let unknown = Vec::new();
    match source.below(12) {
        0..=3 => Registration { pool_handle, pool_element: pool_element(pe_id, source, own), unknown }.into(),
        4 => Deregistration { pool_handle, pe_id, unknown }.into(),
        5 | 6 => {
            let items = [None, Some(0), Some(1), Some(2), Some(u32::MAX)][source.below(5)];
            HandleResolution { subscribe: source.below(2) == 0, pool_handle, items, unknown }.into()
        }
        7..=9 => EndpointKeepAliveAck { pool_handle, pe_id, unknown }.into(),
        10 => EndpointUnreachable { pool_handle, pe_id, unknown }.into(),
        _ => Error { error: OperationError(smallvec![ErrorCause::LackOfResources]), unknown }.into(),
    }
}

fn pool_element(id: PeId, source: &mut Source<'_>, own: IpAddr) -> PoolElement {
    let value = u32::from(source.byte());
    let policy = [
        Policy::LeastUsed { load: value << 24 },
        Policy::LeastUsed { load: value << 24 },
        Policy::LeastUsed { load: value << 24 },
        Policy::LeastUsed { load: value << 24 },
        Policy::RoundRobin,
        Policy::WeightedRandom { weight: value },
        Policy::Other { policy_type: value, data: Bytes::new() },
    ][source.below(20).saturating_sub(13)]
    .clone();
    PoolElement {
        id,
        home: ServerId::NONE,
        life: RegistrationLife([-1, -1, -1, 3000, 300, 30, 5, 1, 0, i32::MIN][source.below(10)]),
        user_transport: match source.below(8) {
            0 => UserTransport::Opaque(Bytes::from_static(b"anything")),
            _ => UserTransport::Ip(transport(source, own)),
        },
        policy,
        asap_transport: (source.below(2) == 0).then(|| transport(source, own)),
        unknown: Vec::new(),
    }
}

fn transport(source: &mut Source<'_>, own: IpAddr) -> Transport {
    let protocol = [Protocol::Tcp, Protocol::Tcp, Protocol::Tcp, Protocol::Sctp, Protocol::Udp][source.below(5)];
    let mut some_address = || match source.below(4) {
        0 => address(source.below(3) as u8),
        _ => own,
    };
    let mut addresses = smallvec![some_address()];
    if protocol == Protocol::Sctp {
        addresses.push(some_address());
    }
    Transport {
        protocol,
        port: [7000, 7000, 7001, 7002, 7000, 0][source.below(6)],
        transport_use: TransportUse(u16::from(source.below(5) > 0)),
        addresses,
    }
}

fn peer(source: &mut Source<'_>) -> Peer {
    Peer {
        addresses: smallvec![SocketAddr::new(address(source.below(3) as u8), 5000)],
        local: SocketAddr::new(address(9), 3863),
        mapping: [Mapping::Tcp, Mapping::Tcp, Mapping::Tcp, Mapping::Sctp, Mapping::Sctp, Mapping::PlainAsap]
            [source.below(6)],
        max_message: 65_455,
        identity: PeerIdentity::Anonymous,
        local_addresses: Default::default(),
        own_heartbeat: true,
    }
}

/// 0 is this host's loopback, 9 the registrar's host.
fn address(host: u8) -> IpAddr {
    match host {
        0 => Ipv4Addr::LOCALHOST.into(),
        host => Ipv4Addr::new(192, 0, 2, host).into(),
    }
}

/// One that exists, or none.
fn association(source: &mut Source<'_>, harness: &RegistrarHarness) -> AssociationId {
    let ids: Vec<AssociationId> = harness.ids().collect();
    ids.get(source.below(ids.len() + 1)).copied().unwrap_or(AssociationId(0))
}

/// The registrar's.
const ID: ServerId = ServerId(5);

const MOST_COMMANDS: usize = 2_000;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn no_list_of_commands_breaks_a_registrar(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
            run(&bytes);
        }
    }

    #[test]
    fn the_commands_reach_every_counter() {
        let mut rng = machine::Rng::new(5);
        let mut source: Vec<u8> = vec![0, 2, 1, 1];
        source.extend((0..600_000).map(|_| rng.next_u32() as u8));
        let mut source = Source::new(&source);
        let mut harness = RegistrarHarness::new(ID, settings(&mut source), vec![address(9)], 1);
        registrars::begin(&mut source, &mut harness);
        let mut accepted = 1;
        while !source.is_empty() {
            let command = command(&mut source, &harness, &mut accepted);
            perform(&mut harness, command);
        }
        let metrics = harness.registrar.metrics();
        assert!(metrics.registrations > 20 && metrics.reregistrations > 5, "{metrics:?}");
        assert!(metrics.updates > 0 && metrics.keep_alive_acks > 0 && metrics.errors_sent > 0, "{metrics:?}");
        assert!(metrics.updates_received > 20 && metrics.updates_announced > 5, "{metrics:?}");
        assert!(metrics.resynchronizations > 0 && metrics.pages_sent > 0, "{metrics:?}");
        assert!(metrics.peers_dead > 0 && metrics.takeovers > 0 && metrics.peer_messages_refused > 5, "{metrics:?}");
        assert!(metrics.removed.iter().filter(|removed| **removed > 0).count() >= 4, "{metrics:?}");
    }
}
