// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp bench session heartbeats`: many idle sessions on a machine that is busy. Is anybody taken for dead who lives?

use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use rserpool::{Profile, Session};
use serde::Serialize;

use super::server::POOL;
use super::stage::Stage;
use super::{Common, print};
use crate::bench::options::Cpus;
use crate::bench::server::pin;

/// Count false alarms of many idle sessions while processors are busy
///
/// A heartbeat goes once an interval over each session; so many are counted.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Sessions
    #[arg(short = 's', long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    sessions: u32,
    /// Heartbeats over all of them
    #[arg(short = 'n', long, default_value_t = 1_000_000)]
    heartbeats: u64,
    /// Processes with the lowest priority (nice 19) that do nothing but keep a processor busy
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=64))]
    burners: u32,
    /// Timers of the sessions: standard, rfc, rsplib or fast
    #[arg(long, default_value = "fast")]
    profile: Profile,
    #[command(flatten)]
    common: Common,
}

/// What it came to.
#[derive(Debug, Serialize)]
struct Alarms {
    workload: &'static str,
    sessions: u32,
    seconds: f64,
    heartbeats: u64,
    /// Sessions that moved or ended although nobody had failed.
    false_alarms: u64,
}

pub(super) async fn run(args: &Args) -> Result<()> {
    let stage = Stage::start(&args.common, args.profile, 2).await?;
    let user = stage.user().await?;
    let mut sessions: Vec<Session> = Vec::new();
    for _ in 0..args.sessions {
        sessions.push(user.session(POOL).connect().await?);
    }
    let _burners = (0..args.burners).map(|n| Burner::start(n, args.common.pin.cpus)).collect::<Result<Vec<_>>>()?;
    let interval = stage.config.session.heartbeat_interval;
    let each = args.heartbeats.div_ceil(args.sessions.into());
    let (start, before) = (Instant::now(), moved(&sessions));
    tokio::time::sleep(interval * u32::try_from(each).context("fewer heartbeats, or more sessions")?).await;
    let seconds = start.elapsed().as_secs_f64();
    let ended = sessions.iter().filter(|session| session.pe().is_none()).count() as u64;
    let false_alarms = moved(&sessions) - before + ended;
    let heartbeats = each * u64::from(args.sessions);
    let result = Alarms { workload: "session heartbeats", sessions: args.sessions, seconds, heartbeats, false_alarms };
    print(args.common.output, &result, || {
        format!(
            "session heartbeats: {} sessions, {heartbeats} heartbeats in {seconds:.1} s, {} busy processes: {false_alarms} false alarms",
            args.sessions, args.burners
        )
    })?;
    ensure!(false_alarms == 0, "{false_alarms} false alarms");
    Ok(())
}

fn moved(sessions: &[Session]) -> u64 {
    sessions.iter().map(|session| u64::from(session.failovers())).sum()
}

/// A process that keeps a processor busy.
struct Burner(Child);

impl Burner {
    /// On one of the processors that are measured, in turn: a process starts where its parent is.
    fn start(number: u32, cpus: Cpus) -> Result<Self> {
        let mut command = Command::new("nice");
        // It ends with its standard input, so with us.
        command.args(["-n", "19", "sh", "-c", "(while :; do :; done) & cat >/dev/null; kill $!"]);
        if let Some((server, client)) = cpus {
            pin(if number.is_multiple_of(2) { server } else { client })?;
        }
        let child = command.stdin(Stdio::piped()).spawn().context("starting nice");
        if let Some((_, client)) = cpus {
            pin(client)?;
        }
        Ok(Burner(child?))
    }
}

impl Drop for Burner {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
