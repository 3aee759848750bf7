// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp`, the one command line for pools, pool elements, sessions and registrars. One subcommand per file.

mod decode;
mod demo;
mod exit;
mod output;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use exit::Exit;

fn main() -> ExitCode {
    let result = match Rsp::parse().command {
        Command::Decode(args) => decode::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::DemoPe(args) => demo::pe::run(&args),
        Command::DemoPu(args) => demo::pu::run(&args),
    };
    match result {
        Ok(()) => Exit::Ok.into(),
        Err(error) => {
            eprintln!("rsp: {error:#}");
            Exit::of(&error).into()
        }
    }
}

/// Reliable server pooling: sessions that outlive their servers
#[derive(Parser)]
#[command(name = "rsp", version, after_long_help = exit::help())]
struct Rsp {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Decode(decode::Args),
    Demo(demo::Args),
    #[command(hide = true)]
    DemoPe(demo::pe::Args),
    #[command(hide = true)]
    DemoPu(demo::pu::Args),
}
