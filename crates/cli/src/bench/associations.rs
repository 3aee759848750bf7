// SPDX-License-Identifier: MIT OR Apache-2.0
//! The load over SCTP: associations of the library, a task for each on one thread. The closed loop of [`super::client`] and no more.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use machine::association::{Event, Heartbeat, Protocol, Token};
use net::{Association, Options, TransportChoice, Transports};
use tokio::runtime::Runtime;
use tokio::task::LocalSet;

use super::client::{Pace, Plan, Quiet, Tally, Workload};

/// Associations that are up.
pub(super) struct Associations {
    runtime: Runtime,
    /// Kept for as long as they are.
    _transports: Transports,
    associations: Vec<Association>,
    epoch: Instant,
}

impl Associations {
    /// Opens so many.
    pub(super) fn open(transport: TransportChoice, count: u32, to: SocketAddr) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (transports, associations) = runtime.block_on(async {
            let transports = transport.start(None)?;
            let mut associations = Vec::new();
            // Some at a time: nobody's queue is to overflow.
            while associations.len() < count as usize {
                let some = CONNECTING.min(count as usize - associations.len());
                let first = associations.len();
                associations.extend((0..some).map(|_| transports.connect(Protocol::Sctp, vec![to], options())));
                for association in &mut associations[first..] {
                    loop {
                        match association.next().await {
                            Event::Up(_) => break,
                            Event::Lost(reason) => bail!("connecting to {to} over {transport}: {reason}"),
                            _ => {}
                        }
                    }
                }
            }
            Ok((transports, associations))
        })?;
        Ok(Associations { runtime, _transports: transports, associations, epoch: Instant::now() })
    }

    pub(super) fn len(&self) -> usize {
        self.associations.len()
    }

    /// Runs the workload on all of them. `boundary` is called when measuring begins and when it ends.
    pub(super) fn run<W: Workload + 'static>(
        &mut self,
        plan: &Plan,
        workload: W,
        mut boundary: impl FnMut(),
    ) -> Result<Tally> {
        let Pace::Closed { outstanding } = plan.pace else {
            bail!("over SCTP there is only the closed loop");
        };
        let measure = (self.epoch.elapsed() + plan.warmup).as_nanos() as u64;
        let load = Load {
            outstanding: outstanding as usize,
            workload,
            tally: Tally::new()?,
            measure,
            sent: 0,
            limit: plan.requests,
            last_answer: 0,
            draining: false,
        };
        let shared = Rc::new(Shared { load: RefCell::new(load), epoch: self.epoch });
        let associations = std::mem::take(&mut self.associations);
        let (associations, elapsed) = self.runtime.block_on(LocalSet::new().run_until(async {
            let tasks: Vec<_> = associations
                .into_iter()
                .enumerate()
                .map(|(index, association)| tokio::task::spawn_local(keep_busy(association, index, Rc::clone(&shared))))
                .collect();
            tokio::time::sleep(plan.warmup).await;
            boundary();
            shared.load.borrow_mut().workload.begins();
            if let Some(duration) = plan.duration {
                tokio::time::sleep(duration).await;
                shared.load.borrow_mut().draining = true;
            }
            let mut quiet = Quiet::since(shared.now());
            while !tasks.iter().all(|task| task.is_finished()) {
                let answered = shared.load.borrow().tally.answered;
                ensure!(quiet.lasts(answered, shared.now()) <= plan.patience, "requests stay without an answer");
                tokio::time::sleep(POLL).await;
            }
            boundary();
            let elapsed = Duration::from_nanos(shared.load.borrow().last_answer.saturating_sub(measure));
            let mut associations = Vec::new();
            for task in tasks {
                associations.push(task.await.context("the load ended")??);
            }
            anyhow::Ok((associations, elapsed.max(plan.duration.unwrap_or_default())))
        }))?;
        self.associations = associations;
        let mut tally = std::mem::replace(&mut shared.load.borrow_mut().tally, Tally::new()?);
        tally.elapsed = elapsed;
        Ok(tally)
    }
}

/// What all tasks share.
struct Shared<W> {
    load: RefCell<Load<W>>,
    epoch: Instant,
}

struct Load<W> {
    outstanding: usize,
    workload: W,
    tally: Tally,
    /// Requests from this moment on are measured: so many have been sent, and so many there may be.
    measure: u64,
    sent: u64,
    limit: Option<u64>,
    last_answer: u64,
    draining: bool,
}

impl<W> Shared<W> {
    fn now(&self) -> u64 {
        self.epoch.elapsed().as_nanos() as u64
    }
}

impl<W: Workload> Load<W> {
    fn is_over(&self) -> bool {
        self.draining || self.limit.is_some_and(|limit| self.sent >= limit)
    }

    fn request(&mut self, index: usize, now: u64) -> Option<Bytes> {
        if self.is_over() {
            return None;
        }
        self.sent += u64::from(now >= self.measure);
        self.workload.request(index, now).map(Bytes::copy_from_slice)
    }

    fn answered(&mut self, index: usize, now: u64, due: u64, message: &[u8]) {
        match self.workload.answer(index, message) {
            Ok(()) if due < self.measure => {}
            Ok(()) => {
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

/// Sends so many requests, and the next ones when all are answered; hands the association back when the load ends.
async fn keep_busy<W: Workload>(
    mut association: Association,
    index: usize,
    shared: Rc<Shared<W>>,
) -> Result<Association> {
    let mut due = VecDeque::new();
    loop {
        if due.is_empty() {
            let mut load = shared.load.borrow_mut();
            if load.is_over() {
                return Ok(association);
            }
            let now = shared.now();
            while due.len() < load.outstanding
                && let Some(request) = load.request(index, now)
            {
                association.send(0, ASAP, false, Token(0), request).context("the server does not read")?;
                due.push_back(now);
            }
        }
        match association.next().await {
            Event::Message { sequence, data, .. } => {
                association.taken(sequence);
                let due = due.pop_front().context("a message nobody asked for")?;
                shared.load.borrow_mut().answered(index, shared.now(), due, &data);
            }
            Event::Lost(reason) => bail!("the server ended an association: {reason}"),
            _ => {}
        }
    }
}

pub(super) fn options() -> Options {
    // A busy processor is not to be taken for a dead peer.
    let heartbeat = Heartbeat { interval: Duration::from_secs(30), dead_after: Duration::from_secs(90) };
    Options { heartbeat, connect_timeout: Duration::from_secs(30), ..Options::default() }
}

/// The payload protocol identifier of ASAP.
const ASAP: u32 = 11;

const CONNECTING: usize = 128;

/// How often it is looked at whether all answers have come.
const POLL: Duration = Duration::from_millis(5);
