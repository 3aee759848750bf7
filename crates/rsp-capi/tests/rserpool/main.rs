// SPDX-License-Identifier: MIT OR Apache-2.0
//! `<rserpool.h>` from C: real programs, compiled against the header, linked with the library, with a real registrar.

#[path = "../rsp/compile.rs"]
mod compile;
mod header;

use std::path::Path;
use std::process::Command;

use sim::process::{Process, Registrar, free_port};

use self::compile::{Language, compile, start};

#[test]
fn the_header_compiles_in_every_language_version_without_a_warning() {
    for language in Language::ALL {
        compile("rserpool_calls.c", language, "rserpool_calls_in");
    }
}

/// Over this transport; a busy machine is silent for longer than profile fast allows.
fn passes_over(transport: &str, wrapper: &[&str]) {
    let registrar = Registrar::start("standard", &[]);
    let program = compile("rserpool_calls.c", Language::C11, &format!("rserpool_calls_{transport}_{}", wrapper.len()));
    let transport = format!("RSERPOOL_TRANSPORT={transport}");
    let program = program.to_str().expect("cargo's folders are text");
    let words = [&["RSERPOOL_PROFILE=standard", &transport], wrapper, &[program]].concat();
    let finished = start(Path::new("/usr/bin/env"), &registrar, &words).finish();
    assert_eq!(finished.code, Some(0), "{:?}\n{}", finished.lines, finished.errors);
}

#[test]
fn every_call_does_what_its_manual_page_says_over_tcp() {
    passes_over("tcp", &[]);
}

#[test]
fn every_call_does_what_its_manual_page_says_over_sctp() {
    passes_over("sctp-udp", &[]);
}

#[test]
fn the_calls_leave_nothing_behind_that_valgrind_finds() {
    let leaks = ["--leak-check=full", "--errors-for-leak-kinds=definite,indirect", "--error-exitcode=99"];
    passes_over("tcp", &[&["/usr/bin/valgrind", "--fair-sched=try"], &leaks[..]].concat());
}

#[test]
fn who_leaves_before_it_has_joined_does_not_join_later() {
    let asap = free_port().to_string();
    let mut command = Command::new(compile("leaving.c", Language::C11, "leaving"));
    command
        .env_clear()
        .env("RSERPOOL_REGISTRARS", &asap)
        .env("RSERPOOL_PROFILE", "fast")
        .env("RSERPOOL_TRANSPORT", "tcp");
    let mut program = Process::spawn(command);
    program.line_where(|line| line == "no registrar");
    let _registrar = Registrar::start_at(&asap, "standard", &[]);
    program.write("\n");
    let finished = program.finish();
    assert_eq!(finished.code, Some(0), "{:?}\n{}", finished.lines, finished.errors);
}
/// What the program does in this case.
fn trouble(case: &str) {
    let registrar = Registrar::start("standard", &[]);
    let program = compile("rserpool_troubles.c", Language::C11, &format!("rserpool_troubles_{case}"));
    let program = program.to_str().expect("cargo's folders are text");
    // A busy machine is silent for longer than profile fast allows.
    let words = ["RSERPOOL_PROFILE=standard", program, case];
    let finished = start(Path::new("/usr/bin/env"), &registrar, &words).finish();
    assert_eq!(finished.code, Some(0), "{:?}\n{}", finished.lines, finished.errors);
}

#[test]
fn a_receive_that_passes_over_notifications_leaves_the_descriptor_unreadable() {
    trouble("passed_over");
}

#[test]
fn a_failed_session_without_notifications_is_readable_and_says_so() {
    trouble("failed_stream");
}

#[test]
fn a_failure_whose_notification_is_passed_over_is_said_by_the_receive() {
    trouble("failed_many");
}

#[test]
fn a_session_that_its_server_has_ended_says_so_like_a_failed_one() {
    trouble("ended_stream");
}

#[test]
fn descriptors_of_the_library_are_never_read_written_or_leaked() {
    trouble("own_descriptors");
}

#[test]
fn a_failover_that_a_signal_has_interrupted_goes_on_at_the_next_call() {
    trouble("interrupted");
}

#[test]
fn a_session_that_moves_by_itself_is_not_waited_for() {
    trouble("forced");
}

#[test]
fn a_socket_in_daemon_mode_counts_as_registered_while_there_is_no_registrar() {
    trouble("daemon");
}

#[test]
fn calls_that_succeed_leave_errno_alone() {
    trouble("errno");
}

#[test]
fn what_was_said_of_a_session_is_not_reported_when_it_has_ended() {
    trouble("status");
}
