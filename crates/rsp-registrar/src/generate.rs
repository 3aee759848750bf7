// SPDX-License-Identifier: MIT OR Apache-2.0
//! The manual page and the completions, from the command line's own description.

use std::io::{self, Write};

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::{Args, Generate};

/// Prints it on standard output.
pub(crate) fn generate(what: Generate) -> io::Result<()> {
    let mut command = Args::command();
    let mut text = Vec::new();
    match what {
        Generate::Man => clap_mangen::Man::new(command).section("8").render(&mut text)?,
        Generate::Bash => clap_complete::generate(Shell::Bash, &mut command, PROGRAM, &mut text),
        Generate::Zsh => clap_complete::generate(Shell::Zsh, &mut command, PROGRAM, &mut text),
        Generate::Fish => clap_complete::generate(Shell::Fish, &mut command, PROGRAM, &mut text),
    }
    io::stdout().write_all(&text)
}

const PROGRAM: &str = "rsp-registrar";
