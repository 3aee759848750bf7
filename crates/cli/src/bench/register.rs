// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp bench register`: first registrations, each of a pool element that is new.

use anyhow::Result;

use super::client::Client;
use super::connection::Framing;
use super::options::{Load, Policy, Population, Target};
use super::pe::Registrations;
use super::report::{self, Report};
use super::server::Server;

/// Register pool elements for the first time
///
/// Ends when all are registered, or after the duration. They leave the pools when their associations end, with the run.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) target: Target,
    #[command(flatten)]
    pub(super) load: Load,
    /// Pools
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) pools: u32,
    /// Most pool elements in all of them
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(super) elements: u32,
    /// Their policy
    #[arg(long, value_enum, default_value_t)]
    pub(super) policy: Policy,
}

pub(super) fn run(args: &Args) -> Result<()> {
    report::print(&measure(args)?, args.load.output)
}

pub(super) fn measure(args: &Args) -> Result<Report> {
    let server = Server::registrar(&args.target)?;
    let mut client = Client::new()?;
    let active = client.open(args.load.connections, server.address(), Framing::Mapping)?;
    let address = client.connections()[active.start].local_ip()?;
    let population = Population { pools: args.pools, elements: args.elements, policy: args.policy };
    let mut workload = Registrations::new(&population, address, args.target.profile, active.clone())?;
    report::measure("register", &server, &mut client, &args.load, active, &mut workload)
}
