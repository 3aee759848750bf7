// SPDX-License-Identifier: MIT OR Apache-2.0
//! The line that tells a script or a test where everything is.

use std::io::Write;
use std::net::SocketAddr;

use serde::Serialize;

/// `{"asap":["127.0.0.1:34567"],"admin":"127.0.0.1:8650","enrp":["127.0.0.1:34568"],
/// "id":"0x0a0b0c0d","transports":["sctp-udp","tcp"]}`; `"admin":null` if it is off.
#[derive(Debug, Serialize)]
pub(crate) struct Ready {
    /// Where ASAP is served.
    pub(crate) asap: Vec<SocketAddr>,
    /// Where the admin HTTP server is.
    pub(crate) admin: Option<SocketAddr>,
    /// Where ENRP is served.
    pub(crate) enrp: Vec<SocketAddr>,
    /// The Server Identifier.
    pub(crate) id: String,
    /// Over what: `sctp` or `sctp-udp`, `tcp`.
    pub(crate) transports: Vec<&'static str>,
}

impl Ready {
    /// Prints it. Whoever started us may not be interested any more, which is no reason to stop.
    pub(crate) fn announce(&self) {
        let line = serde_json::to_string(self).expect("addresses are strings");
        let mut out = std::io::stdout().lock();
        if let Err(error) = writeln!(out, "{line}").and_then(|()| out.flush()) {
            tracing::warn!(%error, "cannot print the addresses");
        }
    }
}
