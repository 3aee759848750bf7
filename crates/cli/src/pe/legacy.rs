// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp pe run --port`: keeps a server that knows nothing of pools in one, as long as it is well.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::process::ExitStatus;
use std::str::FromStr;
use std::time::Duration;

use anyhow::anyhow;
use nix::sys::signal::Signal;
use rserpool::{Mapping, PeId, Policy, PoolElement, PoolHandle, PoolUser, Protocol};
use sd_notify::NotifyState;
use tokio::net::TcpStream;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep, timeout};

use super::check::{self, Check, Health, Pace};
use super::events::Events;
use super::membership::Membership;
use super::server::{self, Server};
use crate::duration;
use crate::exit::OfCommand;
use crate::http::Url;
use crate::output::Output;
use crate::stop::Stop;

/// Options of a server that is a command.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Options of a command (with --port)")]
pub(super) struct Options {
    /// The port the command serves
    #[arg(long, value_name = "PORT[/udp]")]
    port: Option<Served>,
    /// The address it serves, if not every one of this host
    #[arg(long, value_name = "ADDRESS", requires = "port")]
    address: Option<IpAddr>,
    /// It is well while this shell command ends with 0
    #[arg(long, value_name = "COMMAND", requires = "port")]
    check: Vec<String>,
    /// It is well while a TCP connection is accepted there [default: the port it serves; with /udp that it runs]
    #[arg(long, value_name = "HOST:PORT", value_parser = check::host_and_port, requires = "port")]
    check_tcp: Vec<String>,
    /// It is well while GET is answered with a status of 2xx or 3xx
    #[arg(long, value_name = "URL", requires = "port")]
    check_http: Vec<Url>,
    /// Time between two checks
    #[arg(long, value_name = "DURATION", value_parser = duration::positive, default_value = "1s", requires = "port")]
    check_interval: Duration,
    /// A check that takes longer has failed
    #[arg(long, value_name = "DURATION", value_parser = duration::positive, default_value = "2s", requires = "port")]
    check_timeout: Duration,
    /// This shell command prints the load, a number from 0 to 1; asked as often as the checks (lu, lud, plu, rlu)
    #[arg(long, value_name = "COMMAND", requires = "port")]
    load_command: Option<String>,
    /// After so many good checks in a row it joins the pool
    #[arg(long, value_name = "N", default_value = "2", requires = "port")]
    rise: NonZeroU32,
    /// After so many bad checks in a row it leaves the pool
    #[arg(long, value_name = "N", default_value = "3", requires = "port")]
    fall: NonZeroU32,
    /// Whether the command is started again when it ends; the pause before grows from 1 s to 60 s while it does not become well
    #[arg(long, value_name = "WHEN", value_enum, default_value_t, requires = "port")]
    restart: Restart,
    /// How long it may finish with its clients after it has left the pool
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "10s", requires = "port")]
    drain_time: Duration,
    /// How long it may take to end after SIGTERM
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "10s", requires = "port")]
    stop_time: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Restart {
    /// End when it ends
    #[default]
    Never,
    /// Unless it ended with 0
    OnFailure,
    /// Whatever it ended with
    Always,
}

/// A port and its protocol: `8080` or `8080/tcp`, `53/udp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Served {
    port: u16,
    protocol: Protocol,
}

impl FromStr for Served {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (port, protocol) = match text.split_once('/') {
            None | Some((_, "tcp")) => (text.trim_end_matches("/tcp"), Protocol::Tcp),
            Some((port, "udp")) => (port, Protocol::Udp),
            Some(_) => return Err("a port such as 8080 or 53/udp is expected".to_owned()),
        };
        match port.parse() {
            Ok(port) if port > 0 => Ok(Served { port, protocol }),
            _ => Err("a port such as 8080 or 53/udp is expected".to_owned()),
        }
    }
}

impl Options {
    /// What the command serves, if there is a command.
    pub(super) fn served(&self) -> Option<Served> {
        self.port
    }

    /// # Errors
    /// If there is a load command, and the policy has no load.
    pub(super) fn fits(&self, policy: Policy) -> anyhow::Result<()> {
        match (&self.load_command, policy.load()) {
            (Some(_), None) => {
                Err(anyhow!("this policy has no load: leave --load-command out, or use lu, lud, plu or rlu"))
            }
            _ => Ok(()),
        }
    }

