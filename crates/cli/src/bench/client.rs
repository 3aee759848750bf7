// SPDX-License-Identifier: MIT OR Apache-2.0
//! Keeps a server busy over many connections from one thread, and takes the time of every answer.
//!
//! Closed loop: each connection sends so many requests in one write, and the next ones when all of them are answered. Open loop: requests are due at
//! fixed times whether answers come or not, and their latency counts from then, so that a server that stands still is seen to.
//! What was sent while measuring counts, however late it is answered: its answers are waited for.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use hdrhistogram::Histogram;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};

use super::connection::{Answer, Connection, Framing};
use crate::exit::Exit;

/// What is asked, and whether an answer is right.
pub(super) trait Workload {
    /// The next request on this connection, due now; `None` if there is none left.
    fn request(&mut self, connection: usize, due: u64) -> Option<&[u8]>;

    /// Whether this is the answer to the oldest request on this connection that has none. `Err` says what is wrong.
    fn answer(&mut self, connection: usize, message: &[u8]) -> Result<(), &'static str>;

    /// A message on a connection where no request waits for an answer: when what it tells of was due. A workload that expects such
    /// messages is measured by them.
    fn unasked(&mut self, _connection: usize, _message: &[u8]) -> Result<u64, &'static str> {
        Err("a message nobody asked for")
    }

    /// Measuring begins.
    fn begins(&mut self) {}

    /// Whether it is measured by its unasked messages rather than by answers.
    const MEASURED_BY_UNASKED: bool = false;

    /// Unasked messages that are yet to come when no more is sent.
    fn expected(&self) -> u64 {
        0
    }
}

/// How requests follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    Closed { outstanding: u32 },
    Open { per_second: u32 },
}

/// One run.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// Connections that send.
    pub(super) active: Range<usize>,
    /// A connection beside them that always has so many requests outstanding, as if it were alone. Its answers are not counted.
    pub(super) flood: Option<(usize, u32)>,
    pub(super) pace: Pace,
    pub(super) warmup: Duration,
    /// How long to measure; `None` = until there are no more requests.
    pub(super) duration: Option<Duration>,
    /// How many requests to send while measuring, or keep-alives to answer if nothing is sent; `None` = as many as fit.
    pub(super) requests: Option<u64>,
    /// How long to wait for an answer when nothing comes any more.
    pub(super) patience: Duration,
    /// Ends it earlier.
    pub(super) stop: Option<Arc<AtomicBool>>,
}

impl Plan {
    /// Until there are no more requests.
    pub(super) fn new(active: Range<usize>, pace: Pace) -> Self {
        let (warmup, duration, requests) = (Duration::ZERO, None, None);
        Plan { active, flood: None, pace, warmup, duration, requests, patience: PATIENCE, stop: None }
    }

    fn is_stopped(&self) -> bool {
        self.stop.as_ref().is_some_and(|stop| stop.load(Ordering::Relaxed))
    }
}

/// What was measured.
#[derive(Debug)]
pub(super) struct Tally {
    /// Nanoseconds.
    pub(super) latency: Histogram<u64>,
    pub(super) answered: u64,
    /// Answers that were not the right ones, and the first reason.
    pub(super) wrong: u64,
    pub(super) reason: Option<&'static str>,
    /// Requests that had no answer when patience ended.
    pub(super) unanswered: u64,
    pub(super) keep_alives: u64,
    /// Messages that came to the flooding connection.
    pub(super) flooded: u64,
    /// From the start until the last answer that counts, or longer if that was to be.
    pub(super) elapsed: Duration,
}

/// All connections.
#[derive(Debug)]
pub(super) struct Client {
    poll: Poll,
    connections: Vec<Connection>,
    /// Where registrars reach pool elements.
    listeners: Vec<TcpListener>,
    last_claim: Option<Instant>,
    buffer: Vec<u8>,
    epoch: Instant,
}

impl Client {
    pub(super) fn new() -> Result<Self> {
        Ok(Client {
            poll: Poll::new()?,
            connections: Vec::new(),
            listeners: Vec::new(),
            last_claim: None,
            buffer: vec![0; READ],
            epoch: Instant::now(),
        })
    }

    /// Opens more connections and answers which they are.
    pub(super) fn open(&mut self, count: u32, to: SocketAddr, framing: Framing) -> Result<Range<usize>> {
        let first = self.connections.len();
        for _ in 0..count {
            let token = Token(self.connections.len());
            let connection = Connection::open(to, framing, self.poll.registry(), token);
            self.connections
                .push(connection.with_context(|| format!("no registrar answers at {to}")).context(Exit::NoRegistrar)?);
        }
        Ok(first..self.connections.len())
    }

