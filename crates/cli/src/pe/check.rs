// SPDX-License-Identifier: MIT OR Apache-2.0
//! Health checks: what is asked, and when a server counts as up or down.

use std::convert::Infallible;
use std::net::Ipv6Addr;
use std::num::NonZeroU32;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::http::Url;

/// One thing that is asked.
#[derive(Debug, Clone)]
pub(super) enum Check {
    /// A shell command that ends with 0.
    Command(String),
    /// A TCP connection is accepted.
    Tcp(String),
    /// `GET` is answered with 2xx or 3xx.
    Http(Url),
}

impl Check {
    /// Asks once; an error says what is wrong.
    async fn ask(&self) -> Result<(), String> {
        match self {
            Check::Command(command) => run(command).await,
            Check::Tcp(address) => match TcpStream::connect(address).await {
                Ok(_) => Ok(()),
                Err(error) => Err(format!("{address}: {error}")),
            },
            Check::Http(url) => match url.status().await {
                Ok(200..400) => Ok(()),
                Ok(status) => Err(format!("{url}: status {status}")),
                Err(error) => Err(format!("{url}: {error}")),
            },
        }
    }
}

/// Looks the name up when it is asked, not now.
pub(super) fn host_and_port(text: &str) -> Result<String, String> {
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
    let is_host = |host: &str| match host.contains([':', '[', ']']) {
        true => host.trim_start_matches('[').trim_end_matches(']').parse::<Ipv6Addr>().is_ok(),
        false => !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || c.is_control() || c == '/'),
    };
    match text.rsplit_once(':') {
        Some((host, port)) if is_host(host) && is_port(port) => Ok(text.to_owned()),
        _ => Err("give HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080".to_owned()),
    }
}

async fn run(command: &str) -> Result<(), String> {
    let (mut child, _group) = shell(command, Stdio::null())?;
    success(child.wait().await)
}

/// What a command prints, of which more than a number is not read.
async fn output(command: &str) -> Result<String, String> {
    let (mut child, _group) = shell(command, Stdio::piped())?;
    let mut text = String::new();
    if let Some(out) = child.stdout.take() {
        out.take(MAX_NUMBER).read_to_string(&mut text).await.map_err(|error| error.to_string())?;
    }
    success(child.wait().await).map(|()| text)
}

fn shell(command: &str, stdout: Stdio) -> Result<(Child, Group), String> {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command).process_group(0).env_remove("NOTIFY_SOCKET");
    shell.stdin(Stdio::null()).stdout(stdout).stderr(Stdio::null());
    let child = shell.spawn().map_err(|error| format!("sh: {error}"))?;
    let group = Group(child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw));
    Ok((child, group))
}

fn success(status: std::io::Result<ExitStatus>) -> Result<(), String> {
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(super::server::how(status)),
        Err(error) => Err(error.to_string()),
    }
}

/// Asks for the load for ever; without a command there is nothing to ask. Of mistakes in a row only the first is told.
pub(super) async fn loads(command: Option<&str>, pace: Pace, tell: impl Fn(Result<f64, String>)) -> Infallible {
    let Some(command) = command else { return std::future::pending().await };
    let mut was_wrong = false;
    loop {
        let load = match tokio::time::timeout(pace.timeout, output(command)).await {
            Ok(text) => text.and_then(|text| super::run::fraction(text.trim())),
            Err(_) => Err(format!("no answer in {:?}", pace.timeout)),
        };
        let is_wrong = load.is_err();
        if !(is_wrong && std::mem::replace(&mut was_wrong, is_wrong)) {
            was_wrong = is_wrong;
            tell(load);
        }
        tokio::time::sleep(pace.interval).await;
    }
}

/// A check that takes too long is dropped, and with it everything it has started.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // An error means that nobody is left.
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

/// How often is asked, and how often an answer must be repeated to count: the words of HAProxy.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    pub(super) interval: Duration,
    pub(super) timeout: Duration,
    pub(super) rise: NonZeroU32,
    pub(super) fall: NonZeroU32,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Health {
    Up,
    /// And why.
    Down(String),
}

/// Asks for ever; `tell` hears of each answer whether it changes anything.
pub(super) async fn follow(checks: &[Check], pace: Pace, mut tell: impl FnMut(Health)) -> Infallible {
    let mut state = State::new(pace);
    // Nobody need wait for a server that is up before long.
    let mut interval = pace.interval.min(STARTING);
    loop {
        let wrong = match tokio::time::timeout(pace.timeout, all(checks)).await {
            Ok(result) => result.err(),
            Err(_) => Some(format!("no answer in {:?}", pace.timeout)),
        };
        if let Some(health) = state.answered(wrong) {
            if health == Health::Up {
                interval = pace.interval;
            }
            tell(health);
        }
        tokio::time::sleep(interval).await;
    }
}

