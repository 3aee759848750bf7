// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp bench`: a load generator for registrars. One workload per file; what they share is [`client`], which keeps the load up and takes the time.
//! [`session`] measures the sessions of pool users.

mod associations;
mod census;
mod client;
mod cluster;
mod connection;
mod echo;
mod fairness;
mod join;
mod keepalive;
mod options;
mod pe;
mod register;
mod report;
mod reregister;
mod resolve;
mod server;
mod session;
mod startup;
mod table;
mod takeover;
mod template;
mod update;

/// Measure registrars and sessions: requests per second, latency, interruptions, processor time and memory
///
/// Without --registrar it starts a registrar of its own on one processor, and loads it from another.
#[derive(clap::Subcommand)]
pub(crate) enum Bench {
    Resolve(resolve::Args),
    Register(register::Args),
    Reregister(reregister::Args),
    Keepalive(keepalive::Args),
    Update(update::Args),
    Join(join::Args),
    Takeover(takeover::Args),
    Fairness(fairness::Args),
    Startup(startup::Args),
    Table(table::Args),
    Echo(echo::Args),
    #[command(subcommand)]
    Session(session::Session),
    #[command(hide = true)]
    EchoServer(echo::ServerArgs),
    #[command(hide = true)]
    SessionServer(session::ServerArgs),
}

pub(crate) fn run(command: &Bench) -> anyhow::Result<()> {
    match command {
        Bench::Resolve(args) => resolve::run(args),
        Bench::Register(args) => register::run(args),
        Bench::Reregister(args) => reregister::run(args),
        Bench::Keepalive(args) => keepalive::run(args),
        Bench::Update(args) => update::run(args),
        Bench::Startup(args) => startup::run(args),
        Bench::Table(args) => table::run(args),
        Bench::Join(args) => join::run(args),
        Bench::Takeover(args) => takeover::run(args),
        Bench::Fairness(args) => fairness::run(args),
        Bench::Echo(args) => echo::run(args),
        Bench::Session(command) => session::run(command),
        Bench::EchoServer(args) => echo::serve(args),
        Bench::SessionServer(args) => session::serve(args),
    }
}
