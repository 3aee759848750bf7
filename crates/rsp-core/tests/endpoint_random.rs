// SPDX-License-Identifier: MIT OR Apache-2.0
//! An endpoint under random commands, registrars, messages and time: nothing panics, and what it promises holds.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use machine::{Machine, Output, Time};
use proptest::collection::vec;
use proptest::prelude::*;
use rsp_core::association::{self, AssociationId, LostReason, Mapping, Peer, PeerIdentity, Request, Token};
use rsp_core::config::{EndpointSettings, Profile};
use rsp_core::endpoint::{
    Command, Effect, Endpoint, Freshness, Input, Life, Register, RegistrarAddress, RegistrationId, Reply, RequestId,
};
use rsp_core::{PPID_ASAP, PPID_ENRP};
use rsp_wire::asap::{self, Message};
use rsp_wire::parameter::{
    ErrorCause, OperationError, Policy, PoolElement, Protocol, RegistrationLife, Transport, TransportUse, UserTransport,
};
use rsp_wire::{Dialect, PeId, PoolHandle, ServerId};

/// What happens. Numbers are small, so that they often mean something.
#[derive(Debug, Clone)]
enum Step {
    Register { pool: u8, pe: u8, life: u8, policy: u8 },
    Update { registration: u8, policy: u8 },
    Deregister(u8),
    Resolve { pool: u8, items: u8, fresh: bool },
    Select { pool: u8, avoid: u8 },
    Cancel(u8),
    Watch(u8),
    Unwatch(u8),
    Report { pool: u8, pe: u8 },
    Up(u8),
    Accept,
    Lost(u8),
    Delivered { association: u8, token: u8, delivered: bool },
    Message { association: u8, message: u8, pool: u8, pe: u8, flag: bool, policy: u8 },
    Garbage { association: u8, ppid: u32, bytes: Vec<u8> },
    Announcement { server: u8, registrar: u8, garbage: Vec<u8> },
    Wait(u32),
}

fn step() -> impl Strategy<Value = Step> {
    let n = || 0..6u8;
    prop_oneof![
        2 => (n(), n(), any::<u8>(), n()).prop_map(|(pool, pe, life, policy)| Step::Register { pool, pe, life, policy }),
        1 => (n(), n()).prop_map(|(registration, policy)| Step::Update { registration, policy }),
        1 => n().prop_map(Step::Deregister),
        2 => (n(), n(), any::<bool>()).prop_map(|(pool, items, fresh)| Step::Resolve { pool, items, fresh }),
        2 => (n(), n()).prop_map(|(pool, avoid)| Step::Select { pool, avoid }),
        1 => n().prop_map(Step::Cancel),
        1 => n().prop_map(Step::Watch),
        1 => n().prop_map(Step::Unwatch),
        1 => (n(), n()).prop_map(|(pool, pe)| Step::Report { pool, pe }),
        4 => n().prop_map(Step::Up),
        1 => Just(Step::Accept),
        2 => n().prop_map(Step::Lost),
        1 => (n(), n(), any::<bool>())
            .prop_map(|(association, token, delivered)| Step::Delivered { association, token, delivered }),
        8 => (n(), any::<u8>(), n(), n(), any::<bool>(), n()).prop_map(
            |(association, message, pool, pe, flag, policy)| Step::Message { association, message, pool, pe, flag, policy }
        ),
        1 => (n(), any::<bool>(), vec(any::<u8>(), 0..40)).prop_map(|(association, asap, bytes)| Step::Garbage {
            association,
            ppid: if asap { PPID_ASAP } else { PPID_ENRP },
            bytes
        }),
        1 => (n(), n(), vec(any::<u8>(), 0..8))
            .prop_map(|(server, registrar, garbage)| Step::Announcement { server, registrar, garbage }),
        4 => (0..20_000u32).prop_map(Step::Wait),
    ]
}

struct World {
    endpoint: Endpoint,
    now: Time,
    deadline: Option<Time>,
    /// Opened by the endpoint: up or not.
    open: BTreeMap<AssociationId, bool>,
    accepted: BTreeSet<AssociationId>,
    next_accepted: u64,
    next_request: u64,
    next_registration: u64,
    sequence: u64,
    taken: BTreeSet<u64>,
    unanswered: BTreeSet<u64>,
    registering: BTreeSet<u64>,
    leaving: BTreeSet<u64>,
}

