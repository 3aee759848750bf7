// SPDX-License-Identifier: MIT OR Apache-2.0
//! This very program, run where the kernel has SCTP: the tests named `sctp`.

use std::env;
use std::process::Command;

use crate::stage::has_kernel_sctp;

#[test]
fn the_services_hold_in_a_machine_whose_kernel_has_sctp() {
    if env::var_os(INSIDE).is_some() {
        assert!(has_kernel_sctp(), "the machine was to have SCTP");
        return;
    }
    if has_kernel_sctp() {
        return;
    }
    if env::var_os("RSERPOOL_NO_VM").is_some() {
        eprintln!("not tested: kernel SCTP, because RSERPOOL_NO_VM is set");
        return;
    }
    // The machine has no compiler's time to spare.
    drop(sim::process::program("rsp-registrar", "rsp-registrar"));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/sctp-vm");
    let tests = env::current_exe().expect("a program knows where it is");
    let output = Command::new(script)
        .args(["--timeout", "900", "--env", &format!("{INSIDE}=1")])
        .arg(tests)
        .args(["--test-threads", "1", "::sctp", "vm::", "--skip", "sctp_udp"])
        .output()
        .expect("scripts/sctp-vm is there");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains("test result: ok"), "{}\n{out}\n{err}", output.status);
}

/// Set inside.
const INSIDE: &str = "RSERPOOL_IN_VM";
