// SPDX-License-Identifier: MIT OR Apache-2.0
//! The processes of the demo, and the links that can be cut.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use net::shim::Shim;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::picture::Picture;
use super::pu::{News, Say};

/// Everything that runs.
pub(crate) struct Stage {
    registrar: Child,
    registrar_address: SocketAddr,
    pub(crate) servers: Vec<Server>,
    pu: Child,
    pu_in: ChildStdin,
    pu_out: Lines<BufReader<ChildStdout>>,
}

/// A pool element with its links.
pub(crate) struct Server {
    pub(crate) id: u32,
    pub(crate) weight: u32,
    pub(crate) pid: u32,
    /// Between pool user and registrar, and this server's listener.
    front: Shim,
    /// Between this server and its registrar.
    back: Shim,
    process: Child,
    _stdin: ChildStdin,
}

impl Stage {
    pub(crate) async fn set_up(outstanding: u64, picture: &mut Picture) -> Result<Stage> {
        let program = std::env::current_exe().context("finding this program")?;
        let (registrar, registrar_address) = start_registrar(program.with_file_name("rsp-registrar")).await?;
        picture.note(format!("registrar on {registrar_address}, pid {}", registrar.id().unwrap_or(0)));
        let mut servers = Vec::new();
        for index in 1..=SERVERS {
            servers.push(Server::start(index, index, registrar_address).await?);
        }
        picture.servers(&servers);
        let mut pu = Command::new(&program)
            .args(["demo-pu", "--registrar", &registrar_address.to_string(), "--outstanding", &outstanding.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("starting the pool user")?;
        let pu_in = pu.stdin.take().context("the pool user's standard input")?;
        let pu_out = BufReader::new(pu.stdout.take().context("the pool user's standard output")?).lines();
        let mut stage = Stage { registrar, registrar_address, servers, pu, pu_in, pu_out };
        match stage.news(START).await? {
            News::Connected { pe, .. } => picture.note(format!("the session is served by pool element {pe}")),
            other => bail!("the pool user said {other:?} instead of being connected"),
        }
        Ok(stage)
    }

    /// What the pool user says next.
    pub(crate) async fn news(&mut self, within: Duration) -> Result<News> {
        let line = timeout(within, self.pu_out.next_line()).await.context("the pool user says nothing")??;
        let line = line.context("the pool user has ended")?;
        serde_json::from_str(&line).with_context(|| format!("the pool user said {line}"))
    }

    pub(crate) async fn say(&mut self, say: Say) -> Result<()> {
        let line = serde_json::to_string(&say)? + "\n";
        self.pu_in.write_all(line.as_bytes()).await.context("telling the pool user")
    }

    pub(crate) fn server(&mut self, id: u32) -> Result<&mut Server> {
        self.servers
            .iter_mut()
            .find(|server| server.id == id)
            .with_context(|| format!("no pool element {id} in this demo"))
    }

    /// One more pool element, as heavy as the heaviest.
    pub(crate) async fn add_server(&mut self, picture: &mut Picture) -> Result<u32> {
        let id = self.servers.iter().map(|server| server.id).max().unwrap_or(0) + 1;
        self.servers.push(Server::start(id, SERVERS, self.registrar_address).await?);
        picture.servers(&self.servers);
        Ok(id)
    }

    /// Ends everything that was started, by pid.
    pub(crate) async fn tear_down(mut self) {
        let _ = self.say(Say::Quit).await;
        let _ = timeout(STOP, self.pu.wait()).await;
        for server in &mut self.servers {
            let _ = server.process.kill().await;
        }
        if let Some(pid) = self.registrar.id() {
            let _ = kill(Pid::from_raw(pid as i32), Signal::SIGTERM);
            let _ = timeout(STOP, self.registrar.wait()).await;
        }
    }
}

impl Server {
    async fn start(id: u32, weight: u32, registrar: SocketAddr) -> Result<Server> {
        // The port is free now; should somebody take it before the server does, another is tried.
        let mut last = None;
        for _ in 0..5 {
            match Server::try_start(id, weight, registrar).await {
                Ok(server) => return Ok(server),
                Err(error) => last = Some(error),
            }
        }
        Err(last.expect("tried five times")).with_context(|| format!("starting pool element {id}"))
    }

    async fn try_start(id: u32, weight: u32, registrar: SocketAddr) -> Result<Server> {
        let listen = TcpListener::bind(LOOPBACK)?.local_addr()?;
        let front = Shim::start(LOOPBACK.parse()?, listen).await?;
        let back = Shim::start(LOOPBACK.parse()?, registrar).await?;
        let mut process = Command::new(std::env::current_exe()?)
            .arg("demo-pe")
            .args(["--registrar", &back.local_addr().to_string(), "--listen", &listen.to_string()])
            .args([
                "--advertise",
                &front.local_addr().to_string(),
                "--id",
                &id.to_string(),
                "--weight",
                &weight.to_string(),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdin = process.stdin.take().context("its standard input")?;
        let mut lines = BufReader::new(process.stdout.take().context("its standard output")?).lines();
        timeout(START, lines.next_line())
            .await
            .context("it does not register")??
            .context("it ended; see its message above")?;
        let pid = process.id().context("it ended")?;
        Ok(Server { id, weight, pid, front, back, process, _stdin: stdin })
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        kill(Pid::from_raw(self.pid as i32), signal)
            .with_context(|| format!("{signal} to pool element {}, pid {}", self.id, self.pid))
    }

    /// From now on no byte passes between this server and anybody.
    pub(crate) fn cut_off(&self) {
        self.front.block();
        self.back.block();
    }

    pub(crate) fn reconnect(&self) {
        self.front.unblock();
        self.back.unblock();
    }

    /// Waits for its end, which the act has asked for.
    pub(crate) async fn ended(&mut self) -> Result<()> {
        timeout(START, self.process.wait())
            .await
            .with_context(|| format!("pool element {} does not end", self.id))??;
        Ok(())
    }
}

async fn start_registrar(program: PathBuf) -> Result<(Child, SocketAddr)> {
    #[derive(Deserialize)]
    struct Ready {
        asap: Vec<SocketAddr>,
    }
    let mut child = Command::new(&program)
        .args(["--profile", "fast", "--asap", LOOPBACK, "--admin", "off", "--announce-ready"])
        .env("RSERPOOL_LOG", "warn")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("starting {}: build it with `make build`", program.display()))?;
    let mut lines = BufReader::new(child.stdout.take().context("its standard output")?).lines();
    let line = timeout(START, lines.next_line()).await.context("the registrar does not start")??;
    let ready: Ready = serde_json::from_str(&line.context("the registrar ended; see its message above")?)?;
    Ok((child, *ready.asap.first().context("the registrar listens nowhere")?))
}

const SERVERS: u32 = 5;
const LOOPBACK: &str = "127.0.0.1:0";
/// How long a process may take to start.
const START: Duration = Duration::from_secs(20);
/// How long it may take to stop before it is killed.
const STOP: Duration = Duration::from_secs(5);
