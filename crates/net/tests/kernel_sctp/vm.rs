// SPDX-License-Identifier: MIT OR Apache-2.0
//! This very program, run where the kernel has SCTP.

use std::env;
use std::process::Command;

use crate::common::has_kernel_sctp;

#[test]
fn all_of_this_holds_in_a_machine_whose_kernel_has_sctp() {
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
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/sctp-vm");
    let tests = env::current_exe().expect("a program knows where it is");
    let output = Command::new(script)
        .args(["--timeout", "900", "--package", "tshark", "--env", &format!("{INSIDE}=1")])
        .args(["--sysctl", "net.sctp.addip_enable=1", "--sysctl", "net.sctp.auth_enable=1"])
        .arg(tests)
        .args(["--test-threads", "1"])
        .output()
        .expect("scripts/sctp-vm is there");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains("test result: ok"), "{}\n{out}\n{err}", output.status);
}

/// Set inside.
const INSIDE: &str = "RSERPOOL_IN_VM";
