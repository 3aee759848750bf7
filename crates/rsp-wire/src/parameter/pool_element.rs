// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pool Element parameter 0xa, RFC 5354 §3.10.

use super::{Policy, Transport, UnknownParameter, UserTransport};
use crate::{PeId, ServerId};

/// Registration Life as it stands on the wire: signed, -1 = for ever. Seconds by the RFC, milliseconds in profile rsplib.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RegistrationLife(pub i32);

impl RegistrationLife {
    /// Infinite lifetime.
    pub const INFINITE: RegistrationLife = RegistrationLife(-1);
}

/// A pool element and all that is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolElement {
    /// PE Identifier.
    pub id: PeId,
    /// Home ENRP Server Identifier, [`ServerId::NONE`] if undetermined.
    pub home: ServerId,
    /// Registration Life.
    pub life: RegistrationLife,
    /// Where pool users reach it.
    pub user_transport: UserTransport,
    /// Member Selection Policy with its values.
    pub policy: Policy,
    /// Where registrars reach it; only in REGISTRATION over the TCP mapping (ours) and in ENRP.
    pub asap_transport: Option<Transport>,
    /// What this version does not know.
    pub unknown: Vec<UnknownParameter>,
}
