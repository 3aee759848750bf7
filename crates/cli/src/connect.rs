// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp connect`: a line terminal over a session.

mod lines;
pub(crate) mod screen;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, anyhow};
use rserpool::{Item, Outcome, Outgoing, PoolUrl, Session};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::access::{Access, within};
use crate::duration;
use crate::exit::Exit;
use crate::output::Output;
use crate::stop::Stop;
use lines::Line;
use screen::Screen;

/// Send lines to a pool and print the answers, whichever server gives them
///
/// Lines come from standard input, answers go to standard output, and what happens to the session is told on standard error. At
/// the end of input it waits until every line has its outcome.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The pool: HANDLE or pool://REGISTRAR/HANDLE
    #[arg(value_name = "HANDLE")]
    pool: PoolUrl,
    #[command(flatten)]
    access: Access,
    /// Give up connecting after this time
    #[arg(long, value_parser = duration::parse, default_value = "10s")]
    timeout: Duration,
    /// After the last line, wait so long for the next answer of a server that does not acknowledge
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "1s")]
    linger: Duration,
    /// A line that has not been delivered after this time comes back, and is not sent to another server
    #[arg(long, value_name = "DURATION", value_parser = duration::positive)]
    lifetime: Option<Duration>,
    /// Whether servers that can are to acknowledge each line; otherwise it is done with when it has been delivered
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    acks: bool,
    /// Use servers with --separate-control, too: control and data of the session on an association each
    #[arg(long)]
    separate_control: bool,
    /// How to print: with json, answers and what happens to the session are objects on standard output
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

pub(crate) async fn run(args: &Args) -> anyhow::Result<()> {
    let user = args.access.serving_user(&args.pool).await?;
    let what = format!("connecting to pool \"{}\"", args.pool.pool);
    let mut builder = user.session(args.pool.pool.clone());
    if args.separate_control {
        builder = builder.separate_control();
    }
    let session = within(args.timeout, &what, &user, builder.connect()).await?;
    let session = Arc::new(session);
    let mut screen = Screen::new(args.output);
    screen.connected(&args.pool.pool, &session)?;
    let result = talk(args, &session, &mut screen).await;
    screen.ended(session.failovers())?;
    result
}

async fn talk(args: &Args, session: &Arc<Session>, screen: &mut Screen) -> anyhow::Result<()> {
    let kind = Kind { lifetime: args.lifetime, ack: args.acks };
    let (sent, outcomes) = mpsc::unbounded_channel();
    let unanswered = Unanswered::default();
    let mut sending = tokio::spawn(send_lines(Arc::clone(session), kind, lines::read(), sent, unanswered.clone()));
    let mut outcomes = tokio::spawn(await_outcomes(outcomes, unanswered.clone()));
    let mut is_sending = true;
    let mut answers = 0;
    // Known once every line has its outcome.
    let mut tally: Option<Tally> = None;
    let mut quiet_until = Instant::now();
    let mut stop = Stop::catch()?;
    loop {
        if let Some(tally) = tally.as_ref().filter(|tally| tally.is_settled(answers) || Instant::now() >= quiet_until) {
            close(session, screen).await?;
            return tally.result();
        }
        tokio::select! {
            item = session.recv() => match item.map_err(|error| unanswered.told_with(error.into()))? {
                Some(item) => {
                    answers += usize::from(matches!(item, Item::Data(_)));
                    screen.item(item)?;
                    quiet_until = Instant::now() + args.linger;
                }
                None => return screen.ended_by_server(),
            },
            result = &mut sending, if is_sending => {
                result.context("reading lines")??;
                is_sending = false;
            }
            result = &mut outcomes, if tally.is_none() => {
                tally = Some(result.context("waiting for outcomes")?);
                quiet_until = Instant::now() + args.linger;
            }
            () = tokio::time::sleep_until(quiet_until), if tally.is_some() => {}
            _ = stop.asked() => {
                // Whoever interrupts doesn't want to wait for outcomes.
                sending.abort();
                let _ = tokio::time::timeout(BYE, session.close()).await;
                return unanswered.lines().map_or(Ok(()), |lines| Err(anyhow!(lines)));
            }
        }
    }
}

