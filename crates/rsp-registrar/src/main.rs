// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp-registrar`: the registrar (ENRP server) of Reliable Server Pooling, as a process.
//!
//! Wiring and little else: the protocol is `rsp_core::registrar`, the sockets are `net`, what every daemon needs is `daemon`.

mod admin;
mod args;
mod config;
mod generate;
mod listeners;
mod multicast;
mod peers;
mod ready;
mod serve;
mod shell;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use args::Args;
use config::Config;

fn main() -> ExitCode {
    let args = Args::parse();
    let logging = || daemon::logging::init(LOG_DEFAULT);
    match Config::load(&args).map_err(|error| error.render()).and_then(|config| logging().map(|()| config)) {
        Ok(config) => match act(config, &args) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("rsp-registrar: {error:#}");
                let is_mistake = error.is::<daemon::config::ConfigError>() || error.is::<net::NoTransport>();
                if is_mistake { ExitCode::from(USAGE) } else { ExitCode::FAILURE }
            }
        },
        Err(mistake) => {
            eprintln!("rsp-registrar: {}", mistake.trim());
            ExitCode::from(USAGE)
        }
    }
}

fn act(config: Config, args: &Args) -> anyhow::Result<()> {
    if let Some(what) = args.generate {
        return generate::generate(what).context("cannot print");
    }
    if args.print_config {
        return write!(std::io::stdout(), "{config}").context("cannot print");
    }
    if args.check_config {
        return Ok(config.check()?);
    }
    serve::run(config, args)
}

/// What is logged if nobody says.
const LOG_DEFAULT: &str = "info";

/// Exit code for a mistake in flags, environment or config file.
const USAGE: u8 = 2;
