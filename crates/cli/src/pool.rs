// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp pool`: what pools there are, and who is in them.

mod element;
mod ls;
mod show;
mod watch;

/// Look at pools
#[derive(clap::Subcommand)]
pub(crate) enum Pool {
    Ls(ls::Args),
    Show(show::Args),
    Watch(watch::Args),
}

pub(crate) async fn run(command: &Pool) -> anyhow::Result<()> {
    match command {
        Pool::Ls(args) => ls::run(args).await,
        Pool::Show(args) => show::run(args).await,
        Pool::Watch(args) => watch::run(args).await,
    }
}
