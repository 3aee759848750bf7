// SPDX-License-Identifier: MIT OR Apache-2.0
//! The control sockets of the processes on this host: docs/control-socket.md.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use rserpool::Config;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::exit::Exit;

/// Which processes are asked.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Processes {
    /// Only this process [default: all of this user]
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
    /// Where the control sockets are [env: RSERPOOL_CONTROL_DIR] [default: as in client.toml, or $XDG_RUNTIME_DIR/rserpool]
    #[arg(long, value_name = "DIRECTORY")]
    dir: Option<PathBuf>,
}

/// A process and what it shows.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) socket: PathBuf,
    pub(crate) shown: Value,
}

impl Process {
    /// Something of it, for a table.
    pub(crate) fn text(&self, field: &str) -> String {
        text(&self.shown[field])
    }

    pub(crate) fn list(&self, field: &str) -> impl Iterator<Item = &Value> {
        self.shown[field].as_array().into_iter().flatten()
    }
}

/// Something of an object, for a table.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().map(text).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

impl Processes {
    /// All that answer, the oldest number first.
    ///
    /// # Errors
    /// If a process was named and does not answer, or a directory was named and there is none, or it can't be read.
    pub(crate) async fn show(&self) -> anyhow::Result<Vec<Process>> {
        let directory = match &self.dir {
            Some(directory) if matches!(directory.try_exists(), Ok(false)) => {
                return Err(anyhow!("there is no such directory: {}", directory.display())).context(Exit::NotFound);
            }
            Some(directory) => directory.clone(),
            None => Config::load()?.control_dir.map_or_else(default_directory, Ok)?,
        };
        let mut found = Vec::new();
        for (pid, socket) in sockets(&directory).with_context(|| format!("cannot read {}", directory.display()))? {
            if self.pid.is_some_and(|wanted| wanted != pid) {
                continue;
            }
            match ask(&socket, &json!({"command": "show"})).await {
                Ok(shown) => found.push(Process { socket, shown }),
                // The next `ls` need not try again.
                Err(error) if is_refusal(&error) && is_dead(pid) => drop(std::fs::remove_file(&socket)),
                Err(error) => eprintln!("rsp: {error:#}"),
            }
        }
        match self.pid {
            Some(pid) if found.is_empty() => {
                let advice = "is it of this user, and does it use the library with a control directory?";
                Err(anyhow!("process {pid} has no control socket in {}: {advice}", directory.display()))
                    .context(Exit::NotFound)
            }
            _ => Ok(found),
        }
    }
}

/// Asks one process one thing; what it refuses is an error.
pub(crate) async fn ask(socket: &Path, request: &Value) -> anyhow::Result<Value> {
    let exchange = async {
        let mut stream = UnixStream::connect(socket).await?;
        stream.write_all(format!("{request}\n").as_bytes()).await?;
        stream.shutdown().await?;
        let mut answer = Vec::new();
        stream.take(MAX_ANSWER).read_to_end(&mut answer).await?;
        io::Result::Ok(answer)
    };
    let answer = match tokio::time::timeout(PATIENCE, exchange).await {
        Ok(answer) => answer.with_context(|| socket.display().to_string())?,
        Err(_) => return Err(anyhow!("{} does not answer", socket.display())).context(Exit::Timeout),
    };
    let answer: Value =
        serde_json::from_slice(&answer).with_context(|| format!("{} answers nonsense", socket.display()))?;
    let message = || text(&answer["error"]["message"]);
    match answer["error"]["kind"].as_str() {
        None => Ok(answer),
        Some("not_found") => Err(anyhow!(message())).context(Exit::NotFound),
        Some("denied") => Err(anyhow!(message())).context(Exit::Denied),
        Some("bad_request") => Err(anyhow!(message())).context(Exit::Usage),
        Some(_) => bail!(message()),
    }
}

/// Where `rsp` programs serve it if nobody names another place.
///
/// # Errors
/// If the system does not say who we are.
pub(crate) fn default_directory() -> anyhow::Result<PathBuf> {
    if let Some(directory) = std::env::var_os("XDG_RUNTIME_DIR").filter(|directory| !directory.is_empty()) {
        return Ok(PathBuf::from(directory).join("rserpool"));
    }
    Ok(match own_uid().context("who are we?")? {
        0 => PathBuf::from("/run/rserpool"),
        uid => std::env::temp_dir().join(format!("rserpool-{uid}")),
    })
}

/// `PID-N.sock` by number; a directory nobody has made yet has none, and one that others can write to is not believed.
fn sockets(directory: &Path) -> io::Result<Vec<(u32, PathBuf)>> {
    let metadata = match std::fs::symlink_metadata(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        metadata => metadata?,
    };
    let (own, owner) = (own_uid()?, metadata.uid());
    if metadata.mode() & 0o022 != 0 || ![own, 0].contains(&owner) && own != 0 {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "others may write into it"));
    }
    let mut all = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let numbers = name.strip_suffix(".sock").and_then(|name| name.split_once('-'));
        if let Some((Ok(pid), Ok(number))) = numbers.map(|(pid, number)| (pid.parse(), number.parse::<u32>())) {
            all.push((pid, number, path));
        }
    }
    all.sort();
    Ok(all.into_iter().map(|(pid, _, path)| (pid, path)).collect())
}

fn own_uid() -> io::Result<u32> {
    Ok(UnixStream::pair()?.0.peer_cred()?.uid())
}

/// One that has just started may not listen yet.
fn is_dead(pid: u32) -> bool {
    let pid = i32::try_from(pid).map(nix::unistd::Pid::from_raw);
    pid.is_ok_and(|pid| nix::sys::signal::kill(pid, None) == Err(nix::errno::Errno::ESRCH))
}

fn is_refusal(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

/// A hundred thousand sessions fit.
const MAX_ANSWER: u64 = 64 << 20;
/// How long a process may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
