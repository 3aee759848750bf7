// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp bench session`: what a session costs, and what is noticed of a server that fails. A workload per file; [`stage`] has the processes they run against.

mod heartbeats;
mod kill;
mod latency;
mod memory;
mod raw;
mod server;
mod stage;
mod throughput;

use anyhow::Result;
use rserpool::Transport;
use serde::Serialize;

use super::options::Pin;
use crate::output::{self, Output};

/// Measure sessions over the loopback: interruptions, false alarms, throughput and latency beside raw TCP, memory
#[derive(Debug, Clone, clap::Subcommand)]
pub(crate) enum Session {
    Kill(kill::Args),
    Heartbeats(heartbeats::Args),
    Throughput(throughput::Args),
    Latency(latency::Args),
    Memory(memory::Args),
}

/// What all of them can be told.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Common {
    /// What carries the sessions: tcp, sctp-udp or sctp
    #[arg(long, default_value = "tcp")]
    transport: Transport,
    /// A setting of the sessions at both ends, e.g. receive_window=4194304; may be given several times
    #[arg(long = "set", value_name = "NAME=VALUE")]
    settings: Vec<String>,
    #[command(flatten)]
    pin: Pin,
    /// How to print the result
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

pub(crate) use server::Args as ServerArgs;

pub(super) fn run(command: &Session) -> Result<()> {
    // The sessions of a program with one thread, as of a C program: nothing is done beside what is measured.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            Session::Kill(args) => kill::run(args).await,
            Session::Heartbeats(args) => heartbeats::run(args).await,
            Session::Throughput(args) => throughput::run(args).await,
            Session::Latency(args) => latency::run(args).await,
            Session::Memory(args) => memory::run(args).await,
        }
    })
}

pub(super) fn serve(args: &ServerArgs) -> Result<()> {
    crate::block_on(server::serve(args))
}

/// Prints a result, for people with this text.
fn print(output: Output, result: &impl Serialize, text: impl FnOnce() -> String) -> Result<()> {
    match output {
        Output::Json | Output::Jsonl => output::print(&serde_json::to_string(result)?),
        Output::Table => output::print(&text()),
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
