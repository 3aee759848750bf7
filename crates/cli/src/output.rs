// SPDX-License-Identifier: MIT OR Apache-2.0
//! How results are printed.

use clap::ValueEnum;

/// The option `-o` of every subcommand that prints results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Output {
    /// For people
    #[default]
    Table,
    /// For programs
    Json,
    /// For programs, an object a line
    Jsonl,
}
