// SPDX-License-Identifier: MIT OR Apache-2.0
//! Admin HTTP: what `docs/admin-http.md` promises.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::peer::{Peer, report, resolution};
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
        concat!("rserpool_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
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
fn a_large_pool_comes_in_pages() {
    let registrar = Registrar::start(&[]);
    let mut pe = Peer::connect(registrar.asap());
    for id in [3, 1, 5, 2, 4] {
        let element = pe.element(id);
        pe.register("echo", element);
    }
    let mut path = "/v1/pools/echo?limit=2".to_owned();
    let mut pages = Vec::new();
    for _ in 0..3 {
        let pool = registrar.json(&path);
        assert_eq!(pool["elements"], 5);
        let ids = pool["pool_elements"].as_array().expect("a list").iter();
        pages.push(ids.map(|element| element["id"].as_str().expect("text").to_owned()).collect::<Vec<_>>());
        path = pool["next"].as_str().unwrap_or_default().to_owned();
    }
    assert_eq!(path, "", "the third page is the last");
    assert_eq!(pages, [vec!["0x00000001", "0x00000002"], vec!["0x00000003", "0x00000004"], vec!["0x00000005"]]);
    assert_eq!(registrar.json("/v1/pools/echo")["next"], Value::Null);
}

#[test]
fn events_come_as_they_happen() {
    let registrar = Registrar::start(&["--id", "0a0b0c0d"]);
    let mut all = registrar.events("/v1/events");
    let mut gone = registrar.events("/v1/events?kind=pe_removed,pe_reported");
    let mut pe = Peer::connect(registrar.asap());
    let element = pe.element(0x2a);
    pe.register("echo", element);
    let added = all.next_of("pe_added");
    assert_eq!(added["fields"], json!({"pool": "echo", "pe": "0x0000002a"}));
    assert_eq!(added["text"], "PE 0x0000002a joined pool echo");
    assert!(added["time_ms"].as_u64().is_some_and(|time| time > 1_600_000_000_000), "{added}");
    let mut stranger = Peer::connect(registrar.asap());
    stranger.send(&report("echo", 0x2a));
    assert_eq!(all.next_of("pe_reported")["fields"]["reports"], 1);
    drop(pe);
    assert_eq!(gone.next()["kind"], "pe_reported");
    let removed = gone.next();
    assert_eq!((&removed["kind"], &removed["fields"]["pe"]), (&json!("pe_removed"), &json!("0x0000002a")));
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
        ("/v1/pools/none?limit=many", 400, "?limit=100"),
        ("/v1/events?kinds=a", 400, "?kind=pe_added"),
        ("/v1/events?kind=bogus", 400, "peer_dead"),
        ("/v1/pools?limit=7", 400, "/v1/pools/HANDLE?limit=100"),
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

/// A stream of server-sent events.
struct Events(BufReader<TcpStream>);

impl Events {
    fn next(&mut self) -> Value {
        loop {
            let mut line = String::new();
            assert_ne!(self.0.read_line(&mut line).expect("it is sent"), 0, "the stream has ended");
            if let Some(data) = line.strip_prefix("data: ") {
                return serde_json::from_str(data).expect("JSON");
            }
        }
    }

    fn next_of(&mut self, kind: &str) -> Value {
        loop {
            let event = self.next();
            if event["kind"] == kind {
                return event;
            }
        }
    }
}

impl Registrar {
    /// Follows the events from here on.
    fn events(&self, path: &str) -> Events {
        let mut peer = TcpStream::connect(self.ready.admin.expect("it is on")).expect("it listens");
        peer.set_read_timeout(Some(Duration::from_secs(60))).expect("it is not zero");
        write!(peer, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").expect("it reads");
        let mut reader = BufReader::new(peer);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(reader.read_line(&mut head).expect("it answers"), 0, "{head}");
        }
        assert!(head.starts_with("HTTP/1.") && head.contains("200 OK"), "{head}");
        assert!(head.to_lowercase().contains("content-type: text/event-stream"), "{head}");
        Events(reader)
    }

    pub(crate) fn json(&self, path: &str) -> Value {
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
