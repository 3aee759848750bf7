// SPDX-License-Identifier: MIT OR Apache-2.0
//! Real processes in tests: they are spoken to by lines, every wait is bounded, and they die with the test.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::kill;
use nix::unistd::Pid;

pub use nix::sys::signal::Signal;

/// A program of this workspace, with nothing from the environment of whoever runs the tests. It is built if it isn't there: cargo builds the
/// programs of the package under test only.
pub fn program(package: &str, name: &str) -> Command {
    let tests = std::env::current_exe().expect("a test has a file");
    let directory = tests.ancestors().nth(2).expect("tests lie in PROFILE/deps").to_owned();
    let path = directory.join(name);
    if !path.exists() {
        build(package, name, &directory);
    }
    let mut command = Command::new(path);
    // What is killed would leave its control socket behind.
    command.env_clear().env("RSERPOOL_CONTROL_DIR", "none");
    command
}

fn build(package: &str, name: &str, directory: &std::path::Path) {
    let mut cargo = Command::new(std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from));
    cargo.args(["build", "--quiet", "--package", package, "--bin", name, "--target-dir"]);
    cargo.arg(directory.parent().expect("PROFILE lies in the target directory"));
    if directory.ends_with("release") {
        cargo.arg("--release");
    }
    assert!(cargo.status().expect("cargo runs").success(), "{name} cannot be built");
}

/// A running process.
#[derive(Debug)]
pub struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    errors: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts it.
    pub fn spawn(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut stderr = child.stderr.take().expect("it is piped");
        let (line, lines) = channel();
        let errors = Arc::new(Mutex::new(String::new()));
        let log = Arc::clone(&errors);
        let readers = vec![
            std::thread::spawn(move || {
                for text in stdout.lines().map_while(Result::ok) {
                    // Goes on reading when nobody listens, so that the process never waits for a reader.
                    let _ = line.send(text);
                }
            }),
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(n @ 1..) = stderr.read(&mut buffer) {
                    let text = String::from_utf8_lossy(&buffer[..n]);
                    log.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
                }
            }),
        ];
        Process { stdin: child.stdin.take(), child, lines, errors, readers }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line it prints.
    ///
    /// # Panics
    /// If none comes in time.
    pub fn line(&self) -> String {
        self.line_where(|_| true)
    }

    /// The next line that is `wanted`, passing over others.
    ///
    /// # Panics
    /// If none comes in time.
    pub fn line_where(&self, wanted: impl Fn(&str) -> bool) -> String {
        let until = Instant::now() + LIMIT;
        let mut passed = Vec::new();
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) if wanted(&line) => return line,
                Ok(line) => passed.push(line),
                Err(error) => {
                    let what = match error {
                        RecvTimeoutError::Timeout => "does not print what is waited for",
                        RecvTimeoutError::Disconnected => "has ended",
                    };
                    panic!("the process {what}; it printed {passed:?} and on standard error:\n{}", self.errors());
                }
            }
        }
    }

    /// What it has printed on standard error so far.
    pub fn errors(&self) -> String {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until standard error has this text.
    ///
    /// # Panics
    /// If it doesn't in time.
    pub fn wait_for_error(&self, text: &str) {
        let until = Instant::now() + LIMIT;
        while !self.errors().contains(text) {
            assert!(Instant::now() < until, "\"{text}\" is not in:\n{}", self.errors());
            std::thread::sleep(POLL);
        }
    }

    /// Waits until standard error has so many lines.
    ///
    /// # Panics
    /// If it doesn't in time.
    pub fn wait_for_error_lines(&self, lines: usize) {
        let until = Instant::now() + LIMIT;
        while self.errors().matches('\n').count() < lines {
            assert!(Instant::now() < until, "these are not {lines} lines:\n{}", self.errors());
            std::thread::sleep(POLL);
        }
    }

    /// Writes to its standard input.
    pub fn write(&mut self, text: &str) {
        let stdin = self.stdin.as_mut().expect("standard input is open");
        stdin.write_all(text.as_bytes()).and_then(|()| stdin.flush()).expect("it reads its standard input");
    }

    /// Ends its standard input.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).expect("process ids are positive");
        kill(Pid::from_raw(pid), signal).expect("it has not been waited for");
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().expect("it has not been waited for");
        self.wait();
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it doesn't end in time.
    pub fn wait(&mut self) -> ExitStatus {
        let until = Instant::now() + LIMIT;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                break status;
            }
            assert!(Instant::now() < until, "the process does not end; on standard error:\n{}", self.errors());
            std::thread::sleep(POLL);
        };
        for reader in self.readers.drain(..) {
            reader.join().expect("reading does not panic");
        }
        status
    }

    /// Ends its standard input and waits for its end: exit code, what it printed and had not been asked for, standard error.
    pub fn finish(mut self) -> Finished {
        self.close_stdin();
        let status = self.wait();
        Finished { code: status.code(), lines: self.lines.try_iter().collect(), errors: self.errors() }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Errors mean that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Lines it printed that nobody had read.
    pub lines: Vec<String>,
    /// All of standard error.
    pub errors: String,
}

