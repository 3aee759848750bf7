// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages that together hold everything we can send: each message type, flag, parameter, policy, error cause and session
//! parameter.

use std::net::IpAddr;

use bytes::Bytes;
use rsp_wire::asap;
use rsp_wire::enrp::{self, Body, UpdateAction};
use rsp_wire::parameter::{
    ErrorCause, OperationError, Policy, PoolElement, Protocol, RegistrationLife, ServerInformation, Transport,
    TransportUse, UserTransport,
};
use rsp_wire::session::{ByeReason, Features, Hello, SessionParameter};
use rsp_wire::{Checksum, PeId, PoolHandle, ServerId};

/// Every ASAP message.
pub(crate) fn asap() -> Vec<asap::Message> {
    use asap::Message;
    let unknown = Vec::new;
    let mut messages = Vec::new();
    for pool_element in pool_elements() {
        let pool_handle = handle();
        messages.push(Message::Registration(asap::Registration { pool_handle, pool_element, unknown: unknown() }));
    }
    for reject in [false, true] {
        for error in [None, Some(all_errors())] {
            messages.push(Message::RegistrationResponse(asap::RegistrationResponse {
                reject,
                pool_handle: handle(),
                pe_id: PE,
                error,
                unknown: unknown(),
            }));
        }
    }
    for error in [None, Some(OperationError([ErrorCause::UnknownPoolHandle].into_iter().collect()))] {
        let (pool_handle, pe_id) = (handle(), PE);
        messages.push(Message::DeregistrationResponse(asap::DeregistrationResponse {
            pool_handle,
            pe_id,
            error,
            unknown: unknown(),
        }));
    }
    for (subscribe, items) in [(false, None), (true, Some(0)), (true, Some(asap::HandleResolution::ALL_ITEMS))] {
        let pool_handle = handle();
        messages.push(Message::HandleResolution(asap::HandleResolution {
            subscribe,
            pool_handle,
            items,
            unknown: unknown(),
        }));
    }
    let response = |accept_updates, policy, pool_elements, error| {
        let (pool_handle, unknown) = (handle(), unknown());
        Message::HandleResolutionResponse(asap::HandleResolutionResponse {
            accept_updates,
            pool_handle,
            policy,
            pool_elements,
            error,
            unknown,
        })
    };
    messages.push(response(true, Some(Policy::Random), pool_elements(), None));
    messages.push(response(false, None, pool_elements(), None));
    messages.push(response(false, None, Vec::new(), Some(all_errors())));
    for (home, pe_id) in [(false, None), (true, Some(PE))] {
        messages.push(Message::EndpointKeepAlive(asap::EndpointKeepAlive {
            home,
            server_id: SERVER,
            pool_handle: handle(),
            pe_id,
            unknown: unknown(),
        }));
    }
    messages.extend([
        Message::Deregistration(asap::Deregistration { pool_handle: handle(), pe_id: PE, unknown: unknown() }),
        Message::EndpointKeepAliveAck(asap::EndpointKeepAliveAck {
            pool_handle: handle(),
            pe_id: PE,
            unknown: unknown(),
        }),
        Message::EndpointUnreachable(asap::EndpointUnreachable {
            pool_handle: handle(),
            pe_id: PE,
            unknown: unknown(),
        }),
        Message::ServerAnnounce(asap::ServerAnnounce {
            server_id: SERVER,
            transports: [sctp(&["192.0.2.1", "2001:db8::1"]), tcp("192.0.2.1")].into_iter().collect(),
            unknown: unknown(),
        }),
        Message::Cookie(asap::Cookie { cookie: Bytes::from_static(b"cookie"), unknown: unknown() }),
        Message::CookieEcho(asap::CookieEcho { cookie: Bytes::from(vec![7; 60_000]), unknown: unknown() }),
        Message::BusinessCard(asap::BusinessCard {
            pool_handle: handle(),
            pool_elements: pool_elements(),
            unknown: unknown(),
        }),
        Message::Error(asap::Error { error: all_errors(), unknown: unknown() }),
        Message::Session(asap::Session { parameters: session_parameters().into_iter().collect(), unknown: unknown() }),
    ]);
    messages
}

