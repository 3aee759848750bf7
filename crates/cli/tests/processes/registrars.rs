// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp registrar` and `rsp dev`: registrars that know each other, as processes.

use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sim::process::{Process, Registrar, Signal, program};

use crate::support::{Pe, event, json as parse, registrar, rsp, rsp_at, run};

/// What `rsp registrar ls -o json` prints.
fn registrars(registrar: &Registrar) -> Value {
    let end = run(rsp_at(registrar, &["registrar", "ls", "-o", "json"]));
    assert_eq!(end.code, Some(0), "{}", end.errors);
    parse(&end.lines[0])
}

/// Asks until the answer is what is waited for.
#[track_caller]
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(120);
    while !holds() {
        assert!(Instant::now() < until, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn registrar_run_shows_the_help_of_the_registrar_and_every_setting() {
    let registrar = registrar();
    let help = run(rsp_at(&registrar, &["registrar", "run", "--help"]));
    assert!(help.code == Some(0) && help.lines.iter().any(|line| line.contains("--print-config")), "{help:?}");
    let settings = run(rsp_at(&registrar, &["registrar", "run", "--print-config"]));
    assert!(settings.lines.iter().any(|line| line.contains("default_items")), "{settings:?}");
}

#[test]
fn ls_lists_a_registrar_and_its_peers() {
    let first = registrar();
    let alone = registrars(&first);
    assert_eq!((&alone["registrar"]["state"], &alone["peers"]), (&json!("serving"), &json!([])));
    let enrp = alone["registrar"]["enrp"][0].as_str().expect("an address").to_owned();
    let second = Registrar::start("fast", &["--peer", &enrp, "--id", "7"]);
    let _pe = Pe::start(&second, "echo", &["--", "echo"]);

    wait_until("the first agrees with the second about its pool element", || {
        let peer = &registrars(&first)["peers"][0];
        (&peer["id"], &peer["state"], &peer["pool_elements"], &peer["agrees"])
            == (&json!("0x00000007"), &json!("alive"), &json!(1), &json!(true))
    });
    let own = registrars(&second)["registrar"].clone();
    assert_eq!(registrars(&first)["peers"][0]["checksum"], own["checksum"]);

    wait_until("the second has compared a checksum of the first", || {
        registrars(&second)["peers"][0]["agrees"] == json!(true)
    });
    let table = run(rsp_at(&second, &["registrar", "ls"]));
    assert_eq!(table.lines[0], format!("Registrars, as the one at http://{} sees them", second.admin));
    let words: Vec<Vec<&str>> = table.lines[1..].iter().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(words[0], ["REGISTRAR", "ENRP", "STATE", "ELEMENTS", "CHECKSUM", "AGREES"]);
    let own_enrp = own["enrp"][0].as_str().unwrap();
    assert_eq!(words[1], ["0x00000007", own_enrp, "serving", "1", own["checksum"].as_str().unwrap(), "-"]);
    assert_eq!((words[2][1], words[2][2], words[2][5]), (enrp.as_str(), "alive", "yes"));

    let lines = run(rsp_at(&second, &["registrar", "ls", "-o", "jsonl"])).lines;
    let asked: Vec<_> = lines.iter().map(|line| parse(line)["asked"].clone()).collect();
    assert_eq!(asked, [json!(true), json!(false)]);
}

#[test]
fn run_becomes_the_registrar() {
    let flags = ["--asap", "127.0.0.1:0", "--enrp", "127.0.0.1:0", "--admin", "off", "--announce-ready"];
    drop(program("rsp-registrar", "rsp-registrar"));
    let process = Process::spawn(rsp(&[&["registrar", "run"][..], &flags].concat()));
    assert!(parse(&process.line())["asap"][0].is_string());
    process.signal(Signal::SIGTERM);
    assert_eq!(process.finish().code, Some(0));
    let refused = run(rsp(&["registrar", "run", "--profile", "slow"]));
    assert_eq!(refused.code, Some(2));
    assert!(refused.errors.contains("standard, rfc, rsplib or fast"), "{}", refused.errors);
}

#[test]
fn run_says_what_to_do_if_there_is_no_program_to_run() {
    let directory = tempfile::tempdir().unwrap();
    let alone = directory.path().join("rsp");
    std::fs::copy(program("cli", "rsp").get_program(), &alone).unwrap();
    let mut command = Command::new(alone);
    command.env_clear().args(["registrar", "run"]);
    let end = run(command);
    let beside = directory.path().display().to_string();
    assert_eq!((end.code, end.lines.len()), (Some(1), 0));
    for words in [&beside, "PATH", "make build"] {
        assert!(end.errors.contains(words), "{}", end.errors);
    }
}

#[test]
fn dev_is_a_cluster_that_goes_on_when_one_dies_and_ends_when_it_is_interrupted() {
    drop(program("rsp-registrar", "rsp-registrar"));
    let dev = Process::spawn(rsp(&["dev", "--registrars", "2", "-o", "json"]));
    let ready = event(&dev, "ready");
    let with_variables = |args: &[&str]| {
        let mut command = rsp(args);
        for (name, value) in ready["variables"].as_object().expect("an object") {
            command.env(name, value.as_str().expect("text"));
        }
        command
    };
    let peers = || parse(&run(with_variables(&["registrar", "ls", "-o", "json"])).lines[0])["peers"].clone();
    wait_until("the registrars know each other", || peers()[0]["state"] == "alive");
    let pe = Process::spawn(with_variables(&["pe", "run", "--pool", "echo", "-o", "json", "--", "echo"]));
    event(&pe, "registered");

    let pid = ready["registrars"][1]["pid"].as_u64().expect("a number");
    let killed = Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
    assert!(killed.success());
    let ended = event(&dev, "ended");
    assert_eq!((&ended["registrar"], &ended["pid"], &ended["left"]), (&json!(2), &json!(pid), &json!(1)));
    let shown = run(with_variables(&["pool", "show", "echo", "--wait", "1"]));
    assert_eq!(shown.code, Some(0), "{}", shown.errors);

    dev.signal(Signal::SIGINT);
    assert_eq!(dev.finish().code, Some(0));
    let asap: SocketAddr = ready["registrars"][0]["asap"].as_str().expect("text").parse().unwrap();
    wait_until("the other one has ended", || TcpStream::connect(asap).is_err());
}

#[test]
fn a_pool_element_says_where_it_is_registered_after_its_registrar_has_died() {
    let first = registrar();
    let enrp = registrars(&first)["registrar"]["enrp"][0].as_str().expect("an address").to_owned();
    let second = Registrar::start("fast", &["--peer", &enrp]);
    let mut command = rsp(&["pe", "run", "--pool", "echo", "--listen", "127.0.0.1:0", "-o", "json", "--", "echo"]);
    command.env("RSERPOOL_REGISTRARS", format!("{},{}", first.asap, second.asap));
    let pe = Process::spawn(command);
    let home = event(&pe, "registered")["home"].clone();
    let (dies, stays) = if home == first.asap.to_string() { (first, second) } else { (second, first) };
    drop(dies);
    assert_eq!(event(&pe, "rehomed")["home"], stays.asap.ip().to_string());
}

#[test]
fn the_registrars_of_dev_end_with_it_even_if_it_is_killed() {
    drop(program("rsp-registrar", "rsp-registrar"));
    let dev = Process::spawn(rsp(&["dev", "--registrars", "1", "-o", "json"]));
    let asap = event(&dev, "ready")["registrars"][0]["asap"].as_str().expect("text").to_owned();
    dev.signal(Signal::SIGKILL);
    wait_until("the registrar has ended", || TcpStream::connect(&asap).is_err());
}

#[test]
fn dev_prints_what_a_shell_is_told_and_fails_when_nobody_is_left() {
    drop(program("rsp-registrar", "rsp-registrar"));
    let dev = Process::spawn(rsp(&["dev", "--registrars", "1"]));
    let line = dev.line();
    let words: Vec<&str> = line.split_whitespace().collect();
    let (asap, admin, pid, id) = (words[3], words[7], words[9], words[11]);
    let end = run({
        let mut command = rsp(&["registrar", "ls", "-o", "json"]);
        command.env("RSERPOOL_ADMIN", format!("127.0.0.1:1,{}", admin.trim_start_matches("http://")));
        command
    });
    assert_eq!(end.code, Some(0), "{}", end.errors);
    assert_eq!(parse(&end.lines[0])["registrar"]["id"], id);
    assert_eq!(dev.line(), "");
    assert_eq!(dev.line(), format!("export RSERPOOL_REGISTRARS={asap}"));
    assert_eq!(dev.line(), "export RSERPOOL_PROFILE=fast");
    assert_eq!(dev.line(), format!("export RSERPOOL_ADMIN={admin}"));
    assert!(Command::new("kill").args(["-9", pid]).status().unwrap().success());
    assert!(dev.line().contains("0 left"));
    let end = dev.finish();
    assert_eq!(end.code, Some(1));
    assert!(end.errors.contains("no registrar is left"), "{}", end.errors);
}
