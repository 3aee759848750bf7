// SPDX-License-Identifier: MIT OR Apache-2.0
//! Servers that know nothing of pools, kept in one by `rsp pe run --port`.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use rserpool::{Error, Items, PeHandle, PoolUser, Profile};
use serde_json::Value;
use sim::process::{Process, Registrar, Signal, free_port};

use crate::support::{json, registrar, rsp_at, run};

/// `python3 -m http.server` in a pool.
struct Server {
    process: Process,
    port: u16,
    /// Lines of standard error that were looked at.
    seen: usize,
}

impl Server {
    fn start(registrar: &Registrar, flags: &[&str]) -> Server {
        // Free a moment ago; whoever takes it makes the server fail, which starts it again.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let text = port.to_string();
        let mut command = rsp_at(registrar, &["pe", "run", "--pool", "web", "--port", &text, "-o", "json"]);
        command.args(["--check-interval", "50ms", "--check-timeout", "30s", "--rise", "1", "--restart", "on-failure"]);
        command.args(flags);
        command.args(["--", "python3", "-m", "http.server", &text, "--bind", "127.0.0.1"]);
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        Server { process: Process::spawn(command), port, seen: 0 }
    }

    /// The next event of this name, passing over others and what python says.
    fn event(&mut self, name: &str) -> Value {
        let mut found = None;
        let what = || format!("{name}, after:\n{}", self.process.errors());
        wait_for(what, || {
            let errors = self.process.errors();
            let whole = errors.rfind('\n').map_or("", |end| &errors[..end]);
            for line in whole.lines().skip(self.seen) {
                self.seen += 1;
                let event: Value = serde_json::from_str(line).unwrap_or_default();
                if event["event"] == name {
                    found = Some(event);
                    return true;
                }
            }
            false
        });
        found.expect("we have waited for it")
    }
}

fn wait(is_so: impl FnMut() -> bool) {
    wait_for(|| "it".to_owned(), is_so);
}

fn wait_for(what: impl Fn() -> String, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < until, "waited in vain for {}", what());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until the registrar has so many servers in the pool.
fn wait_for_servers(registrar: &Registrar, wanted: usize) {
    wait(|| {
        let end = run(rsp_at(registrar, &["pool", "show", "web", "-o", "json"]));
        let found = match end.code {
            Some(0) => json(&end.lines[0])["pool_elements"].as_array().map_or(0, Vec::len),
            _ => 0,
        };
        found == wanted
    });
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(async { tokio::time::timeout(Duration::from_secs(300), work).await.expect("it ends in time") })
}

/// A page of the server.
fn get(address: SocketAddr) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.write_all(b"HEAD / HTTP/1.0\r\n\r\n")?;
    let mut status = [0; 12];
    stream.read_exact(&mut status)?;
    if status.ends_with(b"200") { Ok(()) } else { Err(std::io::Error::other("another status")) }
}

fn kill(pid: &Value) {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(pid.as_i64().expect("a number")).expect("a process id"));
    nix::sys::signal::kill(pid, Signal::SIGKILL).expect("it runs");
}

#[test]
fn a_server_is_in_the_pool_while_its_check_succeeds_and_leaves_before_it_ends() {
    let registrar = registrar();
    let directory = tempfile::tempdir().unwrap();
    let well = directory.path().join("well");
    let check = format!("test -e {}", well.display());
    let mut server = Server::start(&registrar, &["--check", &check, "--fall", "2", "--drain-time", "0s"]);
    server.event("started");
    for _ in 0..2 {
        std::fs::write(&well, "").unwrap();
        server.event("registered");
        wait_for_servers(&registrar, 1);
        std::fs::remove_file(&well).unwrap();
        assert_eq!(server.event("down")["why"], "exit code 1");
        server.event("left");
        wait_for_servers(&registrar, 0);
    }
    // The check alone had failed: the server goes on.
    wait(|| get(([127, 0, 0, 1], server.port).into()).is_ok());
    std::fs::write(&well, "").unwrap();
    let first = server.event("registered");
    server.process.signal(Signal::SIGTERM);
    server.event("left");
    assert_eq!(server.event("ended")["how"], "killed by SIGTERM");
    assert_eq!(server.process.wait().code(), Some(0));
    assert_eq!(first["listen"], format!("[::]:{}", server.port));
    wait_for_servers(&registrar, 0);
}

