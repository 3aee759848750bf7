// SPDX-License-Identifier: MIT OR Apache-2.0
//! How results are printed.

use std::io::{self, Write};

use clap::ValueEnum;
use comfy_table::Table;
use comfy_table::presets::NOTHING;

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

/// Prints a line at once. Whoever closes our standard output has seen enough, and ends us.
pub(crate) fn print(line: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(line.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        result => Ok(result?),
    }
}

/// Prints an object on a line.
pub(crate) fn print_json(object: &serde_json::Value) -> anyhow::Result<()> {
    print(&object.to_string())
}

/// A table without lines, as `kubectl` prints them: it can be cut with `awk`.
pub(crate) fn table<const N: usize>(titles: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(titles);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.add_rows(rows);
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}
