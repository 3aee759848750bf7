// SPDX-License-Identifier: MIT OR Apache-2.0
//! The load over SCTP: associations of the library, a task for each on one thread. The closed loop of [`super::client`] and no more.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use machine::association::{Event, Heartbeat, Protocol, Token};
use net::{Association, Options, TransportChoice, Transports};
use tokio::runtime::Runtime;
use tokio::task::LocalSet;

use super::client::{Pace, Plan, Tally, Workload};

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
        let (Pace::Closed { outstanding }, Some(duration)) = (plan.pace, plan.duration) else {
            bail!("over SCTP there is only the closed loop, for a time");
        };
        let load = Load { outstanding: outstanding as usize, workload, tally: Tally::new()?, phase: Phase::Warming };
        let shared = Rc::new(Shared { load: RefCell::new(load), epoch: self.epoch });
        let associations = std::mem::take(&mut self.associations);
        let (associations, elapsed) = self.runtime.block_on(LocalSet::new().run_until(async {
            let tasks: Vec<_> = associations
                .into_iter()
                .enumerate()
                .map(|(index, association)| tokio::task::spawn_local(keep_busy(association, index, Rc::clone(&shared))))
                .collect();
            tokio::time::sleep(plan.warmup).await;
            shared.load.borrow_mut().begin(Phase::Measuring)?;
            let began = Instant::now();
            boundary();
            tokio::time::sleep(duration).await;
            boundary();
            let elapsed = began.elapsed();
            shared.load.borrow_mut().phase = Phase::Draining;
            let mut associations = Vec::new();
            for task in tasks {
                let ended = tokio::time::timeout(DRAIN, task).await.context("requests stay without an answer")?;
                associations.push(ended.context("the load ended")??);
            }
            anyhow::Ok((associations, elapsed))
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
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Warming,
    Measuring,
    Draining,
}

impl<W: Workload> Load<W> {
    fn begin(&mut self, phase: Phase) -> Result<()> {
        self.phase = phase;
        self.tally = Tally::new()?;
        self.workload.begins();
        Ok(())
    }

    fn answered(&mut self, index: usize, now: u64, due: u64, message: &[u8]) {
        match self.workload.answer(index, message) {
            Ok(()) if self.phase != Phase::Measuring => {}
            Ok(()) => {
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
            if load.phase == Phase::Draining {
                return Ok(association);
            }
            let now = shared.epoch.elapsed().as_nanos() as u64;
            while due.len() < load.outstanding
                && let Some(request) = load.workload.request(index, now)
            {
                let request = Bytes::copy_from_slice(request);
                association.send(0, ASAP, false, Token(0), request).context("the server does not read")?;
                due.push_back(now);
            }
        }
        match association.next().await {
            Event::Message { sequence, data, .. } => {
                association.taken(sequence);
                let due = due.pop_front().context("a message nobody asked for")?;
                let now = shared.epoch.elapsed().as_nanos() as u64;
                shared.load.borrow_mut().answered(index, now, due, &data);
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

/// How long answers may still come after the end.
const DRAIN: Duration = Duration::from_secs(5);