impl World {
    fn new(profile: Profile, registrars: u8) -> Self {
        let settings = EndpointSettings { max_cached_pools: 4, ..EndpointSettings::of(profile) };
        let registrars = (0..registrars).map(|n| RegistrarAddress::tcp(registrar(n))).collect();
        World {
            endpoint: Endpoint::new(settings, registrars, 1),
            now: Time::ZERO,
            deadline: None,
            open: BTreeMap::new(),
            accepted: BTreeSet::new(),
            next_accepted: 1,
            next_request: 0,
            next_registration: 0,
            sequence: 0,
            taken: BTreeSet::new(),
            unanswered: BTreeSet::new(),
            registering: BTreeSet::new(),
            leaving: BTreeSet::new(),
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Register { pool: n, pe, life, policy: p } => {
                let registration = RegistrationId(self.next_registration);
                self.registering.insert(self.next_registration);
                self.next_registration += 1;
                self.command(Command::Register(Register {
                    registration,
                    pool: pool(n),
                    pe_id: PeId(pe.into()),
                    life: if life == 0 { Life::Infinite } else { Life::For(Duration::from_secs(life.into())) },
                    policy: policy(p, 1),
                    user_transport: user_transport(pe),
                    asap_transport: None,
                }));
            }
            Step::Update { registration, policy: p } => {
                let registration = RegistrationId(registration.into());
                self.command(Command::Update { registration, policy: Some(policy(p, 2)), user_transport: None });
            }
            Step::Deregister(registration) => {
                let registration = u64::from(registration);
                if registration < self.next_registration {
                    self.leaving.insert(registration);
                }
                self.command(Command::Deregister { registration: RegistrationId(registration) });
            }
            Step::Resolve { pool: n, items, fresh } => {
                let request = self.request();
                let freshness = if fresh { Freshness::Fresh } else { Freshness::Cached };
                self.command(Command::Resolve { request, pool: pool(n), items: items.into(), freshness });
            }
            Step::Select { pool: n, avoid } => {
                let request = self.request();
                let avoid = (0..avoid).map(|pe| PeId(pe.into())).collect();
                self.command(Command::Select { request, pool: pool(n), avoid, offers: Default::default() });
            }
            Step::Cancel(back) => {
                let request = self.next_request.saturating_sub(back.into());
                self.unanswered.remove(&request);
                self.command(Command::Cancel { request: RequestId(request) });
            }
            Step::Watch(n) => self.command(Command::Watch { pool: pool(n) }),
            Step::Unwatch(n) => self.command(Command::Unwatch { pool: pool(n) }),
            Step::Report { pool: n, pe } => self.command(Command::Report { pool: pool(n), pe_id: PeId(pe.into()) }),
            Step::Up(n) => {
                let connecting: Vec<_> = self.open.iter().filter(|(_, up)| !**up).map(|(id, _)| *id).collect();
                if let Some(id) = connecting.get(usize::from(n)) {
                    self.open.insert(*id, true);
                    self.event(*id, association::Event::Up(peer(n)));
                }
            }
            Step::Accept => {
                let id = AssociationId(self.next_accepted);
                self.next_accepted += 2;
                self.accepted.insert(id);
                self.event(id, association::Event::Up(peer(3)));
            }
            Step::Lost(n) => {
                if let Some(id) = self.any(n) {
                    self.open.remove(&id);
                    self.accepted.remove(&id);
                    self.event(id, association::Event::Lost(LostReason::Reset));
                }
            }
            Step::Delivered { association, token, delivered } => {
                if let Some(id) = self.any(association) {
                    let token = Token(token.into());
                    let event = if delivered {
                        association::Event::Delivered(token)
                    } else {
                        association::Event::Undelivered(token)
                    };
                    self.event(id, event);
                }
            }
            Step::Message { association, message: kind, pool: n, pe, flag, policy: p } => {
                if let Some(id) = self.up(association) {
                    let data = message(kind, n, pe, flag, p).to_bytes(Dialect::STANDARD).expect("short enough");
                    self.message(id, PPID_ASAP, data);
                }
            }
            Step::Garbage { association, ppid, bytes } => {
                if let Some(id) = self.up(association) {
                    self.message(id, ppid, bytes.into());
                }
            }
            Step::Announcement { server, registrar: n, garbage } => {
                let announce = asap::ServerAnnounce {
                    server_id: ServerId(server.into()),
                    transports: [transport(registrar(n))].into_iter().collect(),
                    unknown: vec![],
                };
                let data = Message::from(announce).to_bytes(Dialect::STANDARD).expect("short enough");
                let data = if garbage.len() > 4 { garbage.into() } else { data };
                self.input(Input::Announcement { from: registrar(n), data });
            }
            Step::Wait(ms) => self.wait(Duration::from_millis(ms.into())),
        }
    }

