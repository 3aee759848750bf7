// SPDX-License-Identifier: MIT OR Apache-2.0
//! Arbitrary messages. Each is in the form decoding gives it, so that it must come back equal.

use std::net::IpAddr;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use rsp_wire::parameter::{
    ErrorCause, OperationError, Policy, PoolElement, Protocol, RegistrationLife, ServerInformation, Transport,
    TransportUse, UnknownParameter, UserTransport,
};
use rsp_wire::session::{ByeReason, Features, Hello, SessionParameter};
use rsp_wire::{Checksum, PeId, PoolHandle, ServerId, asap, enrp};

/// Any ASAP message.
pub(crate) fn asap_message() -> BoxedStrategy<asap::Message> {
    prop_oneof![
        (pool_handle(), pool_element(), unknown()).prop_map(|(pool_handle, pool_element, unknown)| {
            asap::Registration { pool_handle, pool_element, unknown }.into()
        }),
        (pool_handle(), pe_id(), unknown())
            .prop_map(|(pool_handle, pe_id, unknown)| { asap::Deregistration { pool_handle, pe_id, unknown }.into() }),
        (any::<bool>(), pool_handle(), pe_id(), option::of(operation_error()), unknown()).prop_map(
            |(reject, pool_handle, pe_id, error, unknown)| {
                asap::RegistrationResponse { reject, pool_handle, pe_id, error, unknown }.into()
            }
        ),
        (pool_handle(), pe_id(), option::of(operation_error()), unknown()).prop_map(
            |(pool_handle, pe_id, error, unknown)| {
                asap::DeregistrationResponse { pool_handle, pe_id, error, unknown }.into()
            }
        ),
        (any::<bool>(), pool_handle(), any::<Option<u32>>(), unknown()).prop_map(
            |(subscribe, pool_handle, items, unknown)| asap::HandleResolution {
                subscribe,
                pool_handle,
                items,
                unknown
            }
            .into()
        ),
        (
            any::<bool>(),
            pool_handle(),
            option::of(policy()),
            vec(pool_element(), 0..4),
            option::of(operation_error()),
            unknown()
        )
            .prop_map(|(accept_updates, pool_handle, policy, pool_elements, error, unknown)| {
                asap::HandleResolutionResponse { accept_updates, pool_handle, policy, pool_elements, error, unknown }
                    .into()
            }),
        (any::<bool>(), server_id(), pool_handle(), option::of(pe_id()), unknown()).prop_map(
            |(home, server_id, pool_handle, pe_id, unknown)| {
                asap::EndpointKeepAlive { home, server_id, pool_handle, pe_id, unknown }.into()
            }
        ),
        (pool_handle(), pe_id(), unknown()).prop_map(|(pool_handle, pe_id, unknown)| {
            asap::EndpointKeepAliveAck { pool_handle, pe_id, unknown }.into()
        }),
        (pool_handle(), pe_id(), unknown()).prop_map(|(pool_handle, pe_id, unknown)| {
            asap::EndpointUnreachable { pool_handle, pe_id, unknown }.into()
        }),
        (server_id(), vec(stream_transport(), 0..3), unknown()).prop_map(|(server_id, transports, unknown)| {
            asap::ServerAnnounce { server_id, transports: transports.into(), unknown }.into()
        }),
        (bytes(), unknown()).prop_map(|(cookie, unknown)| asap::Cookie { cookie, unknown }.into()),
        (bytes(), unknown()).prop_map(|(cookie, unknown)| asap::CookieEcho { cookie, unknown }.into()),
        (pool_handle(), vec(pool_element(), 0..4), unknown()).prop_map(|(pool_handle, pool_elements, unknown)| {
            asap::BusinessCard { pool_handle, pool_elements, unknown }.into()
        }),
        (operation_error(), unknown()).prop_map(|(error, unknown)| asap::Error { error, unknown }.into()),
        (vec(session_parameter(), 0..4), unknown()).prop_map(|(parameters, unknown)| asap::Session {
            parameters: parameters.into(),
            unknown
        }
        .into()),
    ]
    .boxed()
}

