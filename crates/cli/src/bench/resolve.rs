// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp bench resolve`: handle resolution, the pools in turn.

use anyhow::{Result, ensure};
use rsp_wire::asap::HandleResolution;
use rsp_wire::asap::message_type::HANDLE_RESOLUTION_RESPONSE;

use super::client::{Client, Workload};
use super::connection::Framing;
use super::options::{Load, Population, Target};
use super::pe::{Registrations, dialect};
use super::report::{self, Report};
use super::server::Server;
use super::template::{self, Template, pool_handle};

/// Resolve pool handles
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) target: Target,
    #[command(flatten)]
    pub(super) load: Load,
    #[command(flatten)]
    pub(super) population: Population,
    /// Pool elements to ask for [default: as many as the registrar gives]
    #[arg(long)]
    pub(super) items: Option<u32>,
}

pub(super) fn run(args: &Args) -> Result<()> {
    report::print(&measure(args)?, args.load.output)
}

pub(super) fn measure(args: &Args) -> Result<Report> {
    ensure!(args.population.elements >= args.population.pools, "there are fewer pool elements than pools");
    let server = Server::registrar(&args.target)?;
    let mut client = Client::new()?;
    let homes = client.open(1, server.address(), Framing::Mapping)?;
    let address = client.connections()[homes.start].local_ip()?;
    Registrations::new(&args.population, address, args.target.profile, homes)?.register_all(&mut client)?;
    let active = client.open(args.load.connections, server.address(), Framing::Mapping)?;
    let mut workload = Resolutions::new(args, active.start, active.len())?;
    report::measure("resolve", &server, &mut client, &args.load, active, &mut workload)
}

/// ASAP_HANDLE_RESOLUTION.
#[derive(Debug)]
struct Resolutions {
    template: Template,
    pools: u32,
    /// The first connection that asks.
    first: usize,
    /// Pools asked for, and pools answered, by connection.
    asked: Vec<u32>,
    answered: Vec<u32>,
}

impl Resolutions {
    fn new(args: &Args, first: usize, connections: usize) -> Result<Self> {
        let resolution =
            HandleResolution { subscribe: false, pool_handle: pool_handle(0), items: args.items, unknown: Vec::new() };
        let pools = args.population.pools;
        // Connections start at different pools.
        let start: Vec<u32> = (0..connections as u32).map(|connection| connection.wrapping_mul(7) % pools).collect();
        let template = Template::new(resolution, dialect(args.target.profile))?;
        Ok(Resolutions { template, pools, first, asked: start.clone(), answered: start })
    }
}

impl Workload for Resolutions {
    fn request(&mut self, connection: usize) -> Option<&[u8]> {
        let pool = &mut self.asked[connection - self.first];
        self.template.set_pool(*pool);
        *pool = if *pool + 1 == self.pools { 0 } else { *pool + 1 };
        Some(self.template.bytes())
    }

    fn answer(&mut self, connection: usize, message: &[u8]) -> Result<(), &'static str> {
        let connection = connection.checked_sub(self.first).ok_or("an answer on a connection that asked nothing")?;
        let pool = self.answered[connection];
        self.answered[connection] = if pool + 1 == self.pools { 0 } else { pool + 1 };
        if !matches!(message, [HANDLE_RESOLUTION_RESPONSE, ..]) {
            return Err("no ASAP_HANDLE_RESOLUTION_RESPONSE");
        }
        if !template::names(message, pool) {
            return Err("the response names another pool");
        }
        if message.len() < SHORTEST { Err("the response holds no pool element") } else { Ok(()) }
    }
}

/// Header, Pool Handle, Pool Element with one IPv4 address. An error would be shorter.
const SHORTEST: usize = 4 + 12 + 40;
