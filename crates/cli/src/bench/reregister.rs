// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp bench reregister`: registered pool elements register again, each over its own association, and wait for the answer.

use anyhow::Result;

use super::client::Client;
use super::connection::Framing;
use super::options::{Load, Population, Target};
use super::pe::Registrations;
use super::report::{self, Report};
use super::server::Server;

/// Register pool elements again
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) target: Target,
    #[command(flatten)]
    pub(super) load: Load,
    #[command(flatten)]
    pub(super) population: Population,
}

pub(super) fn run(args: &Args) -> Result<()> {
    report::print(&measure(args)?, args.load.output)
}

pub(super) fn measure(args: &Args) -> Result<Report> {
    let server = Server::registrar(&args.target)?;
    let mut client = Client::new()?;
    let active = client.open(args.load.connections, server.address(), Framing::Mapping)?;
    let address = client.connections()[active.start].local_ip()?;
    let mut workload = Registrations::new(&args.population, address, args.target.profile, active.clone())?;
    workload.register_all(&mut client)?;
    report::measure("reregister", &server, &mut client, &args.load, active, &mut workload.again())
}
