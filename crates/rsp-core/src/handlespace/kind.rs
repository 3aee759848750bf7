// SPDX-License-Identifier: MIT OR Apache-2.0
//! What all PEs of a pool have in common, RFC 5352 §3.1.

use std::net::{IpAddr, Ipv4Addr};

use rsp_wire::parameter::{ErrorCause, Policy, PoolElement, Protocol, Transport, TransportUse, UserTransport};
use smallvec::smallvec;

use crate::policy;

/// A pool's overall policy, transport type and data/control channel configuration: those of its first PE.
#[derive(Debug)]
pub(super) struct Kind {
    /// With the values of the first PE, which mean nothing for the pool.
    pub(super) policy: Policy,
    pub(super) transport: TransportType,
}

/// Opaque Transport has neither protocol nor use.
pub(super) type TransportType = Option<(Protocol, TransportUse)>;

impl Kind {
    pub(super) fn of(element: &PoolElement) -> Self {
        Kind { policy: element.policy.clone(), transport: transport_type(&element.user_transport) }
    }

    //= https://www.rfc-editor.org/rfc/rfc5352#section-3.1
    //# However, before adding the PE to the pool, the server MUST check
    //# if the policy type, transport type, and transport usage indicated
    //# by the registering PE is consistent with those of the pool.  If
    //# different, the ENRP server MUST reject the registration.
    pub(super) fn check(&self, element: &PoolElement) -> Result<(), ErrorCause> {
        if !policy::same_type(&self.policy, &element.policy) {
            return Err(ErrorCause::InconsistentPoolPolicy(Some(self.policy.clone())));
        }
        match (self.transport, transport_type(&element.user_transport)) {
            (None, None) => Ok(()),
            (Some((pool, used)), Some((protocol, to_use))) if same_protocol(pool, protocol) => {
                if used == to_use {
                    Ok(())
                } else {
                    Err(ErrorCause::InconsistentDataControlConfiguration)
                }
            }
            (pool, _) => Err(ErrorCause::InconsistentTransportType(pool.map(example))),
        }
    }
}

fn transport_type(transport: &UserTransport) -> TransportType {
    match transport {
        UserTransport::Ip(transport) => Some((transport.protocol, transport.transport_use)),
        UserTransport::Opaque(_) => None,
    }
}

/// A service code is no part of the transport type.
fn same_protocol(a: Protocol, b: Protocol) -> bool {
    std::mem::discriminant(&a) == std::mem::discriminant(&b)
}

/// Says which type is meant without naming a PE's address.
fn example((protocol, transport_use): (Protocol, TransportUse)) -> Transport {
    Transport { protocol, port: 0, transport_use, addresses: smallvec![IpAddr::V4(Ipv4Addr::UNSPECIFIED)] }
}