    /// Opens ports where registrars find pool elements that are answered for, and answers which.
    pub(super) fn listen(&mut self, count: usize, address: IpAddr) -> Result<Vec<u16>> {
        for _ in 0..count {
            let mut listener = TcpListener::bind((address, 0).into())?;
            let token = Token(FIRST_LISTENER + self.listeners.len());
            self.poll.registry().register(&mut listener, token, Interest::READABLE)?;
            self.listeners.push(listener);
        }
        self.listeners.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
    }

    pub(super) fn connections(&self) -> &[Connection] {
        &self.connections
    }

    /// The end of these connections is nothing to complain of.
    pub(super) fn may_end(&mut self, connections: Range<usize>) {
        self.connections[connections].iter_mut().for_each(|connection| connection.may_end = true);
    }

    /// How many pool elements a registrar has claimed, and when the last one.
    pub(super) fn claims(&self) -> (u64, Option<Instant>) {
        (self.connections.iter().map(Connection::claims).sum(), self.last_claim)
    }

    /// Runs the workload. `boundary` is called when measuring begins and when it ends.
    pub(super) fn run(
        &mut self,
        plan: &Plan,
        workload: &mut impl Workload,
        mut boundary: impl FnMut(),
    ) -> Result<Tally> {
        let mut events = Events::with_capacity(1024);
        let start = self.now();
        let measure = start + nanos(plan.warmup);
        let end = plan.duration.map(|duration| measure + nanos(duration));
        let mut run = Run::new(plan, measure, workload)?;
        let mut schedule = match plan.pace {
            Pace::Closed { .. } => None,
            Pace::Open { per_second } => Some(Schedule { start, per_second: per_second.into(), sent: 0 }),
        };
        if let Some((index, outstanding)) = plan.flood {
            self.fill(index, outstanding, &mut run)?;
        }
        if schedule.is_none() {
            for index in plan.active.clone() {
                self.next_batch(index, plan, &mut run)?;
            }
        }

        let (mut measured, mut keep_alives) = (false, 0);
        let mut quiet = Quiet::since(start);
        loop {
            let now = self.now();
            if !measured && now >= measure {
                (measured, keep_alives) = (true, self.keep_alives());
                boundary();
                run.workload.begins();
            }
            if let Some(schedule) = &mut schedule {
                // What was due before the end is sent, even by a client that was kept from it.
                self.send_due(schedule, end.map_or(now, |end| now.min(end - 1)), plan, &mut run)?;
            }
            let answered = if plan.active.is_empty() { self.keep_alives() - keep_alives } else { run.sent };
            let enough = measured && plan.requests.is_some_and(|requests| answered >= requests);
            let exhausted = schedule.is_none() && !plan.active.is_empty() && !self.is_waiting(&plan.active);
            let silent = plan.requests.is_some() && quiet.lasts(run.answers + self.keep_alives(), now) > plan.patience;
            if enough || exhausted || silent || plan.is_stopped() || end.is_some_and(|end| now >= end) {
                break;
            }
            let pause = schedule.as_ref().map_or(LONGEST_PAUSE, |schedule| schedule.pause(self.now()));
            self.wait(&mut events, pause, plan, &mut run)?;
        }
        ensure!(measured, "nothing was left to measure after the warm-up: make it shorter");
        let sent_all = self.now();
        self.drain(&mut events, plan, &mut run)?;
        boundary();
        run.tally.elapsed = Duration::from_nanos(sent_all.max(run.last_answer) - measure);
        run.tally.keep_alives = self.keep_alives() - keep_alives;
        Ok(run.tally)
    }

    /// Waits for what is still outstanding, as long as answers come. A load generator that did not would lose just those that the server
    /// took long for.
    fn drain(&mut self, events: &mut Events, plan: &Plan, run: &mut Run<'_, impl Workload>) -> Result<()> {
        run.draining = true;
        let mut quiet = Quiet::since(self.now());
        while (self.is_waiting(&plan.active) || run.workload.expected() > 0)
            && quiet.lasts(run.answers, self.now()) <= plan.patience
        {
            self.wait(events, LONGEST_PAUSE, plan, run)?;
        }
        let unanswered = self.connections[plan.active.clone()].iter().map(|c| c.outstanding() as u64);
        run.tally.unanswered = unanswered.sum::<u64>() + run.workload.expected();
        Ok(())
    }

    fn wait(
        &mut self,
        events: &mut Events,
        pause: Duration,
        plan: &Plan,
        run: &mut Run<'_, impl Workload>,
    ) -> Result<()> {
        match self.poll.poll(events, Some(pause)) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        for event in events.iter() {
            let index = event.token().0;
            if index >= FIRST_LISTENER {
                self.accept(index - FIRST_LISTENER)?;
                continue;
            }
            if event.is_readable() || event.is_read_closed() {
                self.read(index, plan, run).context("the server ended a connection")?;
            }
            if event.is_writable() {
                self.flush(index)?;
            }
        }
        Ok(())
    }

