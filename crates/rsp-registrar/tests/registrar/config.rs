// SPDX-License-Identifier: MIT OR Apache-2.0
//! The configuration, as an operator meets it.

use std::io::Write;

use tempfile::NamedTempFile;

use crate::process::{Registrar, program, run};

#[test]
fn a_typo_in_the_file_is_shown_where_it_stands_and_nothing_starts() {
    let file = file("profile = \"fast\"\nkeep_alive_intervall = \"1s\"\n");
    let path = file.path().to_str().expect("UTF-8");
    for flags in [&["--config", path][..], &["--config", path, "--check-config"]] {
        let ended = run(&mut program(flags));
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains(&format!("{path}:2: unknown key keep_alive_intervall")), "{}", ended.stderr);
        assert!(ended.stderr.contains("did you mean keep_alive_interval?"), "{}", ended.stderr);
        assert_eq!(ended.stdout, "");
    }
}

#[test]
fn a_file_that_is_not_there_and_a_wrong_flag_are_mistakes_of_usage() {
    let cases = [
        (&["--config", "/nonexistent/r.toml"][..], "/nonexistent/r.toml"),
        (&["--profile", "quick"], "standard, rfc, rsplib or fast"),
        (&["--set", "give_up=soon"], "250ms"),
        (&["--set", "keep_alive_interval=0s"], "more than 0"),
        (&["--check-config", "--multicast-interface", "no-such-0"], "no-such-0"),
        (&["--asap", "localhost"], "localhost"),
        (&["--colour"], "--colour"),
    ];
    for (flags, named) in cases {
        let ended = run(&mut program(flags));
        assert_eq!(ended.code, Some(2), "{flags:?}");
        assert!(ended.stderr.contains(named), "{flags:?}: {}", ended.stderr);
    }
}

#[test]
fn a_right_configuration_is_checked_and_printed() {
    let file = file("profile = \"fast\"\nasap = [\"127.0.0.1:0\"]\npools = 7\n");
    let path = file.path().to_str().expect("UTF-8");
    let ended = run(&mut program(&["--config", path, "--check-config"]));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let mut command = program(&["--config", path, "--print-config"]);
    let printed = run(command.env("RSERPOOL_GIVE_UP", "9s"));
    for line in [
        "profile = \"fast\"",
        "asap = [\"127.0.0.1:0\"]",
        "pools = 7",
        "give_up = \"9s\"",
        "#keep_alive_interval = \"500ms\"",
    ] {
        assert!(printed.stdout.lines().any(|it| it == line), "{line} is missing in\n{}", printed.stdout);
    }
}

#[test]
fn the_file_is_what_a_registrar_starts_with() {
    let file = file("profile = \"fast\"\nasap = [\"127.0.0.1:0\", \"[::1]:0\"]\nadmin = \"off\"\n");
    let path = file.path().to_str().expect("UTF-8");
    let registrar = Registrar::spawn(program(&["--config", path, "--announce-ready"]));
    assert_eq!((registrar.ready.asap.len(), registrar.ready.admin), (2, None));
}

#[test]
fn manual_page_and_completions_name_the_flags() {
    for what in ["man", "bash", "zsh", "fish"] {
        let ended = run(&mut program(&["--generate", what]));
        assert!(ended.code == Some(0) && ended.stdout.contains("announce"), "{what}: {}", ended.stderr);
    }
}

#[test]
fn a_wrong_log_filter_is_an_error_that_shows_a_right_one() {
    let mut command = program(&["--asap", "127.0.0.1:0", "--admin", "off"]);
    let ended = run(command.env("RSERPOOL_LOG", "net=loud"));
    assert!(ended.code == Some(2) && ended.stderr.contains("net=debug"), "{}", ended.stderr);
}

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("a temporary file");
    file.write_all(text.as_bytes()).expect("it can be written");
    file
}
