// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp registrar ls`: a registrar and its peers as it sees them, asked over its admin interface.

use serde_json::{Value, json};

use crate::admin::{Admin, Answer, text};
use crate::output::{Output, print, print_json, table};

/// List a registrar and its peers
///
/// The first registrar is the one that is asked; the others are its peers as it sees them. AGREES says whether the checksum a peer
/// announced last was the one of what this registrar then believed of it (RFC 5353 §3.6.1); "no" means that it downloads them again.
/// Named peers that are not reached come last, in state unreached.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    registrar: Admin,
}

pub(crate) async fn run(args: &Args) -> anyhow::Result<()> {
    let Answer { place, whole, list: peers } = args.registrar.get("/v1/registrars", "peers").await?;
    let own = &whole["registrar"];
    match args.registrar.output {
        Output::Table => {
            let unreached = whole["unreached"].as_array().into_iter().flatten().map(unreached_row);
            let rows = std::iter::once(own_row(own)).chain(peers.iter().map(peer_row)).chain(unreached);
            print(&format!("Registrars, as the one at {place} sees them"))?;
            print(&table(["REGISTRAR", "ENRP", "STATE", "ELEMENTS", "CHECKSUM", "AGREES"], rows))
        }
        Output::Json => print_json(&whole),
        Output::Jsonl => {
            print_json(&marked(own, true))?;
            let unreached = whole["unreached"].as_array().into_iter().flatten();
            peers.iter().chain(unreached).try_for_each(|peer| print_json(&marked(peer, false)))
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

fn unreached_row(named: &Value) -> [String; 6] {
    let place = if named["name"].is_null() { &named["addresses"][0] } else { &named["name"] };
    let none = || "-".to_owned();
    [none(), text(place), text(&named["state"]), none(), none(), none()]
}

/// A line says which registrar was asked.
fn marked(registrar: &Value, is_asked: bool) -> Value {
    let mut line = registrar.clone();
    line["asked"] = json!(is_asked);
    line
}
