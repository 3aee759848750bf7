// SPDX-License-Identifier: MIT OR Apache-2.0
//! Health checks: what is asked, and when a server counts as up or down.

use std::convert::Infallible;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::net::Ipv6Addr;
use std::num::NonZeroU32;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::net::unix::pipe::Receiver;
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
    async fn ask(&self) -> Result<(), Wrong> {
        let result = match self {
            Check::Command(command) => return run(command).await,
            Check::Tcp(address) => match TcpStream::connect(address).await {
                Ok(_) => Ok(()),
                Err(error) => Err(format!("{address}: {error}")),
            },
            Check::Http(url) => match url.status().await {
                Ok(200..400) => Ok(()),
                Ok(status) => Err(format!("{url}: status {status}")),
                Err(error) => Err(format!("{url}: {error}")),
            },
        };
        result.map_err(Wrong::from)
    }
}

/// What is wrong with a server.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wrong {
    /// As the check has it.
    how: String,
    /// The last line its command printed, or nothing.
    said: String,
}

impl Wrong {
    /// Whether people should hear of it after the other: not of each number that is counted up.
    fn is_news_after(&self, other: &Wrong) -> bool {
        let words = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "");
        self.how != other.how || words(&self.said) != words(&other.said)
    }
}

impl From<String> for Wrong {
    fn from(how: String) -> Self {
        Wrong { how, said: String::new() }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.said {
            "" => f.write_str(&self.how),
            said => write!(f, "{}: {said}", self.how),
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

async fn run(command: &str) -> Result<(), Wrong> {
    let (mut child, _group, mut printed) = start(command).map_err(Wrong::from)?;
    let (mut tail, mut part, mut is_open) = (Tail::default(), [0; PART], true);
    // All of it is read, so that the command never waits for us, and little of it kept.
    let status = loop {
        tokio::select! {
            status = child.wait() => break status,
            count = printed.read(&mut part), if is_open => match count {
                Ok(count @ 1..) => tail.take(&part[..count]),
                _ => is_open = false,
            },
        }
    };
    success(status).map_err(|how| {
        // Others that the command has started may hold the pipe, or print for ever: only what is in it by now is read.
        if let Ok(rest) = printed.into_nonblocking_fd() {
            let mut rest = File::from(rest).take(PIPE);
            while let Ok(count @ 1..) = rest.read(&mut part) {
                tail.take(&part[..count]);
            }
        }
        Wrong { how, said: tail.last_line() }
    })
}

/// A command with standard output and error in one pipe, whose other end is the answer's last part.
fn start(command: &str) -> Result<(Child, Group, Receiver), String> {
    let pipe = || {
        let (printed, out) = std::io::pipe()?;
        std::io::Result::Ok((Receiver::from_owned_fd(printed.into())?, out.try_clone()?, out))
    };
    let (printed, out, error) = pipe().map_err(|error| error.to_string())?;
    let (child, group) = shell(command, out.into(), error.into())?;
    Ok((child, group, printed))
}

/// The end of what a command prints.
#[derive(Debug, Default)]
struct Tail(Vec<u8>);

impl Tail {
    fn take(&mut self, part: &[u8]) {
        self.0.extend_from_slice(part);
        let too_many = self.0.len().saturating_sub(MAX_TAIL);
        self.0.drain(..too_many);
    }

    /// The last line that is not empty, without what terminals take for orders.
    fn last_line(&self) -> String {
        let text = String::from_utf8_lossy(&self.0).replace(|c: char| c.is_control() && c != '\n', " ");
        let line = text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
        line.chars().take(MAX_LINE).collect()
    }
}

/// What a command prints, of which more than a number is not read.
async fn output(command: &str) -> Result<String, String> {
    let (mut child, _group) = shell(command, Stdio::piped(), Stdio::null())?;
    let mut text = String::new();
    if let Some(out) = child.stdout.take() {
        out.take(MAX_NUMBER).read_to_string(&mut text).await.map_err(|error| error.to_string())?;
    }
    success(child.wait().await).map(|()| text)
}

fn shell(command: &str, stdout: Stdio, stderr: Stdio) -> Result<(Child, Group), String> {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command).process_group(0).env_remove("NOTIFY_SOCKET");
    shell.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
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
            Err(_) => Some(Wrong::from(format!("no answer in {:?}", pace.timeout))),
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
async fn all(checks: &[Check]) -> Result<(), Wrong> {
    for check in checks {
        check.ask().await?;
    }
    Ok(())
}

/// Up or down, if that is known yet, and how many answers in a row have said something else.
struct State {
    pace: Pace,
    is_up: Option<bool>,
    /// Why it is down, as was told last.
    told: Option<Wrong>,
    last: bool,
    others: u32,
}

impl State {
    fn new(pace: Pace) -> Self {
        State { pace, is_up: None, told: None, last: false, others: 0 }
    }

    fn answered(&mut self, wrong: Option<Wrong>) -> Option<Health> {
        let is_good = wrong.is_none();
        if is_good != self.last {
            (self.last, self.others) = (is_good, 0);
        }
        if self.is_up == Some(is_good) {
            let news = wrong.filter(|wrong| self.told.as_ref().is_some_and(|told| wrong.is_news_after(told)))?;
            return Some(self.down(news));
        }
        self.others += 1;
        let needed = if is_good { self.pace.rise } else { self.pace.fall };
        if self.others < needed.get() {
            return None;
        }
        (self.is_up, self.others) = (Some(is_good), 0);
        Some(wrong.map_or(Health::Up, |wrong| self.down(wrong)))
    }

    fn down(&mut self, wrong: Wrong) -> Health {
        let why = wrong.to_string();
        self.told = Some(wrong);
        Health::Down(why)
    }
}

/// Most that is read of what a command prints at a time, in bytes.
const PART: usize = 4096;
/// Most that is kept of it, in bytes.
const MAX_TAIL: usize = 1024;
/// Most that is shown of it, in characters.
const MAX_LINE: usize = 200;
/// As much as a pipe holds, in bytes.
const PIPE: u64 = 65_536;

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
            text.chars().map(|it| state.answered((it == '-').then(|| "dead".to_owned().into()))).collect()
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
            text.chars().map(|it| state.answered((it == '-').then(|| "dead".to_owned().into()))).collect()
        };
        let down = || Some(Health::Down("dead".to_owned()));
        assert_eq!(answers("---"), [None, None, down()]);
        assert_eq!(answers("------++"), [None, None, None, None, None, None, None, Some(Health::Up)]);
    }

