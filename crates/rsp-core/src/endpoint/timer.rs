// SPDX-License-Identifier: MIT OR Apache-2.0
//! The timers of an endpoint, RFC 5352 §7.1.

use super::RegistrationId;
use super::cache::PoolKey;
use super::registrars::RegistrarKey;

/// Timers due at the same time fire in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Timer {
    /// T7-ENRPoutdate of an announced address, 5 s.
    Outdate(RegistrarKey),
    /// T5-Serverhunt, 10 s, doubled at each expiry.
    ServerHunt,
    /// `sctp_head_start`: registrars that may be reached over SCTP are tried over TCP as well. Ours.
    HeadStart,
    /// T2-registration, 30 s.
    Registration(RegistrationId),
    /// T3-deregistration, 30 s.
    Deregistration(RegistrationId),
    /// T4-reregistration, 10 min or 20 s less than the life.
    Reregistration(RegistrationId),
    /// Changed values may be sent: `update_min_interval` has passed since the last registration. Ours.
    Update(RegistrationId),
    /// T1-ENRPrequest, 15 s.
    Request(PoolKey),
    /// A watched pool without subscription is asked for again. Ours.
    Resubscribe(PoolKey),
}
