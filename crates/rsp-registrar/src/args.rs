// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use net::TransportChoice;
use rsp_core::config::Profile;

use crate::config::{Admin, Id};
use crate::peers::PeerName;

/// Registrar (ENRP server) of Reliable Server Pooling: knows which servers are in which pool, watches that they are
/// alive, and tells clients.
///
/// A value is taken from the flag, else from the environment, else from the config file, else from the profile. SIGTERM and SIGINT stop it
/// in order: its pool elements are handed over. SIGHUP changes nothing: there is no reload, restart it.
#[derive(Debug, Parser)]
#[command(name = "rsp-registrar", version)]
pub(crate) struct Args {
    /// Config file [default: /etc/rserpool/registrar.toml if it exists]
    #[arg(long, value_name = "FILE", env = "RSERPOOL_REGISTRAR_CONFIG")]
    pub(crate) config: Option<PathBuf>,

    /// Coherent set of timers: standard, rfc, rsplib or fast
    #[arg(long, value_name = "NAME", env = "RSERPOOL_PROFILE")]
    pub(crate) profile: Option<Profile>,

    /// Over what to serve: auto (SCTP, the kernel's or else over UDP, and TCP), sctp (the kernel's), sctp-udp or tcp
    #[arg(long, value_name = "NAME", env = "RSERPOOL_TRANSPORT")]
    pub(crate) transport: Option<TransportChoice>,

    /// UDP port of SCTP over UDP beside the SCTP port + 10000, if it is free [default: 9899]
    #[arg(long, value_name = "PORT", env = "RSERPOOL_ENCAPSULATION_PORT")]
    pub(crate) encapsulation_port: Option<u16>,

    /// Where to serve ASAP; may be given several times; port 0 = any free one [default: all addresses, port 3863]
    #[arg(long, value_name = "ADDR", env = "RSERPOOL_ASAP", value_delimiter = ',')]
    pub(crate) asap: Vec<SocketAddr>,

    /// Where to serve ENRP, to other registrars; may be given several times [default: where ASAP is, port 9901]
    #[arg(long, value_name = "ADDR", env = "RSERPOOL_ENRP", value_delimiter = ',')]
    pub(crate) enrp: Vec<SocketAddr>,

    /// Another registrar of this scope, port 9901 if none is named; may be given several times
    #[arg(long = "peer", value_name = "HOST[:PORT]", env = "RSERPOOL_STATIC_PEERS", value_delimiter = ',')]
    pub(crate) peers: Vec<PeerName>,

    /// Find registrars, and be found by all, through multicast
    #[arg(long)]
    pub(crate) multicast: bool,

    /// The only interface to multicast on [default: all that can]
    #[arg(long, value_name = "NAME", env = "RSERPOOL_MULTICAST_INTERFACE")]
    pub(crate) multicast_interface: Option<String>,

    /// Where to serve admin HTTP, or off [default: 127.0.0.1:8650]
    #[arg(long, value_name = "ADDR", env = "RSERPOOL_ADMIN")]
    pub(crate) admin: Option<Admin>,

    /// Server Identifier in hexadecimal [default: random]
    #[arg(long, value_name = "HEX", env = "RSERPOOL_ID")]
    pub(crate) id: Option<Id>,

    /// Change one setting, e.g. keep_alive_interval=2s; may be given several times; --print-config shows all
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub(crate) settings: Vec<String>,

    /// Check the configuration and exit
    #[arg(long)]
    pub(crate) check_config: bool,

    /// Print the configuration with every setting, its documentation and its value, and exit
    #[arg(long)]
    pub(crate) print_config: bool,

    /// When everything is open, print one line of JSON with the addresses on standard output
    #[arg(long)]
    pub(crate) announce_ready: bool,

    /// End when the process that started it ends, however that ends
    #[arg(long, hide = true)]
    pub(crate) die_with_parent: bool,

    /// Print the manual page or a shell's completions, for packagers
    #[arg(long, value_name = "WHAT", hide = true)]
    pub(crate) generate: Option<Generate>,
}

impl Args {
    /// Where the admin interface is comes from the environment, where whoever runs `rsp` has put it, too.
    pub(crate) fn admin_from_environment(&self) -> bool {
        let of_admin = |argument: std::ffi::OsString| argument.to_string_lossy().starts_with("--admin");
        self.admin.is_some() && !std::env::args_os().any(of_admin)
    }
}

/// What can be made from the command line's description.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Generate {
    /// Manual page.
    Man,
    /// Completions for bash.
    Bash,
    /// Completions for zsh.
    Zsh,
    /// Completions for fish.
    Fish,
}
