// SPDX-License-Identifier: MIT OR Apache-2.0
//! Settings of SCTP.

use std::time::Duration;

/// Settings of the kernel's SCTP, for every socket of this process; the names are RFC 9260 §16's where it has one. The default is profile `standard`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KernelSettings {
    /// RTO.Initial, and the time until an INIT is repeated at the peer's next address.
    pub rto_initial: Duration,
    /// RTO.Min. Above the time peers put off their SACKs (200 ms unless set otherwise), or all that is sent alone is sent twice.
    pub rto_min: Duration,
    /// RTO.Max.
    pub rto_max: Duration,
    /// Path.Max.Retrans: a path is left at its first time-out and reported unreachable after so many more.
    pub path_max_retrans: u16,
    /// Association.Max.Retrans: a peer we connected to is given up after so many time-outs in a row on all paths; one that connected to us, when
    /// its heartbeat is missed.
    pub association_max_retrans: u16,
    /// HB.interval: how often a path that carries nothing is tried, so that one that has died is known before it is needed. When the
    /// association is silent altogether, its own heartbeat tries them all.
    pub path_heartbeat_interval: Duration,
    /// How long we put off our SACKs, for something to ride on (RFC 9260 §6.2).
    pub sack_delay: Duration,
    /// Streams that we may send on, as far as the peer takes them.
    pub streams: u16,
    /// Bytes accepted for sending that the kernel has not taken yet; more is refused.
    pub max_send_bytes: usize,
    /// Peers we connect to are reached over UDP, at this port (RFC 6951); 0: by SCTP itself. Needs `net.sctp.udp_port`.
    pub encapsulation_port: u16,
}

impl Default for KernelSettings {
    fn default() -> Self {
        KernelSettings {
            rto_initial: Duration::from_millis(300),
            rto_min: Duration::from_millis(250),
            rto_max: Duration::from_secs(2),
            path_max_retrans: 2,
            association_max_retrans: 8,
            path_heartbeat_interval: Duration::from_secs(15),
            sack_delay: Duration::from_millis(20),
            streams: 64,
            max_send_bytes: 4 << 20,
            encapsulation_port: 0,
        }
    }
}