    fn accept(&mut self, listener: usize) -> Result<()> {
        while let Ok((socket, _)) = self.listeners[listener].accept() {
            let token = Token(self.connections.len());
            self.connections.push(Connection::accepted(socket, self.poll.registry(), token)?);
        }
        Ok(())
    }

    fn read(&mut self, index: usize, plan: &Plan, run: &mut Run<'_, impl Workload>) -> Result<()> {
        let epoch = self.epoch;
        let claims = self.connections[index].claims();
        loop {
            let mut now = None;
            let connection = &mut self.connections[index];
            let more = connection.read(&mut self.buffer, |answer| {
                run.answered(index, *now.get_or_insert_with(|| nanos(epoch.elapsed())), answer);
            });
            match more {
                Ok(true) => {}
                Ok(false) => break,
                Err(_) if connection.may_end => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        if self.connections[index].claims() > claims {
            self.last_claim = Some(Instant::now());
        }
        let is_active = plan.active.contains(&index) && !run.draining;
        match plan.pace {
            // It goes on while answers are waited for: they are to come no sooner than while measuring.
            _ if run.flood == Some(index) => {
                self.fill(index, plan.flood.map_or(0, |(_, outstanding)| outstanding), run)
            }
            Pace::Closed { .. } if is_active && self.connections[index].outstanding() > 0 => Ok(()),
            Pace::Closed { .. } if is_active => self.next_batch(index, plan, run),
            // The next request takes the ACKs along.
            Pace::Open { .. } if is_active => Ok(()),
            Pace::Closed { .. } | Pace::Open { .. } => self.flush(index),
        }
    }

    fn flush(&mut self, index: usize) -> Result<()> {
        let connection = &mut self.connections[index];
        match connection.flush() {
            Err(_) if connection.may_end => Ok(()),
            result => Ok(result?),
        }
    }

    fn next_batch(&mut self, index: usize, plan: &Plan, run: &mut Run<'_, impl Workload>) -> Result<()> {
        let Pace::Closed { outstanding } = plan.pace else { return Ok(()) };
        self.fill(index, outstanding, run)
    }

    fn fill(&mut self, index: usize, outstanding: u32, run: &mut Run<'_, impl Workload>) -> Result<()> {
        let now = self.now();
        let connection = &mut self.connections[index];
        while connection.outstanding() < outstanding as usize {
            let Some(request) = run.request(index, now) else { break };
            connection.send(request, now);
        }
        Ok(connection.flush()?)
    }

    fn send_due(
        &mut self,
        schedule: &mut Schedule,
        now: u64,
        plan: &Plan,
        run: &mut Run<'_, impl Workload>,
    ) -> Result<()> {
        let first = schedule.sent;
        while let Some(due) = schedule.take_due(now) {
            let index = plan.active.start + (schedule.sent as usize % plan.active.len());
            let connection = &mut self.connections[index];
            if connection.outstanding() > MOST_OUTSTANDING {
                bail!("the server is too slow for this rate: {MOST_OUTSTANDING} requests wait on one connection");
            }
            if let Some(request) = run.request(index, due) {
                connection.send(request, due);
            }
        }
        let sent = (schedule.sent - first) as usize;
        for turn in 0..sent.min(plan.active.len()) {
            let index = plan.active.start + (schedule.sent as usize - turn) % plan.active.len();
            self.connections[index].flush()?;
        }
        Ok(())
    }

    fn is_waiting(&self, active: &Range<usize>) -> bool {
        self.connections[active.clone()].iter().any(|connection| connection.outstanding() > 0)
    }

    fn keep_alives(&self) -> u64 {
        self.connections.iter().map(Connection::keep_alives).sum()
    }

    fn now(&self) -> u64 {
        nanos(self.epoch.elapsed())
    }
}

struct Run<'a, W> {
    tally: Tally,
    /// Requests due from this moment on are measured.
    measure: u64,
    /// So many have been sent, and so many there may be.
    sent: u64,
    limit: Option<u64>,
    /// All answers, and when the last one came that counts.
    answers: u64,
    last_answer: u64,
    draining: bool,
    flood: Option<usize>,
    workload: &'a mut W,
}

impl<'a, W: Workload> Run<'a, W> {
    fn new(plan: &Plan, measure: u64, workload: &'a mut W) -> Result<Self> {
        Ok(Run {
            tally: Tally::new()?,
            measure,
            sent: 0,
            limit: plan.requests,
            answers: 0,
            last_answer: 0,
            draining: false,
            flood: plan.flood.map(|(index, _)| index),
            workload,
        })
    }

