// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp pool ls`: all pools of a registrar, asked over its admin interface, since ASAP can't enumerate them.

use serde_json::Value;

use crate::admin::{Admin, Answer, text};
use crate::output::{Output, print, print_json, table};

/// List the pools of a registrar
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    registrar: Admin,
}

pub(crate) async fn run(args: &Args) -> anyhow::Result<()> {
    let Answer { place, whole, list: pools } = args.registrar.get("/v1/pools", "pools").await?;
    match args.registrar.output {
        Output::Table => {
            print(&format!("Pools of the registrar at {place}"))?;
            print(&table(["POOL", "POLICY", "TRANSPORT", "ELEMENTS", "SUBSCRIBERS"], pools.iter().map(row)))
        }
        Output::Json => print_json(&whole),
        Output::Jsonl => pools.iter().try_for_each(print_json),
    }
}

fn row(pool: &Value) -> [String; 5] {
    ["handle", "policy", "transport", "elements", "subscribers"].map(|name| text(&pool[name]))
}