/// One after the other: the first that fails says what is wrong.
async fn all(checks: &[Check]) -> Result<(), String> {
    for check in checks {
        check.ask().await?;
    }
    Ok(())
}

/// Up or down, if that is known yet, and how many answers in a row have said something else.
struct State {
    pace: Pace,
    is_up: Option<bool>,
    last: bool,
    others: u32,
}

impl State {
    fn new(pace: Pace) -> Self {
        State { pace, is_up: None, last: false, others: 0 }
    }

    fn answered(&mut self, wrong: Option<String>) -> Option<Health> {
        let is_good = wrong.is_none();
        if is_good != self.last {
            (self.last, self.others) = (is_good, 0);
        }
        if self.is_up == Some(is_good) {
            return None;
        }
        self.others += 1;
        let needed = if is_good { self.pace.rise } else { self.pace.fall };
        if self.others < needed.get() {
            return None;
        }
        (self.is_up, self.others) = (Some(is_good), 0);
        Some(wrong.map_or(Health::Up, Health::Down))
    }
}

/// Most that is read of a load, in bytes.
const MAX_NUMBER: u64 = 64;
/// Time between two questions until a server is up for the first time.
const STARTING: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(rise: u32, fall: u32) -> Pace {
        let (interval, timeout) = (Duration::from_millis(1), Duration::from_secs(30));
        let positive = |n| NonZeroU32::new(n).expect("it is positive");
        Pace { interval, timeout, rise: positive(rise), fall: positive(fall) }
    }

    #[test]
    fn a_server_rises_and_falls_only_after_enough_answers_in_a_row() {
        let mut state = State::new(pace(2, 3));
        let mut answers = |text: &str| -> Vec<Option<Health>> {
            text.chars().map(|it| state.answered((it == '-').then(|| "dead".to_owned()))).collect()
        };
        let down = || Some(Health::Down("dead".to_owned()));
        assert_eq!(answers("-+-++"), [None, None, None, None, Some(Health::Up)]);
        assert_eq!(answers("--+---"), [None, None, None, None, None, down()]);
        assert_eq!(answers("+-++"), [None, None, None, Some(Health::Up)]);
    }

    #[test]
    fn that_a_server_does_not_rise_is_told_once() {
        let mut state = State::new(pace(2, 3));
        let mut answers = |text: &str| -> Vec<Option<Health>> {
            text.chars().map(|it| state.answered((it == '-').then(|| "dead".to_owned()))).collect()
        };
        let down = || Some(Health::Down("dead".to_owned()));
        assert_eq!(answers("---"), [None, None, down()]);
        assert_eq!(answers("------++"), [None, None, None, None, None, None, None, Some(Health::Up)]);
    }

    #[tokio::test]
    async fn commands_and_connections_are_checked() {
        assert_eq!(Check::Command("true".to_owned()).ask().await, Ok(()));
        assert_eq!(output("echo 0.5; exit 0").await, Ok("0.5\n".to_owned()));
        assert_eq!(Check::Command("exit 22".to_owned()).ask().await, Err("exit code 22".to_owned()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("there are ports");
        let address = listener.local_addr().expect("it is bound").to_string();
        assert_eq!(Check::Tcp(address.clone()).ask().await, Ok(()));
        drop(listener);
        assert!(Check::Tcp(address.clone()).ask().await.expect_err("nobody listens").starts_with(&address));
    }

    #[test]
    fn a_place_to_connect_to_has_a_port() {
        for right in ["localhost:80", "127.0.0.1:1", "[::1]:80", "::1:80", "db.example.org:65535"] {
            assert_eq!(host_and_port(right), Ok(right.to_owned()));
        }
        for wrong in ["", "localhost", "28083", "localhost:", ":80", "localhost:0", "localhost:65536", "[::1]", "::1"] {
            assert!(host_and_port(wrong).is_err(), "{wrong}");
        }
        for wrong in ["http://r1:80", "r 1:80", "localhost:http"] {
            assert!(host_and_port(wrong).is_err(), "{wrong}");
        }
    }

    #[tokio::test]
    async fn a_check_that_hangs_is_a_failure() {
        let pace = Pace { timeout: Duration::from_millis(20), ..pace(1, 1) };
        let checks = [Check::Command("test -e /nonexistent || sleep 1000".to_owned())];
        let mut state = State { is_up: Some(true), ..State::new(pace) };
        let wrong = tokio::time::timeout(pace.timeout, all(&checks)).await.err().map(|_| "late".to_owned());
        assert_eq!(state.answered(wrong), Some(Health::Down("late".to_owned())));
    }
}
