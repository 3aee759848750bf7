// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp session`: the sessions of processes on this host.

mod ls;

/// Look at the sessions of processes on this host
#[derive(clap::Subcommand)]
pub(crate) enum Session {
    Ls(ls::Args),
}

pub(crate) async fn run(command: &Session) -> anyhow::Result<()> {
    match command {
        Session::Ls(args) => ls::run(args).await,
    }
}