#[test]
fn with_one_server_failing_at_a_time_get_next_server_never_answers_with_one_that_fails_too() {
    const FAILURES: usize = 12;
    let registrar = registrar();
    let mut servers: Vec<Server> = (0..3).map(|_| Server::start(&registrar, &[])).collect();
    let mut pids: Vec<Value> = Vec::new();
    for server in &mut servers {
        pids.push(server.event("started")["pid"].clone());
        server.event("registered");
    }
    wait_for_servers(&registrar, 3);
    block_on(async {
        let user =
            PoolUser::builder().profile(Profile::Fast).registrar(registrar.asap.to_string()).build().await.unwrap();
        let mut serving = user.get_primary_server("web").await.unwrap();
        for failure in 0..FAILURES {
            serve_well(&user, &mut serving, 0).await;
            let failing = servers.iter().position(|it| it.port == serving.addrs[0].port()).expect("one of the three");
            kill(&pids[failing]);
            servers[failing].event("ended");
            serve_well(&user, &mut serving, 1).await;
            // One at a time: the others are never touched before it is back.
            pids[failing] = servers[failing].event("started")["pid"].clone();
            servers[failing].event("registered");
            all_three(&user, failure).await;
        }
    });
}

/// Ten requests; whoever fails is left for the next server. So many failures may happen, and never two in a row.
async fn serve_well(user: &PoolUser, serving: &mut PeHandle, may_fail: usize) {
    let (mut failures, mut served) = (0, 0);
    while served < 10 {
        let address = serving.addrs[0];
        match tokio::task::spawn_blocking(move || get(address)).await.expect("it does not panic") {
            Ok(()) => served += 1,
            Err(error) => {
                failures += 1;
                assert!(failures <= may_fail, "{address}, failure {failures}: {error}");
                *serving = user.get_next_server(serving).await.unwrap();
            }
        }
    }
    assert_eq!(failures, may_fail);
}

