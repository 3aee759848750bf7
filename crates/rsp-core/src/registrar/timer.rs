// SPDX-License-Identifier: MIT OR Apache-2.0
//! The registrar's timers, except the one each pool element has (`deadlines.rs`).

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
}
