// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp`, the one command line for pools, pool elements, sessions and registrars. One subcommand per file.

mod access;
mod admin;
mod bench;
mod capture;
mod cluster;
mod completions;
mod connect;
mod control;
mod decode;
mod demo;
mod dev;
mod duration;
mod exit;
mod http;
mod output;
mod pe;
mod ping;
mod ping_pong;
mod pool;
mod registrar;
mod session;
mod settings;
mod stop;

use std::future::Future;
use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::Context;
use clap::{CommandFactory, Parser, Subcommand};

use exit::Exit;

fn main() -> ExitCode {
    let command = Rsp::parse().command;
    let result = log().and_then(|()| match command {
        Command::Bench(command) => bench::run(&command),
        Command::Capture(args) => block_on(capture::run(&args)),
        Command::Connect(args) => block_on(connect::run(&args)),
        Command::Decode(args) => decode::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::DemoPe(args) => demo::pe::run(&args),
        Command::DemoPu(args) => demo::pu::run(&args),
        Command::Dev(args) => block_on(dev::run(&args)),
        Command::ExecServer(args) => Err(pe::server::exec(&args)),
        Command::Pe(command) => block_on(pe::run(&command)),
        Command::Ping(args) => block_on(ping::run(&args)),
        Command::Pool(command) => block_on(pool::run(&command)),
        Command::Registrar(command) => block_on(registrar::run(&command)),
        Command::Session(command) => block_on(session::run(&command)),
        Command::Completions(args) => completions::completions(&args, Rsp::command()),
        Command::Man(args) => completions::man(&args, Rsp::command()),
    });
    match result {
        Ok(()) => Exit::Ok.into(),
        Err(error) => {
            eprintln!("rsp: {error:#}");
            exit::code(&error)
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
    #[command(subcommand)]
    Pool(pool::Pool),
    #[command(subcommand)]
    Pe(pe::Pe),
    #[command(subcommand)]
    Registrar(registrar::Registrar),
    #[command(subcommand)]
    Bench(bench::Bench),
    Capture(capture::Args),
    Connect(connect::Args),
    Decode(decode::Args),
    Demo(demo::Args),
    #[command(hide = true)]
    DemoPe(demo::pe::Args),
    #[command(hide = true)]
    DemoPu(demo::pu::Args),
    Dev(dev::Args),
    #[command(hide = true)]
    ExecServer(pe::server::Args),
    Ping(ping::Args),
    #[command(subcommand)]
    Session(session::Session),
    Completions(completions::Completions),
    Man(completions::Man),
}

/// One thread is enough to wait for others.
fn block_on(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?.block_on(work)
}

/// Logs what `RSERPOOL_LOG` asks for to standard error; errors come to the user another way.
fn log() -> anyhow::Result<()> {
    const VARIABLE: &str = "RSERPOOL_LOG";
    let filter = std::env::var(VARIABLE).unwrap_or_default();
    if !filter.is_empty() {
        // dcSCTP logs each packet with its bytes as `info`: whoever wants that names it.
        let packets = if filter.contains("dcsctp") { "" } else { ",dcsctp=error" };
        let filter = tracing_subscriber::EnvFilter::try_new(format!("{filter}{packets}"))
            .with_context(|| format!("{VARIABLE}=\"{filter}\""))
            .context(Exit::Usage)?;
        let in_colour = std::io::stderr().is_terminal();
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(in_colour).with_writer(std::io::stderr).init();
    }
    Ok(())
}
