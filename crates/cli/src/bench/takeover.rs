// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp bench takeover`: the home registrar of many pool elements dies. How long until the others own them, do lookups there fail meanwhile,
//! and when has every pool element heard of its new home?

use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use nix::sys::signal::Signal;
use serde::Serialize;

use super::census::{census, homes};
use super::client::{Client, Pace, Plan, Workload};
use super::cluster::Cluster;
use super::connection::Framing;
use super::join::KEEP_ALIVE;
use super::options::{Own, Policy, Population};
use super::pe::Registrations;
use super::report::{self, Report};
use super::resolve::Resolutions;
use super::server::Server;
use crate::duration;
use crate::output::{self, Output};

/// Measure how long survivors take to own the pool elements of a registrar that dies
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) own: Own,
    /// Registrars, of which the first dies
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(2..=100))]
    pub(super) registrars: u32,
    /// How it dies
    #[arg(long, value_enum, default_value_t)]
    pub(super) death: Death,
    /// Pools
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) pools: u32,
    /// Pool elements in all of them
    #[arg(long, default_value_t = 50_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(super) elements: u32,
    /// Lookups a second at the survivors
    #[arg(long, value_name = "PER_SECOND", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) rate: u32,
    /// How long to watch
    #[arg(short, long, value_parser = duration::parse, default_value = "8s")]
    pub(super) duration: Duration,
    /// How much longer to watch if something is still missing then
    #[arg(long, value_parser = duration::parse, default_value = "60s")]
    pub(super) patience: Duration,
    /// How to print the result
    #[arg(short, long, value_enum, default_value_t)]
    pub(super) output: Output,
}

/// How a registrar dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(super) enum Death {
    /// SIGKILL: its connections end
    #[default]
    Kill,
    /// SIGSTOP: its connections stay, and nothing comes on them
    Hang,
}

/// What it came to.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Takeover {
    workload: &'static str,
    death: Death,
    elements: u32,
    /// From the death until the last survivor no longer said that they are at home with the dead.
    pub(super) owned_ms: f64,
    /// Pool elements told of their new home, and when the last one was.
    pub(super) told: u64,
    pub(super) told_ms: f64,
    /// Lookups at the survivors that failed.
    pub(super) failed_lookups: u64,
    /// Pool elements every survivor knows at the end, all of them at home with a survivor.
    pub(super) kept: u64,
    pub(super) lookups: Report,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let result = measure(args)?;
    match args.output {
        Output::Json | Output::Jsonl => output::print(&serde_json::to_string(&result)?),
        Output::Table => {
            let Takeover { elements, owned_ms, told, told_ms, failed_lookups, kept, lookups, .. } = &result;
            output::print(&format!(
                "takeover of {elements} pool elements ({:?}): owned by survivors after {owned_ms:.0} ms, {told} told of it after {told_ms:.0} ms, {kept} kept\n  \
                 lookups at survivors: {}, {failed_lookups} failed, p99 {:.0} us",
                args.death, lookups.requests, lookups.latency_us.p99
            ))
        }
    }
}

