// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp pe`: pool elements.

mod check;
mod events;
mod legacy;
mod ls;
mod membership;
mod run;
pub(crate) mod server;
mod service;
mod set;

/// Run pool elements, list them, change their load
#[derive(clap::Subcommand)]
pub(crate) enum Pe {
    Ls(ls::Args),
    Run(Box<run::Args>),
    Set(set::Args),
}

pub(crate) async fn run(command: &Pe) -> anyhow::Result<()> {
    match command {
        Pe::Ls(args) => ls::run(args).await,
        Pe::Run(args) => run::run(args).await,
        Pe::Set(args) => set::run(args).await,
    }
}
