// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp bench startup`: from starting a registrar to its first answer, its memory when idle, and the size of its program.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rserpool::Profile;
use rsp_wire::asap::HandleResolution;
use rsp_wire::asap::message_type::HANDLE_RESOLUTION_RESPONSE;
use serde::Serialize;

use super::client::{Client, Pace, Plan, Workload};
use super::connection::Framing;
use super::options::Pin;
use super::pe::dialect;
use super::server::{Server, program};
use super::template::{Template, pool_handle};
use crate::output::{self, Output};

/// Measure how long a registrar takes to start, and what it needs when idle
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Timers and limits of the registrar: standard, rfc, rsplib or fast
    #[arg(long, default_value = "standard")]
    pub(super) profile: Profile,
    #[command(flatten)]
    pub(super) pin: Pin,
    /// How to print the result
    #[arg(short, long, value_enum, default_value_t)]
    pub(super) output: Output,
}

/// What it came to.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Startup {
    workload: &'static str,
    /// From before the process is started to the first answer.
    pub(super) first_answer_ms: f64,
    pub(super) idle_rss_kb: u64,
    /// The program without symbols, or as it is if there is no `strip`.
    pub(super) program_bytes: u64,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let result = measure(args)?;
    let Startup { first_answer_ms, idle_rss_kb, program_bytes, .. } = &result;
    match args.output {
        Output::Json | Output::Jsonl => output::print(&serde_json::to_string(&result)?),
        Output::Table => output::print(&format!(
            "startup: first answer after {first_answer_ms:.1} ms, {idle_rss_kb} kB of memory when idle, program of {program_bytes} bytes"
        )),
    }
}

pub(super) fn measure(args: &Args) -> Result<Startup> {
    let start = Instant::now();
    let (server, _) = Server::own_registrar(args.profile, &[], &[], args.pin.cpus)?;
    let mut client = Client::new()?;
    let active = client.open(1, server.address(), Framing::Mapping)?;
    let mut question = Question::new(args.profile)?;
    let plan = Plan::new(active, Pace::Closed { outstanding: 1 });
    client.run(&plan, &mut question, || {})?.check()?;
    let first_answer_ms = start.elapsed().as_secs_f64() * 1e3;
    std::thread::sleep(IDLE);
    let idle_rss_kb = server.usage().context("the registrar has ended")?.rss_kb;
    Ok(Startup { workload: "startup", first_answer_ms, idle_rss_kb, program_bytes: program_bytes()? })
}

fn program_bytes() -> Result<u64> {
    let program = program()?;
    let stripped = std::env::temp_dir().join(format!("rsp-bench-{}", std::process::id()));
    let strip = Command::new("strip").arg("-o").arg(&stripped).arg(&program).stderr(Stdio::null()).status();
    let bytes = match strip {
        Ok(status) if status.success() => std::fs::metadata(&stripped)?.len(),
        _ => std::fs::metadata(&program)?.len(),
    };
    let _ = std::fs::remove_file(&stripped);
    Ok(bytes)
}

/// One resolution. That there is no such pool is an answer.
#[derive(Debug)]
struct Question {
    request: Template,
    is_sent: bool,
}

impl Question {
    fn new(profile: Profile) -> Result<Self> {
        let pool_handle = pool_handle(0);
        let resolution = HandleResolution { subscribe: false, pool_handle, items: None, unknown: Vec::new() };
        Ok(Question { request: Template::new(resolution, dialect(profile))?, is_sent: false })
    }
}

impl Workload for Question {
    fn request(&mut self, _connection: usize, _due: u64) -> Option<&[u8]> {
        (!std::mem::replace(&mut self.is_sent, true)).then(|| self.request.bytes())
    }

    fn answer(&mut self, _connection: usize, message: &[u8]) -> Result<(), &'static str> {
        if message.first() == Some(&HANDLE_RESOLUTION_RESPONSE) { Ok(()) } else { Err("no answer to the resolution") }
    }
}

/// How long it has nothing to do before its memory is looked at.
const IDLE: Duration = Duration::from_millis(300);
