// SPDX-License-Identifier: MIT OR Apache-2.0
//! The control sockets: who is shown, who is changed, what a killed process leaves.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use sim::process::{Process, Registrar};

use crate::support::{event, json, registrar, rsp, rsp_at, run};

/// `rsp` with this control directory.
fn rsp_in(directory: &Path, registrar: &Registrar, args: &[&str]) -> Command {
    let mut command = rsp_at(registrar, args);
    command.env("RSERPOOL_CONTROL_DIR", directory);
    command
}

fn objects(command: Command) -> Vec<Value> {
    let end = run(command);
    assert_eq!(end.code, Some(0), "{}", end.errors);
    end.lines.iter().map(|line| json(line)).collect()
}

/// The directory, which only its owner may enter, lies in that of the test.
fn directory() -> (tempfile::TempDir, std::path::PathBuf) {
    let own = tempfile::tempdir().unwrap();
    let path = own.path().join("control");
    (own, path)
}

#[test]
fn both_ends_of_a_session_are_shown_and_what_a_killed_process_leaves_is_removed() {
    let (registrar, (_own, at)) = (registrar(), directory());
    let mut pe = Process::spawn(rsp_in(&at, &registrar, &["pe", "run", "--pool", "echo", "-o", "json", "--", "echo"]));
    let id = event(&pe, "registered")["pe"].as_str().unwrap().to_owned();
    let mut terminal = Process::spawn(rsp_in(&at, &registrar, &["connect", "echo", "-o", "json"]));
    let connected = event(&terminal, "connected");
    terminal.write("hello\n");
    assert_eq!(event(&terminal, "answer")["text"], "hello");

    let sessions = objects(rsp_in(&at, &registrar, &["session", "ls", "-o", "jsonl"]));
    let of = |end: &str| sessions.iter().find(|it| it["end"] == end).unwrap_or_else(|| panic!("{end}: {sessions:?}"));
    let (pu, server) = (of("pu"), of("pe"));
    assert_eq!((&pu["session"], &server["session"]), (&connected["session"], &connected["session"]));
    assert_eq!((pu["pid"].as_u64(), server["pid"].as_u64()), (Some(terminal.pid().into()), Some(pe.pid().into())));
    assert_eq!((pu["pe"].as_str(), server["pe"].as_str()), (Some(&*id), Some(&*id)));
    assert_eq!((&pu["state"], &pu["failovers"], &pu["acks"]), (&"open".into(), &0.into(), &true.into()));
    assert_eq!((&pu["transport"], &server["transport"]), (&connected["transport"], &connected["transport"]));
    let table = run(rsp_in(&at, &registrar, &["session", "ls", "--pid", &pe.pid().to_string()]));
    assert_eq!(table.lines.len(), 2, "{table:?}");
    assert!(table.lines[0].starts_with("PID") && table.lines[1].contains(&id), "{table:?}");

    pe.kill();
    assert_eq!(std::fs::read_dir(&at).unwrap().count(), 2);
    let left = objects(rsp_in(&at, &registrar, &["session", "ls", "-o", "jsonl"]));
    assert!(left.iter().all(|it| it["end"] == "pu"), "{left:?}");
    assert_eq!(std::fs::read_dir(&at).unwrap().count(), 1);
    terminal.kill();
    let end = run(rsp_in(&at, &registrar, &["session", "ls", "--pid", "1"]));
    assert_eq!(end.code, Some(4), "{}", end.errors);
}

#[test]
fn a_directory_that_is_named_must_be_there_and_another_need_not() {
    let own = tempfile::tempdir().unwrap();
    let absent = own.path().join("absent");
    for args in [&["pe", "ls"][..], &["session", "ls"], &["pe", "set", "--pool", "web", "--load", "0.5"]] {
        let mut named = rsp(args);
        named.arg("--dir").arg(&absent);
        let end = run(named);
        assert_eq!((end.code, end.lines.len()), (Some(4), 0), "{args:?}: {end:?}");
        assert!(end.errors.contains("no such directory") && end.errors.contains("absent"), "{end:?}");
    }
    // Nobody has made it yet.
    for noun in ["pe", "session"] {
        let mut default = rsp(&[noun, "ls", "-o", "jsonl"]);
        default.env_remove("RSERPOOL_CONTROL_DIR").env("XDG_RUNTIME_DIR", own.path());
        assert_eq!(objects(default), Vec::<Value>::new());
        let mut default = rsp(&[noun, "ls", "-o", "jsonl"]);
        default.env("RSERPOOL_CONTROL_DIR", &absent);
        assert_eq!(objects(default), Vec::<Value>::new());
    }
}

#[test]
fn a_load_that_is_set_arrives_at_the_registrar() {
    let (registrar, (_own, at)) = (registrar(), directory());
    let start = |policy: &str, pool: &str| {
        let args = ["pe", "run", "--pool", pool, "--policy", policy, "-o", "json", "--", "echo"];
        let process = Process::spawn(rsp_in(&at, &registrar, &args));
        let id = event(&process, "registered")["pe"].as_str().unwrap().to_owned();
        (process, id)
    };
    let (_first, first) = start("lu", "web");
    let (_second, _) = start("lu", "web");
    let (_third, _) = start("wrr", "db");
    let set = |args: &[&str]| {
        let mut all = vec!["pe", "set", "-o", "json"];
        all.extend(args);
        rsp_in(&at, &registrar, &all)
    };
    let several = run(set(&["--pool", "web", "--load", "0.5"]));
    assert!(several.code == Some(2) && several.errors.contains("several fit"), "{several:?}");
    assert_eq!(objects(set(&["--pool", "web", "--id", &first, "--load", "0.5"]))[0]["load"], 0.5);
    assert_eq!(objects(set(&["--pool", "db", "--weight", "3"]))[0]["weight"], 3);
    for (args, code, word) in [
        (&["--pool", "db", "--load", "0.5"][..], 2, "no load"),
        (&["--pool", "none", "--load", "0.5"], 4, "rsp pe ls"),
        (&["--pool", "db"], 2, "--load"),
    ] {
        let end = run(set(args));
        assert!(end.code == Some(code) && end.errors.contains(word), "{args:?}: {end:?}");
    }
    // The registration goes its way while we look.
    let half = 0.5 * f64::from(u32::MAX);
    let arrived = || {
        let pool = &objects(rsp_at(&registrar, &["pool", "show", "web", "-o", "json"]))[0];
        let elements = pool["pool_elements"].as_array().unwrap();
        let element = elements.iter().find(|it| it["id"] == *first).unwrap_or_else(|| panic!("{first}: {pool}"));
        element["policy"]["load"].as_f64().is_some_and(|load| (load - half).abs() <= 1.0)
    };
    let until = std::time::Instant::now() + std::time::Duration::from_secs(120);
    while !arrived() {
        assert!(std::time::Instant::now() < until, "the registrar does not hear of it");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(objects(rsp_in(&at, &registrar, &["pe", "ls", "-o", "jsonl"])).len(), 3);
}
