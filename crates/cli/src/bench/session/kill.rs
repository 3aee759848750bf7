// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp bench session kill`: a server fails under a stream of requests, again and again. How long is the stream interrupted?

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use hdrhistogram::Histogram;
use nix::sys::signal::Signal;
use rserpool::{Item, Notice, Outgoing, Profile, Session};
use serde::Serialize;

use super::server::{REPLY, RESENT};
use super::stage::Stage;
use super::{Common, print};

/// Measure how long a stream of requests is interrupted when its server fails
///
/// The interruption is the time from the fault to the first answer of the next server. Each request has to be answered once.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// How the servers fail
    #[arg(long, value_enum, default_value_t)]
    how: Fault,
    /// How many fail
    #[arg(short = 'n', long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    faults: u32,
    /// Requests outstanding
    #[arg(short = 'k', long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    outstanding: u32,
    /// Timers of the session: standard, rfc, rsplib or fast
    #[arg(long, default_value = "fast")]
    profile: Profile,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
enum Fault {
    /// SIGKILL
    #[default]
    Kill,
    /// SIGSTOP
    Hang,
    /// Nothing gets through to it any more, nor back
    BlackHole,
}

/// What it came to.
#[derive(Debug, Serialize)]
struct Interruptions {
    workload: &'static str,
    how: Fault,
    faults: u32,
    failovers: u32,
    requests: u64,
    resent: u64,
    /// Requests that came back, and answers that came twice.
    errors: u64,
    p50_ms: f64,
    p90_ms: f64,
    p99_ms: f64,
    max_ms: f64,
}

pub(super) async fn run(args: &Args) -> Result<()> {
    let mut stage = Stage::start(&args.common, args.profile, 0).await?;
    let with_link = args.how == Fault::BlackHole;
    for _ in 0..STANDING_BY {
        stage.add(with_link).await?;
    }
    let mut stream = Stream { session: stage.session().await?, next: 0, waiting: HashSet::new(), resent: 0, errors: 0 };
    let mut times = Histogram::<u64>::new_with_max(HIGHEST, 3)?;
    let before = stream.session.failovers();
    for number in 0..args.faults {
        let serving = loop {
            stream.flow(args.outstanding, BETWEEN).await?;
            if let Some(serving) = stream.session.pe() {
                break serving;
            }
        };
        let victim = stage.take(serving.id.0)?;
        let fault = Instant::now();
        match (args.how, &victim.link) {
            (Fault::Kill, _) => victim.process.signal(Signal::SIGKILL)?,
            (Fault::Hang, _) => victim.process.signal(Signal::SIGSTOP)?,
            (Fault::BlackHole, link) => link.iter().for_each(|link| link.cut()),
        }
        let answered = stream.until_moved(args.outstanding).await?;
        times.saturating_record((answered - fault).as_micros() as u64);
        drop(victim);
        if number + 1 < args.faults {
            stage.add(with_link).await?;
        }
    }
    stream.drain().await?;
    let failovers = stream.session.failovers() - before;
    let ms = |us: u64| us as f64 / 1e3;
    let result = Interruptions {
        workload: "session kill",
        how: args.how,
        faults: args.faults,
        failovers,
        requests: stream.next,
        resent: stream.resent,
        errors: stream.errors,
        p50_ms: ms(times.value_at_quantile(0.5)),
        p90_ms: ms(times.value_at_quantile(0.9)),
        p99_ms: ms(times.value_at_quantile(0.99)),
        max_ms: ms(times.max()),
    };
    print(args.common.output, &result, || {
        let Interruptions { faults, failovers, requests, resent, errors, p50_ms, p90_ms, p99_ms, max_ms, .. } = &result;
        format!(
            "session kill ({:?}): {faults} faults, {failovers} failovers, {requests} requests, {resent} resent, {errors} errors\n  \
             interruption in ms: p50 {p50_ms:.2}, p90 {p90_ms:.2}, p99 {p99_ms:.2}, max {max_ms:.2}",
            args.how
        )
    })?;
    ensure!(stream.errors == 0, "{} requests came back or were answered twice", stream.errors);
    Ok(())
}

/// Numbered requests, each answered with itself and its acknowledgement.
struct Stream {
    session: Session,
    next: u64,
    waiting: HashSet<u64>,
    resent: u64,
    errors: u64,
}

impl Stream {
    /// Keeps so many outstanding until so many more are answered.
    async fn flow(&mut self, outstanding: u32, answers: u64) -> Result<()> {
        let mut answered = 0;
        while answered < answers {
            self.fill(outstanding).await?;
            answered += u64::from(self.item().await? == Seen::Answer);
        }
        Ok(())
    }

    /// Goes on until the session has moved and the first answer has come after that; answers when that was.
    async fn until_moved(&mut self, outstanding: u32) -> Result<Instant> {
        let mut moved = false;
        loop {
            self.fill(outstanding).await?;
            match self.item().await? {
                Seen::Failover => moved = true,
                Seen::Answer if moved => return Ok(Instant::now()),
                _ => {}
            }
        }
    }

    async fn drain(&mut self) -> Result<()> {
        while !self.waiting.is_empty() {
            self.item().await?;
        }
        Ok(())
    }

    async fn fill(&mut self, outstanding: u32) -> Result<()> {
        while self.waiting.len() < outstanding as usize {
            let mut request = vec![REPLY; LENGTH];
            request[1..9].copy_from_slice(&self.next.to_be_bytes());
            drop(self.session.send(Outgoing::new(request).ack()).await?);
            self.waiting.insert(self.next);
            self.next += 1;
        }
        Ok(())
    }

    async fn item(&mut self) -> Result<Seen> {
        let item = tokio::time::timeout(PATIENCE, self.session.recv()).await;
        match item.map_err(|_| anyhow::anyhow!("nothing comes any more"))?? {
            Some(Item::Data(answer)) => {
                self.resent += u64::from(answer.data().get(RESENT) == Some(&1));
                let number = answer.data().get(1..9).and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes);
                self.errors += u64::from(!number.is_some_and(|number| self.waiting.remove(&number)));
                Ok(Seen::Answer)
            }
            Some(Item::Failover(_)) => Ok(Seen::Failover),
            Some(Item::Notice(Notice::Returned(..))) => {
                self.errors += 1;
                Ok(Seen::Other)
            }
            Some(_) => Ok(Seen::Other),
            None => bail!("the server ended the session"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Answer,
    Failover,
    Other,
}

/// Pool elements at a time.
const STANDING_BY: u32 = 3;
/// Answers between two faults.
const BETWEEN: u64 = 100;
/// Bytes of a request.
const LENGTH: usize = 64;
/// Longer interruptions are counted as this one: 100 s.
const HIGHEST: u64 = 100_000_000;
const PATIENCE: Duration = Duration::from_secs(60);
