// SPDX-License-Identifier: MIT OR Apache-2.0
//! One suite for every transport: what an association promises, whatever carries it (RFC 6458's terms, seed 004 §5.2).
//!
//! Each test runs on each back end this system has; where one legitimately differs, [`BackEnd`] says so and why. Kernel SCTP, where this kernel
//! has none, is tested in a virtual machine by this same program. Its arguments are parts of names: `--test conformance -- tcp::ending`.
//! `RSERPOOL_BACK_END` names the only back ends to test, separated by commas. `conformance peer ...` is the other process of a test.

mod back_end;
mod backpressure;
mod ending;
mod families;
mod half_open;
mod heartbeat;
mod link;
mod many;
mod messages;
mod not_available;
mod ordering;
mod pair;
mod peer;
mod restart;
mod runner;
mod undelivered;
mod virtual_machine;

use std::process::ExitCode;

use back_end::BackEnd;
use runner::Group;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((first, rest)) if first == "peer" => peer::run(rest),
        _ => runner::run(&arguments, GROUPS),
    }
}

const GROUPS: &[Group] = &[
    ("messages", messages::TESTS),
    ("ordering", ordering::TESTS),
    ("families", families::TESTS),
    ("not_available", not_available::TESTS),
    ("ending", ending::TESTS),
    ("undelivered", undelivered::TESTS),
    ("restart", restart::TESTS),
    ("backpressure", backpressure::TESTS),
    ("heartbeat", heartbeat::TESTS),
    ("half_open", half_open::TESTS),
    ("many", many::TESTS),
];
