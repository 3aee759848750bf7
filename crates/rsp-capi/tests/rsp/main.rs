// SPDX-License-Identifier: MIT OR Apache-2.0
//! `<rsp.h>` from C: real programs, compiled against the header, linked with the library, with a real registrar.

mod compile;

use sim::process::Registrar;

use self::compile::{Language, compile, start};

#[test]
fn the_header_compiles_in_every_language_version_without_a_warning() {
    for language in Language::ALL {
        compile("forms.c", language, "forms");
    }
}

#[test]
fn every_function_does_what_the_header_says() {
    let registrar = Registrar::start("fast", &[]);
    let program = compile("every_function.c", Language::C11, "every_function");
    let finished = start(&program, &registrar, &[]).finish();
    assert_eq!(finished.code, Some(0), "{:?}\n{}", finished.lines, finished.errors);
}
