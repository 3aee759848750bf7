// SPDX-License-Identifier: MIT OR Apache-2.0
//! The other process of a test: `conformance peer BACK_END ADDRESS:PORT ROLE HEARTBEAT_MS`. It says what happens to its associations in lines.
//!
//! | line                    | what happened                                                                    |
//! |-------------------------|----------------------------------------------------------------------------------|
//! | `listening ADDRESS`     | it may be connected to                                                           |
//! | `up`                    | an association is                                                                |
//! | `taken N BYTES`         | its application has the message N; only then the transport is told              |
//! | `lost REASON`           | an association is                                                                |
//! | `memory BYTES`          | answers the line `memory` on standard input: resident memory of this process    |

use std::io::{BufRead, Write};
use std::net::SocketAddr;
use std::process::{Command, ExitCode};
use std::str::FromStr;
use std::time::Duration;

use machine::association::{Event, Heartbeat, Token};
use net::{Association, Options};
use sim::process::Process;

use crate::BackEnd;
use crate::pair::{block_on, options};

/// What the peer does with messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Takes each and sends it back.
    Echo,
    /// Takes so many, and reads on.
    Take(u64),
    /// The same as `Echo`, without a line for each.
    Quiet,
}

/// A peer in a process of its own.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
}

impl Peer {
    /// Starts one that listens on `address`, with this heartbeat interval; it gives an association up after four.
    pub(crate) fn start(back_end: BackEnd, address: SocketAddr, role: Role, interval: Duration) -> Peer {
        let this = std::env::current_exe().expect("this program has a file");
        Self::start_by(Command::new(this), back_end, address, role, interval)
    }

    /// Starts one with a command that ends with this program.
    pub(crate) fn start_by(
        mut command: Command,
        back_end: BackEnd,
        address: SocketAddr,
        role: Role,
        interval: Duration,
    ) -> Peer {
        command.args(["peer", back_end.name(), &address.to_string(), &role.to_string()]);
        command.arg(interval.as_millis().to_string());
        let process = Process::spawn(command);
        let line = process.line_where(|line| line.starts_with("listening"));
        let address = line.rsplit(' ').next().and_then(|address| address.parse().ok()).expect("it names its address");
        Peer { process, address }
    }

    /// Its resident memory, in bytes.
    pub(crate) fn memory(&mut self) -> usize {
        self.process.write("memory\n");
        let line = self.process.line_where(|line| line.starts_with("memory"));
        line.rsplit(' ').next().and_then(|bytes| bytes.parse().ok()).expect("it says how much")
    }
}

/// The program of the other process.
pub(crate) fn run(arguments: &[String]) -> ExitCode {
    let [back_end, address, role, interval] = arguments else { panic!("conformance peer BACK_END ADDRESS ROLE MS") };
    let (back_end, role) = (BackEnd::named(back_end), role.parse().expect("a role"));
    let interval = Duration::from_millis(interval.parse().expect("milliseconds"));
    let options = Options { heartbeat: Heartbeat { interval, dead_after: interval * 4 }, ..options() };
    raise_descriptor_limit();
    // Whoever started us is gone when our standard input ends.
    std::thread::spawn(|| {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if line == "memory" {
                say(format_args!("memory {}", memory()));
            }
        }
        std::process::exit(0);
    });
    block_on(serve(back_end, address.parse().expect("an address"), role, options));
    ExitCode::SUCCESS
}

async fn serve(back_end: BackEnd, address: SocketAddr, role: Role, options: Options) {
    let transports = back_end.transports();
    let listener = transports.bind(back_end.protocol(), &[address], options).expect("it can be listened on");
    say(format_args!("listening {}", listener.local_addr()));
    loop {
        tokio::spawn(attend(listener.accept().await, role));
    }
}

async fn attend(mut association: Association, role: Role) {
    let mut taken = 0;
    loop {
        match association.next().await {
            Event::Up(_) if role != Role::Quiet => say(format_args!("up")),
            Event::Message { sequence, stream, ppid, unordered, data } => {
                if let Role::Take(most) = role
                    && taken == most
                {
                    continue;
                }
                taken += 1;
                if role != Role::Quiet {
                    say(format_args!("taken {sequence} {}", data.len()));
                }
                association.taken(sequence);
                if !matches!(role, Role::Take(_)) {
                    // A peer that is gone meanwhile hears nothing of it.
                    let _ = association.send(stream, ppid, unordered, Token(sequence), data);
                }
            }
            Event::Lost(reason) => return say(format_args!("lost {reason:?}")),
            _ => {}
        }
    }
}

fn say(line: std::fmt::Arguments<'_>) {
    // Nobody listens: the test has ended.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Resident memory of this process, in bytes.
pub(crate) fn memory() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux tells");
    let pages: usize = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("the second is resident");
    pages * 4096
}

/// As many descriptors as the system allows.
pub(crate) fn raise_descriptor_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("there is a limit");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("up to the hard limit it may be raised");
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Role::Echo => f.write_str("echo"),
            Role::Quiet => f.write_str("quiet"),
            Role::Take(most) => write!(f, "take:{most}"),
        }
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.strip_prefix("take:").and_then(|most| most.parse().ok())) {
            ("echo", _) => Ok(Role::Echo),
            ("quiet", _) => Ok(Role::Quiet),
            (_, Some(most)) => Ok(Role::Take(most)),
            _ => Err(format!("{text} is no role")),
        }
    }
}

/// Nothing a test does is ever silent for so long.
pub(crate) const PATIENT: Duration = Duration::from_secs(10);
