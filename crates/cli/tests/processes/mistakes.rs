// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can go wrong at a command line is named, with what to do, and has its exit code.

use std::net::TcpListener;
use std::process::Command;

use crate::support::{Pe, hasty, registrar, rsp, rsp_at, run};

/// Runs it and compares exit code and words of its message, which is all it may print.
#[track_caller]
fn fails(command: Command, code: i32, words: &[&str]) {
    let shown = format!("{command:?}");
    let end = run(command);
    assert_eq!((end.code, end.lines.len()), (Some(code), 0), "{shown}: {}", end.errors);
    for word in words {
        assert!(end.errors.contains(word), "{shown} does not say \"{word}\" but: {}", end.errors);
    }
    assert!(!end.errors.contains("panicked"), "{}", end.errors);
}

/// An address nobody listens at.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

#[test]
fn no_registrar() {
    let nobody = nobody();
    for args in [
        &["pool", "show", "echo", "--registrar", &nobody][..],
        &["pool", "show", "echo", "--wait", "2", "--registrar", &nobody],
        &["connect", "echo", "--registrar", &nobody],
        &["connect", &format!("pool://{nobody}/echo")],
        &["pe", "run", "--pool", "echo", "--registrar", &nobody, "--", "echo"],
    ] {
        fails(hasty(args), 3, &[&nobody, "connection refused", "start one, or name one that runs"]);
    }
    // More time would not help, so the message is another one.
    let hurried = ["pool", "show", "echo", "--registrar", &nobody, "--profile", "rfc", "--timeout", "50ms"];
    fails(hasty(&hurried), 3, &["no registrar answers", &nobody]);
    fails(
        rsp(&["bench", "resolve", "--registrar", &nobody, "--duration", "10ms"]),
        3,
        &["no registrar answers", &nobody],
    );
    let url = format!("http://{nobody}");
    for noun in ["pool", "registrar"] {
        fails(rsp(&[noun, "ls", "--admin", &url]), 3, &[&url, "refused", "start rsp-registrar", "--admin"]);
    }
}

#[test]
fn unknown_pool() {
    let registrar = registrar();
    for args in [&["pool", "show", "nope"][..], &["connect", "nope"]] {
        let asap = registrar.asap.to_string();
        fails(rsp_at(&registrar, args), 4, &["\"nope\"", &asap, "no server has registered in it yet"]);
    }
}

#[test]
fn time_runs_out() {
    let registrar = registrar();
    let _pe = Pe::start(&registrar, "echo", &["--", "echo"]);
    let args = ["pool", "show", "echo", "--wait", "2", "--timeout", "200ms"];
    fails(rsp_at(&registrar, &args), 7, &["waiting for 2 elements in pool \"echo\"", "200ms", "--timeout"]);
}

