// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp registrar ls`: a registrar and its peers as it sees them, asked over its admin interface.

use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};

use crate::output::{Output, print, print_json, table};
use crate::{duration, http};

/// List a registrar and its peers
///
/// The first line is the registrar that is asked; the others are its peers as it sees them. AGREES says whether the checksum a peer
/// announces is the one of what this registrar believes of it (RFC 5353 §3.4).
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The registrar's admin interface
    #[arg(long, value_name = "URL", env = "RSERPOOL_ADMIN", default_value = "http://127.0.0.1:8650")]
    admin: String,
    /// Give up after this time
    #[arg(long, value_parser = duration::parse, default_value = "10s")]
    timeout: Duration,
    /// How to print
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

pub(crate) async fn run(args: &Args) -> anyhow::Result<()> {
    let body = http::get(&args.admin, "/v1/registrars", args.timeout).await?;
    let answer: Value =
        serde_json::from_slice(&body).with_context(|| format!("{} does not answer in JSON", args.admin))?;
    let peers = answer["peers"].as_array().with_context(|| format!("{} answers no list of peers", args.admin))?;
    let own = &answer["registrar"];
    match args.output {
        Output::Table => {
            let rows = std::iter::once(own_row(own)).chain(peers.iter().map(peer_row));
            print(&table(["REGISTRAR", "ENRP", "STATE", "ELEMENTS", "CHECKSUM", "AGREES"], rows))
        }
        Output::Json => print_json(&answer),
        Output::Jsonl => {
            print_json(&marked(own, true))?;
            peers.iter().try_for_each(|peer| print_json(&marked(peer, false)))
        }
    }
}

fn own_row(own: &Value) -> [String; 6] {
    let [id, state, elements, checksum] = ["id", "state", "pool_elements", "checksum"].map(|name| text(&own[name]));
    [id, text(&own["enrp"][0]), state, elements, checksum, "-".to_owned()]
}

fn peer_row(peer: &Value) -> [String; 6] {
    let [id, state, elements, checksum] = ["id", "state", "pool_elements", "checksum"].map(|name| text(&peer[name]));
    let agrees = match peer["agrees"].as_bool() {
        Some(true) => "yes",
        Some(false) => "no",
        None => "-",
    };
    [id, text(&peer["addresses"][0]), state, elements, checksum, agrees.to_owned()]
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    }
}

/// A line says which registrar was asked.
fn marked(registrar: &Value, is_asked: bool) -> Value {
    let mut line = registrar.clone();
    line["asked"] = json!(is_asked);
    line
}
