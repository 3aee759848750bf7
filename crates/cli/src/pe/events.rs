// SPDX-License-Identifier: MIT OR Apache-2.0
//! What happens to a pool element, a line each.

use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use rserpool::{Error, Mapping, PeHandle, PeSession, PoolElement};
use serde_json::{Value, json};

use super::check::Health;
use crate::output::{Output, print};

/// Where the lines go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Events {
    pub(super) output: Output,
    /// Standard output belongs to the command that is run.
    pub(super) to_stderr: bool,
}

impl Events {
    pub(super) fn registered(self, pe: &PoolElement) {
        let (home, pe, transports) = (pe.home_registrar(), pe.handle(), pe.transports());
        let transports: Vec<_> = transports.iter().map(|transport| transport.name()).collect();
        let over = match pe.mapping {
            Mapping::None => "with NO_MAPPING".to_owned(),
            _ => format!("over {}", transports.join(" and ")),
        };
        let listen = pe.addrs.first().map(SocketAddr::to_string).unwrap_or_default();
        let home = home.map(|home| home.to_string());
        self.say(
            || json!({"event": "registered", "pool": pe.pool.to_string(), "pe": pe.id.to_string(), "listen": listen, "transports": transports, "home": home}),
            || {
                let home = home.as_deref().unwrap_or("its registrar");
                format!("PE {} serves pool {} at {listen} {over}, registered at {home}", pe.id, pe.pool)
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

    pub(super) fn started(self, pid: i32) {
        self.say(|| json!({"event": "started", "pid": pid}), || format!("started the command as process {pid}"));
    }

    pub(super) fn not_started(self, error: &anyhow::Error) {
        let error = error.root_cause().to_string();
        self.say(|| json!({"event": "not_started", "error": error}), || error.clone());
    }

    pub(super) fn served_already(self, at: SocketAddr) {
        let text = at.to_string();
        self.say(
            || json!({"event": "served_already", "at": text}),
            || {
                format!(
                    "{text} is served already, before the command is started: it is that server that joins the pool"
                )
            },
        );
    }

    pub(super) fn ended(self, how: &str) {
        self.say(|| json!({"event": "ended", "how": how}), || format!("the command has ended: {how}"));
    }

    pub(super) fn restarting(self, after: Duration) {
        let seconds = after.as_secs_f64();
        self.say(|| json!({"event": "restarting", "after": seconds}), || format!("starting it again in {after:?}"));
    }

    pub(super) fn health(self, health: &Health) {
        self.say(
            || match health {
                Health::Up => json!({"event": "up"}),
                Health::Down(why) => json!({"event": "down", "why": why}),
            },
            || match health {
                Health::Up => "the check succeeds".to_owned(),
                Health::Down(why) => format!("the check fails: {why}"),
            },
        );
    }

    pub(super) fn not_joined(self, error: &Error) {
        let error = error.to_string();
        self.say(
            || json!({"event": "not_joined", "error": error}),
            || format!("cannot join the pool, trying again: {error}"),
        );
    }

    pub(super) fn no_load(self, why: &str) {
        self.say(|| json!({"event": "no_load", "why": why}), || format!("the load command fails: {why}"));
    }

    pub(super) fn leaving(self, drain: Duration) {
        let seconds = drain.as_secs_f64();
        self.say(
            || json!({"event": "draining", "seconds": seconds}),
            || format!("the command has {drain:?} to finish with its clients"),
        );
    }

    fn say(self, object: impl FnOnce() -> Value, text: impl FnOnce() -> String) {
        let line = match self.output {
            Output::Table => text(),
            Output::Json | Output::Jsonl => object().to_string(),
        };
        let result = match self.to_stderr {
            true => writeln!(std::io::stderr(), "{line}").map_err(Into::into),
            false => print(&line),
        };
        // Serving goes on if nobody can be told about it.
        drop(result);
    }
}
