// SPDX-License-Identifier: MIT OR Apache-2.0
//! The handlespace against a model that does the same the slow way, over random sequences of commands.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::BytesMut;
use proptest::prelude::*;
use rsp_core::config::Limits;
use rsp_core::handlespace::{Advance, Change, Cursor, Handlespace, Resolution};
use rsp_wire::asap::Message;
use rsp_wire::parameter::{
    ErrorCause, Policy, PoolElement, Protocol, RegistrationLife, Transport, TransportUse, UserTransport,
};
use rsp_wire::{PeId, PoolHandle, ServerId};

const PER_POOL: usize = 9;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn the_handlespace_does_what_the_model_does(commands in prop::collection::vec(command(), 1..150)) {
        let limits = Limits { pools: 3, pool_elements: 20, pool_elements_per_pool: PER_POOL, ..Limits::default() };
        let mut space = Handlespace::new(limits, 32, 1);
        let mut model = Model::default();
        for command in &commands {
            run(command, &mut space, &mut model)?;
            compare(&space, &model)?;
        }
    }
}

#[derive(Debug, Clone)]
enum Command {
    Register { pool: u8, element: PoolElement, home: u32 },
    Deregister { pool: u8, id: u32 },
    Resolve { pool: u8, items: u32, advance: bool, max_message: usize },
    SetHome { pool: u8, id: u32, home: u32 },
}

fn command() -> impl Strategy<Value = Command> {
    let (pool, id, home) = (0..4u8, 0..12u32, 1..4u32);
    let register = (pool.clone(), any::<u8>(), id.clone(), 0..4u32, 0..3u32, home.clone(), 0..12u8);
    prop_oneof![
        6 => register.prop_map(|(pool, odd, id, value, other, home, shape)| {
            // A pool's PEs mostly have its policy; now and then one tries another.
            let kind = if odd < 20 { odd } else { pool * 3 };
            Command::Register { pool, element: pe(id, policy(kind, value, other), shape), home }
        }),
        2 => (pool.clone(), id.clone()).prop_map(|(pool, id)| Command::Deregister { pool, id }),
        4 => (pool.clone(), 0..12u32, any::<bool>(), 60..600usize).prop_map(|(pool, items, advance, max_message)| {
            let items = if items == 11 { u32::MAX } else { items };
            Command::Resolve { pool, items, advance, max_message }
        }),
        1 => (pool, id, home).prop_map(|(pool, id, home)| Command::SetHome { pool, id, home }),
    ]
}

fn policy(kind: u8, value: u32, other: u32) -> Policy {
    match kind % 10 {
        0 => Policy::LeastUsedDegradation { load: value, degradation: other },
        1 => Policy::WeightedRandom { weight: value },
        2 => Policy::PriorityLeastUsed { load: value, degradation: other },
        3 => Policy::WeightedRoundRobin { weight: value },
        4 => Policy::Priority { priority: value },
        5 => Policy::RandomizedLeastUsed { load: u32::MAX - value },
        6 => Policy::LeastUsed { load: value },
        7 => Policy::Random,
        8 => Policy::LeastUsedDpf { load: value, load_dpf: 1, distance: other },
        _ => Policy::RoundRobin,
    }
}

/// `shape` chooses the transports: some fit a cache line, some do not, few differ from the rest of the pool.
fn pe(id: u32, policy: Policy, shape: u8) -> PoolElement {
    let v4 = |n| IpAddr::V4(Ipv4Addr::new(192, 0, 2, n));
    let v6 = IpAddr::V6(Ipv6Addr::LOCALHOST);
    let transport = |protocol, port, transport_use, addresses: &[IpAddr]| Transport {
        protocol,
        port,
        transport_use,
        addresses: addresses.into(),
    };
    let both = TransportUse::DATA_PLUS_CONTROL;
    let user = match shape {
        0 => transport(Protocol::Tcp, 7, both, &[v4(1)]),
        1 => transport(Protocol::Sctp, 7, TransportUse::DATA_ONLY, &[v4(1)]),
        2..5 => transport(Protocol::Sctp, 7, both, &[v4(1), v6, v4(2)]),
        _ => transport(Protocol::Sctp, 7, both, &[v4(1)]),
    };
    let asap_transport = match shape {
        3 | 5 => Some(transport(Protocol::Sctp, 9, both, &[v4(3)])),
        7 => Some(user.clone()),
        _ => None,
    };
    PoolElement {
        id: PeId(id),
        home: ServerId::NONE,
        life: RegistrationLife(i32::from(shape)),
        user_transport: UserTransport::Ip(user),
        policy,
        asap_transport,
        unknown: vec![],
    }
}

/// Pools with their PEs in the order they came.
#[derive(Default)]
struct Model(BTreeMap<u8, Pool>);

struct Pool {
    first: PoolElement,
    members: Vec<PoolElement>,
    /// Of the policies that choose by rank: who is next, for each rank.
    rings: BTreeMap<u64, VecDeque<u32>>,
}

