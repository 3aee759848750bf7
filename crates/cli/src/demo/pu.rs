// SPDX-License-Identifier: MIT OR Apache-2.0
//! The pool user of the demo: sends numbered requests in a pipelined stream, and checks and counts every answer.

use std::collections::BTreeMap;
use std::time::Duration;

use rserpool::{Config, Item, Notice, Outgoing, PoolUser, Profile, Session, Transport};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::Instant;

use super::clock;
use super::pe::POOL;
use super::workload;
use crate::settings;

/// The pool user of the demo
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[arg(long = "registrar", required = true)]
    registrars: Vec<String>,
    #[arg(long, default_value = "tcp")]
    transport: Transport,
    #[arg(long)]
    outstanding: u64,
    /// A setting of the session, NAME=VALUE
    #[arg(long = "set")]
    settings: Vec<String>,
}

/// What the demo tells its pool user, a JSON line each.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "say")]
pub(crate) enum Say {
    /// A new act: count from zero.
    Begin,
    /// No new requests; say so when every answer has come, or when no more comes.
    Finish,
    /// The end.
    Quit,
}

/// What the pool user tells the demo, a JSON line each. Times are [`clock::now`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub(crate) enum News {
    /// The session serves.
    Connected { at: u64, pe: u32 },
    /// The decision to leave a server.
    Leaving { at: u64, pe: u32, cause: String },
    /// The session goes on.
    Failover { at: u64, from: u32, to: u32, cause: String },
    /// Now and then.
    Progress { at: u64, pe: Option<u32>, outstanding: u64, counts: Counts },
    /// The answer to [`Say::Finish`].
    Finished { counts: Counts },
    /// Something came back, or was wrong.
    Wrong { what: String },
}

/// What an act comes to, at the pool user.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) sent: u64,
    pub(crate) answered: u64,
    pub(crate) wrong: u64,
    pub(crate) duplicated: u64,
    pub(crate) resent: u64,
    /// Longest time between two consecutive answers, in microseconds.
    pub(crate) gap: u64,
    /// The running hash over all answers of the session so far is what it must be.
    pub(crate) chain_ok: bool,
}

impl Counts {
    /// Every answer was what it must be.
    pub(crate) fn is_right(&self) -> bool {
        self.wrong == 0 && self.chain_ok
    }
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(ask(args));
    // A read of standard input may still be going on.
    runtime.shutdown_background();
    result
}

async fn ask(args: &Args) -> anyhow::Result<()> {
    let mut config = Config::of(Profile::Fast);
    // A registrar that lives answers, be it late: this machine does other things, too.
    (config.endpoint.t1_request, config.endpoint.connect_timeout) = (PATIENCE, PATIENCE);
    config.session.give_up = 3 * PATIENCE;
    settings::set(&mut config, &args.settings)?;
    let builder = PoolUser::builder().config(config).transport(args.transport);
    let user = args.registrars.iter().fold(builder, |builder, registrar| builder.registrar(registrar)).build().await?;
    let session = user.session(POOL).connect().await?;
    let pe = session.pe().map_or(0, |pe| pe.id.0);
    say(&News::Connected { at: clock::now(), pe });
    let mut stream = Stream::default();
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut progress = tokio::time::interval(PROGRESS);
    let mut phase = Phase::Finished;
    loop {
        let room = matches!(phase, Phase::Flowing) && stream.outstanding() < args.outstanding;
        tokio::select! {
            item = session.recv() => match item? {
                Some(item) => stream.item(item),
                None => anyhow::bail!("the server ended the session"),
            },
            sent = session.send(stream.next_request()), if room => {
                // What comes back without an answer shows up as a notice.
                drop(sent?);
                stream.sent();
            }
            line = lines.next_line() => match line?.map(|line| serde_json::from_str(&line)).transpose()? {
                Some(Say::Begin) => {
                    phase = Phase::Flowing;
                    stream.begin();
                }
                Some(Say::Finish) => phase = Phase::Finishing { until: Instant::now() + LAST_ANSWERS },
                Some(Say::Quit) | None => return Ok(session.close().await?),
            },
            _ = progress.tick() => stream.progress(&session),
        }
        if let Phase::Finishing { until } = phase
            && (stream.outstanding() == 0 || Instant::now() > until)
        {
            phase = Phase::Finished;
            say(&News::Finished { counts: stream.counts.clone() });
        }
    }
}

