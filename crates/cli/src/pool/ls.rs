// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp pool ls`: all pools of a registrar, asked over its admin interface, since ASAP can't enumerate them.

use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

use crate::output::{Output, print, print_json, table};
use crate::{duration, http};

/// List the pools of a registrar
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
    let body = http::get(&args.admin, "/v1/pools", args.timeout).await?;
    let answer: Value =
        serde_json::from_slice(&body).with_context(|| format!("{} does not answer in JSON", args.admin))?;
    let pools = answer["pools"].as_array().with_context(|| format!("{} answers no list of pools", args.admin))?;
    match args.output {
        Output::Table => {
            print(&table(["POOL", "POLICY", "TRANSPORT", "ELEMENTS", "SUBSCRIBERS"], pools.iter().map(row)))
        }
        Output::Json => print_json(&answer),
        Output::Jsonl => pools.iter().try_for_each(print_json),
    }
}

fn row(pool: &Value) -> [String; 5] {
    let text = |name| match &pool[name] {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    };
    ["handle", "policy", "transport", "elements", "subscribers"].map(text)
}