impl Model {
    fn len(&self) -> usize {
        self.0.values().map(|pool| pool.members.len()).sum()
    }

    fn register(&mut self, pool: u8, element: &PoolElement) -> Result<bool, ErrorCause> {
        let (pools, len) = (self.0.len(), self.len());
        let Some(entry) = self.0.get_mut(&pool) else {
            if pools >= 3 || len >= 20 {
                return Err(ErrorCause::LackOfResources);
            }
            let mut entry = Pool { first: element.clone(), members: vec![], rings: BTreeMap::new() };
            entry.add(element);
            self.0.insert(pool, entry);
            return Ok(true);
        };
        let (pool, own) = (ip(&entry.first), ip(element));
        if std::mem::discriminant(&entry.first.policy) != std::mem::discriminant(&element.policy) {
            return Err(ErrorCause::InconsistentPoolPolicy(None));
        }
        if pool.protocol != own.protocol {
            return Err(ErrorCause::InconsistentTransportType(None));
        }
        if pool.transport_use != own.transport_use {
            return Err(ErrorCause::InconsistentDataControlConfiguration);
        }
        let known = entry.members.iter().position(|member| member.id == element.id);
        match known {
            Some(at) => {
                let kept = entry.rank_of(element.id).zip(rank(&element.policy)).is_some_and(|(a, b)| a == b.0);
                if !kept {
                    entry.unlink(element.id);
                    entry.link(element);
                }
                entry.members[at] = element.clone();
            }
            None if entry.members.len() >= PER_POOL || len >= 20 => return Err(ErrorCause::LackOfResources),
            None => entry.add(element),
        }
        Ok(known.is_none())
    }

    fn deregister(&mut self, pool: u8, id: u32) -> Option<bool> {
        let entry = self.0.get_mut(&pool)?;
        let at = entry.members.iter().position(|member| member.id == PeId(id))?;
        entry.members.remove(at);
        entry.unlink(PeId(id));
        let last = entry.members.is_empty();
        if last {
            self.0.remove(&pool);
        }
        Some(last)
    }
}

impl Pool {
    fn add(&mut self, element: &PoolElement) {
        self.members.push(element.clone());
        self.link(element);
    }

    fn link(&mut self, element: &PoolElement) {
        if let Some((rank, _)) = rank(&element.policy) {
            self.rings.entry(rank).or_default().push_back(element.id.0);
        }
    }

    fn unlink(&mut self, id: PeId) {
        self.rings.values_mut().for_each(|ring| ring.retain(|&member| member != id.0));
        self.rings.retain(|_, ring| !ring.is_empty());
    }

    fn rank_of(&self, id: PeId) -> Option<u64> {
        self.rings.iter().find(|(_, ring)| ring.contains(&id.0)).map(|(rank, _)| *rank)
    }

    fn order(&self) -> Vec<u32> {
        self.rings.values().flatten().copied().collect()
    }

    fn charge(&mut self, picked: &[u32]) {
        let mut turned = None;
        for &id in picked {
            let (Some(rank), Some(degradation)) = (self.rank_of(PeId(id)), self.degradation(id)) else { continue };
            if degradation > 0 {
                self.unlink(PeId(id));
                self.rings.entry(rank + degradation).or_default().push_back(id);
            } else if turned != Some(rank) {
                turned = Some(rank);
                let ring = self.rings.get_mut(&rank).expect("it has a member");
                while ring.back() != Some(&id) {
                    ring.rotate_left(1);
                }
            }
        }
    }

    fn degradation(&self, id: u32) -> Option<u64> {
        let member = self.members.iter().find(|member| member.id.0 == id)?;
        rank(&member.policy).map(|(_, degradation)| degradation)
    }
}

/// Rank and degradation for the policies that choose by rank.
fn rank(policy: &Policy) -> Option<(u64, u64)> {
    Some(match *policy {
        Policy::RoundRobin => (0, 0),
        Policy::LeastUsedDpf { load, load_dpf, distance } => {
            (u64::from(load + load_dpf * distance) << 32 | u64::from(distance), 0)
        }
        Policy::Priority { priority } => (1_000 - u64::from(priority), 0),
        Policy::LeastUsed { load } => (u64::from(load), 0),
        Policy::PriorityLeastUsed { load, degradation } => (u64::from(load + degradation), 0),
        Policy::LeastUsedDegradation { load, degradation } => (u64::from(load), u64::from(degradation)),
        _ => return None,
    })
}

fn has_weight(policy: &Policy) -> bool {
    match *policy {
        Policy::WeightedRoundRobin { weight } | Policy::WeightedRandom { weight } => weight > 0,
        Policy::RandomizedLeastUsed { load } => load < u32::MAX,
        _ => true,
    }
}

fn ip(element: &PoolElement) -> &Transport {
    match &element.user_transport {
        UserTransport::Ip(transport) => transport,
        UserTransport::Opaque(_) => panic!("this test has none"),
    }
}

