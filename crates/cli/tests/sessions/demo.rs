// SPDX-License-Identifier: MIT OR Apache-2.0
//! The demo, as anybody would run it.

use std::process::Command;

use crate::stage::registrar_program;

#[test]
fn the_demo_loses_nothing_and_says_so_in_one_line() {
    play("tcp");
}

#[test]
fn nor_does_it_over_sctp_in_udp() {
    play("sctp-udp");
}

fn play(transport: &str) {
    // The demo starts the registrar next to itself: it has to be built.
    drop(registrar_program());
    let output = Command::new(env!("CARGO_BIN_EXE_rsp"))
        .args(["demo", "--script", "-o", "json", "--transport", transport])
        .output()
        .expect("the program was built");
    let stdout = String::from_utf8(output.stdout).expect("text");
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stdout}\n{log}");
    let report: serde_json::Value = serde_json::from_str(stdout.lines().last().expect("a line")).expect("JSON");
    assert_eq!(report["ok"], true, "{report}");
    let acts = report["acts"].as_array().expect("acts");
    let names: Vec<_> = acts.iter().map(|act| act["name"].as_str().expect("a name")).collect();
    let servers = ["kill", "blackhole", "hang", "drain"];
    let registrars = ["registrar-kill", "two-of-three", "registrar-return"];
    assert_eq!(names, [&servers[..], &registrars].concat());
    for act in acts {
        assert_eq!((&act["lost"], &act["duplicated"]), (&0.into(), &0.into()), "{act}");
        assert_eq!(act["sent"], act["answered"], "{act}");
        assert!(act["sent"].as_u64().expect("a number") >= 1_000, "{act}");
    }
    for act in &acts[servers.len()..] {
        assert_eq!(act["failed_resolutions"], 0, "{act}");
        assert!(act["resolutions"].as_u64().expect("a number") > 0, "{act}");
        assert!(act["rehome_ms"].as_f64().expect("a number") > 0.0, "{act}");
        assert!(act["sessions_noticed"].is_u64(), "{act}");
    }
    assert!(acts[0]["resent"].as_u64().expect("a number") > 0, "{report}");
}