/// Says BYE and prints what came before the server's end of it.
async fn close(session: &Session, screen: &mut Screen) -> anyhow::Result<()> {
    session.close().await?;
    while let Some(item) = session.recv().await? {
        screen.item(item)?;
    }
    Ok(())
}

/// How lines are sent.
#[derive(Debug, Clone, Copy)]
struct Kind {
    lifetime: Option<Duration>,
    ack: bool,
}

impl Kind {
    fn message(self, text: Vec<u8>) -> Outgoing {
        let message = Outgoing::new(text);
        let message = if self.ack { message.ack() } else { message };
        match self.lifetime {
            Some(lifetime) => message.lifetime(lifetime),
            None => message,
        }
    }
}

/// Waits for room in the window, so that not more is read than can be sent.
async fn send_lines(
    session: Arc<Session>,
    kind: Kind,
    mut lines: mpsc::Receiver<std::io::Result<Line>>,
    sent: mpsc::UnboundedSender<(u64, rserpool::Sent)>,
    unanswered: Unanswered,
) -> anyhow::Result<()> {
    while let Some(line) = lines.recv().await {
        let Line { number, text } = line.context("cannot read standard input")?;
        unanswered.lock().insert(number);
        let outcome = session.send(kind.message(text)).await.with_context(|| format!("line {number}"))?;
        let _ = sent.send((number, outcome));
    }
    Ok(())
}

/// Lines that were sent and of which nothing is known yet.
#[derive(Debug, Clone, Default)]
struct Unanswered(Arc<Mutex<BTreeSet<u64>>>);

impl Unanswered {
    fn lock(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which, for people, if any.
    fn lines(&self) -> Option<String> {
        let lines: Vec<_> = self.lock().iter().map(|number| format!("line {number}")).collect();
        (!lines.is_empty()).then(|| format!("no answer to {}", lines.join(", ")))
    }

    /// The end of a session with what it leaves.
    fn told_with(&self, error: anyhow::Error) -> anyhow::Error {
        let exit = Exit::of(&error);
        match self.lines() {
            Some(lines) => anyhow!("{error:#}; {lines}").context(exit),
            None => error,
        }
    }
}

/// What became of the lines.
#[derive(Debug, Default)]
struct Tally {
    lines: usize,
    unacknowledged: usize,
    returned: Vec<String>,
}

impl Tally {
    /// Nothing more will come: an acknowledgement comes with the answer, and without it one answer a line is what we know of. To a service
    /// that speaks unasked we have sent nothing.
    fn is_settled(&self, answers: usize) -> bool {
        self.lines > 0 && answers >= self.unacknowledged
    }

    fn result(&self) -> anyhow::Result<()> {
        match self.returned.as_slice() {
            [] => Ok(()),
            returned => Err(anyhow!("not delivered: {}", returned.join(", "))).context(Exit::Failed),
        }
    }
}

async fn await_outcomes(mut sent: mpsc::UnboundedReceiver<(u64, rserpool::Sent)>, unanswered: Unanswered) -> Tally {
    let mut tally = Tally::default();
    while let Some((number, outcome)) = sent.recv().await {
        tally.lines += 1;
        match outcome.await {
            Ok(Outcome::Acknowledged(_)) => drop(unanswered.lock().remove(&number)),
            Ok(Outcome::Delivered(_)) => {
                unanswered.lock().remove(&number);
                tally.unacknowledged += 1;
            }
            Ok(Outcome::Returned(_, reason)) => tally.returned.push(format!("line {number} ({reason})")),
            Err(error) => tally.returned.push(format!("line {number} ({error})")),
        }
    }
    tally
}

/// How long an interrupted session may take to end in order.
const BYE: Duration = Duration::from_millis(500);
