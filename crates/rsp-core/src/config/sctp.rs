// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kernel's SCTP. No core reads these: they are here because they go with the profile.

use std::time::Duration;

use super::Profile;

/// Timers of the kernel's SCTP, by RFC 9260 §16's names where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SctpSettings {
    /// RTO.Initial of kernel SCTP, and the time until an INIT is repeated at the peer's next address.
    pub rto_initial: Duration,
    /// RTO.Min of kernel SCTP. Above the time peers put off their SACKs, or all that is sent alone is sent twice.
    pub rto_min: Duration,
    /// RTO.Max of kernel SCTP.
    pub rto_max: Duration,
    /// Path.Max.Retrans of kernel SCTP: a path is left at its first time-out and reported unreachable after so many more.
    pub path_max_retrans: u32,
    /// Association.Max.Retrans of kernel SCTP: a peer we connected to is given up after so many time-outs in a row on all paths.
    pub association_max_retrans: u32,
    /// HB.interval of kernel SCTP: how often a path that carries nothing is tried.
    pub path_heartbeat_interval: Duration,
    /// How long kernel SCTP puts off its SACKs, for something to ride on (RFC 9260 §6.2).
    pub sack_delay: Duration,
}

impl SctpSettings {
    /// The values of a profile.
    pub const fn of(profile: Profile) -> Self {
        SctpSettings {
            rto_initial: profile.ms(300, 1_000, 1_000, 100),
            rto_min: profile.ms(250, 1_000, 500, 60),
            rto_max: profile.ms(2_000, 60_000, 5_000, 250),
            path_max_retrans: profile.pick(2, 5, 3, 2),
            association_max_retrans: profile.pick(8, 10, 8, 8),
            path_heartbeat_interval: profile.ms(15_000, 30_000, 15_000, 500),
            sack_delay: profile.ms(20, 200, 20, 20),
        }
    }
}
