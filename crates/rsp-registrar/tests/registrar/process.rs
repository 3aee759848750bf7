// SPDX-License-Identifier: MIT OR Apache-2.0
//! A registrar that runs for one test.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Deserialize;

/// A running registrar. It dies with the test.
pub(crate) struct Registrar {
    child: Child,
    pub(crate) ready: Ready,
    log: Option<JoinHandle<String>>,
}

/// What it prints when it is ready.
#[derive(Debug, Deserialize)]
pub(crate) struct Ready {
    pub(crate) asap: Vec<SocketAddr>,
    pub(crate) admin: Option<SocketAddr>,
    pub(crate) enrp: Vec<SocketAddr>,
    pub(crate) id: String,
}

/// The program with nothing from the environment of whoever runs the tests.
pub(crate) fn program(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rsp-registrar"));
    command.env_clear().args(args).stdin(Stdio::null());
    command
}

/// How a registrar ended that could not start.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs it to its end.
pub(crate) fn run(command: &mut Command) -> Ended {
    let output = command.output().expect("the program was built");
    let text = |bytes| String::from_utf8(bytes).expect("it writes UTF-8");
    Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

impl Registrar {
    /// Starts one on a free port of 127.0.0.1 with these flags beside. Unless they say otherwise it asks nobody whether they live: the peers
    /// of the tests answer only while they wait for something.
    pub(crate) fn start(flags: &[&str]) -> Self {
        let mut args = vec!["--asap", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--announce-ready"];
        args.extend(["--set", "keep_alive_interval=1h", "--set", "give_up=2h"]);
        args.extend(flags);
        Self::spawn(program(&args))
    }

    /// Starts this command and waits until it is ready.
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program was built");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut line).expect("it prints a line");
        let log = read_all(child.stderr.take().expect("it is piped"));
        let Ok(ready) = serde_json::from_str(&line) else {
            panic!("ready line {line:?}\n{}", log.join().expect("reading does not panic"));
        };
        Registrar { child, ready, log: Some(log) }
    }

    /// Where it serves ASAP.
    pub(crate) fn asap(&self) -> SocketAddr {
        self.ready.asap[0]
    }

    /// Its resident memory in KiB, as the kernel tells it.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux tells it");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// Where it serves ENRP.
    pub(crate) fn enrp(&self) -> SocketAddr {
        self.ready.enrp[0]
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("process ids are positive");
        kill(Pid::from_raw(pid), signal).expect("it has not been waited for");
    }

    /// Asks it to stop; answers how it ended and what it had logged.
    pub(crate) fn stop(mut self) -> (ExitStatus, String) {
        self.signal(Signal::SIGTERM);
        let log = self.log.take().expect("taken only here").join().expect("reading does not panic");
        (self.child.wait().expect("it is our child"), log)
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) -> ExitStatus {
        self.child.wait().expect("it is our child")
    }
}

/// Reads what a process logs, so that it never waits for a reader.
fn read_all(mut stderr: ChildStderr) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut log = Vec::new();
        stderr.read_to_end(&mut log).expect("a pipe can be read");
        String::from_utf8_lossy(&log).into_owned()
    })
}

impl Drop for Registrar {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
