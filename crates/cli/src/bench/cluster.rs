// SPDX-License-Identifier: MIT OR Apache-2.0
//! Several registrars that are peers: those that were named, or some of our own on one processor.

use anyhow::{Context, Result};
use rserpool::Profile;

use super::options::{self, Pin};
use super::server::Server;

/// Which registrars.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Group {
    /// A registrar; give all of them, first the one that is changed [default: some of its own, started for this run]
    #[arg(long = "registrar", value_name = "HOST[:PORT]")]
    pub(super) registrars: Vec<String>,
    /// How many of its own
    #[arg(long, default_value_t = 3, conflicts_with = "registrars", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(super) own: u32,
    /// Timers and limits of the registrars: standard, rfc, rsplib or fast
    #[arg(long, default_value = "standard")]
    pub(super) profile: Profile,
    /// A setting of its own registrars, e.g. keep_alive_interval=2s; may be given several times
    #[arg(long = "set", value_name = "NAME=VALUE", conflicts_with = "registrars")]
    pub(super) settings: Vec<String>,
    #[command(flatten)]
    pub(super) pin: Pin,
}

/// Registrars.
#[derive(Debug)]
pub(super) struct Cluster {
    servers: Vec<Server>,
}

impl Cluster {
    /// The ones that were named, or some of our own.
    pub(super) fn start(group: &Group) -> Result<Self> {
        let mut cluster = Cluster { servers: Vec::new() };
        if !group.registrars.is_empty() {
            let addresses = group.registrars.iter().map(|name| options::address(name));
            let servers = addresses.map(|address| Ok(Server::named(address?, None))).collect::<Result<_>>()?;
            return Ok(Cluster { servers });
        }
        let mut peers: Vec<String> = Vec::new();
        for _ in 0..group.own {
            let flags =
                ["--enrp", "127.0.0.1:0"].map(str::to_owned).into_iter().chain(peers.clone()).collect::<Vec<_>>();
            let flags = if group.own == 1 { Vec::new() } else { flags };
            let (server, ready) = Server::own_registrar(group.profile, &group.settings, &flags, group.pin.cpus)?;
            cluster.servers.push(server);
            if peers.is_empty() && group.own > 1 {
                let enrp = ready.enrp.first().context("the registrar doesn't speak ENRP")?;
                peers = vec!["--peer".to_owned(), enrp.to_string()];
            }
        }
        Ok(cluster)
    }

    pub(super) fn servers(&self) -> &[Server] {
        &self.servers
    }
}
