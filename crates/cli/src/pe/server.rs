// SPDX-License-Identifier: MIT OR Apache-2.0
//! The process of a server that knows nothing of pools: in a process group of its own, and never longer there than we are.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{ExitStatus, Stdio};

use anyhow::{Context, anyhow};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, getppid};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, Command};

use crate::exit::Exit;

/// Become a server that ends with its parent
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Process id of the parent
    parent: i32,
    /// The server
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// In the new process: asks the kernel to end it with its parent, then becomes the server. Standard input is the pipe on which the parent is told
/// the error number if that fails; becoming the server closes it. (A program of its own since the same between fork and exec would be `unsafe`.)
pub(crate) fn exec(args: &Args) -> anyhow::Error {
    #[cfg(target_os = "linux")]
    if let Err(error) = nix::sys::prctl::set_pdeathsig(Signal::SIGKILL) {
        return error.into();
    }
    if getppid() != Pid::from_raw(args.parent) {
        return anyhow!("the parent has gone");
    }
    let [program, words @ ..] = args.command.as_slice() else { return anyhow!("there is no command") };
    let mut report = match io::stdin().as_fd().try_clone_to_owned() {
        Ok(report) => File::from(report),
        Err(error) => return error.into(),
    };
    let error = std::process::Command::new(program).args(words).stdin(Stdio::null()).exec();
    match report.write_all(error.raw_os_error().unwrap_or_default().to_string().as_bytes()) {
        Ok(()) => std::process::exit(NOT_RUN),
        Err(_) => anyhow!(error).context(format!("cannot run {}", program.to_string_lossy())),
    }
}

/// A running server. Dropped early, its whole process group is killed.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    group: Pid,
}

impl Server {
    /// Starts it with our standard output and error; ready when the new process has become the server.
    ///
    /// # Errors
    /// If there is no process to be had, or the command is none that can be run: [`Exit::Usage`].
    pub(super) async fn start(command: &[OsString]) -> anyhow::Result<Self> {
        let (outcome, report) = io::pipe()?;
        let mut outcome = Receiver::from_owned_fd(outcome.into())?;
        let mut server =
            Server::spawn(command, report.into()).map_err(|error| anyhow!("cannot start a process: {error}"))?;
        let mut number = String::new();
        outcome.read_to_string(&mut number).await?;
        match number.parse().map(io::Error::from_raw_os_error) {
            // It was closed: by the server, or because there was no more to report.
            Err(_) => Ok(server),
            Ok(error) => {
                server.child.wait().await?;
                let program = command.first().map(|program| program.to_string_lossy()).unwrap_or_default();
                Err(anyhow!("cannot run {program}: {error}")).context(Exit::Usage)
            }
        }
    }

    fn spawn(command: &[OsString], report: Stdio) -> io::Result<Self> {
        // The file we were started from may have been replaced since.
        let own = if cfg!(target_os = "linux") { "/proc/self/exe".into() } else { std::env::current_exe()? };
        let mut child = Command::new::<std::path::PathBuf>(own);
        child.arg("exec-server").arg(std::process::id().to_string()).arg("--").args(command);
        // What it says to the service manager would be taken for ours.
        child.stdin(report).process_group(0).env_remove("NOTIFY_SOCKET");
        let child = child.spawn()?;
        let group = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        Ok(Server { child, group: group.expect("it has not been waited for") })
    }

    pub(super) fn pid(&self) -> i32 {
        self.group.as_raw()
    }

    /// Waits for its end. Cancel-safe.
    pub(super) async fn end(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// To the server alone, which knows what it means.
    pub(super) fn forward(&self, signal: Signal) {
        if self.child.id().is_some() {
            // An error means that it is ending.
            let _ = kill(self.group, signal);
        }
    }

    /// To the server and all it has started.
    pub(super) fn signal_all(&self, signal: Signal) {
        // An error means that nobody is left.
        let _ = killpg(self.group, signal);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // What the server has left behind would keep its port. The number is not given again before many others were.
        self.signal_all(Signal::SIGKILL);
    }
}

/// The exit code of a shell: 128 + the signal, if one ended it.
pub(super) fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    u8::try_from(code & 0xff).expect("8 bits")
}

/// How it ended, for people.
pub(super) fn how(status: ExitStatus) -> String {
    match status.signal().and_then(|signal| Signal::try_from(signal).ok()) {
        Some(signal) => format!("killed by {signal}"),
        None => format!("exit code {}", code(status)),
    }
}

/// As a shell says that a command cannot be run; whoever has the report does not ask.
const NOT_RUN: i32 = 127;
