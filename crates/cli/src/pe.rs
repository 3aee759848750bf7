// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp pe`: pool elements.

mod events;
mod run;
mod service;

/// Run pool elements
#[derive(clap::Subcommand)]
pub(crate) enum Pe {
    Run(run::Args),
}

pub(crate) async fn run(command: &Pe) -> anyhow::Result<()> {
    match command {
        Pe::Run(args) => run::run(args).await,
    }
}
