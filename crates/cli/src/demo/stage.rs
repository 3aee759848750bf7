// SPDX-License-Identifier: MIT OR Apache-2.0
//! The processes of the demo, and the links that can be cut.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rserpool::Transport;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::links::{self, Front, Link};
use super::picture::Picture;
use super::pu::{News, Say};
use super::registrars::Registrars;

/// Everything that runs.
pub(crate) struct Stage {
    transport: Transport,
    pub(crate) registrars: Registrars,
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
    front: Link,
    /// Between this server and each registrar.
    back: Vec<Link>,
    process: Child,
    _stdin: ChildStdin,
}

impl Stage {
    pub(crate) async fn set_up(transport: Transport, outstanding: u64, picture: &mut Picture) -> Result<Stage> {
        let program = std::env::current_exe().context("finding this program")?;
        let registrars = Registrars::start(transport, REGISTRARS).await?;
        let addresses: Vec<_> = registrars.asap().collect();
        for (index, address) in addresses.iter().enumerate() {
            picture.note(format!("registrar {} on {address}", index + 1));
        }
        let mut servers = Vec::new();
        for index in 1..=SERVERS {
            servers.push(Server::start(transport, index, index, &addresses).await?);
        }
        picture.servers(&servers);
        let mut pu = Command::new(&program)
            .args(["demo-pu", "--outstanding", &outstanding.to_string(), "--transport", transport.name()])
            .args(addresses.iter().flat_map(|address| ["--registrar".to_owned(), address.to_string()]))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("starting the pool user")?;
        let pu_in = pu.stdin.take().context("the pool user's standard input")?;
        let pu_out = BufReader::new(pu.stdout.take().context("the pool user's standard output")?).lines();
        let mut stage = Stage { transport, registrars, servers, pu, pu_in, pu_out };
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

    pub(crate) fn server_ids(&self) -> Vec<u32> {
        self.servers.iter().map(|server| server.id).collect()
    }

    /// One more pool element, as heavy as the heaviest.
    pub(crate) async fn add_server(&mut self, picture: &mut Picture) -> Result<u32> {
        let id = self.servers.iter().map(|server| server.id).max().unwrap_or(0) + 1;
        let addresses: Vec<_> = self.registrars.asap().collect();
        self.servers.push(Server::start(self.transport, id, SERVERS, &addresses).await?);
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
        self.registrars.stop().await;
    }
}

impl Server {
    async fn start(transport: Transport, id: u32, weight: u32, registrars: &[SocketAddr]) -> Result<Server> {
        // The port is free now; should somebody take it before the server does, another is tried.
        let mut last = None;
        for _ in 0..5 {
            match Server::try_start(transport, id, weight, registrars).await {
                Ok(server) => return Ok(server),
                Err(error) => last = Some(error),
            }
            // The links of the one before it may still be on their way out.
            tokio::time::sleep(AGAIN).await;
        }
        Err(last.expect("tried five times")).with_context(|| format!("starting pool element {id}"))
    }

    async fn try_start(transport: Transport, id: u32, weight: u32, registrars: &[SocketAddr]) -> Result<Server> {
        let Front { listen, advertise, link: front } = links::front(transport, id).await?;
        let (mut seen, mut back) = (Vec::new(), Vec::new());
        for (number, registrar) in registrars.iter().enumerate() {
            let (at, link) = links::back(transport, id, number, *registrar).await?;
            seen.push(at);
            back.push(link);
        }
        let mut process = Command::new(std::env::current_exe()?)
            .arg("demo-pe")
            .args(seen.iter().flat_map(|at| ["--registrar".to_owned(), at.to_string()]))
            .args(["--listen", &listen.to_string(), "--advertise", &advertise.to_string()])
            .args(["--transport", transport.name()])
            .args(["--id", &id.to_string(), "--weight", &weight.to_string()])
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
        self.front.cut();
        self.back.iter().for_each(Link::cut);
    }

    pub(crate) fn reconnect(&self) {
        self.front.mend();
        self.back.iter().for_each(Link::mend);
    }

    /// Waits for its end, which the act has asked for.
    pub(crate) async fn ended(&mut self) -> Result<()> {
        timeout(START, self.process.wait())
            .await
            .with_context(|| format!("pool element {} does not end", self.id))??;
        Ok(())
    }
}

const REGISTRARS: usize = 3;
const SERVERS: u32 = 5;
/// Between two tries to start a process.
const AGAIN: Duration = Duration::from_millis(50);
/// How long a process may take to start.
const START: Duration = Duration::from_secs(60);
/// How long it may take to stop before it is killed.
const STOP: Duration = Duration::from_secs(5);
