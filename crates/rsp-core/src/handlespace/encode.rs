// SPDX-License-Identifier: MIT OR Apache-2.0
//! The Pool Element parameter to bytes, until `rsp-wire` does it.

use std::net::IpAddr;

use bytes::{BufMut, Bytes, BytesMut};
use rsp_wire::parameter::{Policy, PoolElement, Protocol, Transport, UserTransport};

/// Appends the parameter without ASAP Transport and without unknown parameters.
pub(super) fn pool_element(element: &PoolElement, out: &mut BytesMut) {
    tlv(0xa, out, |out| {
        out.put_u32(element.id.0);
        out.put_u32(element.home.0);
        out.put_i32(element.life.0);
        user_transport(&element.user_transport, out);
        out.put_bytes(0, out.len().wrapping_neg() % 4);
        policy(&element.policy, out);
    });
}

pub(super) fn user_transport(user: &UserTransport, out: &mut BytesMut) {
    match user {
        UserTransport::Ip(ip) => transport(ip, out),
        UserTransport::Opaque(bytes) => tlv(0x10, out, |out| out.put_slice(bytes)),
    }
}

pub(super) fn transport(transport: &Transport, out: &mut BytesMut) {
    let (code, service) = match transport.protocol {
        Protocol::Dccp { service_code } => (3, Some(service_code)),
        Protocol::Sctp => (4, None),
        Protocol::Tcp => (5, None),
        Protocol::Udp => (6, None),
        Protocol::UdpLite => (7, None),
    };
    tlv(code, out, |out| {
        out.put_u16(transport.port);
        out.put_u16(transport.transport_use.0);
        service.into_iter().for_each(|code| out.put_u32(code));
        for address in &transport.addresses {
            match address {
                IpAddr::V4(v4) => tlv(1, out, |out| out.put_slice(&v4.octets())),
                IpAddr::V6(v6) => tlv(2, out, |out| out.put_slice(&v6.octets())),
            }
        }
    });
}

pub(super) fn policy(policy: &Policy, out: &mut BytesMut) {
    let (policy_type, values): (u32, [Option<u32>; 4]) = match *policy {
        Policy::RoundRobin => (1, [None; 4]),
        Policy::WeightedRoundRobin { weight } => (2, [Some(weight), None, None, None]),
        Policy::Random => (3, [None; 4]),
        Policy::WeightedRandom { weight } => (4, [Some(weight), None, None, None]),
        Policy::Priority { priority } => (5, [Some(priority), None, None, None]),
        Policy::LeastUsed { load } => (0x4000_0001, [Some(load), None, None, None]),
        Policy::LeastUsedDegradation { load, degradation } => {
            (0x4000_0002, [Some(load), Some(degradation), None, None])
        }
        Policy::PriorityLeastUsed { load, degradation } => (0x4000_0003, [Some(load), Some(degradation), None, None]),
        Policy::RandomizedLeastUsed { load } => (0x4000_0004, [Some(load), None, None, None]),
        Policy::RandomizedPriorityLeastUsed { load, degradation } => {
            (0xb000_1001, [Some(load), Some(degradation), None, None])
        }
        Policy::RandomizedLeastUsedDegradation { load, degradation } => {
            (0xb000_1002, [Some(load), Some(degradation), None, None])
        }
        Policy::PriorityLeastUsedDegradation { load, degradation } => {
            (0xb000_1003, [Some(load), Some(degradation), None, None])
        }
        Policy::RandomizedPriorityLeastUsedDegradation { load, degradation } => {
            (0xb000_1004, [Some(load), Some(degradation), None, None])
        }
        Policy::WeightedRandomDpf { weight, weight_dpf, distance } => {
            (0xb000_2001, [Some(weight), Some(weight_dpf), Some(distance), None])
        }
        Policy::LeastUsedDpf { load, load_dpf, distance } => {
            (0xb000_2002, [Some(load), Some(load_dpf), Some(distance), None])
        }
        Policy::LeastUsedDegradationDpf { load, degradation, load_dpf, distance } => {
            (0xb000_2003, [Some(load), Some(degradation), Some(load_dpf), Some(distance)])
        }
        Policy::Other { policy_type, .. } => (policy_type, [None; 4]),
    };
    tlv(8, out, |out| {
        out.put_u32(policy_type);
        values.into_iter().flatten().for_each(|value| out.put_u32(value));
        if let Policy::Other { data, .. } = policy {
            out.put_slice(data);
        }
    });
}

pub(super) fn pool_handle(handle: &[u8], out: &mut BytesMut) {
    tlv(9, out, |out| out.put_slice(handle));
}

fn tlv(code: u16, out: &mut BytesMut, value: impl FnOnce(&mut BytesMut)) {
    let at = out.len();
    out.put_u16(code);
    out.put_u16(0);
    value(out);
    let length = u16::try_from(out.len() - at).unwrap_or(u16::MAX);
    out[at + 2..at + 4].copy_from_slice(&length.to_be_bytes());
}

pub(super) fn to_tlv(encode: impl FnOnce(&mut BytesMut)) -> Bytes {
    let mut out = BytesMut::new();
    encode(&mut out);
    out.freeze()
}
