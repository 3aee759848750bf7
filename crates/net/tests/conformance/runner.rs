// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs every test on every back end, one after another: they start processes, cut links and measure memory.

use std::process::ExitCode;
use std::time::Instant;

use crate::{BackEnd, virtual_machine};

/// A test by its name.
pub(crate) type Test = (&'static str, fn(BackEnd));
/// The tests of a file.
pub(crate) type Group = (&'static str, &'static [Test]);

/// Tests named as their functions.
macro_rules! tests {
    ($($test:ident),* $(,)?) => { pub(crate) const TESTS: &[crate::runner::Test] = &[$((stringify!($test), $test)),*]; };
}
pub(crate) use tests;

/// Runs what the arguments choose: parts of names; cargo's options mean nothing here.
pub(crate) fn run(arguments: &[String], groups: &[Group]) -> ExitCode {
    let is_wanted = |name: &str| {
        let mut parts = arguments.iter().filter(|argument| !argument.starts_with('-')).peekable();
        parts.peek().is_none() || parts.any(|part| name.contains(part.as_str()))
    };
    let lists = arguments.iter().any(|argument| argument == "--list");
    let mut failed = Vec::new();
    let mut run = 0;
    for back_end in BackEnd::here() {
        for (group, tests) in groups {
            for (test, function) in *tests {
                let name = format!("{}::{group}::{test}", back_end.name());
                if !is_wanted(&name) {
                    continue;
                }
                if lists {
                    println!("{name}: test");
                    continue;
                }
                let began = Instant::now();
                // A thread of its own, which may change its network namespace and ends with it.
                let thread = std::thread::Builder::new().name(name.clone()).spawn(move || function(back_end));
                let passed = thread.expect("there are threads").join().is_ok();
                println!(
                    "test {name} ... {} ({:.1} s)",
                    if passed { "ok" } else { "FAILED" },
                    began.elapsed().as_secs_f64()
                );
                run += 1;
                if !passed {
                    failed.push(name);
                }
            }
        }
    }
    if BackEnd::wants_virtual_machine() && is_wanted_of(BackEnd::KernelSctp, &is_wanted, groups) && !lists {
        run += 1;
        if !virtual_machine::run(arguments) {
            failed.push(format!("{} in the virtual machine", BackEnd::KernelSctp.name()));
        }
    }
    println!("\n{run} tests on {}", BackEnd::here().iter().map(|it| it.name()).collect::<Vec<_>>().join(", "));
    if failed.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("failed:\n    {}", failed.join("\n    "));
    ExitCode::FAILURE
}

/// Whether any test of this back end is.
fn is_wanted_of(back_end: BackEnd, is_wanted: &impl Fn(&str) -> bool, groups: &[Group]) -> bool {
    let mut names = groups
        .iter()
        .flat_map(|(group, tests)| tests.iter().map(move |(test, _)| format!("{}::{group}::{test}", back_end.name())));
    names.any(|name| is_wanted(&name))
}
