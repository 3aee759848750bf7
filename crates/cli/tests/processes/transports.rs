// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which transport is used, as users see it.

use sim::process::{Process, Registrar};

use crate::support::{Pe, event, hasty, json, registrar, rsp_at, run};

/// Sends a line and answers what `rsp connect` says of it.
fn connect(registrar: &Registrar, pool: &str, transport: &str) -> Process {
    let mut terminal = Process::spawn(rsp_at(registrar, &["connect", "-o", "json", "--transport", transport, pool]));
    terminal.write("hello\n");
    terminal.close_stdin();
    terminal
}

/// The registrar is reached over SCTP where both have it: the address filter, keep-alives and sessions work over it.
#[test]
fn without_a_word_everything_goes_over_sctp() {
    let registrar = registrar();
    let _pe = Pe::start(&registrar, "echo", &["--", "echo"]);
    let shown = run(rsp_at(&registrar, &["pool", "show", "-o", "json", "echo"]));
    assert!(shown.lines.concat().contains("sctp"), "{shown:?}");
    let answer = event(&connect(&registrar, "echo", "auto"), "answer");
    assert_eq!(answer["text"], "hello");
}

#[test]
fn a_pool_element_with_several_mappings_is_found_over_each() {
    let registrar = registrar();
    let pe = Pe::start(&registrar, "echo", &["--mapping", "sctp,tcp", "--", "echo"]);
    for transport in ["sctp-udp", "tcp", "auto"] {
        let terminal = connect(&registrar, "echo", transport);
        assert_eq!(event(&terminal, "connected")["pe"], pe.id, "{transport}");
        assert_eq!(event(&terminal, "answer")["text"], "hello", "{transport}");
    }
    let further = run(rsp_at(&registrar, &["pool", "show", "-o", "json", "echo#tcp"]));
    assert!(further.lines.concat().contains(&pe.id), "{further:?}");
    drop(pe);
}

#[test]
fn who_drains_leaves_all_its_pools() {
    let registrar = registrar();
    let pe = Pe::start(&registrar, "echo", &["--mapping", "tcp,sctp", "--", "echo"]);
    pe.process.signal(sim::process::Signal::SIGTERM);
    event(&pe.process, "left");
    for pool in ["echo", "echo#sctp"] {
        assert_eq!(run(rsp_at(&registrar, &["pool", "show", pool])).code, Some(4), "{pool}");
    }
}

#[test]
fn a_mapping_that_is_not_offered_is_named() {
    let registrar = registrar();
    let _pe = Pe::start(&registrar, "echo", &["--mapping", "sctp", "--", "echo"]);
    let finished = run(rsp_at(&registrar, &["connect", "pool://echo?transport=tcp"]));
    assert!(finished.errors.contains("offer SCTP") && finished.errors.contains("TCP"), "{finished:?}");
}

/// Nobody says that there is no SCTP: TCP is tried after the head start.
#[test]
fn a_registrar_that_speaks_tcp_alone_is_found_without_a_word() {
    let registrar = Registrar::start("fast", &["--transport", "tcp"]);
    // It is registered before MAX-REG-ATTEMPT times T2 (1 s in profile fast) are over, or it would have ended with an error.
    let _pe = Pe::start(&registrar, "echo", &["--", "echo"]);
    let shown = run(rsp_at(&registrar, &["pool", "show", "-o", "jsonl", "echo"]));
    assert!(json(shown.lines.first().expect("a line")).is_object());
}

#[test]
fn a_transport_that_is_not_there_is_a_mistake_of_the_command_line_everywhere() {
    let registrar = registrar();
    let contradiction = ["pe", "run", "--pool", "echo", "--mapping", "sctp", "--transport", "tcp", "--", "echo"];
    assert_eq!(run(rsp_at(&registrar, &contradiction)).code, Some(2));
    if std::path::Path::new("/proc/sys/net/sctp").exists() {
        return;
    }
    for args in [
        &["pool", "show", "echo"][..],
        &["connect", "echo"],
        &["dev"],
        &["registrar", "run"],
        &["bench", "resolve", "--duration", "10ms"],
    ] {
        let mut args = args.to_vec();
        args.extend(["--transport", "sctp"]);
        let end = run(rsp_at(&registrar, &args));
        assert!(end.code == Some(2) && end.errors.contains("modprobe sctp"), "{args:?}: {end:?}");
    }
}

#[test]
fn a_refusal_names_the_transport() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let end = run(hasty(&["pool", "show", "echo", "--transport", "tcp", "--registrar", &nobody]));
    assert!(end.errors.contains(&format!("{nobody} over TCP: connection refused")), "{end:?}");
}
