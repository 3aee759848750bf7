// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp registrar run`: becomes `rsp-registrar`.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::anyhow;

use crate::cluster;

/// Run a registrar in the foreground
///
/// The same as rsp-registrar, which is beside rsp or in PATH, with all its flags: `rsp registrar run --help` lists them.
/// `rsp registrar run --print-config` prints every setting with its value and what it means.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Args {
    /// What rsp-registrar is given, e.g. --profile fast --peer 192.0.2.2
    #[arg(value_name = "FLAGS", trailing_var_arg = true, allow_hyphen_values = true)]
    flags: Vec<OsString>,
}

/// Comes back only if it fails.
pub(crate) fn run(args: &Args) -> anyhow::Error {
    match cluster::program() {
        Ok(program) => {
            let error = Command::new(&program).args(&args.flags).exec();
            anyhow!(error).context(format!("cannot run {}", program.display()))
        }
        Err(error) => error,
    }
}