    #[tokio::test]
    async fn commands_and_connections_are_checked() {
        assert_eq!(Check::Command("true".to_owned()).ask().await, Ok(()));
        assert_eq!(output("echo 0.5; exit 0").await, Ok("0.5\n".to_owned()));
        assert_eq!(Check::Command("exit 22".to_owned()).ask().await, Err("exit code 22".to_owned().into()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("there are ports");
        let address = listener.local_addr().expect("it is bound").to_string();
        assert_eq!(Check::Tcp(address.clone()).ask().await, Ok(()));
        drop(listener);
        assert!(Check::Tcp(address.clone()).ask().await.expect_err("nobody listens").how.starts_with(&address));
    }

    async fn said_by(command: &str) -> String {
        let asked = tokio::time::timeout(Duration::from_secs(60), run(command)).await.expect("it ends");
        asked.expect_err("the check fails").to_string()
    }

    #[tokio::test]
    async fn the_last_line_a_check_prints_says_what_is_wrong() {
        assert_eq!(
            said_by("echo fine; echo replication lag 300 s >&2; echo; exit 2").await,
            "exit code 2: replication lag 300 s"
        );
        assert_eq!(said_by(r"printf '\033[1mbold\tword\007'; exit 1").await, "exit code 1: [1mbold word");
        assert_eq!(said_by("kill -9 $$").await, "killed by SIGKILL");
    }

    #[tokio::test]
    async fn what_a_check_prints_is_neither_kept_nor_awaited_without_end() {
        // More than a pipe holds, in one line.
        let long = said_by(r"head -c 1000000 /dev/zero | tr '\0' x; exit 3").await;
        assert_eq!(long, format!("exit code 3: {}", "x".repeat(MAX_LINE)));
        // It has gone, and what it has started prints on.
        let still = said_by("yes again & echo begin; exit 4").await;
        assert!(still.starts_with("exit code 4: "), "{still}");
        // Nobody prints, and nobody closes the pipe.
        assert_eq!(said_by("sleep 1000 & echo bad; exit 5").await, "exit code 5: bad");
        let endless = tokio::time::timeout(Duration::from_millis(200), run("yes"));
        assert!(endless.await.is_err(), "it prints for ever");
    }

    #[test]
    fn another_reason_is_told_while_a_server_is_down_but_not_each_number() {
        let mut state = State::new(pace(1, 1));
        let mut said =
            |how: &str, said: &str| match state.answered(Some(Wrong { how: how.to_owned(), said: said.to_owned() })) {
                Some(Health::Down(why)) => Some(why),
                other => other.map(|_| unreachable!("it is down")),
            };
        assert_eq!(said("exit code 2", "lag 300 s").as_deref(), Some("exit code 2: lag 300 s"));
        assert_eq!(said("exit code 2", "lag 41 s"), None);
        assert_eq!(said("exit code 2", "no replica").as_deref(), Some("exit code 2: no replica"));
        assert_eq!(said("exit code 2", "no replica"), None);
        assert_eq!(said("exit code 1", "no replica").as_deref(), Some("exit code 1: no replica"));
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
        let wrong = tokio::time::timeout(pace.timeout, all(&checks)).await.err().map(|_| "late".to_owned().into());
        assert_eq!(state.answered(wrong), Some(Health::Down("late".to_owned())));
    }
}
