// SPDX-License-Identifier: MIT OR Apache-2.0
//! Dialogues with a registrar in plain text, `tests/scripts/registrar/`: the first line of each says what it shows.
//!
//! `UPDATE_GOLDENFILES=1 cargo test -p rsp-core --test registrar` writes the answers anew; read the difference.

mod arguments;
mod script;

use script::Script;

#[test]
fn every_dialogue_goes_as_written() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scripts/registrar");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 20, "{folder}: {} scripts", paths.len());
    for path in paths {
        println!("{}", path.display());
        goldenscript::run(&mut Script::default(), &path).unwrap();
    }
}