fn handle(pool: u8) -> PoolHandle {
    // Lengths that need padding and one that does not.
    PoolHandle::from("a pool!!"[..5 + usize::from(pool)].to_owned())
}

fn run(command: &Command, space: &mut Handlespace, model: &mut Model) -> Result<(), TestCaseError> {
    match command {
        Command::Register { pool, element, home } => {
            let kept = PoolElement { home: ServerId(*home), ..element.clone() };
            let expected = model.register(*pool, &kept);
            let result = space.register(&handle(*pool), element, ServerId(*home));
            match (result, expected) {
                (Ok(registered), Ok(new)) => {
                    prop_assert_eq!(matches!(registered.change, Change::New { .. }), new);
                }
                (Err(cause), Err(expected)) => {
                    prop_assert_eq!(std::mem::discriminant(&cause), std::mem::discriminant(&expected), "{:?}", cause);
                }
                (result, expected) => prop_assert!(false, "{:?} instead of {:?}", result, expected),
            }
        }
        Command::Deregister { pool, id } => {
            let removed = space.deregister(&handle(*pool), PeId(*id));
            prop_assert_eq!(removed.map(|removed| removed.last_of_pool), model.deregister(*pool, *id));
        }
        Command::SetHome { pool, id, home } => {
            if let Some(slot) = space.find(&handle(*pool), PeId(*id)) {
                space.set_home(slot, ServerId(*home));
            }
            let entry = model.0.get_mut(pool);
            if let Some(member) = entry.and_then(|entry| entry.members.iter_mut().find(|m| m.id.0 == *id)) {
                member.home = ServerId(*home);
            }
        }
        Command::Resolve { pool, items, advance, max_message } => {
            let advance = if *advance { Advance::Yes } else { Advance::No };
            resolve(*pool, *items, advance, *max_message, space, model)?;
        }
    }
    Ok(())
}

fn resolve(
    pool: u8,
    items: u32,
    advance: Advance,
    max_message: usize,
    space: &mut Handlespace,
    model: &mut Model,
) -> Result<(), TestCaseError> {
    let mut out = BytesMut::new();
    let how = Resolution { items, advance, accept_updates: true, max_message };
    let count = space.resolve(handle(pool).as_bytes(), how, &mut out);
    let Some(entry) = model.0.get_mut(&pool) else {
        prop_assert!(count.is_none() && out.is_empty());
        return Ok(());
    };
    prop_assert!(out.len() <= max_message);
    let decoded = Message::decode(&out.clone().freeze()).expect("it is a message").message;
    let Message::HandleResolutionResponse(response) = decoded else { panic!("{decoded:?}") };
    let ids: Vec<u32> = response.pool_elements.iter().map(|element| element.id.0).collect();
    prop_assert_eq!(count, Some(ids.len()));
    prop_assert_eq!(&response.pool_handle, &handle(pool));
    for element in &response.pool_elements {
        let member = entry.members.iter().find(|member| member.id == element.id);
        let expected = member.map(|member| PoolElement { asap_transport: None, ..member.clone() });
        prop_assert_eq!(expected.as_ref(), Some(element));
    }
    let mut sorted = ids.clone();
    sorted.sort_unstable();
    sorted.dedup();
    prop_assert_eq!(sorted.len(), ids.len(), "nobody twice");
    let full = out.len() + 100 > max_message;
    prop_assert!(full || ids.len() == entry.members.len().min(items as usize), "all that were asked for");
    let weights: Vec<bool> = response.pool_elements.iter().map(|element| has_weight(&element.policy)).collect();
    prop_assert!(weights.is_sorted_by(|a, b| a >= b), "those without weight come last");
    if !entry.rings.is_empty() {
        prop_assert_eq!(&entry.order()[..ids.len()], &ids[..]);
        if advance == Advance::Yes {
            entry.charge(&ids);
        }
    }
    Ok(())
}

fn compare(space: &Handlespace, model: &Model) -> Result<(), TestCaseError> {
    prop_assert_eq!((space.pool_count(), space.element_count()), (model.0.len(), model.len()));
    for (&pool, entry) in &model.0 {
        let view = space.pool(&handle(pool)).expect("the model has it");
        prop_assert_eq!(view.len(), entry.members.len());
        prop_assert_eq!(view.elements().count(), entry.members.len());
        for member in &entry.members {
            let slot = space.find(&handle(pool), member.id).expect("the model has it");
            let kept = space.element(slot).and_then(|element| element.to_pool_element());
            prop_assert_eq!(kept.as_ref(), Some(member));
        }
    }
    for home in 1..4 {
        let owned = space.owned_by(ServerId(home), Cursor::default()).count();
        let expected = model.0.values().flat_map(|pool| &pool.members).filter(|m| m.home == ServerId(home)).count();
        prop_assert_eq!(owned, expected);
    }
    Ok(())
}
