// SPDX-License-Identifier: MIT OR Apache-2.0
//! What holds when the dust has settled.

use std::collections::BTreeMap;

use rsp_core::registrar::PeerState;
use rsp_wire::{PeId, ServerId};

use super::Watcher;
use crate::world::{Host, World};

/// What the registrars that live do not agree on.
pub(super) fn disagreement(world: &World) -> Option<String> {
    let registrars: Vec<Host> =
        world.hosts().filter(|host| matches!(host, Host::Registrar(_)) && world.runs(*host)).collect();
    let identities: BTreeMap<ServerId, Host> =
        registrars.iter().filter_map(|host| Some((world.server_id(*host)?, *host))).collect();
    let elements = world.hosts().filter(|host| matches!(host, Host::Element(_)) && world.runs(*host));
    let mut expected: BTreeMap<PeId, ServerId> = BTreeMap::new();
    for host in elements {
        let element = world.element(host);
        let Some(home) = element.endpoint.home() else { return Some(format!("{host} has no home")) };
        let Some(home) = Host::at(home.address.ip()).and_then(|home| world.server_id(home)) else {
            return Some(format!("{host} has its home at {}, which is no registrar", home.address));
        };
        if element.acknowledged.is_none() {
            return Some(format!("{host} ({}) is not registered", element.id));
        }
        expected.insert(element.id, home);
    }
    for host in &registrars {
        if let Some(disagreement) = handlespace(world, *host, &identities, &expected) {
            return Some(disagreement);
        }
        if let Some(disagreement) = peers(world, *host, &identities) {
            return Some(disagreement);
        }
    }
    None
}

/// Every PE is known, and its home is the one it has adopted, which lives.
fn handlespace(
    world: &World,
    host: Host,
    identities: &BTreeMap<ServerId, Host>,
    expected: &BTreeMap<PeId, ServerId>,
) -> Option<String> {
    if !world.registrar(host).started {
        return Some(format!("{host} is not initialized"));
    }
    let members = world.members_at(host);
    for (id, home) in expected {
        let name = |id: &ServerId| identities.get(id).map_or_else(|| format!("{id}, which is dead"), Host::to_string);
        match members.get(id) {
            None => return Some(format!("{host} does not know {id}, whose home is {}", name(home))),
            Some(other) if other != home => {
                return Some(format!("{host} believes {id} at {}, its home is {}", name(other), name(home)));
            }
            Some(_) => {}
        }
    }
    let dead = members.keys().find(|id| !expected.contains_key(id));
    dead.map(|id| format!("{host} knows {id}, which does not exist"))
}

/// Everybody knows everybody, and the sums agree.
fn peers(world: &World, host: Host, identities: &BTreeMap<ServerId, Host>) -> Option<String> {
    let peers = world.peers_at(host);
    for (id, name) in identities.iter().filter(|(_, name)| **name != host) {
        let Some(peer) = peers.iter().find(|peer| peer.id == *id) else {
            return Some(format!("{host} does not know {name}"));
        };
        if peer.state != PeerState::Active {
            return Some(format!("{host} believes {name} is {:?}", peer.state));
        }
        let own = world.own_sum(*name);
        if peer.sum != own {
            return Some(format!("{host} has {:?} of {name}, which has {own:?}", peer.sum));
        }
        if !peer.agrees {
            return Some(format!("{host} has heard another checksum of {name}"));
        }
    }
    let dead = peers.iter().find(|peer| !identities.contains_key(&peer.id));
    dead.map(|peer| format!("{host} still lists {}, which does not live", peer.id))
}

/// Nothing is said any more but that everybody lives, and that not too often, and what pool elements have registered again.
pub(super) fn quiet(world: &mut World, watcher: &mut Watcher, when: &str) {
    let settings = world.plan.registrar.enrp;
    // What was on its way when all agreed arrives first.
    watcher.watch(world, world.now() + watcher.bounds.resync);
    let (messages, presences, registrations) = (world.enrp_messages(), world.presences(), watcher.report.registrations);
    let start = world.now();
    watcher.watch(world, start + settings.peer_heartbeat_cycle * CYCLES);
    let (said, presences) = (world.enrp_messages() - messages, world.presences() - presences);
    let registrars = u64::from(world.plan.registrars);
    // Those that are on their way back to their PEs count, too.
    watcher.watch(world, world.now() + watcher.bounds.way * 2);
    let updates = (watcher.report.registrations - registrations) * (registrars - 1);
    assert!(said <= updates, "{when}: {said} ENRP messages but presences while nothing happens but {updates} updates");
    // Spread by 12 %, and by the drift of the clock.
    let allowed = registrars * registrars * u64::from(CYCLES + CYCLES / 4 + 1);
    assert!(presences <= allowed, "{when}: {presences} presences in {CYCLES} cycles, {allowed} may be");
    if let Some(disagreement) = disagreement(world) {
        panic!("{when}: no agreement any more: {disagreement}");
    }
}

const CYCLES: u32 = 8;
