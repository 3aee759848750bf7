// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp pe set`: another load or weight for a pool element that runs.

use anyhow::{Context, anyhow};
use rserpool::{PeId, PoolUrl};
use serde_json::{Value, json};

use super::ls;
use super::run::{fraction, pe_id};
use crate::control::{Process, Processes, ask, text};
use crate::exit::Exit;
use crate::output::{Output, print, print_json};

/// Change load or weight of a pool element that runs on this host
///
/// Its process re-registers at once, at most once per update_min_interval, so that pool users hear of it. Where several pool elements fit, nothing is changed unless --all is given.
#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("value").args(["load", "weight"]).required(true).multiple(true))]
pub(crate) struct Args {
    /// Its pool
    #[arg(long, value_name = "HANDLE")]
    pool: Option<PoolUrl>,
    /// Its PE identifier in hexadecimal
    #[arg(long, value_name = "HEX", value_parser = pe_id)]
    id: Option<PeId>,
    #[command(flatten)]
    processes: Processes,
    /// All that fit
    #[arg(long)]
    all: bool,
    /// Load from 0 to 1 (lu, lud, plu, rlu)
    #[arg(long, value_name = "FRACTION", value_parser = fraction)]
    load: Option<f64>,
    /// Weight (wrr, wrand) or priority (prio)
    #[arg(long, value_name = "N")]
    weight: Option<u32>,
    /// How to print
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

pub(crate) async fn run(args: &Args) -> anyhow::Result<()> {
    let processes = args.processes.show().await?;
    let pool = args.pool.as_ref().map(|url| url.pool.to_string());
    let id = args.id.map(|id| id.to_string());
    let fits = |element: &Value| {
        pool.as_ref().is_none_or(|pool| element["pool"] == **pool) && id.as_ref().is_none_or(|id| element["pe"] == **id)
    };
    let elements = processes.iter().flat_map(|process| process.list("pool_elements").map(move |it| (process, it)));
    let found: Vec<(&Process, &Value)> = elements.filter(|(_, element)| fits(element)).collect();
    match found.as_slice() {
        [] => {
            let advice = "`rsp pe ls` lists those of this user; is it on this host, with a control socket?";
            return Err(anyhow!("no such pool element runs here: {advice}")).context(Exit::NotFound);
        }
        [_, _, ..] if !args.all => {
            let name = |(process, element): &(&Process, &Value)| {
                format!(
                    "{} of pool {} in process {}",
                    text(&element["pe"]),
                    text(&element["pool"]),
                    process.text("pid")
                )
            };
            let names: Vec<_> = found.iter().map(name).collect();
            let all = names.join(", ");
            return Err(anyhow!("several fit: {all}: say which by --id, --pool or --pid, or give --all"))
                .context(Exit::Usage);
        }
        _ => {}
    }
    for (process, element) in found {
        let mut request = json!({"command": "set", "pool": element["pool"], "pe": element["pe"]});
        if let Some(load) = args.load {
            request["load"] = load.into();
        }
        if let Some(weight) = args.weight {
            request["weight"] = weight.into();
        }
        let answer = ask(&process.socket, &request).await?;
        let now = &answer["pool_element"];
        match args.output {
            Output::Table => {
                let values = ["weight", "load"].iter().filter(|name| !now[**name].is_null());
                let values: Vec<_> = values.map(|name| format!("{name} {}", text(&now[*name]))).collect();
                print(&format!("PE {} of pool {}: {}", text(&now["pe"]), text(&now["pool"]), values.join(", ")))?;
            }
            Output::Json | Output::Jsonl => print_json(&ls::object(process, now))?,
        }
    }
    Ok(())
}
