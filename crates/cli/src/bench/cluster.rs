// SPDX-License-Identifier: MIT OR Apache-2.0
//! Several registrars that are peers: those that were named, or some of our own on one processor.

use std::net::SocketAddr;

use anyhow::{Context, Result};

use super::options::{self, Own};
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
    #[command(flatten)]
    pub(super) options: Own,
}

/// Registrars.
#[derive(Debug)]
pub(super) struct Cluster {
    servers: Vec<Server>,
}

impl Cluster {
    /// The ones that were named, or some of our own.
    pub(super) fn start(group: &Group) -> Result<Self> {
        if group.registrars.is_empty() {
            return Cluster::own(&group.options, group.own, None);
        }
        let addresses = group.registrars.iter().map(|name| options::address(name));
        let servers = addresses.map(|address| Ok(Server::named(address?, None))).collect::<Result<_>>()?;
        Ok(Cluster { servers })
    }

    /// Registrars of our own: the first is the others' mentor.
    pub(super) fn own(options: &Own, count: u32, setting: Option<&str>) -> Result<Self> {
        let (first, enrp) = own(options, None, setting)?;
        let mut servers = vec![first];
        for _ in 1..count {
            servers.push(own(options, Some(enrp), setting)?.0);
        }
        Ok(Cluster { servers })
    }

    pub(super) fn servers(&self) -> &[Server] {
        &self.servers
    }
}

/// Starts a registrar that joins `peer`, with a setting for this measurement unless the options have another value for it. Answers it when it has
/// joined, and where others may join it.
pub(super) fn own(options: &Own, peer: Option<SocketAddr>, setting: Option<&str>) -> Result<(Server, SocketAddr)> {
    let name = |setting: &str| setting.split('=').next().map(str::to_owned);
    let setting = setting.filter(|setting| options.settings.iter().all(|other| name(other) != name(setting)));
    let settings: Vec<_> = options.settings.iter().cloned().chain(setting.map(str::to_owned)).collect();
    let mut flags = vec!["--enrp".to_owned(), "127.0.0.1:0".to_owned()];
    if let Some(peer) = peer {
        flags.extend(["--peer".to_owned(), peer.to_string()]);
    }
    let (server, ready) = Server::own_registrar(options.profile, &settings, &flags, options.pin.cpus)?;
    let enrp = ready.enrp.first().context("the registrar doesn't speak ENRP")?;
    Ok((server, *enrp))
}
