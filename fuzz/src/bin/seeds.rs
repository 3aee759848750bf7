// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writes the seeds to `fuzz/corpus/TARGET/`, where `cargo fuzz run TARGET` begins.

use std::fs;

use fuzz::seeds::{command_lists, folder, vectors};

/// A target and the folders of `vectors/` that feed it.
const TARGETS: &[(&str, &[&str])] = &[("asap", &["asap", "session"]), ("enrp", &["enrp"])];

fn main() -> std::io::Result<()> {
    for (target, folders) in TARGETS {
        let corpus = folder("fuzz/corpus").join(target);
        fs::create_dir_all(&corpus)?;
        for name in *folders {
            for (number, bytes) in vectors(name).iter().enumerate() {
                fs::write(corpus.join(format!("{name}-{number}")), bytes)?;
            }
        }
    }
    let corpus = folder("fuzz/corpus/registrar");
    fs::create_dir_all(&corpus)?;
    for (number, bytes) in command_lists().iter().enumerate() {
        fs::write(corpus.join(format!("chance-{number}")), bytes)?;
    }
    Ok(())
}