/// A registrar on free ports of 127.0.0.1.
#[derive(Debug)]
pub struct Registrar {
    /// Its process.
    pub process: Process,
    /// Where it serves ASAP.
    pub asap: SocketAddr,
    /// Where its admin HTTP server is.
    pub admin: SocketAddr,
}

impl Registrar {
    /// Starts one with the profile, the patience a busy machine needs, and these flags besides.
    ///
    /// # Panics
    /// If it isn't ready in time.
    pub fn start(profile: &str, flags: &[&str]) -> Self {
        Self::start_at("127.0.0.1:0", profile, flags)
    }

    /// The same at another address.
    ///
    /// # Panics
    /// If it isn't ready in time.
    pub fn start_at(asap: &str, profile: &str, flags: &[&str]) -> Self {
        let mut command = program("rsp-registrar", "rsp-registrar");
        command.args(["--asap", asap, "--enrp", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        command.args(["--announce-ready", "--profile", profile]);
        command.args(PATIENT.iter().flat_map(|setting| ["--set", setting])).args(flags);
        let process = Process::spawn(command);
        let ready = process.line();
        // `{"asap":["127.0.0.1:34567"],"admin":"127.0.0.1:45678","enrp":["127.0.0.1:34568"]}`
        let mut addresses = ready.split('"').filter_map(|word| word.parse().ok());
        match (addresses.next(), addresses.next()) {
            (Some(asap), Some(admin)) => Registrar { process, asap, admin },
            _ => panic!("the registrar is ready with {ready}"),
        }
    }
}

/// Profile fast with the patience a busy machine needs, for programs of ours: a `client.toml`, as `RSERPOOL_CONFIG` names one.
pub const PATIENT_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/patient.toml");

/// What stands in it: table, name, value.
pub fn patience() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let mut table = "";
    include_str!("../patient.toml").lines().filter_map(move |line| {
        if let Some(name) = line.strip_prefix('[') {
            table = name.trim_end_matches(']');
        }
        let (name, value) = line.split_once(" = ").filter(|_| !line.starts_with('#'))?;
        Some((table, name, value.trim_matches('"')))
    })
}

/// A port of 127.0.0.1 nobody has, outside the range connections take theirs from: it is still free when a process is started to listen on it.
pub fn free_port() -> SocketAddr {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").expect("this is Linux");
    let low: u16 = range.split_whitespace().next().and_then(|low| low.parse().ok()).expect("two numbers");
    let first = 1024 + (low - 1024) / 2;
    for _ in 0..1_000 {
        let random = RandomState::new().build_hasher().finish();
        let port = first + (random % u64::from(low - first)) as u16;
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            return listener.local_addr().expect("it is bound");
        }
    }
    panic!("no port is free");
}

/// Whoever has to wait for a processor is not dead. Who is killed is noticed by its connections.
const PATIENT: [&str; 3] = ["keep_alive_timeout=20s", "connect_timeout=20s", "max_time_no_response=5s"];

/// How long anything may take: far longer than it does, since tests share a busy machine.
const LIMIT: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(5);