/// Where an act is.
enum Phase {
    Flowing,
    /// No new requests; the last answers are waited for.
    Finishing {
        until: Instant,
    },
    Finished,
}

/// The requests and answers of the session.
#[derive(Default)]
struct Stream {
    next: u64,
    /// Answers that came before those of earlier requests.
    early: BTreeMap<u64, u64>,
    /// Requests below this have been answered and chained.
    chained: u64,
    chain: u64,
    expected_chain: u64,
    counts: Counts,
    last_answer: Option<u64>,
}

impl Stream {
    fn begin(&mut self) {
        self.counts = Counts { chain_ok: true, ..Counts::default() };
        // Requests of the act before that were never answered are lost for good: this act starts clean.
        self.chained = self.next;
        self.early.clear();
        self.last_answer = None;
    }

    fn next_request(&self) -> Outgoing {
        Outgoing::new(workload::request(self.next)).ppid(workload::PPID).ack()
    }

    fn sent(&mut self) {
        self.next += 1;
        self.counts.sent += 1;
    }

    fn outstanding(&self) -> u64 {
        self.next - self.chained - self.early.len() as u64
    }

    fn item(&mut self, item: Item) {
        match item {
            Item::Data(message) => self.answer(&message),
            Item::Failover(failover) => say(&News::Failover {
                at: clock::now(),
                from: failover.from.0,
                to: failover.to.id.0,
                cause: failover.cause.to_string(),
            }),
            Item::Notice(Notice::Leaving(pe, cause)) => {
                say(&News::Leaving { at: clock::now(), pe: pe.0, cause: cause.to_string() })
            }
            Item::Notice(Notice::Returned(_, reason)) => {
                say(&News::Wrong { what: format!("a request came back: {reason}") })
            }
            _ => {}
        }
    }

    fn answer(&mut self, answer: &[u8]) {
        let now = clock::now();
        if let Some(last) = self.last_answer.replace(now) {
            self.counts.gap = self.counts.gap.max(now - last);
        }
        let Some((n, hash, resent)) = workload::read(answer).filter(|(n, ..)| *n < self.next) else {
            self.counts.wrong += 1;
            return say(&News::Wrong { what: "an answer to nothing".to_owned() });
        };
        if n < self.chained || self.early.contains_key(&n) {
            self.counts.duplicated += 1;
            return;
        }
        if hash != workload::expected(n) {
            self.counts.wrong += 1;
            say(&News::Wrong { what: format!("a wrong answer to request {n}") });
        }
        self.counts.answered += 1;
        self.counts.resent += u64::from(resent);
        self.early.insert(n, hash);
        while let Some(hash) = self.early.remove(&self.chained) {
            self.chain = workload::chain(self.chain, hash);
            self.expected_chain = workload::chain(self.expected_chain, workload::expected(self.chained));
            self.chained += 1;
        }
        self.counts.chain_ok = self.chain == self.expected_chain;
    }

    fn progress(&self, session: &Session) {
        let pe = session.pe().map(|pe| pe.id.0);
        say(&News::Progress { at: clock::now(), pe, outstanding: self.outstanding(), counts: self.counts.clone() });
    }
}

fn say(news: &News) {
    println!("{}", serde_json::to_string(news).expect("no map with keys that are not strings"));
}

/// How long an answer of a registrar may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two lines of progress.
const PROGRESS: Duration = Duration::from_millis(20);
/// How long the last answers of an act may take.
const LAST_ANSWERS: Duration = Duration::from_secs(60);
