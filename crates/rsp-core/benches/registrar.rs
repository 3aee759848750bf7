// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a registrar does per message, from the bytes that came in to the effects that go out.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use machine::association::{AssociationId, Event, Mapping, Peer, PeerIdentity, Request};
use machine::{Machine, Output, Time};
use rsp_core::PPID_ASAP;
use rsp_core::config::{Profile, RegistrarSettings};
use rsp_core::registrar::{Effect, Input, Registrar};
use rsp_wire::asap::{EndpointKeepAliveAck, HandleResolution, Message, Registration};
use rsp_wire::parameter::{Policy, PoolElement, Protocol, RegistrationLife, Transport, TransportUse, UserTransport};
use rsp_wire::{Dialect, PeId, PoolHandle, ServerId};
use smallvec::smallvec;

const PES: AssociationId = AssociationId(1);
const PU: AssociationId = AssociationId(3);
const HOST: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

fn handle_resolution(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("registrar/handle_resolution");
    let mut registrar = registrar(1, 10_000);
    let request = bytes(HandleResolution { subscribe: false, pool_handle: pool(0), items: Some(1), unknown: vec![] });
    group.bench_function("1 of 10,000", |b| b.iter(|| message(&mut registrar, PU, &request)));

    let mut registrar = self::registrar(10_000, 10);
    let requests: Vec<Bytes> = (0..10_000)
        .map(|n| HandleResolution {
            subscribe: false,
            pool_handle: pool(n * 7919 % 10_000),
            items: None,
            unknown: vec![],
        })
        .map(bytes)
        .collect();
    let mut next = requests.iter().cycle();
    group.bench_function("3 of 10 in 10,000 pools", |b| {
        b.iter(|| message(&mut registrar, PU, next.next().expect("a cycle does not end")));
    });
}

fn registration(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("registrar/registration");
    let mut registrar = registrar(10_000, 10);
    let requests: Vec<Bytes> =
        (0..100_000u32).map(|n| registration_of(n.wrapping_mul(7919) % 10_000, n % 10 + 1)).collect();
    let mut next = requests.iter().cycle();
    group.bench_function("again, 100,000 PEs", |b| {
        b.iter(|| message(&mut registrar, PES, next.next().expect("a cycle does not end")));
    });

    let ack = bytes(EndpointKeepAliveAck { pool_handle: pool(5), pe_id: PeId(5), unknown: vec![] });
    group.bench_function("keep-alive answered, 100,000 PEs", |b| b.iter(|| message(&mut registrar, PES, &ack)));
}

fn registrar(pools: u32, members: u32) -> Registrar {
    let mut registrar = Registrar::new(ServerId(1), RegistrarSettings::of(Profile::Standard), vec![], 1);
    for id in [PES, PU] {
        let peer = Peer {
            addresses: smallvec![SocketAddr::new(HOST, 5000)],
            local: SocketAddr::new(HOST, 3863),
            mapping: Mapping::Tcp,
            max_message: 65_455,
            identity: PeerIdentity::Anonymous,
            local_addresses: Default::default(),
            own_heartbeat: true,
        };
        registrar.handle_input(Input::Association(id, Event::Up(peer)), Time::ZERO);
    }
    for n in 0..pools {
        for member in 1..=members {
            message(&mut registrar, PES, &registration_of(n, member));
        }
    }
    assert_eq!(registrar.pool_element_count(), (pools * members) as usize);
    registrar
}

fn registration_of(n: u32, id: u32) -> Bytes {
    let transport = Transport {
        protocol: Protocol::Tcp,
        port: 7000,
        transport_use: TransportUse::DATA_PLUS_CONTROL,
        addresses: smallvec![HOST],
    };
    let pool_element = PoolElement {
        id: PeId(id),
        home: ServerId::NONE,
        life: RegistrationLife(120),
        user_transport: UserTransport::Ip(transport),
        policy: Policy::RoundRobin,
        asap_transport: None,
        unknown: vec![],
    };
    bytes(Registration { pool_handle: pool(n), pool_element, unknown: vec![] })
}

/// One message in, everything out, everything delivered.
fn message(registrar: &mut Registrar, id: AssociationId, data: &Bytes) {
    let event = Event::Message { sequence: 1, stream: 0, ppid: PPID_ASAP, unordered: false, data: data.clone() };
    registrar.handle_input(Input::Association(id, event), Time::ZERO);
    while let Output::Effect(effect) = registrar.poll_output() {
        if let Effect::Association(id, Request::Send { token, .. }) = black_box(effect) {
            registrar.handle_input(Input::Association(id, Event::Delivered(token)), Time::ZERO);
        }
    }
}

fn bytes(message: impl Into<Message>) -> Bytes {
    message.into().to_bytes(Dialect::STANDARD).expect("it is short")
}

fn pool(n: u32) -> PoolHandle {
    PoolHandle::from(format!("pool-{n}"))
}

criterion_group!(benches, handle_resolution, registration);
criterion_main!(benches);
