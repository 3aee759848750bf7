// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp demo`: a registrar, five pool elements and a pool user, each a process of its own, and what happens to a session when its server is
//! killed, cut off, stopped or drained. Everything shown is measured from the stream of answers.

mod acts;
mod card;
mod clock;
pub(crate) mod pe;
mod picture;
pub(crate) mod pu;
mod stage;
mod workload;

use std::io::IsTerminal;

use serde::Serialize;

use crate::output::Output;

/// Shows what happens to a session when its server dies
///
/// Needs no root, no configuration and no free port of its own choosing: everything runs on loopback. The acts: kill -9 the serving
/// pool element; black-hole it (a link shim stops passing bytes, connections stay open); SIGSTOP it; drain it and add another.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Play the acts once without a terminal and end
    #[arg(long)]
    script: bool,
    /// What standard output ends with: json = one line of results
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
    /// Play only these acts
    #[arg(long, value_enum, value_delimiter = ',')]
    acts: Vec<Act>,
    /// Requests per act
    #[arg(long, default_value_t = 1_500, value_parser = clap::value_parser!(u64).range(1_000..))]
    requests: u64,
    /// Requests the pool user keeps outstanding
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(32..=4096))]
    outstanding: u64,
    /// Repeat the kill act so often, with a new server each time
    #[arg(long, default_value_t = 1, hide = true)]
    kills: u32,
}

/// What is done to the serving pool element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Act {
    Kill,
    Blackhole,
    Hang,
    Drain,
}

impl Act {
    const ALL: [Act; 4] = [Act::Kill, Act::Blackhole, Act::Hang, Act::Drain];

    /// What a person reads.
    fn title(self) -> &'static str {
        match self {
            Act::Kill => "kill -9 the serving pool element",
            Act::Blackhole => "black-hole it: no byte passes, connections stay open",
            Act::Hang => "SIGSTOP it: the process hangs, its kernel still answers",
            Act::Drain => "drain it, and add another",
        }
    }

    /// The interruption the demo stays below, in milliseconds.
    fn bound_ms(self) -> u64 {
        match self {
            Act::Kill | Act::Drain => 200,
            Act::Blackhole => 1_000,
            Act::Hang => 2_000,
        }
    }
}

/// What an act came to.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ActResult {
    name: Act,
    /// From the fault to the decision to leave the server.
    detect_ms: f64,
    /// The longest gap between two consecutive answers.
    interruption_ms: f64,
    sent: u64,
    answered: u64,
    lost: u64,
    /// Answers the session layer handed up twice.
    duplicated: u64,
    /// Requests that reached their server marked as resent.
    resent: u64,
}

impl ActResult {
    fn ok(&self) -> bool {
        self.lost == 0 && self.duplicated == 0 && self.sent == self.answered
    }
}

/// The last line of `--script -o json`.
#[derive(Debug, Serialize)]
struct Report {
    acts: Vec<ActResult>,
    ok: bool,
}

/// Plays the demo; the exit code is 0 only if every answer arrived once and right.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(play(args))
}

async fn play(args: &Args) -> anyhow::Result<()> {
    let live = !args.script && args.output == Output::Table && std::io::stdout().is_terminal();
    let acts = if args.acts.is_empty() { Act::ALL.to_vec() } else { args.acts.clone() };
    let acts: Vec<Act> = acts
        .iter()
        .flat_map(|act| std::iter::repeat_n(*act, if *act == Act::Kill { args.kills as usize } else { 1 }))
        .collect();

    let mut picture = picture::Picture::new(live, &acts)?;
    let result = async {
        let mut stage = stage::Stage::set_up(args.outstanding, &mut picture).await?;
        let played = acts::play_all(&acts, args.requests, &mut stage, &mut picture).await;
        stage.tear_down().await;
        played
    }
    .await;
    let played = match result {
        Ok((acts, right)) => Report { ok: right && acts.iter().all(ActResult::ok), acts },
        Err(error) => {
            picture.close(None)?;
            return Err(error);
        }
    };
    picture.close(Some(&played.acts))?;
    match args.output {
        Output::Table => print!("{}", card::card(&played.acts, played.ok)),
        Output::Json | Output::Jsonl => println!("{}", serde_json::to_string(&played)?),
    }
    anyhow::ensure!(played.ok, "an answer was lost, duplicated or wrong");
    Ok(())
}
