// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp demo`: three registrars, five pool elements and a pool user, each a process of its own, and what happens to a session when its server
//! is killed, cut off, stopped or drained, or when registrars die. Everything shown is measured: from the stream of answers, from
//! resolutions that go on all the time, and from what the registrars say over admin HTTP.

mod acts;
mod card;
mod clock;
mod homes;
pub(crate) mod links;
pub(crate) mod pe;
mod picture;
pub(crate) mod pu;
mod registrar_fault;
mod registrars;
mod resolver;
mod server_fault;
mod stage;
mod workload;

use std::io::IsTerminal;

use rserpool::Transport;
use serde::Serialize;

use crate::output::Output;

/// Shows what happens to a session when its server dies, or registrars do
///
/// Needs no root, no configuration and no free port of its own choosing: everything runs on loopback. The acts: kill -9 the serving
/// pool element; black-hole it (a link shim stops passing bytes, connections stay open); SIGSTOP it; drain it and add another; kill -9
/// the registrar that is its home; kill two of the three registrars; bring one back.
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
    /// Over what everything runs: tcp, sctp-udp, or sctp (the kernel's; needs root, as its black hole is an address taken from the loopback interface)
    #[arg(long, value_name = "NAME", default_value = "tcp", value_parser = one_of_them)]
    transport: Transport,
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

/// What is done to the serving pool element, or to registrars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Act {
    Kill,
    Blackhole,
    Hang,
    Drain,
    RegistrarKill,
    TwoOfThree,
    RegistrarReturn,
}

impl Act {
    const ALL: [Act; 7] =
        [Act::Kill, Act::Blackhole, Act::Hang, Act::Drain, Act::RegistrarKill, Act::TwoOfThree, Act::RegistrarReturn];

    fn is_about_registrars(self) -> bool {
        matches!(self, Act::RegistrarKill | Act::TwoOfThree | Act::RegistrarReturn)
    }

    /// What a person reads.
    fn title(self) -> &'static str {
        match self {
            Act::Kill => "kill -9 the serving pool element",
            Act::Blackhole => "black-hole it: no byte passes, connections stay open",
            Act::Hang => "SIGSTOP it: the process hangs, its kernel still answers",
            Act::Drain => "drain it, and add another",
            Act::RegistrarKill => "kill -9 the registrar that is its home",
            Act::TwoOfThree => "kill -9 two of the three registrars",
            Act::RegistrarReturn => "bring one registrar back",
        }
    }

    /// The interruption the demo stays below, in milliseconds.
    fn bound_ms(self) -> u64 {
        match self {
            Act::Kill | Act::Drain | Act::RegistrarKill | Act::TwoOfThree | Act::RegistrarReturn => 200,
            Act::Blackhole => 1_000,
            Act::Hang => 2_000,
        }
    }
}

/// What an act came to.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ActResult {
    name: Act,
    #[serde(flatten)]
    fault: Fault,
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

/// What only acts of one kind measure.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
enum Fault {
    Server {
        /// From the fault to the decision to leave the server.
        detect_ms: f64,
    },
    Registrar {
        /// From the fault until every pool element has a home that lives and is connected with it, in the words of all living registrars.
        rehome_ms: f64,
        /// Resolutions at registrars that live.
        resolutions: u64,
        /// How many of them had no answer, or another one than all pool elements.
        failed_resolutions: u64,
        /// Sessions that moved or paused.
        sessions_noticed: u32,
    },
}

impl ActResult {
    fn of(name: Act, counts: &pu::Counts, fault: Fault) -> Self {
        ActResult {
            name,
            fault,
            interruption_ms: clock::ms(0, counts.gap),
            sent: counts.sent,
            answered: counts.answered,
            lost: counts.sent - counts.answered.min(counts.sent),
            duplicated: counts.duplicated,
            resent: counts.resent,
        }
    }

    fn ok(&self) -> bool {
        let resolved = !matches!(self.fault, Fault::Registrar { failed_resolutions: 1.., .. });
        resolved && self.lost == 0 && self.duplicated == 0 && self.sent == self.answered
    }
}

/// The last line of `--script -o json`.
#[derive(Debug, Serialize)]
struct Report {
    acts: Vec<ActResult>,
    ok: bool,
}

/// The demo cuts links, and must know which.
fn one_of_them(name: &str) -> Result<Transport, String> {
    name.parse().ok().filter(|it| *it != Transport::Auto).ok_or_else(|| "tcp, sctp-udp or sctp is expected".to_owned())
}

/// Plays the demo; the exit code is 0 only if every answer arrived once and right, and no resolution failed.
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
        let mut stage = stage::Stage::set_up(args.transport, args.outstanding, &mut picture).await?;
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
    anyhow::ensure!(played.ok, "an answer was lost, duplicated or wrong, or a resolution failed");
    Ok(())
}
