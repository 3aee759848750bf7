// SPDX-License-Identifier: MIT OR Apache-2.0
//! The options of all workloads: which registrar, how much load, and for how long.

use std::net::{SocketAddr, ToSocketAddrs};
use std::ops::Range;
use std::time::Duration;

use anyhow::{Context, anyhow};
use rserpool::Profile;

use super::client::{Pace, Plan};
use crate::duration;
use crate::exit::Exit;
use crate::output::Output;

/// Which registrar.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Target {
    /// The registrar to measure [default: one of its own, started for this run]
    #[arg(long = "registrar", value_name = "HOST[:PORT]")]
    pub(super) registrar: Option<String>,
    /// Process of that registrar on this host, to measure its processor time and memory
    #[arg(long, requires = "registrar")]
    pub(super) pid: Option<u32>,
    /// Timers and limits of the registrar: standard, rfc, rsplib or fast
    #[arg(long, default_value = "standard")]
    pub(super) profile: Profile,
    /// A setting of its own registrar, e.g. keep_alive_interval=2s; may be given several times
    #[arg(long = "set", value_name = "NAME=VALUE", conflicts_with = "registrar")]
    pub(super) settings: Vec<String>,
    #[command(flatten)]
    pub(super) pin: Pin,
}

impl Target {
    /// Where the registrar is that was named.
    pub(super) fn named(&self) -> anyhow::Result<Option<SocketAddr>> {
        self.registrar.as_deref().map(address).transpose()
    }
}

/// Registrars started for a run.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Own {
    /// Timers and limits of the registrars: standard, rfc, rsplib or fast
    #[arg(long, default_value = "standard")]
    pub(super) profile: Profile,
    /// A setting of its own registrars, e.g. keep_alive_interval=2s; may be given several times
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub(super) settings: Vec<String>,
    #[command(flatten)]
    pub(super) pin: Pin,
}

/// Which processors.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Pin {
    /// Processors of the server it starts and of itself; none = wherever the system puts them
    #[arg(long = "cpus", value_name = "SERVER,CLIENT", value_parser = cpus, default_value = "0,1")]
    pub(super) cpus: Cpus,
}

/// Processor of the server, processor of the client.
pub(super) type Cpus = Option<(usize, usize)>;

/// How much, and for how long.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Load {
    /// Associations
    #[arg(short, long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub(super) connections: u32,
    /// Requests outstanding on each: so many are sent in one write, and the next ones when all are answered
    #[arg(short = 'k', long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=4_096))]
    pub(super) outstanding: u32,
    /// Send so many requests a second, whether answers come or not; latency counts from when a request was due
    #[arg(long, value_name = "PER_SECOND", conflicts_with = "outstanding", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) rate: Option<u32>,
    /// How long to measure
    #[arg(short, long, value_parser = duration::positive, default_value = "5s")]
    pub(super) duration: Duration,
    /// How long to run before
    #[arg(long, value_parser = duration::parse, default_value = "1s")]
    pub(super) warmup: Duration,
    #[command(flatten)]
    pub(super) until: Until,
    /// How to print the result
    #[arg(short, long, value_enum, default_value_t)]
    pub(super) output: Output,
}

impl Load {
    pub(super) fn pace(&self) -> Pace {
        match self.rate {
            Some(per_second) => Pace::Open { per_second },
            None => Pace::Closed { outstanding: self.outstanding },
        }
    }

    pub(super) fn plan(&self, active: Range<usize>) -> Plan {
        self.until.of(self.duration, Plan { warmup: self.warmup, ..Plan::new(active, self.pace()) })
    }
}

/// What ends a run beside the time.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Until {
    /// Measure so many requests, however long they take
    #[arg(long, conflicts_with = "duration", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) requests: Option<u64>,
    /// How long to wait for answers when none come any more: what was sent while measuring counts, however late it is answered
    #[arg(long, value_parser = duration::positive, default_value = "30s")]
    pub(super) patience: Duration,
}

impl Until {
    /// A plan that ends so, or after this time.
    pub(super) fn of(&self, duration: Duration, plan: Plan) -> Plan {
        let duration = self.requests.is_none().then_some(duration);
        Plan { duration, requests: self.requests, patience: self.patience, ..plan }
    }
}

/// Which pool elements are registered for it.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Population {
    /// Pools
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) pools: u32,
    /// Pool elements in all of them
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(super) elements: u32,
    /// Their policy; with lu the load changes at each registration
    #[arg(long, value_enum, default_value_t)]
    pub(super) policy: Policy,
}

/// Policies that make a difference here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(super) enum Policy {
    /// Round Robin
    #[default]
    Rr,
    /// Least Used
    Lu,
}

/// Reads `HOST[:PORT]`.
pub(super) fn address(text: &str) -> anyhow::Result<SocketAddr> {
    let found = text.to_socket_addrs().or_else(|_| (text, ASAP_PORT).to_socket_addrs());
    let mut found = found.with_context(|| format!("\"{text}\" is no HOST[:PORT]")).context(Exit::Usage)?;
    found.next().ok_or_else(|| anyhow!("{text} has no address")).context(Exit::NoRegistrar)
}

fn cpus(text: &str) -> Result<Cpus, String> {
    if text == "none" {
        return Ok(None);
    }
    let two = text.split_once(',').and_then(|(server, client)| Some((server.parse().ok()?, client.parse().ok()?)));
    two.map(Some).ok_or_else(|| "two processors such as 0,1 are expected, or none".to_owned())
}

/// The port of ASAP, RFC 5352 §8.2.
const ASAP_PORT: u16 = 3863;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registrar_has_the_port_of_asap_unless_another_is_given() {
        assert_eq!(address("127.0.0.1").unwrap(), "127.0.0.1:3863".parse().unwrap());
        assert_eq!(address("127.0.0.1:99").unwrap(), "127.0.0.1:99".parse().unwrap());
        assert_eq!(address("::1").unwrap(), "[::1]:3863".parse().unwrap());
    }

    #[test]
    fn processors_come_in_pairs() {
        assert_eq!(cpus("2,0"), Ok(Some((2, 0))));
        assert_eq!(cpus("none"), Ok(None));
        assert!(cpus("1").is_err());
    }
}
