// SPDX-License-Identifier: MIT OR Apache-2.0
//! Registrars as child processes on loopback, for `rsp dev` and the demo; and where their program is.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::exit::Exit;

/// Where a registrar serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Places {
    pub(crate) asap: SocketAddr,
    pub(crate) enrp: SocketAddr,
    pub(crate) admin: SocketAddr,
}

/// A registrar that runs. It dies with this value.
#[derive(Debug)]
pub(crate) struct Registrar {
    pub(crate) places: Places,
    pub(crate) pid: u32,
    pub(crate) id: String,
    process: Child,
}

impl Places {
    /// Any free ports of 127.0.0.1.
    pub(crate) fn free() -> Self {
        Places::at(Ipv4Addr::LOCALHOST, 0, 0, 0)
    }

    /// The ports of RFC 5352 and 5353 and ours for admin HTTP, at 127.0.0.N.
    pub(crate) fn standard(n: u8) -> Self {
        Places::at(Ipv4Addr::new(127, 0, 0, n), 3863, 9901, 8650)
    }

    fn at(ip: Ipv4Addr, asap: u16, enrp: u16, admin: u16) -> Self {
        let at = |port| SocketAddr::new(IpAddr::V4(ip), port);
        Places { asap: at(asap), enrp: at(enrp), admin: at(admin) }
    }

    /// Where `rsp registrar ls` and others ask.
    pub(crate) fn admin_url(&self) -> String {
        format!("http://{}", self.admin)
    }
}

impl Registrar {
    /// Starts one and waits until it serves. What the environment and `/etc` say is for other registrars.
    pub(crate) async fn start(places: Places, peers: &[SocketAddr], flags: &[String], log: &str) -> Result<Registrar> {
        #[derive(Deserialize)]
        struct Ready {
            asap: Vec<SocketAddr>,
            enrp: Vec<SocketAddr>,
            admin: Option<SocketAddr>,
            id: String,
        }
        let mut command = Command::new(program()?);
        for name in std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()) {
            if name.starts_with("RSERPOOL_") {
                command.env_remove(name);
            }
        }
        command.env("RSERPOOL_LOG", log).args(["--config", "/dev/null", "--announce-ready", "--die-with-parent"]);
        for (flag, address) in [("--asap", places.asap), ("--enrp", places.enrp), ("--admin", places.admin)] {
            command.args([flag, &address.to_string()]);
        }
        command.args(peers.iter().flat_map(|peer| ["--peer".to_owned(), peer.to_string()])).args(flags);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().context("starting rsp-registrar")?;
        let pid = process.id().context("a registrar ended at once")?;
        let mut lines = BufReader::new(process.stdout.take().expect("it is piped")).lines();
        let line = timeout(START, lines.next_line()).await.context("a registrar does not start")??;
        let Some(line) = line else {
            let status = timeout(STOP, process.wait()).await.ok().and_then(Result::ok);
            return Err(ended_early(status));
        };
        let ready: Ready = serde_json::from_str(&line)?;
        let first = |list: &[SocketAddr]| list.first().copied().context("a registrar serves nowhere");
        let admin = ready.admin.context("a registrar has no admin interface")?;
        let places = Places { asap: first(&ready.asap)?, enrp: first(&ready.enrp)?, admin };
        Ok(Registrar { places, pid, id: ready.id, process })
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> Result<ExitStatus> {
        self.process.wait().await.context("waiting for a registrar")
    }

    /// `kill -9`.
    pub(crate) async fn kill(mut self) -> Result<()> {
        self.process.kill().await.context("killing a registrar")
    }

    /// Asks it to stop, and sees to it that it does.
    pub(crate) async fn stop(mut self) {
        let _ = kill(Pid::from_raw(self.pid as i32), Signal::SIGTERM);
        let _ = timeout(STOP, self.process.wait()).await;
        // Dropped, it is killed if it still runs.
    }
}

/// A registrar has ended instead of being ready. What is wrong with its flags is wrong with ours.
pub(crate) fn ended_early(status: Option<ExitStatus>) -> anyhow::Error {
    let error = anyhow!("a registrar ended; see its message above");
    match status.and_then(|status| status.code()) {
        Some(code) if code == Exit::Usage as i32 => error.context(Exit::Usage),
        _ => error,
    }
}

/// `rsp-registrar`: beside this program, or wherever the shell would find it.
pub(crate) fn program() -> Result<PathBuf> {
    let beside = std::env::current_exe().context("finding this program")?.with_file_name(NAME);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut candidates = std::iter::once(beside.clone()).chain(std::env::split_paths(&path).map(|dir| dir.join(NAME)));
    candidates.find(|candidate| is_program(candidate)).ok_or_else(|| {
        let directory = beside.parent().unwrap_or(Path::new("/")).display().to_string();
        anyhow!("{NAME} is neither in {directory} nor in PATH: install it, or build it with `make build`")
    })
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

const NAME: &str = "rsp-registrar";
/// How long a registrar may take to start.
const START: Duration = Duration::from_secs(20);
/// How long it may take to stop before it is killed.
const STOP: Duration = Duration::from_secs(5);
