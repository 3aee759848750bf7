// SPDX-License-Identifier: MIT OR Apache-2.0
//! Server Information parameter 0xb, RFC 5354 §3.11.

use smallvec::SmallVec;

use super::{Transport, UnknownParameter};
use crate::ServerId;

/// A registrar and where its peers reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerInformation {
    /// Server ID.
    pub id: ServerId,
    /// Server Transport: one by the RFC; ours may give one per transport protocol.
    pub transports: SmallVec<[Transport; 1]>,
    /// What this version does not know.
    pub unknown: Vec<UnknownParameter>,
}
