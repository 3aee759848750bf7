// SPDX-License-Identifier: MIT OR Apache-2.0
//! `<rsp.h>` from C: real programs, compiled against the header, linked with the library, with a real registrar.

mod compile;

use std::path::Path;
use std::process::Command;

use sim::process::{Process, Registrar};

use self::compile::{Language, compile, environment, start};

#[test]
fn the_header_compiles_in_every_language_version_without_a_warning() {
    for language in Language::ALL {
        for source in ["forms.c", "every_function.c"] {
            compile(source, language, &format!("{source}-only-compiled"));
        }
    }
}

/// Runs a program, as it is and under valgrind.
fn passes(source: &str, language: Language) {
    let program = compile(source, language, source);
    let plainly = |program: &Path, registrar: &Registrar| start(program, registrar, &[]);
    for run in [plainly, valgrind] {
        // Each with a registrar of its own: they would serve each other's clients, and the one that ends first says BYE to the other's.
        let registrar = Registrar::start("standard", &[]);
        let finished = run(&program, &registrar).finish();
        assert_eq!(finished.code, Some(0), "{:?}\n{}", finished.lines, finished.errors);
    }
}

/// A program under valgrind, which ends with 99 if it finds an error or anything lost.
fn valgrind(program: &Path, registrar: &Registrar) -> Process {
    let mut command = Command::new("valgrind");
    command.args(["--quiet", "--leak-check=full", "--errors-for-leak-kinds=definite,indirect", "--error-exitcode=99"]);
    command.arg("--fair-sched=try").arg(program);
    let mut command = environment(command, registrar);
    // On a busy machine such a program is silent for longer than profile fast allows.
    command.env("RSERPOOL_PROFILE", "standard");
    Process::spawn(command)
}

#[test]
fn every_function_does_what_the_header_says() {
    passes("every_function.c", Language::C11);
}

#[test]
fn every_function_does_the_same_in_cxx() {
    passes("every_function.c", Language::Cxx17);
}

#[test]
fn bad_input_is_an_errno_and_never_a_crash() {
    passes("bad_input.c", Language::C99);
}

#[test]
fn callbacks_may_call_back_in_close_and_jump() {
    passes("callbacks.c", Language::C17);
}

#[test]
fn threads_signals_fork_and_cancellation_are_as_posix_has_them() {
    passes("threads.c", Language::C11);
}

#[test]
fn notifications_name_the_session_and_the_server_they_are_about() {
    passes("notices.c", Language::C11);
}

#[test]
fn a_peer_that_never_reads_does_not_keep_the_socket_unwritable_for_others() {
    passes("stalled.c", Language::C11);
}

#[test]
fn a_callback_that_waits_gets_what_it_waits_for() {
    passes("callbacks_wait.c", Language::C11);
}

#[test]
fn no_session_that_waits_for_accept_is_lost() {
    passes("accepting.c", Language::C11);
}

#[test]
fn a_message_that_was_accepted_arrives_however_its_sender_parts() {
    passes("parting.c", Language::C11);
}