async fn all_three(user: &PoolUser, failure: usize) {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        match user.resolve_fresh("web", Items::All).await {
            Ok(pool) if pool.elements.len() == 3 => return,
            Ok(_) | Err(Error::UnknownPool { .. }) => {}
            Err(error) => panic!("after failure {failure}: {error}"),
        }
        assert!(Instant::now() < until, "the pool is not whole after failure {failure}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[test]
fn why_a_check_fails_is_told_in_its_own_words_and_again_when_they_change() {
    let registrar = registrar();
    let directory = tempfile::tempdir().unwrap();
    let why = directory.path().join("why");
    std::fs::write(&why, "replication lag 300 s\n").unwrap();
    let check = format!("cat {} >&2; exit 2", why.display());
    let mut server = Server::start(&registrar, &["--check", &check]);
    assert_eq!(server.event("down")["why"], "exit code 2: replication lag 300 s");
    let other = directory.path().join("other");
    std::fs::write(&other, "no replication\n").unwrap();
    std::fs::rename(&other, &why).unwrap();
    assert_eq!(server.event("down")["why"], "exit code 2: no replication");
}

/// Whether somebody listens there.
fn listens(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

#[test]
fn the_server_ends_with_us_however_we_end() {
    let registrar = registrar();
    let mut server = Server::start(&registrar, &[]);
    server.event("registered");
    assert!(listens(server.port));
    server.process.kill();
    wait(|| !listens(server.port));
}

#[test]
fn the_exit_code_is_that_of_the_command_and_signals_are_passed_on() {
    let registrar = registrar();
    let command = |flags: &[&str], script: &str| {
        let mut command = rsp_at(&registrar, &["pe", "run", "--pool", "web", "--port", "9", "-o", "json"]);
        command.args(flags).args(["--", "sh", "-c", script]).env("PATH", "/usr/bin:/bin");
        command
    };
    for (script, code) in [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137)] {
        let end = run(command(&["--check", "false"], script));
        assert_eq!(end.code, Some(code), "{script}: {}", end.errors);
    }
    let at = tempfile::tempdir().unwrap();
    let told = at.path().join("told");
    let script =
        format!("trap 'echo hangup > {0}; exit 5' HUP; touch {0}; while :; do sleep 0.05; done", told.display());
    let mut process = Process::spawn(command(&["--check", "true"], &script));
    wait(|| told.exists());
    process.signal(Signal::SIGHUP);
    assert_eq!(process.wait().code(), Some(5), "{}", process.errors());
    assert_eq!(std::fs::read_to_string(&told).unwrap(), "hangup\n");

    // Whoever does not listen to SIGTERM is killed; what it prints is ours.
    let stubborn = "trap '' TERM; echo ready; while :; do sleep 0.05; done";
    let mut process = Process::spawn(command(&["--check", "false", "--stop-time", "50ms"], stubborn));
    assert_eq!(process.line(), "ready");
    process.signal(Signal::SIGTERM);
    assert_eq!(process.wait().code(), Some(137), "{}", process.errors());
}

#[test]
fn a_command_that_cannot_be_run_is_a_mistake_that_is_told_once() {
    let (registrar, port) = (registrar(), free_port().port().to_string());
    let start = |flags: &[&str], command: &str| {
        let mut all = rsp_at(&registrar, &["pe", "run", "--pool", "web", "--port", &port, "--restart", "always"]);
        all.args(flags).args(["--", command]).env("PATH", "/usr/bin:/bin");
        run(all)
    };
    for (command, why) in [("nosuchcommand", "No such file or directory"), ("/", "Permission denied")] {
        let end = start(&[], command);
        let told: Vec<_> = end.errors.lines().filter(|line| line.contains(command)).collect();
        assert_eq!((end.code, told.len(), end.errors.lines().count()), (Some(2), 1, 1), "{end:?}");
        assert!(told[0].contains(&format!("cannot run {command}: {why}")), "{end:?}");
        let end = start(&["-o", "json"], command);
        let event = json(end.errors.lines().next().expect("it says why"));
        assert_eq!((end.code, &event["event"]), (Some(2), &Value::from("not_started")), "{end:?}");
        assert!(event["error"].as_str().is_some_and(|error| error.contains(why)), "{end:?}");
        assert!(!end.errors.contains("\"started\""), "{end:?}");
    }
}

#[test]
fn a_command_that_is_missing_while_it_is_replaced_is_tried_again() {
    let registrar = registrar();
    let at = tempfile::tempdir().unwrap();
    let command = at.path().join("server");
    std::os::unix::fs::symlink("/bin/false", &command).unwrap();
    let flags =
        ["pe", "run", "--pool", "web", "--port", "9", "--check", "false", "--restart", "on-failure", "-o", "json"];
    let mut all = rsp_at(&registrar, &flags);
    all.arg("--").arg(&command);
    let mut process = Process::spawn(all);
    process.wait_for_error("restarting");
    std::fs::remove_file(&command).unwrap();
    process.wait_for_error("not_started");
    std::os::unix::fs::symlink("/bin/true", &command).unwrap();
    assert_eq!(process.wait().code(), Some(0), "{}", process.errors());
}

#[test]
fn that_a_port_is_served_already_is_told() {
    let registrar = registrar();
    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = stranger.local_addr().unwrap().port().to_string();
    let command = |flags: &[&str]| {
        let mut command = rsp_at(&registrar, &["pe", "run", "--pool", "web", "-o", "json", "--check", "false"]);
        command.args(flags).args(["--", "sh", "-c", "exit 4"]).env("PATH", "/usr/bin:/bin");
        run(command)
    };
    let end = command(&["--port", &port]);
    assert!(end.code == Some(4) && end.errors.contains("served_already"), "{end:?}");
    let end = command(&["--port", &free_port().port().to_string()]);
    assert!(end.code == Some(4) && !end.errors.contains("served_already"), "{end:?}");
}

#[test]
fn mistakes_are_named() {
    let registrar = registrar();
    for (args, words) in [
        (&["--", "python3", "-m", "http.server"][..], "--port"),
        (&["--check", "true", "--", "echo"], "--port"),
        (&["--port", "80/sctp", "--", "true"], "53/udp"),
        (&["--port", "80", "--check-http", "https://r1/", "--", "true"], "--check 'curl"),
        (&["--port", "80", "--check-tcp", "localhost", "--", "true"], "[::1]:8080"),
        (&["--port", "80", "--check-tcp", "28083", "--", "true"], "[::1]:8080"),
        (&["--port", "80", "--mapping", "tcp", "--", "true"], "--mapping"),
        (&["--port", "80", "--load-command", "echo 1", "--", "true"], "no load"),
    ] {
        let mut all = vec!["pe", "run", "--pool", "web"];
        all.extend(args);
        let end = run(rsp_at(&registrar, &all));
        assert!(end.code == Some(2) && end.errors.contains(words), "{args:?}: {end:?}");
    }
}
