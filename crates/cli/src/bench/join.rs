// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp bench join`: a registrar starts and downloads the handlespace from one that is busy answering.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde::Serialize;

use super::census::census;
use super::client::{Client, Pace, Plan};
use super::cluster::own;
use super::connection::Framing;
use super::options::{Own, Policy, Population};
use super::pe::Registrations;
use super::report::{self, Report};
use super::resolve::Resolutions;
use crate::duration;
use crate::output::{self, Output};

/// Measure how long a registrar takes to join another that has many pool elements, and what lookups there notice of it
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) own: Own,
    /// Pools
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) pools: u32,
    /// Pool elements in all of them
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(super) elements: u32,
    /// Lookups a second meanwhile
    #[arg(long, value_name = "PER_SECOND", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) rate: u32,
    /// How long to measure lookups without it
    #[arg(short, long, value_parser = duration::parse, default_value = "1s")]
    pub(super) duration: Duration,
    /// How to print the result
    #[arg(short, long, value_enum, default_value_t)]
    pub(super) output: Output,
}

/// What it came to.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Join {
    workload: &'static str,
    elements: u32,
    /// From before the joining process is started until it serves with all pool elements.
    pub(super) joined_ms: f64,
    /// The same with nothing to download.
    pub(super) empty_ms: f64,
    pub(super) calm: Report,
    pub(super) meanwhile: Report,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let result = measure(args)?;
    match args.output {
        Output::Json | Output::Jsonl => output::print(&serde_json::to_string(&result)?),
        Output::Table => {
            let Join { elements, joined_ms, empty_ms, calm, meanwhile, .. } = &result;
            output::print(&format!(
                "join: serves with {elements} pool elements {joined_ms:.1} ms after it was started, with none after {empty_ms:.1} ms\n  \
                 lookups at the other, {} a second: p99.9 {:.0} us, meanwhile {:.0} us",
                args.rate, calm.latency_us.p999, meanwhile.latency_us.p999
            ))
        }
    }
}

pub(super) fn measure(args: &Args) -> Result<Join> {
    let (first, enrp) = own(&args.own, None, KEEP_ALIVE)?;
    let (empty, empty_ms) = timed(|| own(&args.own, Some(enrp), KEEP_ALIVE))?;
    drop(empty);

    let mut client = Client::new()?;
    let homes = client.open(HOMES, first.address(), Framing::Mapping)?;
    let local = client.connections()[homes.start].local_ip()?;
    let population = Population { pools: args.pools, elements: args.elements, policy: Policy::Lu };
    Registrations::new(&population, local, args.own.profile, homes)?.register_all(&mut client)?;

    let active = client.open(LOOKUPS, first.address(), Framing::Mapping)?;
    let mut lookups = Resolutions::new(args.pools, None, args.own.profile, active.start, active.len())?;
    let pace = Pace::Open { per_second: args.rate };
    let plan = Plan { warmup: WARMUP, duration: Some(args.duration), ..Plan::new(active, pace) };
    let calm = report::run("calm", &first, &mut client, &plan, &mut lookups)?;

    let stop = Arc::new(AtomicBool::new(false));
    let plan = Plan { warmup: Duration::ZERO, duration: Some(PATIENCE), stop: Some(Arc::clone(&stop)), ..plan };
    let options = args.own.clone();
    let joining = std::thread::spawn(move || {
        let joined = timed(|| own(&options, Some(enrp), KEEP_ALIVE));
        stop.store(true, Ordering::Relaxed);
        joined
    });
    let meanwhile = report::run("meanwhile", &first, &mut client, &plan, &mut lookups)?;
    let ((second, _), joined_ms) = joining.join().expect("it doesn't panic")?;

    let known: u64 = census(&mut client, &second, args.pools, args.own.profile)?.values().sum();
    ensure!(known == u64::from(args.elements), "it knows {known} of {} pool elements", args.elements);
    ensure!(calm.errors + meanwhile.errors == 0, "lookups failed");
    Ok(Join { workload: "join", elements: args.elements, joined_ms, empty_ms, calm, meanwhile })
}

fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, f64)> {
    let start = Instant::now();
    let result = work()?;
    Ok((result, start.elapsed().as_secs_f64() * 1e3))
}

/// Keep-alives are measured elsewhere.
pub(super) const KEEP_ALIVE: Option<&str> = Some("keep_alive_interval=60s");

/// Associations of pool elements, and of pool users.
const HOMES: u32 = 64;
const LOOKUPS: u32 = 16;

const WARMUP: Duration = Duration::from_millis(300);

/// How long joining may take.
const PATIENCE: Duration = Duration::from_secs(30);
