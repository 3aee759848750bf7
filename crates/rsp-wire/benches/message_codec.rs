// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the wire costs a registrar: a resolution read and answered, a registration read.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use criterion::{Criterion, criterion_group, criterion_main};
use rsp_wire::asap::{self, HandleResolutionResponse, message_type};
use rsp_wire::parameter::{Policy, PoolElement, Protocol, RegistrationLife, Transport, TransportUse, UserTransport};
use rsp_wire::{Dialect, Encoder, PeId, PoolHandle, ServerId};

fn message_codec(c: &mut Criterion) {
    let pool_handle = PoolHandle::from("EchoPool");
    let resolution = asap::HandleResolution {
        subscribe: false,
        pool_handle: pool_handle.clone(),
        items: Some(3),
        unknown: Vec::new(),
    };
    let resolution = received(resolution.into());
    c.bench_function("decode_handle_resolution", |b| b.iter(|| asap::Message::decode(black_box(&resolution))));

    let registration =
        asap::Registration { pool_handle: pool_handle.clone(), pool_element: element(), unknown: Vec::new() };
    let registration = received(registration.into());
    c.bench_function("decode_registration", |b| b.iter(|| asap::Message::decode(black_box(&registration))));

    let (handle, policy) = (pool_handle.to_tlv().expect("short"), Policy::RoundRobin.to_tlv().expect("short"));
    let element = element().to_tlv().expect("short");
    let mut out = BytesMut::with_capacity(4096);
    c.bench_function("encode_response_of_3_kept_elements", |b| {
        b.iter(|| {
            out.clear();
            let flags = HandleResolutionResponse::flags_for(false);
            let mut encoder = Encoder::message(&mut out, message_type::HANDLE_RESOLUTION_RESPONSE, flags);
            for tlv in [&handle, &policy, &element, &element, &element] {
                encoder.tlv(black_box(tlv));
            }
            encoder.finish_message(Dialect::STANDARD)
        });
    });
}

/// Bytes as they come from a receive buffer: shared.
fn received(message: asap::Message) -> Bytes {
    let bytes = message.to_bytes(Dialect::STANDARD).expect("it is short");
    let _shared = bytes.clone();
    bytes
}

fn element() -> PoolElement {
    PoolElement {
        id: PeId(0xaaaa_0001),
        home: ServerId(0x1111_1111),
        life: RegistrationLife(12_000),
        user_transport: UserTransport::Ip(Transport {
            protocol: Protocol::Sctp,
            port: 7007,
            transport_use: TransportUse::DATA_PLUS_CONTROL,
            addresses: [[192, 0, 2, 2].into()].into_iter().collect(),
        }),
        policy: Policy::RoundRobin,
        asap_transport: None,
        unknown: Vec::new(),
    }
}

criterion_group!(benches, message_codec);
criterion_main!(benches);
