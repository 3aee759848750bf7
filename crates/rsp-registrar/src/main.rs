// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp-registrar`: the registrar (ENRP server) of Reliable Server Pooling, as a process.
//!
//! Wiring and little else: the protocol is `rsp_core::registrar`, the sockets are `net`, what every daemon needs is `daemon`.

mod args;
mod config;
mod listeners;
mod ready;
mod serve;
mod shell;

use std::process::ExitCode;

use clap::Parser;

use args::Args;
use config::Config;

fn main() -> ExitCode {
    let args = Args::parse();
    let config = match Config::load(&args).and_then(|config| daemon::logging::init(LOG_DEFAULT).map(|()| config)) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("rsp-registrar: {error}");
            return ExitCode::from(USAGE);
        }
    };
    match serve::run(config, &args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rsp-registrar: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What is logged if nobody says.
const LOG_DEFAULT: &str = "info";

/// Exit code for a mistake in flags, environment or config file.
const USAGE: u8 = 2;