    fn request(&mut self) -> RequestId {
        self.next_request += 1;
        self.unanswered.insert(self.next_request);
        RequestId(self.next_request)
    }

    fn any(&self, n: u8) -> Option<AssociationId> {
        self.open.keys().chain(&self.accepted).nth(n.into()).copied()
    }

    fn up(&self, n: u8) -> Option<AssociationId> {
        let up = self.open.iter().filter(|(_, up)| **up).map(|(id, _)| id);
        up.chain(&self.accepted).nth(usize::from(n) % 3).copied()
    }

    fn message(&mut self, id: AssociationId, ppid: u32, data: Bytes) {
        self.sequence += 1;
        let sequence = self.sequence;
        self.event(id, association::Event::Message { sequence, stream: 0, ppid, unordered: false, data });
        assert!(self.taken.remove(&sequence), "message {sequence} was not taken");
    }

    fn command(&mut self, command: Command) {
        self.input(Input::Command(command));
    }

    fn event(&mut self, id: AssociationId, event: association::Event) {
        self.input(Input::Association(id, event));
    }

    fn input(&mut self, input: Input) {
        self.endpoint.handle_input(input, self.now);
        self.drain();
    }

    fn wait(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(next) = self.deadline.filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.endpoint.handle_timeout(self.now);
            self.drain();
            assert!(self.deadline.is_none_or(|next| next > self.now), "time stands still at {}", self.now);
        }
        self.now = end;
    }

    fn drain(&mut self) {
        loop {
            match self.endpoint.poll_output() {
                Output::Effect(Effect::Association(id, request)) => self.requested(id, request),
                Output::Effect(Effect::Reply(reply)) => self.replied(reply),
                Output::Effect(Effect::Event(event)) => drop(event.to_string()),
                Output::Wait(deadline) => {
                    self.deadline = deadline;
                    return;
                }
            }
        }
    }

    fn requested(&mut self, id: AssociationId, request: Request) {
        match request {
            Request::Connect { .. } => {
                assert!(id.0.is_multiple_of(2) && self.open.insert(id, false).is_none(), "{id:?} is used twice");
                //= https://www.rfc-editor.org/rfc/rfc5352#section-3.6
                //= type=test
                //# An ASAP
                //# Endpoint MUST NOT establish more than three associations or
                //# connections.
                assert!(self.open.len() <= 3, "{} associations", self.open.len());
            }
            Request::Send { data, ppid, .. } => {
                assert!(self.open.get(&id) == Some(&true) || self.accepted.contains(&id), "{id:?} is not up");
                assert_eq!(ppid, PPID_ASAP);
                Message::decode(&data).expect("what is sent can be read");
            }
            Request::Taken { sequence } => assert!(self.taken.insert(sequence)),
            Request::Close | Request::Abort => {
                assert!(self.open.remove(&id).is_some() || self.accepted.remove(&id), "{id:?} is not open");
            }
            other => panic!("{other:?} is not for an endpoint"),
        }
    }

    fn replied(&mut self, reply: Reply) {
        match reply {
            Reply::Resolved { request, result } => {
                self.unanswered.remove(&request.0);
                assert!(result.is_err() || result.is_ok_and(|resolution| !resolution.pool.elements.is_empty()));
            }
            Reply::Selected { request, .. } => {
                self.unanswered.remove(&request.0);
            }
            Reply::Registered { registration, first, .. } => {
                assert_eq!(self.registering.remove(&registration.0), first);
            }
            Reply::RegistrationFailed { registration, ended, .. } => {
                if ended {
                    self.registering.remove(&registration.0);
                    self.leaving.remove(&registration.0);
                }
            }
            Reply::Deregistered { registration, .. } => {
                self.registering.remove(&registration.0);
                self.leaving.remove(&registration.0);
            }
            Reply::Unregistered { .. } | Reply::PoolChanged { .. } => {}
        }
    }
}

