// SPDX-License-Identifier: MIT OR Apache-2.0
//! Admin HTTP: what `docs/admin-http.md` promises.

use std::io::{Read, Write};
use std::net::TcpStream;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::peer::{Peer, resolution};
use crate::process::Registrar;

#[test]
fn pools_and_their_elements_are_shown() {
    let registrar = Registrar::start(&["--id", "0a0b0c0d"]);
    assert_eq!(registrar.json("/v1/pools"), json!({"registrar": "0x0a0b0c0d", "pools": []}));
    let mut pe = Peer::connect(registrar.asap());
    let mut element = pe.element(0x2a);
    let rsp_wire::parameter::UserTransport::Ip(transport) = &element.user_transport else { unreachable!() };
    element.asap_transport = Some(transport.clone());
    let port = transport.port;
    pe.register("echo pool/1", element);
    let mut pu = Peer::connect(registrar.asap());
    pu.send(&resolution("echo pool/1", true));
    pu.receive();

    let summary = json!({
        "handle": "echo%20pool/1", "href": "/v1/pools/echo%20pool%2F1",
        "policy": "WeightedRoundRobin", "policy_type": 2, "transport": "tcp", "transport_use": "data+control",
        "elements": 1, "subscribers": 1,
    });
    assert_eq!(registrar.json("/v1/pools"), json!({"registrar": "0x0a0b0c0d", "pools": [summary]}));

    let mut pool = registrar.json(summary["href"].as_str().expect("a path"));
    let element = pool["pool_elements"][0].take();
    assert_eq!(pool["elements"], 1);
    let address = json!({"protocol": "tcp", "use": "data+control", "port": port, "addresses": ["127.0.0.1"]});
    assert_eq!(element["id"], "0x0000002a");
    assert_eq!(element["home"], "0x0a0b0c0d");
    assert_eq!((&element["transport"], &element["asap_transport"]), (&address, &address));
    assert_eq!(element["policy"], json!({"weight": 3}));
    let life_left = element["life_left_ms"].as_u64().expect("a number");
    assert!(life_left > 0 && life_left <= 120_000, "{life_left}");
    assert_eq!(element["watched"]["up"], true);
    assert_eq!(element["watched"]["peer"], format!("127.0.0.1:{port}"));
    assert_eq!(element["watched"]["unreachable_reports"], 0);
    assert!(element["watched"]["heard_ms_ago"].is_u64());
}

#[test]
fn the_numbers_are_those_of_the_registrar() {
    let registrar = Registrar::start(&[]);
    let mut pe = Peer::connect(registrar.asap());
    let element = pe.element(1);
    pe.register("echo", element);
    pe.resolve("echo");
    pe.resolve("none");
    let (head, text) = registrar.get("/metrics");
    assert!(head.contains("application/openmetrics-text"), "{head}");
    for line in [
        "rserpool_pools 1",
        "rserpool_pool_elements 1",
        "rserpool_associations 1",
        "rserpool_messages_received_total 3",
        "rserpool_registrations_total{result=\"new\"} 1",
        "rserpool_resolutions_total{result=\"found\"} 1",
        "rserpool_resolutions_total{result=\"unknown_pool\"} 1",
        "# EOF",
    ] {
        assert!(text.lines().any(|it| it == line), "{line} is missing in\n{text}");
    }
}

#[test]
fn it_is_alive_and_ready() {
    let registrar = Registrar::start(&[]);
    for path in ["/livez", "/readyz"] {
        let (head, body) = registrar.get(path);
        assert!(head.starts_with("HTTP/1.1 200") && body == "ok\n", "{path}: {head}\n{body}");
    }
}

#[test]
fn an_error_is_a_problem_that_says_what_to_do() {
    let registrar = Registrar::start(&[]);
    for (path, status, remedy) in [
        ("/v1/pools/none", 404, "/v1/pools lists"),
        ("/v1/pools/%zz", 400, "hexadecimal"),
        ("/v1/pool", 404, "docs/admin-http.md"),
    ] {
        let (head, body) = registrar.get(path);
        let problem: Value = serde_json::from_str(&body).expect("JSON");
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")) && head.contains("application/problem+json"), "{head}");
        assert_eq!(problem["status"], status);
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(remedy)), "{problem}");
    }
    let (head, _) = registrar.request("DELETE /v1/pools HTTP/1.1");
    assert!(head.starts_with("HTTP/1.1 405"), "{head}");
}

#[test]
fn broken_http_does_not_harm_the_registrar() {
    let registrar = Registrar::start(&[]);
    let admin = registrar.ready.admin.expect("it is on");
    let mut half = TcpStream::connect(admin).expect("it listens");
    half.write_all(b"GET /v1/po").expect("it reads");
    for garbage in [&b"\x01\0\0\x04\x05\0\0\x10"[..], &[0xff; 4096], b"GET /v1/pools/%00%ff%FE HTTP/1.1\r\n\r\n"] {
        let mut peer = TcpStream::connect(admin).expect("it listens");
        peer.write_all(garbage).expect("it reads");
    }
    assert!(registrar.get("/v1/pools").0.starts_with("HTTP/1.1 200"));
    registrar.signal(Signal::SIGTERM);
    assert!(registrar.stop().0.success());
}

impl Registrar {
    fn json(&self, path: &str) -> Value {
        let (head, body) = self.get(path);
        assert!(head.starts_with("HTTP/1.1 200") && head.contains("application/json"), "{head}\n{body}");
        serde_json::from_str(&body).expect("JSON")
    }

    /// Head and body of the answer to a GET.
    pub(crate) fn get(&self, path: &str) -> (String, String) {
        self.request(&format!("GET {path} HTTP/1.1"))
    }

    fn request(&self, line: &str) -> (String, String) {
        let mut peer = TcpStream::connect(self.ready.admin.expect("it is on")).expect("it listens");
        write!(peer, "{line}\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("it reads");
        let mut answer = String::new();
        peer.read_to_string(&mut answer).expect("it answers and closes");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        (head.to_owned(), body.to_owned())
    }
}