pub(super) fn measure(args: &Args) -> Result<Takeover> {
    let cluster = Cluster::own(&args.own, args.registrars, KEEP_ALIVE)?;
    let [victim, survivors @ ..] = cluster.servers() else { bail!("no registrar") };
    let mut client = Client::new()?;
    let homes = client.open(HOMES, victim.address(), Framing::Mapping)?;
    client.may_end(homes.clone());
    let local = client.connections()[homes.start].local_ip()?;
    let ports = client.listen(PORTS, local)?;
    let population = Population { pools: args.pools, elements: args.elements, policy: Policy::Lu };
    Registrations::reached_at(ports, &population, local, args.own.profile, homes)?.register_all(&mut client)?;
    for survivor in survivors {
        wait_until_known(&mut client, survivor, args)?;
    }

    let mut active = client.connections().len()..client.connections().len();
    for survivor in survivors.iter().cycle().take(survivors.len() * LOOKUPS) {
        active.end = client.open(1, survivor.address(), Framing::Mapping)?.end;
    }
    let mut lookups = Lookups {
        resolutions: Resolutions::new(args.pools, None, args.own.profile, active.start, active.len())?,
        victim,
        death: args.death,
        died: None,
        home: None,
        last_told: None,
    };
    let pace = Pace::Open { per_second: args.rate };
    let plan = Plan { warmup: WARMUP, duration: Some(args.duration), ..Plan::new(active, pace) };
    let report = report::run("lookups", &survivors[0], &mut client, &plan, &mut lookups)?;

    let died = *lookups.died.as_ref().context("it did not die")?.as_ref().map_err(|error| anyhow!("{error:#}"))?;
    let until = Instant::now() + args.patience;
    let kept = loop {
        let kept = kept(&mut client, survivors, lookups.home, args)?;
        let all = u64::from(args.elements);
        if (kept == all && client.claims().0 >= all) || Instant::now() >= until {
            break kept;
        }
        let plan = Plan { warmup: Duration::ZERO, duration: Some(STEP), ..plan.clone() };
        client.run(&plan, &mut lookups, || {})?;
    };
    let since = |moment: Option<Instant>| moment.map_or(0.0, |moment| (moment - died).as_secs_f64() * 1e3);
    let (told, last_told) = client.claims();
    Ok(Takeover {
        workload: "takeover",
        death: args.death,
        elements: args.elements,
        owned_ms: since(lookups.last_told),
        told,
        told_ms: since(last_told),
        failed_lookups: report.errors,
        kept,
        lookups: report,
    })
}

/// How many pool elements every survivor knows to be at home with a survivor.
fn kept(client: &mut Client, survivors: &[Server], dead: Option<u32>, args: &Args) -> Result<u64> {
    let mut kept = u64::MAX;
    for survivor in survivors {
        let homes = census(client, survivor, args.pools, args.own.profile)?;
        kept = kept.min(homes.iter().filter(|(home, _)| Some(**home) != dead).map(|(_, count)| *count).sum());
    }
    Ok(kept)
}

fn wait_until_known(client: &mut Client, server: &Server, args: &Args) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    loop {
        let known: u64 = census(client, server, args.pools, args.own.profile).map_or(0, |homes| homes.values().sum());
        if known == u64::from(args.elements) {
            return Ok(());
        }
        ensure!(Instant::now() < until, "a survivor knows only {known} pool elements");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Resolutions at the survivors; the victim dies when measuring begins.
struct Lookups<'a> {
    resolutions: Resolutions,
    victim: &'a Server,
    death: Death,
    died: Option<Result<Instant>>,
    /// The victim's identifier: all pool elements are at home with it.
    home: Option<u32>,
    /// When a survivor last said so.
    last_told: Option<Instant>,
}

impl Workload for Lookups<'_> {
    fn request(&mut self, connection: usize, due: u64) -> Option<&[u8]> {
        self.resolutions.request(connection, due)
    }

    fn answer(&mut self, connection: usize, message: &[u8]) -> Result<(), &'static str> {
        self.resolutions.answer(connection, message)?;
        let victim = *self.home.get_or_insert(homes(message).next().ok_or("the response holds no pool element")?);
        if homes(message).any(|home| home == victim) {
            self.last_told = Some(Instant::now());
        }
        Ok(())
    }

    fn begins(&mut self) {
        if self.died.is_some() {
            return;
        }
        let signal = if self.death == Death::Kill { Signal::SIGKILL } else { Signal::SIGSTOP };
        self.died = Some(self.victim.signal(signal).map(|()| Instant::now()));
    }
}

/// Lookups before the death.
const WARMUP: Duration = Duration::from_millis(500);

/// How much longer at a time, if something is still missing.
const STEP: Duration = Duration::from_millis(200);

/// Associations of pool elements, and ports where they are reached.
const HOMES: u32 = 64;
const PORTS: usize = 64;

/// Associations of pool users at each survivor.
const LOOKUPS: usize = 4;

/// How long registrars may take to learn of all pool elements.
const PATIENCE: Duration = Duration::from_secs(30);
