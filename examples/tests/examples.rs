// SPDX-License-Identifier: MIT OR Apache-2.0
//! The examples do what they say.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use sim::process::{PATIENT_FILE, Process, Registrar, Signal, program};

fn example(registrar: &Registrar, name: &str) -> Command {
    let mut command = program("rserpool-examples", name);
    command.env("RSERPOOL_PROFILE", "fast").env("RSERPOOL_CONFIG", PATIENT_FILE);
    command.env("RSERPOOL_REGISTRARS", registrar.asap.to_string());
    command
}

#[test]
fn an_echo_client_outlives_its_server() {
    let registrar = Registrar::start("fast", &[]);
    let mut servers: Vec<Process> = (0..2).map(|_| Process::spawn(example(&registrar, "echo_pe"))).collect();
    servers.iter().for_each(|server| drop(server.line()));
    let mut client = Process::spawn(example(&registrar, "echo_pu"));
    client.write("one\n");
    assert_eq!(client.line(), "one");
    // It is one of the two: whichever, the lines go on.
    servers[0].kill();
    client.write("two\n\n");
    assert_eq!((client.line(), client.line()), ("two".to_owned(), String::new()));
    let mut third = Process::spawn(example(&registrar, "echo_pe"));
    third.line();
    servers[1].kill();
    client.write("three\nfour");
    let end = client.finish();
    assert_eq!((end.code, end.lines), (Some(0), vec!["three".to_owned(), "four".to_owned()]), "{}", end.errors);
    third.kill();
}

#[test]
fn an_echo_server_that_is_asked_to_end_hands_its_session_over_and_leaves_the_pool() {
    let registrar = Registrar::start("fast", &[]);
    let start = || {
        let server = Process::spawn(example(&registrar, "echo_pe"));
        server.line();
        server
    };
    for number in [Signal::SIGTERM, Signal::SIGINT] {
        let mut leaving = start();
        let mut client = Process::spawn(example(&registrar, "echo_pu"));
        client.write("one\n");
        assert_eq!(client.line(), "one");
        let mut staying = start();
        leaving.signal(number);
        // It has drained: one that a signal ends has no exit code.
        assert_eq!(leaving.wait().code(), Some(0), "{}", leaving.errors());
        client.write("two\n");
        assert_eq!(client.line(), "two");
        let end = client.finish();
        assert_eq!(end.code, Some(0), "{}", end.errors);
        staying.kill();
    }
}

#[test]
fn a_file_is_whole_although_its_mirror_was_killed_in_the_middle() {
    let registrar = Registrar::start("fast", &[]);
    let mirror = tempfile::tempdir().unwrap();
    let original: Vec<u8> = (0..LENGTH).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    fs::write(mirror.path().join("big"), &original).unwrap();
    let mut servers: Vec<(String, Process)> = (0..3)
        .map(|_| {
            let mut command = example(&registrar, "file_pe");
            command.arg(mirror.path());
            let server = Process::spawn(command);
            (server.line(), server)
        })
        .collect();

    let mut client = example(&registrar, "file_pu");
    let mut client = client.arg("big").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = client.stdout.take().unwrap();
    let mut errors = BufReader::new(client.stderr.take().unwrap()).lines();
    // Nobody reads on while a mirror is killed, so that there is much of the file left.
    let mut copy = Vec::new();
    for part in [1, 2] {
        stdout.by_ref().take(part * LENGTH / 4 - copy.len() as u64).read_to_end(&mut copy).unwrap();
        let told = errors.next().expect("it says who serves it").unwrap();
        let serving = told.split([' ', ',']).nth(1).unwrap();
        let place = servers.iter().position(|(id, _)| id == serving).unwrap_or_else(|| panic!("{serving}: {told}"));
        servers.remove(place).1.kill();
    }
    stdout.read_to_end(&mut copy).unwrap();
    let told: Vec<_> = errors.map_while(Result::ok).collect();
    assert_eq!((client.wait().unwrap().code(), told.len()), (Some(0), 1), "{told:?}");
    assert!(copy == original, "the copy differs");
}

#[test]
fn a_file_that_is_not_there_and_a_name_outside_are_refused() {
    let registrar = Registrar::start("fast", &[]);
    let mirror = tempfile::tempdir().unwrap();
    fs::create_dir(mirror.path().join("public")).unwrap();
    fs::write(mirror.path().join("secret"), "secret").unwrap();
    fs::write(mirror.path().join("public/empty"), "").unwrap();
    let mut server = example(&registrar, "file_pe");
    server.arg(mirror.path().join("public"));
    let server = Process::spawn(server);
    server.line();
    for (name, code, words) in [("absent", 1, "absent: "), ("../secret", 1, "no such name"), ("empty", 0, "")] {
        let mut client = example(&registrar, "file_pu");
        client.arg(name);
        let end = Process::spawn(client).finish();
        assert_eq!((end.code, end.lines.len()), (Some(code), 0), "{name}: {}", end.errors);
        assert!(end.errors.contains(words), "{name}: {}", end.errors);
    }
}

#[test]
fn a_game_goes_on_with_another_player_of_the_pool_when_one_is_killed() {
    let registrar = Registrar::start("fast", &[]);
    let game = Process::spawn(example(&registrar, "game"));
    game.line();
    let mut waiting = Process::spawn(example(&registrar, "player"));
    let waiting_id = waiting.line();
    let mut first = example(&registrar, "player");
    first.arg("begin");
    let mut first = Process::spawn(first);
    first.line();
    for number in ["one", "two"] {
        first.write(&format!("{number}\n"));
        assert_eq!(first.line(), format!("saw {number}"));
    }
    // Two pools, and the server of one goes on with another member of the other (seed 004 §3.3).
    first.kill();
    assert_eq!(game.line_where(|line| line.starts_with("goes on")), format!("goes on with {waiting_id}"));
    assert_eq!(waiting.line(), "go on after two");
    waiting.write("three\n");
    assert_eq!(waiting.line(), "saw three");
    // It is the server that outlives its players now.
    let mut third = Process::spawn(example(&registrar, "player"));
    third.line();
    waiting.kill();
    third.write("four\n");
    // What the dead player had not yet acknowledged may come again before.
    third.line_where(|line| line == "saw four");
}

const LENGTH: u64 = 96 << 20;
