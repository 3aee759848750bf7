// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who may do what. TLS and rights will plug in at [`may`], nowhere else.

use rsp_wire::parameter::ErrorCause;

use crate::association::{Mapping, Peer, PeerIdentity};

/// What a peer wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Add or change a pool element.
    Register,
    /// Remove a pool element.
    Deregister,
    /// Learn who is in a pool.
    Resolve,
    /// Report a pool element unreachable.
    Report,
    /// Be a registrar of this scope.
    Peer,
}

/// Whether someone of this identity may do it. Today nobody proves who he is, and everybody may do everything.
pub fn may(identity: &PeerIdentity, _action: Action) -> Result<(), ErrorCause> {
    match identity {
        PeerIdentity::Anonymous => Ok(()),
    }
}

/// Whether the peer may do it: its identity, and the mapping it came over.
pub(super) fn admit(peer: &Peer, action: Action) -> Result<(), ErrorCause> {
    match (peer.mapping, action) {
        //= https://www.rfc-editor.org/rfc/rfc5352#section-2.1
        //# Note also that *all* ASAP messages exchanged between an
        //# ENRP server and a PE MUST use SCTP as transport, while ASAP messages
        //# exchanged between an ENRP server and a PU MUST use either SCTP or TCP
        //# as transport.
        (Mapping::PlainAsap, Action::Register | Action::Deregister) => {
            Err(ErrorCause::RejectedDueToSecurityConsiderations)
        }
        (Mapping::PlainAsap | Mapping::Sctp | Mapping::Tcp, _) => may(&peer.identity, action),
    }
}
