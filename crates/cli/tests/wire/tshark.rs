// SPDX-License-Identifier: MIT OR Apache-2.0
//! Asks tshark.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A frame with ASAP or ENRP: its number and the types of its messages of each protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) number: u32,
    pub(crate) asap: Vec<u8>,
    pub(crate) enrp: Vec<u8>,
}

/// The frames of a capture in which tshark sees ASAP or ENRP.
pub(crate) fn messages(capture: &Path) -> Vec<Frame> {
    let listed = stdout(Command::new(repository().join("scripts/tshark-messages")).arg(capture));
    let types = |column: &str| column.split(',').filter(|t| !t.is_empty()).map(|t| t.parse().unwrap()).collect();
    let frame = |line: &str| {
        let [number, asap, enrp] = line.split('\t').collect::<Vec<_>>().try_into().expect("three columns");
        Frame { number: number.parse().unwrap(), asap: types(asap), enrp: types(enrp) }
    };
    listed.lines().map(frame).collect()
}

/// What tshark finds wrong in a capture: malformed packets, and expert items from "note" upwards, with all checksums checked.
pub(crate) fn complaints(capture: &Path) -> String {
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(capture);
    tshark.args(["-o", "sctp.checksum:CRC-32C", "-o", "ip.check_checksum:TRUE"]);
    tshark.args(["-Y", "_ws.malformed || _ws.expert.severity >= 0x400000 || sctp.checksum.status == 0"]);
    tshark.args(["-T", "fields", "-e", "frame.number", "-e", "_ws.col.Info", "-e", "_ws.expert.message"]);
    stdout(&mut tshark)
}

/// A field of each frame.
pub(crate) fn fields(capture: &Path, field: &str) -> Vec<String> {
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(capture).args(["-T", "fields", "-e", field]);
    stdout(&mut tshark).lines().map(str::to_owned).collect()
}

pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn stdout(command: &mut Command) -> String {
    let output =
        command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; scripts/test-deps installs tshark"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said} (scripts/test-deps installs tshark)");
    String::from_utf8(output.stdout).expect("tshark writes UTF-8")
}