    fn checks(&self, served: Served) -> Vec<Check> {
        let commands = self.check.iter().cloned().map(Check::Command);
        let connections = self.check_tcp.iter().cloned().map(Check::Tcp);
        let mut all: Vec<Check> =
            commands.chain(connections).chain(self.check_http.iter().cloned().map(Check::Http)).collect();
        if all.is_empty() && served.protocol == Protocol::Tcp {
            all.push(Check::Tcp(self.near(served).to_string()));
        }
        all
    }

    /// Where it is reached from here.
    fn near(&self, served: Served) -> SocketAddr {
        SocketAddr::new(self.address.unwrap_or(Ipv4Addr::LOCALHOST.into()), served.port)
    }

    fn pace(&self) -> Pace {
        Pace { interval: self.check_interval, timeout: self.check_timeout, rise: self.rise, fall: self.fall }
    }
}

/// A command and what it serves.
pub(super) struct Command<'a> {
    pub(super) args: &'a Options,
    pub(super) served: Served,
    pub(super) words: &'a [OsString],
    pub(super) output: Output,
}

/// Runs it to its end, or ours.
pub(super) async fn run(
    command: Command<'_>,
    user: PoolUser,
    pool: PoolHandle,
    id: Option<PeId>,
    listen: Option<String>,
    policy: Policy,
) -> anyhow::Result<()> {
    let Command { args, served, words, output } = command;
    let events = Events { output, to_stderr: true };
    // Registered as any address, it becomes the one the registrar sees us at.
    let address = SocketAddr::new(args.address.unwrap_or(Ipv6Addr::UNSPECIFIED.into()), served.port);
    let membership = Membership::new(id, policy, events, move |policy| {
        let builder = PoolElement::builder(pool.clone()).user(&user).policy(policy);
        let builder = builder.mapping(Mapping::None).advertise([address]).protocol(served.protocol);
        match &listen {
            Some(listen) => builder.listen(listen),
            None => builder,
        }
    });
    let near = args.near(served);
    let connects = timeout(args.check_timeout, TcpStream::connect(near));
    if served.protocol == Protocol::Tcp && matches!(connects.await, Ok(Ok(_))) {
        events.served_already(near);
    }
    let mut keeper =
        Keeper { args, words, checks: args.checks(served), events, membership, signals: Signals::catch()? };
    match keeper.keep().await? {
        0 => Ok(()),
        code => Err(OfCommand(code).into()),
    }
}

struct Keeper<'a> {
    args: &'a Options,
    words: &'a [OsString],
    checks: Vec<Check>,
    events: Events,
    membership: Membership,
    signals: Signals,
}

/// What ended a run of the server.
enum End {
    Exited(ExitStatus),
    Stop,
    Refused(rserpool::Error),
}