/// Every ENRP message.
pub(crate) fn enrp() -> Vec<enrp::Message> {
    let mut bodies = vec![Body::ListRequest(enrp::ListRequest)];
    for reply_required in [false, true] {
        let server_information = reply_required.then(server_information);
        bodies.push(Body::Presence(enrp::Presence {
            reply_required,
            checksum: Some(Checksum(0xfffe)),
            server_information,
        }));
    }
    for own_children_only in [false, true] {
        bodies.push(Body::HandleTableRequest(enrp::HandleTableRequest { own_children_only }));
    }
    let entry = |name| enrp::PoolEntry {
        pool_handle: PoolHandle::from(name),
        pool_elements: pool_elements().into_iter().collect(),
    };
    for (reject, more_to_send, entries) in [(true, false, vec![]), (false, true, vec![entry("a"), entry("pool")])] {
        bodies.push(Body::HandleTableResponse(enrp::HandleTableResponse { reject, more_to_send, entries }));
    }
    for (takeover_suggested, action) in [(false, UpdateAction::AddPe), (true, UpdateAction::DelPe)] {
        for pool_element in pool_elements() {
            let pool_handle = handle();
            bodies.push(Body::HandleUpdate(enrp::HandleUpdate {
                takeover_suggested,
                action,
                pool_handle,
                pool_element,
            }));
        }
    }
    for (reject, servers) in [(true, vec![]), (false, vec![server_information(), server_information()])] {
        bodies.push(Body::ListResponse(enrp::ListResponse { reject, servers }));
    }
    let target = ServerId(3);
    bodies.extend([
        Body::InitTakeover(enrp::InitTakeover { target }),
        Body::InitTakeoverAck(enrp::InitTakeoverAck { target }),
        Body::TakeoverServer(enrp::TakeoverServer { target }),
        Body::Error(enrp::Error { error: all_errors() }),
    ]);
    let message = |body| enrp::Message { sender: SERVER, receiver: ServerId(2), body, unknown: Vec::new() };
    bodies.into_iter().map(message).collect()
}

/// Pool elements with, between them, every transport and every policy.
fn pool_elements() -> Vec<PoolElement> {
    let element = |id, user_transport, policy, asap_transport| PoolElement {
        id: PeId(id),
        home: SERVER,
        life: if id % 2 == 0 { RegistrationLife::INFINITE } else { RegistrationLife(12_000) },
        user_transport,
        policy,
        asap_transport,
        unknown: Vec::new(),
    };
    let transports = [Protocol::Dccp { service_code: 7 }, Protocol::Udp, Protocol::UdpLite].map(|protocol| {
        let mut transport = tcp("192.0.2.3");
        transport.protocol = protocol;
        UserTransport::Ip(Transport { transport_use: TransportUse::DATA_ONLY, ..transport })
    });
    let transports = transports.into_iter().chain([
        UserTransport::Ip(tcp("2001:db8::3")),
        UserTransport::Ip(sctp(&["192.0.2.3", "192.0.2.4", "2001:db8::3"])),
        UserTransport::Opaque(Bytes::from_static(b"bluetooth")),
    ]);
    let by_transport =
        transports.zip(1..).map(|(transport, id)| element(id, transport, Policy::RoundRobin, Some(tcp("192.0.2.3"))));
    let by_policy = policies()
        .into_iter()
        .zip(100..)
        .map(|(policy, id)| element(id, UserTransport::Ip(sctp(&["192.0.2.3"])), policy, None));
    by_transport.chain(by_policy).collect()
}

