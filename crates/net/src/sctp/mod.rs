// SPDX-License-Identifier: MIT OR Apache-2.0
//! SCTP (RFC 9260), from whichever back end there is.

mod unavailable;

use std::sync::Arc;

use crate::transport::Sctp;
use crate::{SctpBackend, TransportSettings};

pub(crate) use unavailable::Unavailable;

/// The back end this system allows, and which it is.
pub(crate) fn start(_settings: TransportSettings) -> (Arc<dyn Sctp>, Option<SctpBackend>) {
    (Arc::new(Unavailable), None)
}
