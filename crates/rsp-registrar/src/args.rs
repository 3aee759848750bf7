// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line.

use std::net::SocketAddr;

use clap::Parser;

/// Registrar (ENRP server) of Reliable Server Pooling: knows which servers are in which pool, watches that they are
/// alive, and tells clients.
///
/// A value is taken from the flag, else from the environment (RSERPOOL_*), else from the config file, else from the profile.
#[derive(Debug, Parser)]
#[command(name = "rsp-registrar", version)]
pub(crate) struct Args {
    /// Coherent set of timers: standard, rfc, rsplib or fast
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,

    /// Where to serve ASAP over TCP; may be given several times; port 0 = any free one [default: all addresses, port 3863]
    #[arg(long, value_name = "ADDR")]
    pub(crate) asap: Vec<SocketAddr>,

    /// Server Identifier in hexadecimal [default: random]
    #[arg(long, value_name = "HEX")]
    pub(crate) id: Option<String>,

    /// Changes one setting, e.g. keep_alive_interval=2s; may be given several times
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub(crate) settings: Vec<String>,

    /// When everything is open, print one line of JSON with the addresses on standard output
    #[arg(long)]
    pub(crate) announce_ready: bool,
}