/// Any ENRP message.
pub(crate) fn enrp_message() -> BoxedStrategy<enrp::Message> {
    let entry = (pool_handle(), vec(pool_element(), 0..3))
        .prop_map(|(pool_handle, elements)| enrp::PoolEntry { pool_handle, pool_elements: elements.into() });
    let body = prop_oneof![
        (any::<bool>(), any::<Option<u16>>(), option::of(server_information())).prop_map(
            |(reply_required, checksum, server_information)| {
                enrp::Presence { reply_required, checksum: checksum.map(Checksum), server_information }.into()
            }
        ),
        any::<bool>().prop_map(|own_children_only| enrp::HandleTableRequest { own_children_only }.into()),
        (any::<bool>(), any::<bool>(), vec(entry, 0..3)).prop_map(|(reject, more_to_send, entries)| {
            enrp::HandleTableResponse { reject, more_to_send, entries }.into()
        }),
        (any::<bool>(), any::<u16>(), pool_handle(), pool_element()).prop_map(
            |(takeover_suggested, action, pool_handle, pool_element)| {
                let action = enrp::UpdateAction::from(action);
                enrp::HandleUpdate { takeover_suggested, action, pool_handle, pool_element }.into()
            }
        ),
        Just(enrp::ListRequest.into()),
        (any::<bool>(), vec(server_information(), 0..3)).prop_map(|(reject, servers)| enrp::ListResponse {
            reject,
            servers
        }
        .into()),
        server_id().prop_map(|target| enrp::InitTakeover { target }.into()),
        server_id().prop_map(|target| enrp::InitTakeoverAck { target }.into()),
        server_id().prop_map(|target| enrp::TakeoverServer { target }.into()),
        operation_error().prop_map(|error| enrp::Error { error }.into()),
    ];
    (server_id(), server_id(), body, unknown())
        .prop_map(|(sender, receiver, body, unknown)| enrp::Message { sender, receiver, body, unknown })
        .boxed()
}

fn bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..40).prop_map(Bytes::from)
}

fn pool_handle() -> impl Strategy<Value = PoolHandle> {
    vec(any::<u8>(), 1..40).prop_map(PoolHandle::new)
}

fn pe_id() -> impl Strategy<Value = PeId> {
    any::<u32>().prop_map(PeId)
}

fn server_id() -> impl Strategy<Value = ServerId> {
    any::<u32>().prop_map(ServerId)
}

/// Those that are skipped, silently or with a report; the types we know left out.
fn unknown() -> impl Strategy<Value = Vec<UnknownParameter>> {
    let parameter_type = any::<u16>().prop_map(|number| match number | 0x8000 {
        0x803f | 0xbf01..=0xbf07 => 0xffff,
        unknown => unknown,
    });
    vec((parameter_type, bytes()).prop_map(|(parameter_type, value)| UnknownParameter { parameter_type, value }), 0..3)
}

fn transport_of(protocol: impl Strategy<Value = Protocol>) -> impl Strategy<Value = Transport> {
    (protocol, any::<u16>(), any::<u16>(), vec(any::<IpAddr>(), 1..5)).prop_map(
        |(protocol, port, transport_use, mut addresses)| {
            if protocol != Protocol::Sctp {
                addresses.truncate(1);
            }
            Transport { protocol, port, transport_use: TransportUse(transport_use), addresses: addresses.into() }
        },
    )
}

fn stream_transport() -> impl Strategy<Value = Transport> {
    transport_of(prop_oneof![Just(Protocol::Sctp), Just(Protocol::Tcp)])
}

fn any_transport() -> impl Strategy<Value = Transport> {
    transport_of(prop_oneof![
        any::<u32>().prop_map(|service_code| Protocol::Dccp { service_code }),
        Just(Protocol::Sctp),
        Just(Protocol::Tcp),
        Just(Protocol::Udp),
        Just(Protocol::UdpLite),
    ])
}

