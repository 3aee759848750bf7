// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tests of kernel SCTP where this kernel has none: the same program once more in a machine whose kernel does, by `scripts/sctp-vm`.

use std::env;
use std::process::Command;

/// Runs this very program of tests with `arguments` in the machine, unless the tests have run here since there is `has_sctp`. `options` are those of
/// `scripts/sctp-vm`. `RSERPOOL_NO_VM=1` leaves it out, and says so.
///
/// # Panics
/// If a test fails there, or the machine has no SCTP.
pub fn run_where_the_kernel_has_sctp(has_sctp: bool, options: &[&str], arguments: &[&str]) {
    if env::var_os(INSIDE).is_some() {
        assert!(has_sctp, "the machine was to have SCTP");
        return;
    }
    if has_sctp {
        return;
    }
    if env::var_os("RSERPOOL_NO_VM").is_some_and(|value| value == "1") {
        eprintln!("not tested: kernel SCTP, because RSERPOOL_NO_VM is set");
        return;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/sctp-vm");
    let output = Command::new(script)
        .args(["--timeout", "900", "--env", &format!("{INSIDE}=1")])
        .args(options)
        .arg(env::current_exe().expect("a program knows where it is"))
        .args(["--test-threads", "1"])
        .args(arguments)
        .output()
        .expect("scripts/sctp-vm is there");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains("test result: ok"), "{}\n{out}\n{err}", output.status);
}

/// Set inside.
const INSIDE: &str = "RSERPOOL_IN_VM";
