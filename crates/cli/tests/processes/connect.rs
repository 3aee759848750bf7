// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp connect`: lines go on whatever happens to the server.

use sim::process::{Process, Signal};

use crate::support::{Pe, event, registrar, rsp_at, run, take};

#[test]
fn lines_go_on_when_the_serving_element_is_killed() {
    let registrar = registrar();
    let mut pes: Vec<Pe> = (0..2).map(|_| Pe::start(&registrar, "echo", &["--", "echo"])).collect();
    let mut terminal = Process::spawn(rsp_at(&registrar, &["connect", "echo", "-o", "json"]));
    let first = event(&terminal, "connected")["pe"].as_str().unwrap().to_owned();
    terminal.write("before\n");
    assert_eq!(event(&terminal, "answer")["text"], "before");

    let mut serving = take(&mut pes, &first);
    serving.process.kill();
    let other = pes[0].id.clone();
    terminal.write("after\n");
    let failover = event(&terminal, "failover");
    assert_eq!((failover["from"].as_str(), failover["to"].as_str()), (Some(&*first), Some(&*other)));
    let answer = event(&terminal, "answer");
    assert_eq!((answer["text"].as_str(), answer["pe"].as_str()), (Some("after"), Some(&*other)));

    let end = terminal.finish();
    assert_eq!((end.code, end.errors.as_str()), (Some(0), ""));
    assert_eq!(end.lines, [r#"{"event":"ended","failovers":1}"#]);
}

#[test]
fn that_no_server_is_left_is_told_at_once_and_the_lines_without_answer_at_the_end() {
    let registrar = registrar();
    let mut pe = Pe::start(&registrar, "echo", &["--", "echo"]);
    let mut terminal = Process::spawn(rsp_at(&registrar, &["connect", "echo", "-o", "json"]));
    terminal.write("one\n");
    assert_eq!(event(&terminal, "answer")["text"], "one");
    pe.process.kill();
    terminal.write("two\nthree\n");
    event(&terminal, "no_server");
    terminal.signal(Signal::SIGINT);
    let end = terminal.finish();
    assert_eq!(end.code, Some(1));
    assert!(end.errors.contains("no answer to line 2"), "{}", end.errors);
}

#[test]
fn a_file_comes_back_as_it_was_although_its_server_is_killed() {
    let registrar = registrar();
    let mut pes: Vec<Pe> =
        (0..2).map(|_| Pe::start(&registrar, "echo", &["--service-time", "1ms", "--", "echo"])).collect();
    let mut terminal = Process::spawn(rsp_at(&registrar, &["connect", "echo"]));
    terminal.wait_for_error("connected to pool echo");
    let errors = terminal.errors();
    let serving = pes.iter().find(|pe| errors.contains(&pe.id)).unwrap().id.clone();

    let lines: Vec<String> = (0..500).map(|n| if n % 7 == 0 { String::new() } else { format!("line {n}") }).collect();
    terminal.write(&(lines.join("\n") + "\n"));
    terminal.close_stdin();
    let first: Vec<String> = (0..10).map(|_| terminal.line()).collect();
    take(&mut pes, &serving).process.kill();

    let end = terminal.finish();
    assert_eq!(end.code, Some(0), "{}", end.errors);
    assert!(end.errors.contains("failover from PE"), "{}", end.errors);
    assert_eq!([first, end.lines].concat(), lines);
}

#[test]
fn a_drained_element_ends_when_its_sessions_have_moved() {
    let registrar = registrar();
    let mut pes: Vec<Pe> = (0..2).map(|_| Pe::start(&registrar, "echo", &["--", "echo"])).collect();
    let mut terminal = Process::spawn(rsp_at(&registrar, &["connect", "echo", "-o", "json"]));
    let first = event(&terminal, "connected")["pe"].as_str().unwrap().to_owned();
    terminal.write("one\n");
    event(&terminal, "answer");

    let serving = take(&mut pes, &first);
    serving.process.signal(Signal::SIGTERM);
    assert_eq!(event(&serving.process, "draining")["sessions"], 1);
    assert_eq!(event(&serving.process, "session_closed")["requests"], 1);
    event(&serving.process, "left");
    assert_eq!(serving.process.finish().code, Some(0));

    assert_eq!(event(&terminal, "failover")["to"].as_str(), Some(&*pes[0].id));
    terminal.write("two\n");
    assert_eq!(event(&terminal, "answer")["text"], "two");
    assert_eq!(terminal.finish().code, Some(0));
}

#[test]
fn daytime_is_printed_and_the_session_ends_with_its_server() {
    let registrar = registrar();
    let _pe = Pe::start(&registrar, "clock", &["--", "daytime"]);
    let end = run(rsp_at(&registrar, &["connect", "clock"]));
    assert_eq!(end.code, Some(0), "{}", end.errors);
    assert!(end.lines.len() == 1 && end.lines[0].ends_with("-UTC"), "{:?}", end.lines);
    assert!(end.errors.contains("the server ended the session"), "{}", end.errors);
}

#[test]
fn discard_takes_every_line_and_answers_none() {
    let registrar = registrar();
    let pe = Pe::start(&registrar, "sink", &["--", "discard"]);
    let mut terminal = Process::spawn(rsp_at(&registrar, &["connect", "sink"]));
    terminal.write("a\nb\nc\n");
    let end = terminal.finish();
    assert_eq!((end.code, end.lines.len()), (Some(0), 0), "{}", end.errors);
    assert_eq!(event(&pe.process, "session_closed")["requests"], 3);
}

#[test]
fn a_server_without_acknowledgements_is_waited_for_until_it_has_answered() {
    let registrar = registrar();
    let _pe = Pe::start(&registrar, "echo", &["--acks=false", "--service-time", "20ms", "--", "echo"]);
    let mut terminal = Process::spawn(rsp_at(&registrar, &["connect", "echo"]));
    terminal.write("a\nb\nc\n");
    let end = terminal.finish();
    assert_eq!((end.code, end.lines), (Some(0), vec!["a".to_owned(), "b".to_owned(), "c".to_owned()]));
}

#[test]
fn a_line_whose_lifetime_is_over_comes_back_instead_of_waiting_for_a_server() {
    let registrar = registrar();
    let mut pe = Pe::start(&registrar, "echo", &["--", "echo"]);
    let args = ["connect", "echo", "-o", "json", "--lifetime", "200ms"];
    let mut terminal = Process::spawn(rsp_at(&registrar, &args));
    event(&terminal, "connected");
    pe.process.kill();
    event(&terminal, "no_server");
    terminal.write("late\n");
    terminal.close_stdin();
    // The session goes on waiting for a server; the line does not.
    let status = terminal.wait();
    assert_eq!(status.code(), Some(1), "{}", terminal.errors());
    assert!(terminal.errors().contains("line 1 (its lifetime was over)"), "{}", terminal.errors());
}

#[test]
fn lines_that_nobody_acknowledges_are_answered_all_the_same() {
    let registrar = registrar();
    let _pe = Pe::start(&registrar, "echo", &["--", "echo"]);
    let mut terminal = Process::spawn(rsp_at(&registrar, &["connect", "echo", "--acks=false"]));
    terminal.write("one\ntwo\n");
    let end = terminal.finish();
    assert_eq!((end.code, end.lines), (Some(0), vec!["one".to_owned(), "two".to_owned()]), "{}", end.errors);
}

#[test]
fn a_sealed_cookie_is_taken_by_whoever_has_the_key() {
    let registrar = registrar();
    let own = tempfile::tempdir().unwrap();
    let key = own.path().join("key");
    std::fs::write(&key, format!("# of the pool\n7:{}\n", "ab".repeat(32))).unwrap();
    let args = ["--cookie-key", key.to_str().unwrap(), "--", "pingpong"];
    let mut pes: Vec<Pe> = (0..2).map(|_| Pe::start(&registrar, "ping", &args)).collect();
    let ping = Process::spawn(rsp_at(&registrar, &["ping", "ping", "--interval", "10ms", "-o", "json"]));
    let serving = event(&ping, "connected")["pe"].as_str().unwrap().to_owned();
    event(&ping, "pong");
    take(&mut pes, &serving).process.kill();
    assert_eq!(event(&ping, "failover")["cookie"], true);
    assert!(event(&ping, "pong")["reply"].as_u64() > Some(1), "the next server goes on numbering");

    std::fs::write(&key, "secret\n").unwrap();
    let mut command = rsp_at(&registrar, &["pe", "run", "--pool", "ping", "--cookie-key", key.to_str().unwrap()]);
    command.args(["--", "pingpong"]);
    let end = run(command);
    assert!(end.code == Some(2) && end.errors.contains("key:1"), "{end:?}");
    assert!(!end.errors.contains("secret"), "keys are never shown");
}

#[test]
fn control_and_data_may_go_apart() {
    let registrar = registrar();
    let _pe = Pe::start(&registrar, "echo", &["--separate-control", "--", "echo"]);
    let mut terminal = Process::spawn(rsp_at(&registrar, &["connect", "echo", "--separate-control"]));
    terminal.write("hello\n");
    let end = terminal.finish();
    assert_eq!((end.code, end.lines), (Some(0), vec!["hello".to_owned()]), "{}", end.errors);
    let without = run(rsp_at(&registrar, &["connect", "echo"]));
    assert!(without.code == Some(1) && without.errors.contains("NO_MAPPING"), "{without:?}");
}
