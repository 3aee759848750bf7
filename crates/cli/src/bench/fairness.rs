// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp bench fairness`: one pool user asks as fast as it can. What do the others notice, who ask for half of what the registrar can do?

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use super::client::{Client, Pace, Plan};
use super::connection::Framing;
use super::options::{Population, Target, Until};
use super::report::{self, Report};
use super::resolve::{Resolutions, populate};
use super::server::Server;
use crate::duration;
use crate::output::{self, Output};

/// Measure what others notice of one pool user that asks as fast as it can
///
/// Measures the registrar's capacity first, then the others at a share of it, without and with the one that floods.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) target: Target,
    #[command(flatten)]
    pub(super) population: Population,
    /// Associations of the others
    #[arg(short, long, default_value_t = 63, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub(super) connections: u32,
    /// What they ask for, in per cent of the capacity
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(super) offered: u32,
    /// Requests the flooding pool user always has outstanding
    #[arg(long, default_value_t = 4_096, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub(super) flood: u32,
    /// How long to measure, each time
    #[arg(short, long, value_parser = duration::parse, default_value = "3s")]
    pub(super) duration: Duration,
    /// How long to run before
    #[arg(long, value_parser = duration::parse, default_value = "500ms")]
    pub(super) warmup: Duration,
    #[command(flatten)]
    pub(super) until: Until,
    /// How to print the result
    #[arg(short, long, value_enum, default_value_t)]
    pub(super) output: Output,
}

/// What it came to.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Fairness {
    workload: &'static str,
    pub(super) capacity_per_second: f64,
    pub(super) offered_per_second: u32,
    /// Without the flood.
    pub(super) calm: Report,
    pub(super) flooded: Report,
    /// Answers to the one that floods.
    pub(super) flood_per_second: f64,
    /// What the others got of what they asked for.
    pub(super) share: f64,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let result = measure(args)?;
    match args.output {
        Output::Json | Output::Jsonl => output::print(&serde_json::to_string(&result)?)?,
        Output::Table => {
            let Fairness { capacity_per_second, offered_per_second, calm, flooded, flood_per_second, share, .. } =
                &result;
            output::print(&format!(
                "fairness: capacity {capacity_per_second:.0} requests/s, others ask for {offered_per_second}\n  \
                 alone: {:.0} requests/s, p50 {:.0} us, p99 {:.0} us\n  \
                 beside one that floods ({flood_per_second:.0} requests/s): {:.0} requests/s ({:.1} %), p50 {:.0} us, p99 {:.0} us",
                calm.per_second,
                calm.latency_us.p50,
                calm.latency_us.p99,
                flooded.per_second,
                share * 100.0,
                flooded.latency_us.p50,
                flooded.latency_us.p99
            ))?;
        }
    }
    Ok(())
}

pub(super) fn measure(args: &Args) -> Result<Fairness> {
    let server = Server::registrar(&args.target)?;
    let mut client = Client::new()?;
    populate(&mut client, server.address(), &args.population, args.target.profile)?;
    let first = client.open(1, server.address(), Framing::Mapping)?.start;
    let active = client.open(args.connections, server.address(), Framing::Mapping)?;
    let mut run = |name, pace, flooding: Option<u32>| {
        let flood = flooding.map(|outstanding| (first, outstanding));
        let plan = Plan { flood, warmup: args.warmup, ..Plan::new(active.clone(), pace) };
        let plan = args.until.of(args.duration, plan);
        let pools = args.population.pools;
        let mut workload = Resolutions::new(pools, None, args.target.profile, first, active.len() + 1)?;
        report::run(name, &server, &mut client, &plan, &mut workload)
    };
    let capacity = run("capacity", Pace::Closed { outstanding: 1 }, None)?;
    let offered = ((capacity.per_second * f64::from(args.offered) / 100.0) as u32).max(1);
    let calm = run("calm", Pace::Open { per_second: offered }, None)?;
    let flooded = run("flooded", Pace::Open { per_second: offered }, Some(args.flood))?;
    Ok(Fairness {
        workload: "fairness",
        capacity_per_second: capacity.per_second,
        offered_per_second: offered,
        flood_per_second: flooded.flooded as f64 / flooded.seconds,
        share: flooded.per_second / f64::from(offered),
        calm,
        flooded,
    })
}
