// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp bench`: each workload against a registrar, and what it makes of one that answers wrongly.

use std::net::SocketAddr;
use std::time::Duration;

use machine::association::{Event, Token};
use net::{Listener, Options};
use rsp_wire::asap::{HandleResolutionResponse, Message, RegistrationResponse};
use rsp_wire::{Dialect, PeId, PoolHandle};
use serde_json::Value;
use sim::process::{Finished, Registrar};

use crate::support::{json, registrar, rsp, run};

/// So many requests, and not what a machine manages in a time.
const SHORT: [&str; 6] = ["--requests", "100", "--warmup", "20ms", "-o", "json"];

/// Runs a workload against the registrar of the test and answers what it printed.
fn bench(registrar: &Registrar, workload: &str, args: &[&str]) -> Value {
    let (asap, pid) = (registrar.asap.to_string(), registrar.process.pid().to_string());
    let end = run(rsp(&[&["bench", workload, "--registrar", &asap, "--pid", &pid], args, &SHORT].concat()));
    assert_eq!(end.code, Some(0), "{}", end.errors);
    let result = json(&end.lines[0]);
    assert_eq!((&result["workload"], &result["errors"]), (&Value::from(workload), &Value::from(0)), "{result}");
    assert!(result["server_process"]["rss_after_kb"].as_u64().is_some_and(|kb| kb > 0), "{result}");
    result
}

fn number(result: &Value, name: &str) -> u64 {
    result[name].as_u64().unwrap_or_else(|| panic!("{name} of {result}"))
}

#[test]
fn every_workload_has_answers_and_no_errors() {
    let registrar = registrar();
    for workload in ["resolve", "register", "reregister"] {
        let closed = bench(&registrar, workload, &["--connections", "4", "--outstanding", "8"]);
        assert!(number(&closed, "requests") == 100 && closed["latency_us"]["p50"].as_f64() > Some(0.0), "{closed}");
        let open = bench(&registrar, workload, &["--connections", "4", "--rate", "500"]);
        assert_eq!(number(&open, "requests"), 100, "{open}");
    }
    let lu = bench(&registrar, "reregister", &["--policy", "lu", "--connections", "3", "--elements", "7"]);
    assert_eq!(number(&lu, "requests"), 100, "{lu}");
}

#[test]
fn what_is_due_within_the_time_is_measured_however_late_it_is_answered() {
    let load = ["--rate", "500", "--duration", "200ms", "--warmup", "0ms", "-o", "json"];
    let end = against(Mistake::Late, "register", &load);
    assert_eq!(end.code, Some(0), "{}", end.errors);
    let result = json(&end.lines[0]);
    assert_eq!((number(&result, "requests"), number(&result, "errors")), (100, 0), "{result}");
    assert!(result["latency_us"]["max"].as_f64() >= Some(LATE.as_micros() as f64), "{result}");
}

#[test]
fn resolution_over_sctp_over_udp_has_answers_and_no_errors_and_so_has_its_echo() {
    let how = ["--transport", "sctp-udp", "--connections", "4", "--outstanding", "8"];
    let result = bench(&registrar(), "resolve", &how);
    assert!(number(&result, "requests") >= 100 && result["latency_us"]["p50"].as_f64() > Some(0.0), "{result}");
    let echo = own(&[&["echo"], &how[..], &SHORT[..4]].concat());
    assert!(number(&echo, "requests") >= 100 && number(&echo, "errors") == 0, "{echo}");
}

#[test]
fn pool_elements_stay_registered_because_their_keep_alives_are_answered() {
    let registrar = Registrar::start("fast", &["--set", "keep_alive_interval=40ms", "--set", "keep_alive_timeout=20s"]);
    let result = bench(&registrar, "keepalive", &["--connections", "2", "--elements", "20"]);
    assert!(number(&result, "keep_alives") >= 100, "{result}");
}

/// Runs a workload that has a result of its own, against registrars it starts.
fn own(args: &[&str]) -> Value {
    // It is built if it is not there: `rsp` starts the one beside it.
    drop(sim::process::program("rsp-registrar", "rsp-registrar"));
    let end = run(rsp(&[&["bench"], args, &["--cpus", "none", "-o", "json"]].concat()));
    assert_eq!(end.code, Some(0), "{}", end.errors);
    let result = json(&end.lines[0]);
    assert_eq!(result["workload"], args[0], "{result}");
    result
}