// Found by chance: rejected while an update waits, then the home is lost.
#[test]
fn a_registration_rejected_while_it_changes_is_answered_after_the_home_is_lost() {
    let mut world = World::new(Profile::Standard, 1);
    world.step(Step::Register { pool: 3, pe: 2, life: 0, policy: 0 });
    world.step(Step::Up(0));
    world.step(Step::Update { registration: 0, policy: 1 });
    world.step(Step::Message { association: 0, message: 0, pool: 3, pe: 2, flag: true, policy: 0 });
    world.step(Step::Lost(0));
    world.wait(Duration::from_secs(60));
    assert!(world.registering.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn whatever_happens_everybody_gets_an_answer(
        fast in any::<bool>(),
        registrars in 0..6u8,
        steps in vec(step(), 1..80),
    ) {
        let mut world = World::new(if fast { Profile::Fast } else { Profile::Standard }, registrars);
        for step in steps {
            world.step(step);
        }
        // No registrar says another word. All who wait hear of it within MAX-REQUEST-RETRANSMIT + 1 times T1, or T2 and T3 twice.
        world.wait(Duration::from_secs(60));
        prop_assert!(world.unanswered.is_empty(), "unanswered requests {:?}", world.unanswered);
        prop_assert!(world.registering.is_empty(), "unanswered registrations {:?}", world.registering);
        world.wait(Duration::from_secs(3600));
    }
}

fn pool(n: u8) -> PoolHandle {
    PoolHandle::from(["", "a", "b", "c", "d", "e"][usize::from(n)])
}

fn policy(kind: u8, value: u32) -> Policy {
    match kind {
        0 => Policy::RoundRobin,
        1 => Policy::WeightedRoundRobin { weight: value },
        2 => Policy::Random,
        3 => Policy::LeastUsedDegradation { load: value, degradation: u32::MAX },
        4 => Policy::WeightedRandom { weight: 0 },
        _ => Policy::Other { policy_type: 0x7000_0000 + value, data: Bytes::from_static(b"data") },
    }
}

fn transport(address: SocketAddr) -> Transport {
    Transport {
        protocol: Protocol::Tcp,
        port: address.port(),
        transport_use: TransportUse::DATA_PLUS_CONTROL,
        addresses: [address.ip()].into_iter().collect(),
    }
}

fn user_transport(n: u8) -> UserTransport {
    match n {
        0 => UserTransport::Opaque(Bytes::from_static(b"over there")),
        _ => UserTransport::Ip(transport(registrar(n))),
    }
}

fn registrar(n: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, n + 1], 3863))
}

fn peer(n: u8) -> Peer {
    Peer {
        addresses: [registrar(n)].into_iter().collect(),
        local: SocketAddr::from(([10, 9, 0, 1], 50000)),
        mapping: Mapping::Tcp,
        max_message: 65_455,
        identity: PeerIdentity::Anonymous,
        local_addresses: Default::default(),
        own_heartbeat: true,
    }
}

/// A message of a registrar, or one a registrar never sends.
fn message(kind: u8, n: u8, pe: u8, flag: bool, policy_kind: u8) -> Message {
    let (pool_handle, pe_id, unknown) = (pool(n), PeId(pe.into()), vec![]);
    let cause = if pe.is_multiple_of(2) { ErrorCause::UnknownPoolHandle } else { ErrorCause::LackOfResources };
    let error = OperationError([cause].into_iter().collect());
    match kind % 8 {
        0 | 1 => asap::RegistrationResponse { reject: flag, pool_handle, pe_id, error: None, unknown }.into(),
        2 => asap::DeregistrationResponse { pool_handle, pe_id, error: flag.then_some(error), unknown }.into(),
        3 => asap::HandleResolutionResponse {
            accept_updates: false,
            pool_handle,
            policy: None,
            pool_elements: vec![],
            error: Some(error),
            unknown,
        }
        .into(),
        4 | 5 => asap::HandleResolutionResponse {
            accept_updates: flag,
            pool_handle,
            policy: Some(policy(policy_kind, 1)),
            pool_elements: (0..pe)
                .map(|n| PoolElement {
                    id: PeId((n % 4).into()),
                    home: ServerId(1),
                    life: RegistrationLife(1),
                    user_transport: user_transport(n),
                    policy: policy(if n == 2 { 0 } else { policy_kind }, n.into()),
                    asap_transport: None,
                    unknown: vec![],
                })
                .collect(),
            error: None,
            unknown,
        }
        .into(),
        6 => asap::EndpointKeepAlive {
            home: flag,
            server_id: ServerId(policy_kind.into()),
            pool_handle,
            pe_id: (pe > 3).then_some(pe_id),
            unknown,
        }
        .into(),
        _ if flag => asap::Error { error, unknown }.into(),
        _ => asap::EndpointUnreachable { pool_handle, pe_id, unknown }.into(),
    }
}
