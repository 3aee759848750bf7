// SPDX-License-Identifier: MIT OR Apache-2.0
//! `<rserpool.h>` from C: real programs, compiled against the header, linked with the library, with a real registrar.

#[path = "../rsp/compile.rs"]
mod compile;
mod header;

use sim::process::Registrar;

use self::compile::{Language, compile, start};

#[test]
fn the_header_compiles_in_every_language_version_without_a_warning() {
    for language in Language::ALL {
        compile("rserpool_calls.c", language, "rserpool_calls_in");
    }
}

#[test]
fn every_call_does_what_its_manual_page_says() {
    let registrar = Registrar::start("fast", &[]);
    let program = compile("rserpool_calls.c", Language::C11, "rserpool_calls");
    let finished = start(&program, &registrar, &[]).finish();
    assert_eq!(finished.code, Some(0), "{:?}\n{}", finished.lines, finished.errors);
}
