// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whatever a transport carried: ASAP, ENRP or application data.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::{CapturedMessage, Protocol, Transport};

/// A message, not only of ASAP and ENRP, with all a DATA chunk says of it.
pub(super) struct Carried {
    /// The frame that completed it.
    pub(super) frame: u32,
    pub(super) time: Duration,
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) transport: Transport,
    /// Payload protocol identifier, 0 where none is sent.
    pub(super) ppid: u32,
    /// Stream and stream sequence number, where they are sent.
    pub(super) stream: Option<(u16, u16)>,
    pub(super) unordered: bool,
    pub(super) bytes: Bytes,
}

impl Carried {
    /// `None` for application data.
    pub(super) fn into_message(self) -> Option<CapturedMessage> {
        let Carried { frame, time, source, destination, transport, bytes, .. } = self;
        let protocol = Protocol::from_ppid(self.ppid)?;
        Some(CapturedMessage { frame, time, protocol, source, destination, transport, bytes })
    }
}
