// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp session ls`: asks the processes of this user, on their control sockets.

use serde_json::{Value, json};

use crate::control::{Process, Processes, text};
use crate::output::{Output, print, print_json, table};

/// List the sessions of the processes of this user, both ends of them
///
/// Each process that uses the library with a control directory is asked: `rsp` programs have one, others where RSERPOOL_CONTROL_DIR or the program
/// names it. UNACKED counts messages that were sent and have no outcome yet, WINDOW their bytes in the send window.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    processes: Processes,
    /// How to print: json is what each process answers, jsonl a session a line
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

pub(crate) async fn run(args: &Args) -> anyhow::Result<()> {
    let processes = args.processes.show().await?;
    let rows = processes.iter().flat_map(ends);
    match args.output {
        Output::Table => print(&table(TITLES, rows.map(|end| end.row()))),
        Output::Json => print_json(&processes.iter().map(|process| process.shown.clone()).collect()),
        Output::Jsonl => rows.map(|end| end.object()).try_for_each(|object| print_json(&object)),
    }
}

/// One end of a session.
struct End<'a> {
    process: &'a Process,
    /// The pool element whose end it is.
    element: Option<&'a Value>,
    session: &'a Value,
}

fn ends(process: &Process) -> impl Iterator<Item = End<'_>> {
    let users = process.list("sessions").map(move |session| End { process, element: None, session });
    let elements = process.list("pool_elements").flat_map(move |element| {
        let sessions = element["sessions"].as_array().into_iter().flatten();
        sessions.map(move |session| End { process, element: Some(element), session })
    });
    users.chain(elements)
}

const TITLES: [&str; 12] =
    ["PID", "END", "POOL", "SESSION", "STATE", "PE", "PEER", "TRANSPORT", "UNACKED", "WINDOW", "FAILOVERS", "AGE"];

impl End<'_> {
    fn row(&self) -> [String; 12] {
        let it = |field: &str| text(&self.session[field]);
        let of_element = |field: &str| self.element.map(|element| text(&element[field]));
        [
            self.process.text("pid"),
            if self.element.is_some() { "PE" } else { "PU" }.to_owned(),
            of_element("pool").unwrap_or_else(|| it("pool")),
            it("session"),
            if self.element.is_some() { "open".to_owned() } else { it("state") },
            of_element("pe").unwrap_or_else(|| it("pe")),
            if self.element.is_some() { it("peer") } else { it("addresses") },
            it("transport"),
            it("unacked"),
            it("window_bytes"),
            it("failovers"),
            format!("{} s", it("age_seconds")),
        ]
    }

    fn object(&self) -> Value {
        let mut object =
            json!({"pid": self.process.shown["pid"], "program": self.process.shown["program"], "end": "pu"});
        if let Some(element) = self.element {
            object["end"] = "pe".into();
            object["pool"] = element["pool"].clone();
            object["pe"] = element["pe"].clone();
        }
        for (name, value) in self.session.as_object().into_iter().flatten() {
            object[name] = value.clone();
        }
        object
    }
}
