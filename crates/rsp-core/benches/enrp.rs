// SPDX-License-Identifier: MIT OR Apache-2.0
//! What registrars do for each other, from bytes to bytes: two machines with nothing between them.

use std::collections::VecDeque;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use machine::association::{AssociationId, Event, LostReason, Mapping, Peer, PeerIdentity, Request};
use machine::{Machine, Output, Time};
use rsp_core::PPID_ASAP;
use rsp_core::config::{Profile, RegistrarSettings};
use rsp_core::registrar::{Effect, Input, Registrar};
use rsp_wire::asap::{Message, Registration};
use rsp_wire::parameter::{Policy, PoolElement, Protocol, RegistrationLife, Transport, TransportUse, UserTransport};
use rsp_wire::{Dialect, PeId, PoolHandle, ServerId};
use smallvec::smallvec;

const PES: AssociationId = AssociationId(101);
const HOST: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const ENRP: u16 = 9901;
/// The first association of each: opened by the joining one, accepted by the other.
const OPENED: AssociationId = AssociationId(2);
const ACCEPTED: AssociationId = AssociationId(1);

fn join(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("enrp");
    group.sample_size(10);
    let mut mentor = alone(1, 100_000);
    group.bench_function("join, 100,000 PEs in 1,000 pools", |b| {
        b.iter_batched(
            || new(2),
            |mut joining| {
                connect(&mut joining, &mut mentor);
                assert_eq!(joining.pool_element_count(), 100_000);
                to_mentor(&mut mentor, Event::Lost(LostReason::PeerClosed));
                joining
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("takeover of 50,000 PEs, until they are ours", |b| {
        b.iter_batched(
            || {
                let (mut survivor, mut dying) = (new(2), alone(1, 50_000));
                connect(&mut survivor, &mut dying);
                survivor
            },
            |mut survivor| {
                survivor.handle_input(Input::Association(OPENED, Event::Lost(LostReason::Reset)), NOW);
                survivor.handle_input(Input::Association(AssociationId(4), Event::Lost(LostReason::Refused)), NOW);
                assert_eq!(survivor.status().owned, 50_000);
                survivor
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn update(criterion: &mut Criterion) {
    let (mut home, mut peer) = (alone(1, 100_000), new(2));
    connect(&mut peer, &mut home);
    let requests: Vec<Bytes> = (0..100_000).map(registration).collect();
    let mut next = requests.iter().cycle();
    criterion.bench_function("enrp/registration again, and known to a peer", |b| {
        b.iter(|| {
            let request = next.next().expect("a cycle does not end").clone();
            home.handle_input(Input::Association(PES, received(PPID_ASAP, request)), NOW);
            pass(&mut peer, &mut home);
        });
    });
}

const NOW: Time = Time::from_millis(1);

fn new(id: u32) -> Registrar {
    let settings = RegistrarSettings::of(Profile::Standard);
    let mut registrar = Registrar::new(ServerId(id), settings, vec![HOST], u64::from(id));
    registrar.handle_input(Input::EnrpTransports(vec![transport(ENRP)]), Time::ZERO);
    if id == 2 {
        registrar.handle_input(Input::StaticPeers(vec![SocketAddr::new(HOST, ENRP)]), Time::ZERO);
    }
    registrar.handle_timeout(Time::ZERO);
    registrar
}

fn alone(id: u32, pool_elements: u32) -> Registrar {
    let mut registrar = new(id);
    registrar.handle_input(Input::Association(PES, Event::Up(peer(5000, 3863))), NOW);
    for n in 0..pool_elements {
        registrar.handle_input(Input::Association(PES, received(PPID_ASAP, registration(n))), NOW);
        sent(&mut registrar, OPENED);
    }
    registrar
}

/// One has opened an association to the other, and both say all they have to say.
fn connect(joining: &mut Registrar, mentor: &mut Registrar) {
    sent(joining, OPENED);
    mentor.handle_input(Input::Association(ACCEPTED, Event::Up(peer(6000, ENRP))), NOW);
    joining.handle_input(Input::Association(OPENED, Event::Up(peer(ENRP, 6000))), NOW);
    pass(joining, mentor);
}

fn pass(joining: &mut Registrar, mentor: &mut Registrar) {
    loop {
        let (there, back) = (sent(joining, OPENED), sent(mentor, ACCEPTED));
        if there.is_empty() && back.is_empty() {
            return;
        }
        for event in there {
            to_mentor(mentor, event);
        }
        for event in back {
            joining.handle_input(Input::Association(OPENED, event), NOW);
        }
    }
}

fn to_mentor(mentor: &mut Registrar, event: Event) {
    mentor.handle_input(Input::Association(ACCEPTED, event), NOW);
}

/// What the registrar sends over an association, as the other end receives it. All of it is delivered.
fn sent(registrar: &mut Registrar, over: AssociationId) -> VecDeque<Event> {
    let mut messages = VecDeque::new();
    loop {
        match registrar.poll_output() {
            Output::Effect(Effect::Association(id, Request::Send { token, ppid, data, .. })) => {
                registrar.handle_input(Input::Association(id, Event::Delivered(token)), NOW);
                if id == over {
                    messages.push_back(received(ppid, data));
                }
            }
            Output::Effect(effect) => drop(black_box(effect)),
            Output::Wait(_) => return messages,
        }
    }
}

fn received(ppid: u32, data: Bytes) -> Event {
    Event::Message { sequence: 1, stream: 0, ppid, unordered: false, data }
}

fn peer(remote: u16, local: u16) -> Peer {
    Peer {
        addresses: smallvec![SocketAddr::new(HOST, remote)],
        local: SocketAddr::new(HOST, local),
        mapping: Mapping::Tcp,
        max_message: 65_455,
        identity: PeerIdentity::Anonymous,
        local_addresses: Default::default(),
        own_heartbeat: true,
    }
}

fn registration(n: u32) -> Bytes {
    let pool_handle = PoolHandle::from(format!("pool-{}", n % 1000).as_str());
    let pool_element = PoolElement {
        id: PeId(n + 1),
        home: ServerId::NONE,
        life: RegistrationLife(300),
        user_transport: UserTransport::Ip(transport(7000)),
        policy: Policy::LeastUsed { load: n },
        asap_transport: None,
        unknown: vec![],
    };
    Message::from(Registration { pool_handle, pool_element, unknown: vec![] })
        .to_bytes(Dialect::STANDARD)
        .expect("it is short")
}

fn transport(port: u16) -> Transport {
    Transport {
        protocol: Protocol::Tcp,
        port,
        transport_use: TransportUse::DATA_PLUS_CONTROL,
        addresses: smallvec![HOST],
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    targets = join, update
}
criterion_main!(benches);
