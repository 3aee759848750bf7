// SPDX-License-Identifier: MIT OR Apache-2.0
//! Start and stop.

use std::time::Duration;

use machine::association::LostReason;
use nix::sys::signal::Signal;

use crate::peer::Peer;
use crate::process::{Registrar, program, run};

#[test]
fn it_stops_on_sigterm_in_order_with_peers_that_read_and_peers_that_do_not() {
    let registrar = Registrar::start(&[]);
    let mut pe = Peer::connect(registrar.asap());
    let element = pe.element(1);
    pe.register("echo", element);
    let silent = std::net::TcpStream::connect(registrar.asap()).expect("it listens");
    let (status, log) = registrar.stop();
    assert!(status.success(), "{status}\n{log}");
    assert!(log.contains("stopping") && log.contains("SIGTERM"), "{log}");
    assert_eq!(pe.lost(), LostReason::PeerClosed);
    drop(silent);
}

#[test]
fn it_stops_on_sigint_too() {
    let registrar = Registrar::spawn(program(&["--asap", "127.0.0.1:0", "--admin", "off", "--announce-ready"]));
    assert_eq!(registrar.ready.admin, None);
    registrar.signal(Signal::SIGINT);
    assert!(registrar.wait().success());
}

#[test]
fn it_goes_on_after_sighup_and_says_that_there_is_no_reload() {
    let registrar = Registrar::start(&[]);
    registrar.signal(Signal::SIGHUP);
    let mut pe = Peer::connect(registrar.asap());
    let element = pe.element(1);
    pe.register("echo", element);
    let (status, log) = registrar.stop();
    assert!(status.success(), "{status}\n{log}");
    assert!(log.contains("no reload"), "{log}");
}

#[test]
fn a_port_in_use_is_named_with_what_to_do() {
    let first = Registrar::start(&[]);
    let asap = first.asap().to_string();
    let ended = run(&mut program(&["--asap", &asap, "--admin", "off"]));
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains(&asap) && ended.stderr.contains("choose another port"), "{}", ended.stderr);

    let enrp = first.enrp().to_string();
    let ended = run(&mut program(&["--asap", "127.0.0.1:0", "--enrp", &enrp, "--admin", "off"]));
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains(&enrp) && ended.stderr.contains("choose another port"), "{}", ended.stderr);

    let admin = first.ready.admin.expect("it is on").to_string();
    let ended = run(&mut program(&["--asap", "127.0.0.1:0", "--admin", &admin]));
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains(&admin) && ended.stderr.contains("--admin off"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("RSERPOOL_ADMIN"), "{}", ended.stderr);
    let ended = run(program(&["--asap", "127.0.0.1:0"]).env("RSERPOOL_ADMIN", format!("http://{admin}")));
    assert!(ended.code == Some(1) && ended.stderr.contains("from RSERPOOL_ADMIN"), "{}", ended.stderr);
}

#[test]
fn a_registrar_that_was_stopped_for_a_while_removes_nobody() {
    let flags = ["--set", "keep_alive_interval=500ms", "--set", "keep_alive_timeout=6s", "--set", "give_up=7s"];
    let registrar = Registrar::start(&flags);
    let mut pe = Peer::connect(registrar.asap());
    let element = pe.element(1);
    pe.register("echo", element);
    registrar.signal(Signal::SIGSTOP);
    std::thread::sleep(Duration::from_secs(9));
    registrar.signal(Signal::SIGCONT);
    assert_eq!(pe.resolve("echo").pool_elements.len(), 1);
    assert_eq!(pe.resolve("echo").pool_elements.len(), 1);
}
