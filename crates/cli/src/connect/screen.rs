// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a person, or a program, sees of a session.

use std::io::{self, IsTerminal, Write};

use rserpool::{Item, Notice, PeHandle, PeId, PoolHandle, Session, Transport};
use serde_json::{Value, json};

use crate::output::{Output, print_json};

/// Answers go to standard output, everything else to standard error; as JSON all goes to standard output.
pub(crate) struct Screen {
    output: Output,
    colour: bool,
    pe: Option<PeId>,
    /// That there is no server is told once.
    without_server: bool,
}

impl Screen {
    pub(crate) fn new(output: Output) -> Self {
        let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Screen { output, colour, pe: None, without_server: false }
    }

    pub(crate) fn connected(&mut self, pool: &PoolHandle, session: &Session) -> anyhow::Result<()> {
        let (pe, transport) = (session.pe(), session.transport().map(Transport::name));
        self.pe = pe.as_ref().map(|pe| pe.id);
        let address = pe.as_ref().map(address).unwrap_or_default();
        let id = pe.as_ref().map(|pe| pe.id.to_string());
        let over = transport.map(|transport| format!(" over {transport}")).unwrap_or_default();
        self.note(
            "32",
            &format!("connected to pool {pool}: PE {} at {address}{over}", id.as_deref().unwrap_or("unknown")),
            || json!({"event": "connected", "pool": pool.to_string(), "pe": id, "address": address, "transport": transport, "session": format!("{:#018x}", session.session_id())}),
        )
    }

    pub(crate) fn item(&mut self, item: Item) -> anyhow::Result<()> {
        match item {
            Item::Data(answer) => self.answer(&answer),
            Item::Failover(failover) => {
                self.pe = Some(failover.to.id);
                self.without_server = false;
                let (from, to, cause) = (failover.from, failover.to.id, failover.cause);
                let address = address(&failover.to);
                let cookie = failover.cookie_sent;
                self.note(
                    "33",
                    &format!("failover from PE {from} to PE {to} at {address}: {cause}"),
                    || json!({"event": "failover", "from": from.to_string(), "to": to.to_string(), "address": address, "cause": cause.to_string(), "cookie": cookie}),
                )
            }
            Item::Notice(Notice::Drain) => {
                self.note("33", "the server is leaving the pool", || json!({"event": "drain"}))
            }
            Item::Notice(Notice::Path(path, state)) => {
                let what = format!("{state:?}").to_lowercase();
                self.note(
                    "33",
                    &format!("the path to {path} is {what}; the session goes on"),
                    || json!({"event": "path", "address": path.to_string(), "state": what}),
                )
            }
            Item::Notice(Notice::NoServer) if !std::mem::replace(&mut self.without_server, true) => {
                self.note("31", "no server of the pool can be reached; trying again", || json!({"event": "no_server"}))
            }
            Item::Notice(Notice::BusinessCard(card)) if !card.prefer.is_empty() => {
                let all: Vec<_> = card.prefer.iter().map(|pe| pe.id.to_string()).collect();
                self.note(
                    "32",
                    &format!("the server prefers PE {} to go on for it", all.join(", ")),
                    || json!({"event": "business_card", "pool": card.pool.to_string(), "prefer": all}),
                )
            }
            // Its outcome tells.
            _ => Ok(()),
        }
    }

    pub(crate) fn ended_by_server(&self) -> anyhow::Result<()> {
        self.note("32", "the server ended the session", || json!({"event": "ended_by_server"}))
    }

    pub(crate) fn ended(&self, failovers: u32) -> anyhow::Result<()> {
        match self.output {
            Output::Table => Ok(()),
            Output::Json | Output::Jsonl => print_json(&json!({"event": "ended", "failovers": failovers})),
        }
    }

    fn answer(&self, answer: &[u8]) -> anyhow::Result<()> {
        match self.output {
            Output::Table => {
                let mut out = io::stdout().lock();
                out.write_all(answer)?;
                if !answer.ends_with(b"\n") {
                    out.write_all(b"\n")?;
                }
                Ok(out.flush()?)
            }
            Output::Json | Output::Jsonl => {
                let text = String::from_utf8_lossy(answer);
                let pe = self.pe.map(|pe| pe.to_string());
                print_json(&json!({"event": "answer", "pe": pe, "text": text.trim_end_matches(['\r', '\n'])}))
            }
        }
    }

    fn note(&self, colour: &str, text: &str, object: impl FnOnce() -> Value) -> anyhow::Result<()> {
        match self.output {
            Output::Table if self.colour => eprintln!("\x1b[{colour}m{text}\x1b[0m"),
            Output::Table => eprintln!("{text}"),
            Output::Json | Output::Jsonl => print_json(&object())?,
        }
        Ok(())
    }
}

fn address(pe: &PeHandle) -> String {
    pe.addrs.first().map(ToString::to_string).unwrap_or_default()
}
