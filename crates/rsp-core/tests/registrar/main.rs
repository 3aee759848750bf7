// SPDX-License-Identifier: MIT OR Apache-2.0
//! Dialogues with a registrar in plain text: `tests/scripts/registrar/` with PEs and PUs (ASAP), `tests/scripts/enrp/` with other registrars. The
//! first line of each says what it shows; its name begins with the section it is about.
//!
//! `UPDATE_GOLDENFILES=1 cargo test -p rsp-core --test registrar` writes the answers anew; read the difference.

mod arguments;
mod enrp;
mod script;
mod views;

use script::Script;

#[test]
fn every_dialogue_goes_as_written() {
    run_all("registrar", 20);
}

#[test]
fn every_dialogue_between_registrars_goes_as_written() {
    run_all("enrp", 100);
}

fn run_all(folder: &str, at_least: usize) {
    let folder = format!("{}/tests/scripts/{folder}", env!("CARGO_MANIFEST_DIR"));
    let mut paths: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= at_least, "{folder}: {} scripts", paths.len());
    for path in paths {
        println!("{}", path.display());
        goldenscript::run(&mut Script::default(), &path).unwrap();
    }
}
