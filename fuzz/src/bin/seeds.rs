// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writes the seeds to `fuzz/corpus/TARGET/`, where `cargo fuzz run TARGET` begins.

use std::fs;

use fuzz::seeds::{captures, command_lists, folder, streams, vectors};

fn main() -> std::io::Result<()> {
    write("asap", [vectors("asap"), vectors("session")].concat())?;
    write("enrp", vectors("enrp"))?;
    write("tcp_mapping", [streams(), command_lists(32)].concat())?;
    write("sctp_udp", command_lists(32))?;
    write("capture", captures())?;
    write("registrar", command_lists(32))?;
    write("session", command_lists(32))
}

fn write(target: &str, seeds: Vec<Vec<u8>>) -> std::io::Result<()> {
    let corpus = folder("fuzz/corpus").join(target);
    fs::create_dir_all(&corpus)?;
    for (number, seed) in seeds.iter().enumerate() {
        fs::write(corpus.join(format!("seed-{number}")), seed)?;
    }
    Ok(())
}