fn policy() -> impl Strategy<Value = Policy> {
    (0..17_u8, any::<[u32; 4]>(), bytes()).prop_map(|(kind, [a, b, c, d], data)| match kind {
        0 => Policy::RoundRobin,
        1 => Policy::WeightedRoundRobin { weight: a },
        2 => Policy::Random,
        3 => Policy::WeightedRandom { weight: a },
        4 => Policy::Priority { priority: a },
        5 => Policy::LeastUsed { load: a },
        6 => Policy::LeastUsedDegradation { load: a, degradation: b },
        7 => Policy::PriorityLeastUsed { load: a, degradation: b },
        8 => Policy::RandomizedLeastUsed { load: a },
        9 => Policy::RandomizedPriorityLeastUsed { load: a, degradation: b },
        10 => Policy::RandomizedLeastUsedDegradation { load: a, degradation: b },
        11 => Policy::PriorityLeastUsedDegradation { load: a, degradation: b },
        12 => Policy::RandomizedPriorityLeastUsedDegradation { load: a, degradation: b },
        13 => Policy::WeightedRandomDpf { weight: a, weight_dpf: b, distance: c },
        14 => Policy::LeastUsedDpf { load: a, load_dpf: b, distance: c },
        15 => Policy::LeastUsedDegradationDpf { load: a, degradation: b, load_dpf: c, distance: d },
        _ => Policy::Other { policy_type: a | 0x8800_0000, data },
    })
}

fn pool_element() -> impl Strategy<Value = PoolElement> {
    let user_transport =
        prop_oneof![3 => any_transport().prop_map(UserTransport::Ip), 1 => bytes().prop_map(UserTransport::Opaque)];
    (pe_id(), server_id(), any::<i32>(), user_transport, policy(), option::of(stream_transport()), unknown()).prop_map(
        |(id, home, life, user_transport, policy, asap_transport, unknown)| PoolElement {
            id,
            home,
            life: RegistrationLife(life),
            user_transport,
            policy,
            asap_transport,
            unknown,
        },
    )
}

fn server_information() -> impl Strategy<Value = ServerInformation> {
    (server_id(), vec(stream_transport(), 1..3), unknown()).prop_map(|(id, transports, unknown)| ServerInformation {
        id,
        transports: transports.into(),
        unknown,
    })
}

fn operation_error() -> impl Strategy<Value = OperationError> {
    let cause = prop_oneof![
        Just(ErrorCause::Unspecified),
        bytes().prop_map(ErrorCause::UnrecognizedParameter),
        bytes().prop_map(ErrorCause::UnrecognizedMessage),
        bytes().prop_map(ErrorCause::InvalidValues),
        Just(ErrorCause::NonUniquePeIdentifier),
        option::of(policy()).prop_map(ErrorCause::InconsistentPoolPolicy),
        Just(ErrorCause::LackOfResources),
        option::of(any_transport()).prop_map(ErrorCause::InconsistentTransportType),
        Just(ErrorCause::InconsistentDataControlConfiguration),
        Just(ErrorCause::UnknownPoolHandle),
        Just(ErrorCause::RejectedDueToSecurityConsiderations),
        (0xb..=u16::MAX, bytes()).prop_map(|(code, information)| ErrorCause::Other { code, information }),
    ];
    vec(cause, 1..4).prop_map(|causes| OperationError(causes.into()))
}

fn session_parameter() -> impl Strategy<Value = SessionParameter> {
    let hello = (any::<(u8, bool, bool, bool)>(), any::<u32>(), any::<(u64, u64)>(), any::<[u32; 4]>()).prop_map(
        |((version, answer, resumed, data), features, (session_id, next), [a, b, c, d])| Hello {
            version,
            answer,
            resumed,
            data,
            features: Features(features),
            session_id,
            failover_count: a,
            heartbeat_ms: b,
            largest_message: c,
            receive_window: d,
            next,
        },
    );
    prop_oneof![
        hello.prop_map(SessionParameter::Hello),
        vec(any::<u64>(), 1..5).prop_map(|ids| SessionParameter::Ack(ids.into())),
        any::<u64>().prop_map(SessionParameter::Heartbeat),
        any::<u64>().prop_map(SessionParameter::HeartbeatAck),
        any::<u32>().prop_map(|milliseconds| SessionParameter::Drain { milliseconds }),
        any::<u16>().prop_map(|number| SessionParameter::Bye(ByeReason::from(number))),
        any::<u64>().prop_map(|bytes| SessionParameter::Taken { bytes }),
    ]
}
