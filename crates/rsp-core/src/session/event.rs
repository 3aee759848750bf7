// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a session reports, as typed facts: log line, counter and dashboard row come from the same one.

use std::net::SocketAddr;

use rsp_wire::PeId;

use super::{Cause, CookieRefused};
use crate::association::PathState;

/// A fact about a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionEvent {
    /// An association to this PE is up; HELLO is on its way.
    Connected(PeId),
    /// The session layer is open towards this PE.
    Established {
        /// The PE.
        pe: PeId,
        /// It speaks nothing but the RFCs: no acknowledgements, no resend mark, no session heartbeat.
        plain: bool,
    },
    /// A PE could not be reached.
    Unreachable(PeId, Cause),
    /// The decision to leave a PE.
    FailoverStarted {
        /// The PE left.
        from: PeId,
        /// Why.
        cause: Cause,
    },
    /// The session goes on at another PE.
    FailedOver {
        /// The PE left.
        from: PeId,
        /// The new one.
        to: PeId,
        /// Why.
        cause: Cause,
        /// Messages that will be sent again.
        resending: usize,
    },
    /// All PEs were tried; the next round comes after a pause.
    NoServerYet,
    /// The PE asked us to leave.
    DrainAsked(PeId),
    /// The registrar no longer lists our PE; it is being asked.
    Probing(PeId),
    /// A path to the peer changed; the association, and the session on it, go on.
    PathChange {
        /// The peer's address at its end.
        address: SocketAddr,
        /// What became of it.
        state: PathState,
    },
    /// The application did not come back to messages that waited; the association was ended, so that the PU goes elsewhere.
    ApplicationHangs,
    /// We were asleep; nobody was declared dead.
    Paused,
    /// The peer acknowledged, or answered, what is not waiting for it; ignored.
    StrayAcknowledgement(u64),
    /// The peer broke the session layer's rules; the association was ended.
    ProtocolError(String),
    /// The PU brought a cookie that does not verify; the application does not see it.
    CookieRefused(CookieRefused),
    /// An ASAP message that has no place in a session; ignored.
    Ignored(&'static str),
}
