// SPDX-License-Identifier: MIT OR Apache-2.0
//! `scripts/registrar-soak` for some seconds: it checks everything itself.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use sim::process::program;

use crate::support::json;

#[track_caller]
fn soak(args: &[&str]) {
    let bin = program("rsp-registrar", "rsp-registrar");
    drop(program("cli", "rsp"));
    let bin = Path::new(bin.get_program()).parent().expect("a program is in a directory");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/registrar-soak");
    // Tests beside it want the processors, too.
    let output = Command::new(script).arg("--bin").arg(bin).args(["--rate", "100"]).args(args).output();
    let output = output.expect("python3 is there");
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{log}", String::from_utf8_lossy(&output.stdout));
    let stdout = String::from_utf8(output.stdout).expect("text");
    let result = json(stdout.lines().last().expect("a line"));
    assert_eq!((&result["ok"], &result["checksums_equal"]), (&true.into(), &true.into()), "{result}");
    for count in ["kills", "stops", "looks", "bench_runs"] {
        assert!(result[count].as_u64() > Some(0), "{count} of {result}");
    }
}

#[test]
fn registrars_that_are_killed_and_stopped_in_turn_lose_nobody_and_agree_in_the_end() {
    soak(&["--seconds", "20"]);
}

#[test]
fn registrars_find_each_other_by_multicast() {
    let own_user = std::fs::metadata("/proc/self").expect("this is Linux").uid();
    if own_user != 0 {
        eprintln!("not tested: a network namespace needs root");
        return;
    }
    soak(&["--seconds", "8", "--multicast"]);
}
