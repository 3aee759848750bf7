// SPDX-License-Identifier: MIT OR Apache-2.0
//! The examples do what they say.

use std::fs;
use std::path::Path;
use std::process::Command;

use sim::process::{Process, Registrar, Signal, program};

fn example(registrar: &Registrar, name: &str) -> Command {
    let mut command = program("rserpool-examples", name);
    command.env("RSERPOOL_PROFILE", "fast").env("RSERPOOL_REGISTRARS", registrar.asap.to_string());
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

    let copy = tempfile::NamedTempFile::new().unwrap();
    // The shell sends the copy into a file, so that its length tells how far it is.
    let client = example(&registrar, "file_pu");
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "exec \"$0\" big > \"$1\""]).arg(client.get_program()).arg(copy.path()).env_clear();
    shell.envs(client.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let client = Process::spawn(shell);
    let mut failovers = 0;
    for part in [1, 2] {
        wait_for_length(copy.path(), part * LENGTH / 4);
        client.signal(Signal::SIGSTOP);
        let so_far = fs::metadata(copy.path()).unwrap().len();
        let errors = client.errors();
        let serving = errors.lines().last().and_then(|line| line.split([' ', ',']).nth(1)).unwrap().to_owned();
        let place = servers.iter().position(|(id, _)| *id == serving).unwrap_or_else(|| panic!("{serving}: {errors}"));
        servers.remove(place).1.kill();
        client.signal(Signal::SIGCONT);
        assert!(so_far < LENGTH, "it had all of it before its mirror was killed");
        failovers += 1;
        client.wait_for_error_lines(1 + failovers);
    }
    let end = client.finish();
    assert_eq!(end.code, Some(0), "{}", end.errors);
    assert_eq!(end.errors.lines().count(), 1 + failovers, "{}", end.errors);
    assert!(fs::read(copy.path()).unwrap() == original, "the copy differs");
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

fn wait_for_length(path: &Path, length: u64) {
    let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while fs::metadata(path).unwrap().len() < length {
        assert!(std::time::Instant::now() < until, "the copy does not grow to {length} bytes");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

const LENGTH: u64 = 96 << 20;