    fn request(&mut self, index: usize, due: u64) -> Option<&[u8]> {
        let counts = due >= self.measure && self.flood != Some(index);
        if counts && self.limit.is_some_and(|limit| self.sent >= limit) {
            return None;
        }
        let request = self.workload.request(index, due)?;
        self.sent += u64::from(counts);
        Some(request)
    }

    fn answered(&mut self, index: usize, now: u64, answer: Answer<'_>) {
        if self.flood == Some(index) {
            self.tally.flooded += 1;
            return;
        }
        let result = match answer.due {
            Some(due) => self.workload.answer(index, answer.message).map(|()| due),
            None => self.workload.unasked(index, answer.message),
        };
        self.answers += 1;
        match result {
            Ok(due) if due < self.measure || answer.due.is_none() != W::MEASURED_BY_UNASKED => {}
            Ok(due) => {
                self.last_answer = now;
                self.tally.answered += 1;
                self.tally.latency.saturating_record(now.saturating_sub(due));
            }
            Err(reason) => {
                self.tally.wrong += 1;
                self.tally.reason.get_or_insert(reason);
            }
        }
    }
}

impl Tally {
    pub(super) fn new() -> Result<Self> {
        Ok(Tally {
            latency: Histogram::new_with_max(HIGHEST_LATENCY, 3)?,
            answered: 0,
            wrong: 0,
            reason: None,
            unanswered: 0,
            keep_alives: 0,
            flooded: 0,
            elapsed: Duration::ZERO,
        })
    }

    /// Fails if an answer was wrong.
    pub(super) fn check(&self) -> Result<()> {
        if let Some(reason) = self.reason {
            bail!("{} wrong answers, the first: {reason}", self.wrong);
        }
        Ok(())
    }
}

/// How long no answer has come.
#[derive(Debug)]
pub(super) struct Quiet {
    since: u64,
    answers: u64,
}

impl Quiet {
    pub(super) fn since(now: u64) -> Self {
        Quiet { since: now, answers: 0 }
    }

    /// There are so many answers now.
    pub(super) fn lasts(&mut self, answers: u64, now: u64) -> Duration {
        if self.answers != answers {
            *self = Quiet { since: now, answers };
        }
        Duration::from_nanos(now.saturating_sub(self.since))
    }
}

/// When requests of the open loop are due.
#[derive(Debug)]
struct Schedule {
    start: u64,
    per_second: u64,
    sent: u64,
}

impl Schedule {
    fn next(&self) -> u64 {
        self.start + (u128::from(self.sent) * 1_000_000_000 / u128::from(self.per_second)) as u64
    }

    fn take_due(&mut self, now: u64) -> Option<u64> {
        let due = self.next();
        (due <= now).then(|| {
            self.sent += 1;
            due
        })
    }

    /// The system can't wait for less than a millisecond, so the last one is spent asking.
    fn pause(&self, now: u64) -> Duration {
        Duration::from_millis((self.next().saturating_sub(now) / 1_000_000).saturating_sub(1)).min(LONGEST_PAUSE)
    }
}

fn nanos(duration: Duration) -> u64 {
    duration.as_nanos() as u64
}

/// Tokens below it are connections.
const FIRST_LISTENER: usize = 1 << 32;

/// How much is read at once.
const READ: usize = 256 << 10;

/// Events or not, the clock is looked at so often.
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// How long to wait for an answer when nothing comes any more, unless the options say otherwise.
const PATIENCE: Duration = Duration::from_secs(30);

/// Requests that wait on one connection in the open loop before it is clear that they will wait for ever.
const MOST_OUTSTANDING: usize = 1_000_000;

/// Higher latencies are counted as this one: 1,000 s.
const HIGHEST_LATENCY: u64 = 1_000_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_of_the_open_loop_are_due_at_fixed_times_even_when_late() {
        let mut schedule = Schedule { start: 1_000, per_second: 1_000_000, sent: 0 };
        assert_eq!(schedule.take_due(999), None);
        assert_eq!(schedule.pause(0), Duration::ZERO);
        let late: Vec<u64> = std::iter::from_fn(|| schedule.take_due(4_500)).collect();
        assert_eq!(late, [1_000, 2_000, 3_000, 4_000]);
        assert_eq!(schedule.next(), 5_000);
    }

    #[test]
    fn the_open_loop_sleeps_until_a_millisecond_before() {
        let schedule = Schedule { start: 0, per_second: 100, sent: 1 };
        assert_eq!(schedule.pause(0), Duration::from_millis(9));
        assert_eq!(schedule.pause(9_500_000), Duration::ZERO);
    }
}
