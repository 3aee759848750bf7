// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where fuzzing starts: the bytes of `vectors/`, and chance for lists of commands.

use std::fs;
use std::path::{Path, PathBuf};

/// The repository's folder of this name.
pub fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

/// The messages in `vectors/FOLDER/*.txt`: lines of hex up to a line that begins with "=".
pub fn vectors(name: &str) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    for file in fs::read_dir(folder("vectors").join(name)).expect("the folder is part of the repository") {
        let text = fs::read_to_string(file.expect("readable").path()).expect("readable");
        let mut bytes = Vec::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if line.starts_with('=') {
                messages.extend((!bytes.is_empty()).then(|| std::mem::take(&mut bytes)));
            } else {
                let hex = line.split(';').next().unwrap_or_default();
                bytes.extend(hex.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).expect("hexadecimal")));
            }
        }
    }
    messages
}

/// Bytes that stand for lists of commands.
pub fn command_lists() -> Vec<Vec<u8>> {
    let mut rng = machine::Rng::new(1);
    (0..32).map(|_| (0..2_000).map(|_| rng.next_u32() as u8).collect()).collect()
}
