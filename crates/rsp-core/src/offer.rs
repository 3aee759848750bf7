// SPDX-License-Identifier: MIT OR Apache-2.0
//! The mappings a pool element offers its users (seed 004 §5.1), and the pools it registers them in.
//!
//! RFC 5354 §3.10 gives a PE one user transport and RFC 5352 a pool one transport type, so a PE with several mappings registers each with the same
//! PE identifier: the first in the pool it names, each further one in that pool's handle followed by `#sctp`, `#tcp` or `#none`.

use std::fmt;

use rsp_wire::PoolHandle;
use rsp_wire::parameter::{PoolElement, Protocol, TransportUse, UserTransport};

use crate::association;

/// A mapping of the service drafts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Offer {
    /// NO_MAPPING (0x00): the application connects by itself.
    None,
    /// SCTP (0x01)
    Sctp,
    /// TCP (0x02)
    Tcp,
}

impl Offer {
    /// What this element offers.
    pub fn of(element: &PoolElement) -> Offer {
        let UserTransport::Ip(transport) = &element.user_transport else { return Offer::None };
        match (transport.transport_use, transport.protocol) {
            (TransportUse::DATA_PLUS_CONTROL, Protocol::Sctp) => Offer::Sctp,
            (TransportUse::DATA_PLUS_CONTROL, Protocol::Tcp) => Offer::Tcp,
            _ => Offer::None,
        }
    }

    /// Where it is registered if it is not a PE's first.
    pub fn pool(self, named: &PoolHandle) -> PoolHandle {
        let suffix = match self {
            Offer::None => "#none",
            Offer::Sctp => "#sctp",
            Offer::Tcp => "#tcp",
        };
        PoolHandle::new([named.as_bytes(), suffix.as_bytes()].concat())
    }

    /// Its name in the service drafts.
    pub fn name(self) -> &'static str {
        match self {
            Offer::None => "NO_MAPPING",
            Offer::Sctp => "SCTP",
            Offer::Tcp => "TCP",
        }
    }

    /// The transport that carries it.
    pub fn protocol(self) -> Option<association::Protocol> {
        match self {
            Offer::None => None,
            Offer::Sctp => Some(association::Protocol::Sctp),
            Offer::Tcp => Some(association::Protocol::Tcp),
        }
    }
}

impl fmt::Display for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
