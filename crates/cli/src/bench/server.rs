// SPDX-License-Identifier: MIT OR Apache-2.0
//! The server that is measured: a registrar somebody runs, or one started for this run on a processor of its own.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use net::TransportChoice;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rserpool::Profile;
use serde::Deserialize;

use super::options::{Cpus, Target};

/// Where the server is and which process it is.
#[derive(Debug)]
pub(super) struct Server {
    address: SocketAddr,
    pid: Option<u32>,
    child: Option<Child>,
}

/// The line a registrar prints when it is ready.
#[derive(Debug, Deserialize)]
pub(super) struct Ready {
    asap: Vec<SocketAddr>,
    /// Where it speaks with other registrars.
    #[serde(default)]
    pub(super) enrp: Vec<SocketAddr>,
}

/// What a process has used up to now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usage {
    /// Processor time, of user and system.
    pub(super) cpu: Duration,
    /// Resident memory.
    pub(super) rss_kb: u64,
}

impl Server {
    /// The registrar that was named, or one of our own.
    pub(super) fn registrar(target: &Target) -> Result<Self> {
        match target.named()? {
            Some(address) => Ok(Server::named(address, target.pid)),
            None => Ok(Server::own_registrar(target.profile, &target.settings, &[], target.pin.cpus)?.0),
        }
    }

    /// A registrar somebody runs.
    pub(super) fn named(address: SocketAddr, pid: Option<u32>) -> Self {
        Server { address, pid, child: None }
    }

    /// A registrar of our own, and what it says when it is ready.
    pub(super) fn own_registrar(
        profile: Profile,
        settings: &[String],
        flags: &[String],
        cpus: Cpus,
    ) -> Result<(Self, Ready)> {
        let mut command = Command::new(program()?);
        command.args(["--profile", &profile.to_string(), "--asap", "127.0.0.1:0", "--admin", "off"]);
        command.args(settings.iter().flat_map(|setting| ["--set", setting])).args(flags);
        command.arg("--announce-ready").env("RSERPOOL_LOG", "error");
        let (mut server, line) = Server::start(command, cpus)?;
        if line.is_empty() {
            return Err(crate::cluster::ended_early(server.child.as_mut().and_then(|child| child.wait().ok())));
        }
        let ready: Ready = serde_json::from_str(&line).context("what the registrar says when it is ready")?;
        server.address = *ready.asap.first().context("the registrar listens nowhere")?;
        Ok((server, ready))
    }

    /// The echo server.
    pub(super) fn echo(cpus: Cpus, transport: TransportChoice) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["bench", "echo-server", "--transport", transport.name()]);
        let (mut server, line) = Server::start(command, cpus)?;
        server.address = line.trim().parse().context("the echo server ended; see its message above")?;
        Ok(server)
    }

    /// Starts it and reads the line it prints when it is ready.
    pub(super) fn start(mut command: Command, cpus: Cpus) -> Result<(Self, String)> {
        // A process starts where its parent is.
        if let Some((server, _)) = cpus {
            pin(server)?;
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| {
            format!("starting {}: build it with `make build`", command.get_program().to_string_lossy())
        })?;
        let stdout = child.stdout.take().expect("it is piped");
        let pid = child.id();
        // From here on it ends with this, also if something fails.
        let server = Server { address: ([0, 0, 0, 0], 0).into(), pid: Some(pid), child: Some(child) };
        if let Some((_, client)) = cpus {
            pin(client)?;
        }
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        Ok((server, line))
    }

    /// Sends it a signal, if it is ours.
    pub(super) fn signal(&self, signal: Signal) -> Result<()> {
        let child = self.child.as_ref().context("only registrars of its own can be harmed")?;
        Ok(kill(Pid::from_raw(child.id() as i32), signal)?)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// What its process has used up to now, if we know which it is.
    pub(super) fn usage(&self) -> Option<Usage> {
        usage(&self.pid?.to_string())
    }
}

/// Ends what was started, and nothing else. It has nothing to lose.
impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// What a process in /proc has used: a number, or `self`.
pub(super) fn usage(process: &str) -> Option<Usage> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    Some(Usage { cpu: cpu_of(&stat)?, rss_kb: rss_of(&status)? })
}

/// The name of the program stands in parentheses and may hold any; what follows starts with the third field.
fn cpu_of(stat: &str) -> Option<Duration> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let ticks = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * MS_PER_TICK))
}

fn rss_of(status: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok())
}

pub(super) fn pin(cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu)
        .and_then(|()| sched_setaffinity(Pid::from_raw(0), &set))
        .with_context(|| format!("this process may not run on processor {cpu}: give others with --cpus, or none"))
}

/// The registrar, installed beside this program.
pub(super) fn program() -> Result<PathBuf> {
    Ok(std::env::current_exe().context("finding this program")?.with_file_name("rsp-registrar"))
}

/// USER_HZ is 100 on every Linux.
const MS_PER_TICK: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_and_memory_are_read_from_proc() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 1 0 9 1000 100 0";
        assert_eq!(cpu_of(stat), Some(Duration::from_secs(2)));
        assert_eq!(rss_of("Name:\tx\nVmHWM:\t 9 kB\nVmRSS:\t    5312 kB\n"), Some(5312));
        assert!(usage("self").is_some_and(|usage| usage.rss_kb > 0));
    }
}
