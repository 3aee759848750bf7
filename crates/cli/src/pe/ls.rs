// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp pe ls`: the pool elements of processes on this host.

use serde_json::{Value, json};

use crate::control::{Process, Processes, text};
use crate::output::{Output, print, print_json, table};

/// List the pool elements that run on this host, in processes of this user
///
/// `rsp pool show` asks a registrar instead, for those of all hosts.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    processes: Processes,
    /// How to print
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

pub(crate) async fn run(args: &Args) -> anyhow::Result<()> {
    let processes = args.processes.show().await?;
    let elements = || processes.iter().flat_map(|process| process.list("pool_elements").map(move |it| (process, it)));
    match args.output {
        Output::Table => print(&table(TITLES, elements().map(|(process, element)| row(process, element)))),
        Output::Json => print_json(&elements().map(|(process, element)| object(process, element)).collect()),
        Output::Jsonl => elements().try_for_each(|(process, element)| print_json(&object(process, element))),
    }
}

const TITLES: [&str; 9] = ["PID", "POOL", "PE", "ADDRESSES", "MAPPING", "TRANSPORT", "POLICY", "HOME", "SESSIONS"];

fn row(process: &Process, element: &Value) -> [String; 9] {
    let it = |field: &str| text(&element[field]);
    let values = ["weight", "load"].iter().filter(|name| !element[**name].is_null());
    let policy = values.fold(it("policy"), |policy, name| format!("{policy} {name}={}", it(name)));
    let sessions = element["sessions"].as_array().map_or(0, Vec::len).to_string();
    let (pool, pe, addresses) = (it("pool"), it("pe"), it("addresses"));
    [process.text("pid"), pool, pe, addresses, it("mapping"), it("transports"), policy, it("home"), sessions]
}

/// Without its sessions, which `rsp session ls` has.
pub(super) fn object(process: &Process, element: &Value) -> Value {
    let mut object = json!({"pid": process.shown["pid"]});
    for (name, value) in element.as_object().into_iter().flatten() {
        object[name] = match value {
            Value::Array(sessions) if name == "sessions" => sessions.len().into(),
            other => other.clone(),
        };
    }
    object
}
