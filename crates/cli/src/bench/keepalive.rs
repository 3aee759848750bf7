// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp bench keepalive`: pool elements that do nothing but answer the registrar's keep-alives. What it costs the registrar is the result.

use std::time::Duration;

use anyhow::Result;

use super::client::{Client, Pace, Plan, Workload};
use super::connection::Framing;
use super::options::{Policy, Population, Target, Until};
use super::pe::Registrations;
use super::report::{self, Report};
use super::server::Server;
use crate::duration;
use crate::output::Output;

/// Answer the registrar's keep-alives for many pool elements
///
/// How often they come is the registrar's setting keep_alive_interval.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) target: Target,
    /// Associations
    #[arg(short, long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub(super) connections: u32,
    /// Pools
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) pools: u32,
    /// Pool elements in all of them
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(super) elements: u32,
    /// Their policy
    #[arg(long, value_enum, default_value_t)]
    pub(super) policy: Policy,
    /// How long to measure
    #[arg(short, long, value_parser = duration::parse, default_value = "10s")]
    pub(super) duration: Duration,
    /// How long to run before
    #[arg(long, value_parser = duration::parse, default_value = "10s")]
    pub(super) warmup: Duration,
    #[command(flatten)]
    pub(super) until: Until,
    /// How to print the result
    #[arg(short, long, value_enum, default_value_t)]
    pub(super) output: Output,
}

pub(super) fn run(args: &Args) -> Result<()> {
    report::print(&measure(args)?, args.output)
}

pub(super) fn measure(args: &Args) -> Result<Report> {
    let server = Server::registrar(&args.target)?;
    let mut client = Client::new()?;
    let homes = client.open(args.connections, server.address(), Framing::Mapping)?;
    let address = client.connections()[homes.start].local_ip()?;
    let population = Population { pools: args.pools, elements: args.elements, policy: args.policy };
    let before = server.usage();
    Registrations::new(&population, address, args.target.profile, homes)?.register_all(&mut client)?;
    let pace = Pace::Closed { outstanding: 0 };
    let plan = args.until.of(args.duration, Plan { warmup: args.warmup, ..Plan::new(0..0, pace) });
    let mut report = report::run("keepalive", &server, &mut client, &plan, &mut Silence)?;
    report.since(before);
    Ok(report)
}

/// Asks nothing, so whatever comes beside keep-alives is wrong: mostly that an element was removed.
#[derive(Debug)]
struct Silence;

impl Workload for Silence {
    fn request(&mut self, _connection: usize, _due: u64) -> Option<&[u8]> {
        None
    }

    fn answer(&mut self, _connection: usize, _message: &[u8]) -> Result<(), &'static str> {
        Err("a message that is no keep-alive")
    }
}