impl Keeper<'_> {
    /// Starts the command, and again if it is to be; answers its exit code.
    async fn keep(&mut self) -> anyhow::Result<u8> {
        let mut pause = FIRST_PAUSE;
        let mut server = match Server::start(self.words).await {
            Ok(server) => server,
            Err(error) => {
                // People are told by what we end with.
                if self.events.output != Output::Table {
                    self.events.not_started(&error);
                }
                return Err(error);
            }
        };
        loop {
            self.events.started(server.pid());
            let mut was_well = false;
            match self.watch(&mut server, &mut was_well).await? {
                End::Stop => return self.stop(server).await,
                End::Refused(error) => {
                    self.end(&mut server).await?;
                    return Err(error.into());
                }
                End::Exited(status) => {
                    self.events.ended(&server::how(status));
                    drop(server);
                    self.membership.leave().await;
                    let again = match self.args.restart {
                        Restart::Never => false,
                        Restart::OnFailure => !status.success(),
                        Restart::Always => true,
                    };
                    if !again {
                        return Ok(server::code(status));
                    }
                }
            }
            pause = if was_well { FIRST_PAUSE } else { pause };
            server = match self.again(&mut pause).await {
                Some(server) => server,
                None => return Ok(0),
            };
        }
    }

    /// Starts a command that has run before, however often it takes: it may be missing just while it is replaced. `None`: we are to end.
    async fn again(&mut self, pause: &mut Duration) -> Option<Server> {
        loop {
            self.events.restarting(*pause);
            tokio::select! {
                () = sleep(*pause) => {}
                _ = self.signals.stop.asked() => return None,
            }
            *pause = (*pause * 2).min(LONGEST_PAUSE);
            match Server::start(self.words).await {
                Ok(server) => return Some(server),
                Err(error) => self.events.not_started(&error),
            }
        }
    }

    /// Keeps it in the pool while it is well.
    async fn watch(&mut self, server: &mut Server, was_well: &mut bool) -> anyhow::Result<End> {
        let Keeper { checks, events, membership, signals, args, .. } = self;
        let (health, mut news) = tokio::sync::mpsc::unbounded_channel();
        let checking = check::follow(checks, args.pace(), |change| drop(health.send(change)));
        let load_now = membership.load();
        let loads = check::loads(args.load_command.as_deref(), args.pace(), |load| match load {
            Ok(load) => drop(load_now.send_if_modified(|now| now.replace(load) != Some(load))),
            Err(why) => events.no_load(&why),
        });
        tokio::pin!(checking, loads);
        loop {
            tokio::select! {
                biased;
                status = server.end() => return Ok(End::Exited(status?)),
                Some(change) = news.recv() => {
                    events.health(&change);
                    membership.want(change == Health::Up);
                    if change == Health::Up && !std::mem::replace(was_well, true) {
                        notify(&[NotifyState::Ready]);
                    }
                }
                signal = signals.next() => match signal {
                    Some(signal) => server.forward(signal),
                    None => return Ok(End::Stop),
                },
                error = membership.refused() => return Ok(End::Refused(error)),
                never = &mut checking => match never {},
                never = &mut loads => match never {},
            }
        }
    }

    /// Out of the pool, time for its clients, SIGTERM, SIGKILL.
    async fn stop(&mut self, mut server: Server) -> anyhow::Result<u8> {
        notify(&[NotifyState::Stopping]);
        if self.membership.leave().await && !self.args.drain_time.is_zero() {
            self.events.leaving(self.args.drain_time);
            tokio::select! {
                () = sleep(self.args.drain_time) => {}
                _ = self.signals.stop.asked() => {}
                status = server.end() => {
                    let status = status?;
                    self.events.ended(&server::how(status));
                    return Ok(server::code(status));
                }
            }
        }
        let status = self.end(&mut server).await?;
        // It has done what it was asked.
        let as_asked = std::os::unix::process::ExitStatusExt::signal(&status) == Some(Signal::SIGTERM as i32);
        Ok(if as_asked { 0 } else { server::code(status) })
    }

    async fn end(&mut self, server: &mut Server) -> anyhow::Result<ExitStatus> {
        server.signal_all(Signal::SIGTERM);
        let late = Instant::now() + self.args.stop_time;
        let status = tokio::select! {
            status = server.end() => status?,
            () = async {
                tokio::select! {
                    () = tokio::time::sleep_until(late) => {}
                    _ = self.signals.stop.asked() => {}
                }
            } => {
                server.signal_all(Signal::SIGKILL);
                server.end().await?
            }
        };
        self.events.ended(&server::how(status));
        Ok(status)
    }
}

/// The signals that end us, and those that are the server's.
struct Signals {
    stop: Stop,
    passed_on: [(tokio::signal::unix::Signal, Signal); 4],
}

impl Signals {
    fn catch() -> std::io::Result<Self> {
        let passed_on = |kind, name| signal(kind).map(|signal| (signal, name));
        Ok(Signals {
            stop: Stop::catch()?,
            passed_on: [
                passed_on(SignalKind::hangup(), Signal::SIGHUP)?,
                passed_on(SignalKind::quit(), Signal::SIGQUIT)?,
                passed_on(SignalKind::user_defined1(), Signal::SIGUSR1)?,
                passed_on(SignalKind::user_defined2(), Signal::SIGUSR2)?,
            ],
        })
    }

    /// The next one to pass on; `None`: we are to end. Cancel-safe.
    async fn next(&mut self) -> Option<Signal> {
        let [first, second, third, fourth] = &mut self.passed_on;
        tokio::select! {
            _ = self.stop.asked() => None,
            _ = first.0.recv() => Some(first.1),
            _ = second.0.recv() => Some(second.1),
            _ = third.0.recv() => Some(third.1),
            _ = fourth.0.recv() => Some(fourth.1),
        }
    }
}

/// Tells systemd (`Type=notify`), if it listens.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        eprintln!("rsp: cannot tell systemd: {error}");
    }
}

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_may_have_a_protocol() {
        let tcp = Served { port: 8080, protocol: Protocol::Tcp };
        assert_eq!(("8080".parse(), "8080/tcp".parse()), (Ok(tcp), Ok(tcp)));
        assert_eq!("53/udp".parse(), Ok(Served { port: 53, protocol: Protocol::Udp }));
        for wrong in ["", "0", "65536", "/udp", "80/sctp", "http"] {
            assert!(wrong.parse::<Served>().is_err(), "{wrong}");
        }
    }
}