#[test]
fn words_that_are_none() {
    let pe = |args: &[&str]| {
        let mut command = rsp(&["pe", "run", "--pool", "p"]);
        command.args(args);
        command
    };
    fails(pe(&["--policy", "best", "--", "echo"]), 2, &["best", "use rr, wrr, rand"]);
    fails(pe(&["--policy", "rr", "--weight", "5", "--", "echo"]), 2, &["no weight", "wrr, wrand or prio"]);
    fails(pe(&["--policy", "wrr", "--load", "0.5", "--", "echo"]), 2, &["no load", "lu, lud, plu or rlu"]);
    fails(pe(&["--policy", "lu", "--load", "50", "--", "echo"]), 2, &["50", "from 0 to 1"]);
    fails(pe(&["--id", "server", "--", "echo"]), 2, &["server", "hexadecimal"]);
    fails(pe(&["--", "chargen"]), 2, &["chargen", "echo, discard, daytime, pingpong"]);
    fails(pe(&["--listen", "7000", "--", "echo"]), 2, &["7000", "ADDRESS:PORT"]);
    fails(pe(&["--profile", "slow", "--", "echo"]), 2, &["slow", "standard, rfc, rsplib or fast"]);
    fails(rsp(&["pool", "show", "p", "--timeout", "5"]), 2, &["a duration such as 250ms"]);
    fails(rsp(&["connect", "pool://echo?transprot=tcp"]), 2, &["transprot", "transport=NAME"]);
    fails(rsp(&["pool", "show", "p", "--items", "some"]), 2, &["some", "or all"]);
    fails(rsp(&["connect", "pool://"]), 2, &["names no pool", "pool://HANDLE"]);
    fails(rsp(&["pool", "ls", "--admin", "localhost"]), 2, &["localhost", "http://127.0.0.1:8650"]);
    fails(rsp(&["pools"]), 2, &["pools"]);
    fails(rsp(&["dev", "--registrars", "0"]), 2, &["1..=100"]);
    fails(rsp(&["pool", "show", "http://r1/echo"]), 2, &["http://r1/echo", "pool://"]);
    fails(rsp(&["bench", "resolve", "--duration", "0s"]), 2, &["more than 0"]);
    drop(sim::process::program("rsp-registrar", "rsp-registrar"));
    for command in
        [&["dev", "--set", "give_upp=1s"][..], &["bench", "resolve", "--cpus", "none", "--set", "give_upp=1s"]]
    {
        fails(rsp(command), 2, &["give_upp", "see its message above"]);
        assert!(!run(rsp(command)).errors.contains("EOF"));
    }
    fails(rsp(&["dev", "--profile", "slow"]), 2, &["slow", "standard, rfc, rsplib or fast"]);
}

#[test]
fn an_address_that_others_have() {
    let registrar = registrar();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let args = ["pe", "run", "--pool", "echo", "--mapping", "tcp", "--listen", &address, "--", "echo"];
    fails(rsp_at(&registrar, &args), 1, &[&address, "in use", "choose another port"]);
}

#[test]
fn a_typing_error_in_the_config_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let name = file.path().to_str().unwrap();
    let configured = |text: &str| {
        std::fs::write(file.path(), text).unwrap();
        let mut command = rsp(&["pool", "show", "echo"]);
        command.env("RSERPOOL_CONFIG", file.path());
        command
    };
    fails(configured("[session]\nhello_wiat = \"1s\"\n"), 2, &[name, "hello_wiat", "hello_wait"]);
    fails(configured("[endpoint]\nt1_request = \"soon\"\n"), 2, &[name, "t1_request", "a duration such as"]);
    fails(configured("registrar = [\"r1\"]\n"), 2, &[name, "registrar", "registrars"]);
    fails(configured("registrars = [\n"), 2, &[name]);
    let mut absent = rsp(&["pool", "show", "echo"]);
    absent.env("RSERPOOL_CONFIG", "/nowhere/client.toml");
    fails(absent, 2, &["/nowhere/client.toml", "No such file"]);
}

#[test]
fn a_policy_that_is_not_the_pools() {
    let registrar = registrar();
    let _pe = Pe::start(&registrar, "echo", &["--policy", "wrr", "--", "echo"]);
    let args = ["pe", "run", "--pool", "echo", "--policy", "rr", "--listen", "127.0.0.1:0", "--", "echo"];
    fails(rsp_at(&registrar, &args), 6, &["rejected", "the pool has WRR"]);
}

#[test]
fn completions_and_manual_pages_are_written() {
    for shell in ["bash", "zsh", "fish"] {
        let end = run(rsp(&["completions", shell]));
        assert!(end.code == Some(0) && end.lines.iter().any(|line| line.contains("connect")), "{shell}");
    }
    let directory = tempfile::tempdir().unwrap();
    let end = run(rsp(&["man", directory.path().to_str().unwrap()]));
    assert_eq!(end.code, Some(0), "{}", end.errors);
    for page in [
        "rsp.1",
        "rsp-pe-run.1",
        "rsp-pool-show.1",
        "rsp-connect.1",
        "rsp-registrar-ls.1",
        "rsp-registrar-run.1",
        "rsp-dev.1",
    ] {
        assert!(directory.path().join(page).exists(), "{page}");
    }
}