#[test]
fn a_change_is_seen_by_subscribers_of_the_same_registrar_and_of_others() {
    for registrars in ["1", "3"] {
        let seen = own(&["update", "--own", registrars, "--requests", "100", "--warmup", "20ms"]);
        assert!(number(&seen, "requests") > 0 && number(&seen, "errors") == 0, "{seen}");
    }
}

#[test]
fn a_registrar_joins_with_all_pool_elements() {
    let small = ["--elements", "200", "--pools", "10", "--rate", "200", "--duration", "200ms"];
    let joined = own(&[&["join"][..], &small].concat());
    assert!(number(&joined, "elements") == 200 && joined["joined_ms"].as_f64() > Some(0.0), "{joined}");
}

#[test]
fn the_pool_elements_of_a_registrar_that_is_killed_are_taken_over() {
    let small = ["--elements", "200", "--pools", "10", "--rate", "100", "--duration", "1s"];
    let taken = own(&[&["takeover"][..], &small, &["--set", "keep_alive_timeout=20s"]].concat());
    let numbers = ["kept", "failed_lookups"].map(|name| number(&taken, name));
    assert!(numbers == [200, 0] && number(&taken, "told") >= 200, "{taken}");
}

#[test]
fn what_one_that_floods_leaves_to_the_others_is_measured() {
    let fair = own(&["fairness", "--requests", "500", "--warmup", "20ms", "--connections", "3", "--flood", "64"]);
    assert!(fair["share"].as_f64() > Some(0.0) && fair["flood_per_second"].as_f64() > Some(0.0), "{fair}");
}

#[test]
fn the_table_has_a_number_for_each_row_it_is_asked_for() {
    let rows = ["bench", "table", "--rows", "latency,startup", "--runs", "1", "--requests", "100", "-o", "jsonl"];
    let end = run(rsp(&rows));
    assert_eq!((end.code, end.lines.len()), (Some(0), 5), "{}", end.errors);
    for line in &end.lines {
        assert!(json(line)["median"].as_f64() > Some(0.0), "{line}");
    }
}

/// Runs a workload about sessions.
fn session(args: &[&str]) -> Value {
    let end = run(rsp(&[&["bench", "session"], args, &["--cpus", "none", "-o", "json"]].concat()));
    assert_eq!(end.code, Some(0), "{args:?}: {}", end.errors);
    let result = json(&end.lines[0]);
    assert_eq!(result["workload"], format!("session {}", args[0]), "{result}");
    result
}

#[test]
fn the_interruption_of_a_session_is_measured_for_each_way_a_server_fails() {
    drop(registrar());
    for (how, faults, transport) in [("kill", "4", "tcp"), ("hang", "1", "tcp"), ("black-hole", "1", "sctp-udp")] {
        let patient = ["--profile", "standard", "--transport", transport];
        let seen = session(&[&["kill", "--how", how, "-n", faults][..], &patient].concat());
        assert_eq!((number(&seen, "faults").to_string(), number(&seen, "errors")), (faults.to_owned(), 0), "{seen}");
        assert!(number(&seen, "failovers") >= number(&seen, "faults") && seen["p50_ms"].as_f64() > Some(0.0), "{seen}");
    }
}

#[test]
fn false_alarms_throughput_latency_and_memory_of_sessions_are_measured() {
    drop(registrar());
    let calm = session(&["heartbeats", "-s", "20", "-n", "60", "--profile", "standard"]);
    assert_eq!((number(&calm, "heartbeats"), number(&calm, "false_alarms")), (60, 0), "{calm}");
    for transport in ["tcp", "sctp-udp"] {
        let fast = session(&["throughput", "-n", "50", "--runs", "1", "--transport", transport]);
        assert!(fast["ratio"].as_f64() > Some(0.0), "{fast}");
        let soon = session(&["latency", "-n", "50", "--runs", "1", "--transport", transport]);
        assert!(soon["p50"][0].as_f64() > Some(0.0) && soon["raw_p50"][0].as_f64() > Some(0.0), "{soon}");
    }
    let small = session(&["memory", "-s", "200"]);
    assert!(small["pool_user_kib"].as_f64() >= Some(0.0) && small["pool_element_kib"].as_f64() > Some(0.0), "{small}");
}

