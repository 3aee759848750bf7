// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp registrar`: registrars, and what they think of each other.

mod ls;
mod run;

/// Look at registrars, and run one
#[derive(clap::Subcommand)]
pub(crate) enum Registrar {
    Ls(ls::Args),
    Run(run::Args),
}

pub(crate) async fn run(command: &Registrar) -> anyhow::Result<()> {
    match command {
        Registrar::Ls(args) => ls::run(args).await,
        Registrar::Run(args) => Err(run::run(args)),
    }
}
