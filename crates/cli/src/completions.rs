// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp completions` and `rsp man`: made from the command line's own description.

use std::io;
use std::path::PathBuf;

use anyhow::Context;
use clap::Command;
use clap_complete::Shell;

use crate::output::print;

/// Print the completions of a shell
#[derive(clap::Args)]
pub(crate) struct Completions {
    /// Which one
    shell: Shell,
}

/// Write the manual pages into a directory
#[derive(clap::Args)]
pub(crate) struct Man {
    /// Where to; it is made if it isn't there
    directory: PathBuf,
}

pub(crate) fn completions(args: &Completions, mut program: Command) -> anyhow::Result<()> {
    let name = program.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut program, name, &mut script);
    print(String::from_utf8(script).context("completions are text")?.trim_end())
}

pub(crate) fn man(args: &Man, program: Command) -> anyhow::Result<()> {
    let write = || -> io::Result<()> {
        std::fs::create_dir_all(&args.directory)?;
        clap_mangen::generate_to(program, &args.directory)
    };
    write().with_context(|| format!("cannot write manual pages into {}", args.directory.display()))
}
