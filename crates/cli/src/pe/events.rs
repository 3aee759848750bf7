// SPDX-License-Identifier: MIT OR Apache-2.0
//! What happens to a pool element, a line each.

use std::net::SocketAddr;

use rserpool::{PeHandle, PeSession, PoolElement};
use serde_json::{Value, json};

use crate::output::{Output, print, print_json};

/// Where the lines go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Events(pub(super) Output);

impl Events {
    pub(super) fn registered(self, pe: &PoolElement) {
        let (home, pe, transports) = (pe.home_registrar(), pe.handle(), pe.transports());
        let transports: Vec<_> = transports.iter().map(|transport| transport.name()).collect();
        let listen = pe.addrs.first().map(SocketAddr::to_string).unwrap_or_default();
        let home = home.map(|home| home.to_string());
        self.say(
            || json!({"event": "registered", "pool": pe.pool.to_string(), "pe": pe.id.to_string(), "listen": listen, "transports": transports, "home": home}),
            || {
                let home = home.as_deref().unwrap_or("its registrar");
                format!("PE {} serves pool {} at {listen} over {}, registered at {home}", pe.id, pe.pool, transports.join(" and "))
            },
        );
    }

    /// The registrar may have come to us, from a port where nobody listens: its host is what helps.
    pub(super) fn rehomed(self, pe: &PeHandle, home: SocketAddr) {
        self.say(
            || json!({"event": "rehomed", "pool": pe.pool.to_string(), "pe": pe.id.to_string(), "home": home.ip().to_string()}),
            || format!("PE {} of pool {} is now registered at another registrar, on {}", pe.id, pe.pool, home.ip()),
        );
    }

    pub(super) fn session_opened(self, session: &PeSession) {
        let (peer, transport) = (session.peer_addr().to_string(), session.transport().name());
        self.say(
            || json!({"event": "session_opened", "peer": peer, "transport": transport}),
            || format!("session from {peer} over {transport}"),
        );
    }

    pub(super) fn session_closed(self, session: &PeSession, requests: u64, result: &anyhow::Result<()>) {
        let peer = session.peer_addr().to_string();
        let id = session.session_id().map(|id| format!("{id:#018x}"));
        let error = result.as_ref().err().map(|error| format!("{error:#}"));
        self.say(
            || json!({"event": "session_closed", "peer": peer, "session": id, "requests": requests, "error": error}),
            || {
                let why = error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
                format!("session from {peer} ended after {requests} requests{why}")
            },
        );
    }

    pub(super) fn draining(self, sessions: usize) {
        self.say(
            || json!({"event": "draining", "sessions": sessions}),
            || format!("leaving the pool; {sessions} sessions are asked to move"),
        );
    }

    pub(super) fn left(self) {
        self.say(|| json!({"event": "left"}), || "left the pool".to_owned());
    }

    fn say(self, object: impl FnOnce() -> Value, text: impl FnOnce() -> String) {
        let result = match self.0 {
            Output::Table => print(&text()),
            Output::Json | Output::Jsonl => print_json(&object()),
        };
        // Serving goes on if nobody can be told about it.
        drop(result);
    }
}
