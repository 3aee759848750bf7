// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp bench resolve`: handle resolution, the pools in turn.

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use net::TransportChoice;
use rserpool::Profile;
use rsp_wire::asap::HandleResolution;
use rsp_wire::asap::message_type::HANDLE_RESOLUTION_RESPONSE;

use super::associations::Associations;
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
    /// What carries the load: tcp, sctp-udp or sctp; pool elements register over the TCP mapping
    #[arg(long, default_value_t = TransportChoice::Tcp, conflicts_with = "rate")]
    pub(super) transport: TransportChoice,
}

pub(super) fn run(args: &Args) -> Result<()> {
    report::print(&measure(args)?, args.load.output)
}

pub(super) fn measure(args: &Args) -> Result<Report> {
    ensure!(args.population.elements >= args.population.pools, "there are fewer pool elements than pools");
    let server = Server::registrar(&args.target)?;
    let mut client = Client::new()?;
    populate(&mut client, server.address(), &args.population, args.target.profile)?;
    if args.transport != TransportChoice::Tcp {
        let before = server.usage();
        let mut associations = Associations::open(args.transport, args.load.connections, server.address())?;
        let pools = args.population.pools;
        let workload = Resolutions::new(pools, args.items, args.target.profile, 0, associations.len())?;
        let mut report = report::measure_over_sctp("resolve", &server, &mut associations, &args.load, workload)?;
        report.since(before);
        return Ok(report);
    }
    let active = client.open(args.load.connections, server.address(), Framing::Mapping)?;
    let mut workload =
        Resolutions::new(args.population.pools, args.items, args.target.profile, active.start, active.len())?;
    report::measure("resolve", &server, &mut client, &args.load, active, &mut workload)
}

/// Registers pool elements over a connection of their own, which is kept.
pub(super) fn populate(
    client: &mut Client,
    address: SocketAddr,
    population: &Population,
    profile: Profile,
) -> Result<()> {
    let homes = client.open(1, address, Framing::Mapping)?;
    let local = client.connections()[homes.start].local_ip()?;
    Registrations::new(population, local, profile, homes)?.register_all(client)
}

/// ASAP_HANDLE_RESOLUTION.
#[derive(Debug)]
pub(super) struct Resolutions {
    template: Template,
    pools: u32,
    /// The first connection that asks.
    first: usize,
    /// Pools asked for, and pools answered, by connection.
    asked: Vec<u32>,
    answered: Vec<u32>,
}

impl Resolutions {
    pub(super) fn new(
        pools: u32,
        items: Option<u32>,
        profile: Profile,
        first: usize,
        connections: usize,
    ) -> Result<Self> {
        let resolution = HandleResolution { subscribe: false, pool_handle: pool_handle(0), items, unknown: Vec::new() };
        // Connections start at different pools.
        let start: Vec<u32> = (0..connections as u32).map(|connection| connection.wrapping_mul(7) % pools).collect();
        let template = Template::new(resolution, dialect(profile))?;
        Ok(Resolutions { template, pools, first, asked: start.clone(), answered: start })
    }
}

impl Workload for Resolutions {
    fn request(&mut self, connection: usize, _due: u64) -> Option<&[u8]> {
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
