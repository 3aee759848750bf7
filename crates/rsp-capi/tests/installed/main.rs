// SPDX-License-Identifier: MIT OR Apache-2.0
//! The C library as it is installed: found by pkg-config, with the programs of `examples/c` built against it.

mod prefix;

use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sim::process::{Process, Registrar, Signal};

use self::prefix::{Linked, prefix, program};

/// A program that finds the registrar, and writes line by line.
fn start(registrar: &Registrar, wrapper: &[&str], linked: Linked, name: &str, arguments: &[&str]) -> Process {
    let mut command = Command::new("stdbuf");
    command.arg("-oL").args(wrapper).arg(program(linked, name)).args(arguments);
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").expect("there are programs"))
        .env("LD_LIBRARY_PATH", prefix().join("lib"))
        .env("RSERPOOL_REGISTRARS", registrar.asap.to_string());
    Process::spawn(command)
}

/// The seed's server wants port 7, which one at a time can have.
fn port_7() -> MutexGuard<'static, ()> {
    static PORT: Mutex<()> = Mutex::new(());
    PORT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Until the pool has so many servers.
fn wait_for_servers(registrar: &Registrar, pool: &str, count: usize) {
    let url = format!("/v1/pools/{pool}");
    for _ in 0..12_000 {
        if http_get(registrar, &url).matches("\"home\"").count() == count {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("{pool} never had {count} servers: {}", http_get(registrar, &url));
}

fn http_get(registrar: &Registrar, path: &str) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(registrar.admin).expect("the registrar's admin server");
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

/// Sends a line and waits until it comes back.
fn echo(client: &mut Process, line: &str) {
    client.write(&format!("{line}\n"));
    client.line_where(|it| it.ends_with(line));
}

const VALGRIND: [&str; 5] = [
    "valgrind",
    "--leak-check=full",
    "--show-leak-kinds=definite,indirect",
    "--errors-for-leak-kinds=definite,indirect",
    "--error-exitcode=1",
];

#[test]
fn the_seeds_programs_run_without_an_error_or_a_leak_under_valgrind() {
    let _port = port_7();
    let registrar = Registrar::start("standard", &[]);
    let server = start(&registrar, &VALGRIND, Linked::Shared, "echo_server", &[]);
    wait_for_servers(&registrar, "echo", 1);
    let mut client = start(&registrar, &VALGRIND, Linked::Shared, "echo_client", &[]);
    for line in ["one", "two", "three"] {
        echo(&mut client, line);
    }
    let finished = client.finish();
    assert_eq!(finished.code, Some(0), "{}", finished.errors);
    assert!(finished.errors.contains("ERROR SUMMARY: 0 errors"), "{}", finished.errors);
    assert!(!finished.errors.contains("panicked"), "{}", finished.errors);
    server.signal(Signal::SIGTERM);
    // The signal is its end, so valgrind's exit code is not.
    let finished = server.finish();
    assert!(finished.errors.contains("ERROR SUMMARY: 0 errors"), "{}", finished.errors);
    assert!(finished.errors.contains("Process terminating with default action of signal 15"), "{}", finished.errors);
}

#[test]
fn the_seeds_client_goes_on_when_its_server_is_killed() {
    let _port = port_7();
    let registrar = Registrar::start("standard", &[]);
    let mut server = start(&registrar, &[], Linked::Shared, "echo_server", &[]);
    wait_for_servers(&registrar, "echo", 1);
    let mut client = start(&registrar, &[], Linked::Shared, "echo_client", &[]);
    echo(&mut client, "before");
    server.kill();
    // The first one had the port the program asks for.
    let _second = start(&registrar, &[], Linked::Shared, "echo_server", &[]);
    echo(&mut client, "after");
    let finished = client.finish();
    // It does not close its socket: the library does, when the program ends.
    assert_eq!((finished.code, finished.errors.as_str()), (Some(0), ""));
}

#[test]
fn a_client_around_epoll_goes_on_when_its_server_is_killed() {
    let _port = port_7();
    let registrar = Registrar::start("standard", &[]);
    let mut server = start(&registrar, &[], Linked::Static, "echo_server", &[]);
    wait_for_servers(&registrar, "echo", 1);
    let mut client = start(&registrar, &[], Linked::Static, "epoll_client", &[]);
    echo(&mut client, "before");
    server.kill();
    let _second = start(&registrar, &[], Linked::Static, "echo_server", &[]);
    echo(&mut client, "after");
    client.wait_for_error("failover to ");
    assert_eq!(client.finish().code, Some(0));
}

#[test]
fn programs_in_the_manner_of_rsplib_hand_their_state_over() {
    let registrar = Registrar::start("standard", &[]);
    let pe = || start(&registrar, &[], Linked::Shared, "rsplib_echo_pe", &["-protocol=0", "-loglevel=3"]);
    let mut first = pe();
    first.line_where(|line| line == "registered");
    let mut pu = start(&registrar, &[], Linked::Shared, "rsplib_echo_pu", &["-protocol=0"]);
    pu.line_where(|line| line == "connected");
    echo(&mut pu, "one");
    echo(&mut pu, "two");
    let second = pe();
    second.line_where(|line| line == "registered");
    first.kill();
    pu.line_where(|line| line.starts_with("Failover: necessary"));
    pu.line_where(|line| line.starts_with("Failover: complete") && line.ends_with("with cookie"));
    second.line_where(|line| line.ends_with("goes on after 2"));
    echo(&mut pu, "three");
    second.signal(Signal::SIGTERM);
    assert_eq!(second.finish().code, Some(0));
    drop(pu);
}

#[test]
fn only_our_names_are_visible_in_the_static_library() {
    let nm = Command::new("nm").args(["-g", "--defined-only"]).arg(prefix().join("lib/librserpool.a")).output();
    let text = String::from_utf8(nm.expect("nm runs").stdout).expect("names are text");
    let names: Vec<_> = text.lines().filter_map(|line| line.split_whitespace().nth(2)).collect();
    assert!(names.contains(&"rsp_register") && names.contains(&"rsp_ha_register"), "{names:?}");
    assert!(names.iter().all(|name| name.starts_with("rsp_")), "{names:?}");
}

#[test]
fn pkg_config_and_the_linker_know_the_library() {
    let asked = |option: &str| {
        let mut command = Command::new("pkg-config");
        command.env("PKG_CONFIG_PATH", prefix().join("lib/pkgconfig")).args([option, "rserpool"]);
        let output = command.output().expect("scripts/test-deps installs pkg-config");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("it is text").trim().to_owned()
    };
    let prefix = prefix().display().to_string();
    assert_eq!(asked("--variable=prefix"), prefix);
    assert_eq!(asked("--cflags"), format!("-I{prefix}/include"));
    assert_eq!(asked("--libs"), format!("-L{prefix}/lib -lrserpool"));
    assert_eq!(asked("--modversion"), "1.0.0");
    let dynamic = Command::new("readelf").arg("-d").arg(prefix.clone() + "/lib/librserpool.so").output();
    let text = String::from_utf8(dynamic.expect("readelf runs").stdout).expect("it is text");
    assert!(text.contains("Library soname: [librserpool.so.1]"), "{text}");
}

#[test]
fn every_call_has_a_manual_page() {
    let page = |name: &str| std::fs::read_to_string(prefix().join("share/man/man3").join(format!("{name}.3")));
    for name in
        ["rsp_socket", "rsp_sendmsg", "rsp_notify", "rsp_getPoolInfo", "rsp_forcefailover", "rsp_pe_registration"]
    {
        let page = page(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(page.contains(".SH SYNOPSIS") && page.contains(".SH DESCRIPTION"), "{name}: {page}");
    }
    for name in ["rsp_getpoolinfo", "rsp_getPoolInfo"] {
        let page = page(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(page.contains(".SH ERRORS") && page.contains(".B ENOENT\n"), "a call that returns a pointer: {page}");
    }
    let overview = std::fs::read_to_string(prefix().join("share/man/man7/rsp.7")).expect("there is an overview");
    assert!(
        overview.contains("struct rsp_notification {") && overview.contains("FAILOVER_NOT_ALLOWED = "),
        "{overview}"
    );
    // The script that writes them fails where a call has none: the library would not be installed.
}
