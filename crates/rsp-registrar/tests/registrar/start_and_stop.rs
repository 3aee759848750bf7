// SPDX-License-Identifier: MIT OR Apache-2.0
//! The beginning and the end of a registrar that is not alone.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sim::process::free_port;

use crate::peer::Peer;
use crate::process::{Registrar, program, run};

#[test]
fn asap_is_not_served_before_the_handlespace_is_there() {
    // A registrar that takes connections and never says who it is.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let peer = silent.local_addr().expect("it has one").to_string();
    let [asap, admin] = [(); 2].map(|()| free_port());
    let places = ["--asap", &asap.to_string(), "--enrp", "127.0.0.1:0", "--admin", &admin.to_string()];
    let flags = ["--peer", &peer, "--set", "mentor_discovery_timeout=10m"];
    let mut command = program(&[&places[..], &flags[..]].concat());
    let mut starting = Dies(command.stderr(Stdio::null()).spawn().expect("the program was built"));
    until("admin HTTP answers", || get(admin, "/v1/registrars").is_some_and(|text| text.contains("\"starting\"")));
    assert!(get(admin, "/readyz").expect("it answers").starts_with("HTTP/1.1 503"));
    assert_eq!(TcpStream::connect(asap).expect_err("nobody listens").kind(), ErrorKind::ConnectionRefused);
    // Its port is taken all the same.
    let ended = run(&mut program(&["--asap", "127.0.0.1:0", "--enrp", &peer, "--admin", "off"]));
    assert!(ended.code == Some(1) && ended.stderr.contains(&peer), "{}", ended.stderr);
    let pid = i32::try_from(starting.0.id()).expect("process ids are positive");
    kill(Pid::from_raw(pid), Signal::SIGTERM).expect("it runs");
    assert!(starting.0.wait().expect("it is our child").success());
}

#[test]
fn a_named_peer_that_is_not_there_is_told_once_and_shown_as_long_as_it_is_missing() {
    let nobody = free_port().to_string();
    let registrar = Registrar::start(&["--profile", "fast", "--peer", &nobody, "--peer", "no.such.name.invalid"]);
    until("why not is known", || registrar.json("/v1/registrars")["unreached"][1]["reason"] == "connection refused");
    let unreached = registrar.json("/v1/registrars")["unreached"].clone();
    assert_eq!(
        (&unreached[0]["name"], &unreached[0]["state"]),
        (&"no.such.name.invalid:9901".into(), &"unreached".into())
    );
    assert_eq!(unreached[1]["addresses"][0], nobody);
    assert!(registrar.get("/metrics").1.contains("rserpool_static_peers_unreached 2\n"));
    let late =
        Registrar::spawn(program(&["--asap", "127.0.0.1:0", "--enrp", &nobody, "--admin", "off", "--announce-ready"]));
    until("it is reached", || registrar.json("/v1/registrars")["unreached"][1].is_null());
    drop(late);
    let (_, log) = registrar.stop();
    let told = |words: &str| log.lines().filter(|line| line.contains("WARN") && line.contains(words)).count();
    assert_eq!(told(&format!("no registrar reached at {nobody}")), 1, "{log}");
    assert!((1..=2).contains(&told("no.such.name.invalid")), "{log}");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let leaving = Registrar::start(&["--profile", "fast", "--set", "leave_timeout=1h"]);
    let staying = Registrar::start(&["--profile", "fast", "--peer", &leaving.enrp().to_string()]);
    until("they know each other", || leaving.json("/v1/registrars")["peers"][0]["connected"] == true);
    // A pool element that nobody but its home can reach.
    let mut pe = Peer::connect(leaving.asap());
    let element = pe.element(1);
    pe.register("echo", element);
    leaving.signal(Signal::SIGTERM);
    until("it is leaving", || leaving.json("/v1/registrars")["registrar"]["state"] == "leaving");
    leaving.signal(Signal::SIGTERM);
    assert!(leaving.wait().success());
    drop(staying);
}

/// Ends with the test.
struct Dies(Child);

impl Drop for Dies {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn get(admin: SocketAddr, path: &str) -> Option<String> {
    let mut peer = TcpStream::connect(admin).ok()?;
    write!(peer, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    peer.read_to_string(&mut answer).ok()?;
    Some(answer)
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(120);
    while !holds() {
        assert!(Instant::now() < limit, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