fn policies() -> [Policy; 16] {
    let (weight, priority, load, degradation, weight_dpf, load_dpf, distance) = (1, 2, 0x8000_0000, 3, 4, 5, 6);
    [
        Policy::RoundRobin,
        Policy::WeightedRoundRobin { weight },
        Policy::Random,
        Policy::WeightedRandom { weight },
        Policy::Priority { priority },
        Policy::LeastUsed { load },
        Policy::LeastUsedDegradation { load, degradation },
        Policy::PriorityLeastUsed { load, degradation },
        Policy::RandomizedLeastUsed { load },
        Policy::RandomizedPriorityLeastUsed { load, degradation },
        Policy::RandomizedLeastUsedDegradation { load, degradation },
        Policy::PriorityLeastUsedDegradation { load, degradation },
        Policy::RandomizedPriorityLeastUsedDegradation { load, degradation },
        Policy::WeightedRandomDpf { weight, weight_dpf, distance },
        Policy::LeastUsedDpf { load, load_dpf, distance },
        Policy::LeastUsedDegradationDpf { load, degradation, load_dpf, distance },
    ]
}

fn all_errors() -> OperationError {
    let quoted = Bytes::from_static(b"\xc0\x01\0\x08data");
    OperationError(
        [
            ErrorCause::Unspecified,
            ErrorCause::UnrecognizedParameter(quoted.clone()),
            ErrorCause::UnrecognizedMessage(Bytes::from_static(b"\x7f\0\0\x04")),
            ErrorCause::InvalidValues(quoted),
            ErrorCause::NonUniquePeIdentifier,
            ErrorCause::InconsistentPoolPolicy(Some(Policy::LeastUsed { load: 1 })),
            ErrorCause::LackOfResources,
            ErrorCause::InconsistentTransportType(Some(tcp("192.0.2.1"))),
            ErrorCause::InconsistentDataControlConfiguration,
            ErrorCause::UnknownPoolHandle,
            ErrorCause::RejectedDueToSecurityConsiderations,
        ]
        .into_iter()
        .collect(),
    )
}

fn session_parameters() -> Vec<SessionParameter> {
    let features = Features::ACKS | Features::HEARTBEAT | Features::DRAIN;
    let hello = Hello {
        version: 1,
        answer: true,
        resumed: true,
        data: false,
        features,
        session_id: 0x0123_4567_89ab_cdef,
        failover_count: 2,
        heartbeat_ms: 1000,
        largest_message: 65_455,
        receive_window: 262_144,
        next: 17,
    };
    vec![
        SessionParameter::Hello(hello),
        SessionParameter::Ack([1, u64::MAX].into_iter().collect()),
        SessionParameter::Heartbeat(5),
        SessionParameter::HeartbeatAck(5),
        SessionParameter::Drain { milliseconds: 10_000 },
        SessionParameter::Bye(ByeReason::Moved),
        SessionParameter::Taken { bytes: 1 << 40 },
    ]
}

fn server_information() -> ServerInformation {
    let transports = [sctp(&["192.0.2.1"]), tcp("192.0.2.1")].into_iter().collect();
    ServerInformation { id: SERVER, transports, unknown: Vec::new() }
}

fn sctp(addresses: &[&str]) -> Transport {
    Transport {
        protocol: Protocol::Sctp,
        addresses: addresses.iter().map(|address| ip(address)).collect(),
        ..tcp("::")
    }
}

fn tcp(address: &str) -> Transport {
    Transport {
        protocol: Protocol::Tcp,
        port: 7000,
        transport_use: TransportUse::DATA_PLUS_CONTROL,
        addresses: [ip(address)].into_iter().collect(),
    }
}

fn ip(address: &str) -> IpAddr {
    address.parse().expect("a literal address")
}

fn handle() -> PoolHandle {
    PoolHandle::from("EchoPool")
}

const PE: PeId = PeId(0xaaaa_0001);
const SERVER: ServerId = ServerId(0x1111_1111);
