// SPDX-License-Identifier: MIT OR Apache-2.0
//! The registrar's timers, except the one each pool element has (`deadlines.rs`).

use rsp_wire::ServerId;

use crate::association::AssociationId;
use crate::handlespace::Slot;

/// One running timer per value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Timer {
    /// T6-Serverannounce times (N + 1), RFC 5352 §3.6, 1 s by §7.1.
    ServerAnnounce,
    /// `update_min_interval`: load changes of this subscribed pool are pushed now.
    LoadUpdate(u32),
    /// `conflict_probe_timeout`: the PE a second one claims to be has not answered.
    ConflictProbe(Slot),
    /// `give_up`: nothing came on a connection that has no heartbeat.
    Silence(AssociationId),
    /// The current step of the initialization, RFC 5353 §3.2; MAX-TIME-NO-RESPONSE while a mentor is asked.
    Startup,
    /// PEER-HEARTBEAT-CYCLE, RFC 5353 §4.2, 30 s.
    Heartbeat,
    /// `sctp_head_start`: named peers that have not answered over SCTP are tried over TCP, too.
    NamedPeers,
    /// MAX-TIME-LAST-HEARD, RFC 5353 §4.2, 61 s; then MAX-TIME-NO-RESPONSE, 5 s; then what a takeover waits for.
    Peer(ServerId),
    /// A peer that downloads has not asked for the next page within MAX-TIME-NO-RESPONSE, RFC 5353 §3.2.3.
    Session(ServerId),
    /// A peer has not sent the next page within MAX-TIME-NO-RESPONSE, RFC 5353 §3.2.3.
    Download(ServerId),
    /// The next PEs taken over are asked.
    Claims,
    /// A claim to a PE of ours has been refused for long enough to be forgotten.
    Contest(Slot),
    /// `leave_timeout`: no more waiting for PEs handed over.
    Leave,
}