#[test]
fn it_starts_servers_of_its_own() {
    let own = run(rsp(&[&["bench", "resolve", "--profile", "fast", "--cpus", "none"][..], &SHORT].concat()));
    assert_eq!(own.code, Some(0), "{}", own.errors);
    assert!(number(&json(&own.lines[0]), "requests") >= 100);
    let echo = run(rsp(&[&["bench", "echo", "--cpus", "none"][..], &SHORT].concat()));
    assert_eq!(echo.code, Some(0), "{}", echo.errors);
    assert!(number(&json(&echo.lines[0]), "requests") >= 100);
}

#[test]
fn first_registrations_end_when_all_are_registered() {
    let registrar = registrar();
    let args = ["--elements", "50", "--connections", "5", "--warmup", "0ms", "--duration", "60s"];
    let asap = registrar.asap.to_string();
    let end = run(rsp(&[&["bench", "register", "--registrar", &asap, "-o", "json"][..], &args].concat()));
    assert_eq!(number(&json(&end.lines[0]), "requests"), 50);
}

/// What a registrar of ours would never do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mistake {
    OtherPool,
    OtherElement,
    Rejects,
    NoElement,
    OtherMessage,
    /// The first answer on each association takes longer than the client measures.
    Late,
}

/// Answers registrations rightly and resolutions with a mistake, or registrations with one.
fn answer(message: Message, mistake: Mistake) -> Option<Message> {
    Some(match message {
        Message::Registration(registration) => {
            let mut pe_id = registration.pool_element.id;
            if mistake == Mistake::OtherElement {
                pe_id = PeId(pe_id.0 ^ 1);
            }
            let reject = mistake == Mistake::Rejects;
            let pool_handle = registration.pool_handle;
            RegistrationResponse { reject, pool_handle, pe_id, error: None, unknown: Vec::new() }.into()
        }
        Message::HandleResolution(resolution) if mistake == Mistake::OtherMessage => {
            Message::HandleResolution(resolution)
        }
        Message::HandleResolution(resolution) => {
            let other = mistake == Mistake::OtherPool;
            HandleResolutionResponse {
                accept_updates: false,
                pool_handle: if other { PoolHandle::from("another!") } else { resolution.pool_handle },
                policy: None,
                pool_elements: Vec::new(),
                error: None,
                unknown: Vec::new(),
            }
            .into()
        }
        _ => return None,
    })
}

async fn serve(listener: Listener, mistake: Mistake) {
    loop {
        let mut association = listener.accept().await;
        tokio::spawn(async move {
            let mut late = mistake == Mistake::Late;
            loop {
                match association.next().await {
                    Event::Message { sequence, data, .. } => {
                        association.taken(sequence);
                        let message = Message::decode(&data).expect("rsp bench sends sound messages").message;
                        let Some(answer) = answer(message, mistake) else { continue };
                        if std::mem::take(&mut late) {
                            tokio::time::sleep(LATE).await;
                        }
                        let bytes = answer.to_bytes(Dialect::STANDARD).expect("it is short");
                        association.send(0, 11, false, Token(0), bytes).expect("it is up");
                    }
                    Event::Lost(_) => return,
                    _ => {}
                }
            }
        });
    }
}

fn against(mistake: Mistake, workload: &str, load: &[&str]) -> Finished {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let _guard = runtime.enter();
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), Options::default()).unwrap();
    let address: SocketAddr = listener.local_addr();
    runtime.spawn(serve(listener, mistake));
    let args = ["bench", workload, "--registrar", &address.to_string(), "--connections", "2"];
    run(rsp(&[&args[..], load].concat()))
}

#[test]
fn wrong_answers_fail_the_run() {
    for (mistake, workload, error) in [
        (Mistake::OtherPool, "resolve", "the response names another pool"),
        (Mistake::NoElement, "resolve", "the response holds no pool element"),
        (Mistake::OtherMessage, "resolve", "no ASAP_HANDLE_RESOLUTION_RESPONSE"),
        (Mistake::OtherElement, "register", "the response names another pool element"),
        (Mistake::Rejects, "reregister", "a registration was rejected"),
    ] {
        let end = against(mistake, workload, &SHORT);
        assert_eq!(end.code, Some(1), "{mistake:?}: {:?}", end.lines);
        assert!(end.errors.contains(error), "{mistake:?}: {}", end.errors);
    }
}

const LATE: Duration = Duration::from_millis(500);
