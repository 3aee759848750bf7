// SPDX-License-Identifier: MIT OR Apache-2.0
//! A pool user per registrar that resolves the pool again and again, and counts what fails.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rserpool::{Config, Items, PoolUser, Profile, Transport};
use tokio::task::JoinSet;

use super::pe::POOL;

/// The loops. They end with this.
pub(crate) struct Resolvers {
    transport: Transport,
    elements: usize,
    loops: BTreeMap<usize, Loop>,
    /// Of loops that have ended.
    before: Tally,
}

struct Loop {
    tally: Arc<Mutex<Tally>>,
    _task: JoinSet<()>,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    pub(super) resolutions: u64,
    pub(super) failed: u64,
    /// Why the first one failed.
    pub(super) first_failure: Option<String>,
}

impl Resolvers {
    /// An answer is right if it has so many pool elements.
    pub(super) fn new(transport: Transport, elements: usize) -> Self {
        Resolvers { transport, elements, loops: BTreeMap::new(), before: Tally::default() }
    }

    /// Begins at this registrar.
    pub(super) fn add(&mut self, number: usize, asap: SocketAddr) {
        let tally = Arc::new(Mutex::new(Tally::default()));
        let mut task = JoinSet::new();
        task.spawn(resolve((self.transport, asap), number, self.elements, Arc::clone(&tally)));
        self.loops.insert(number, Loop { tally, _task: task });
    }

    /// Ends at this registrar, which is about to die: what is outstanding there does not count.
    pub(super) fn remove(&mut self, number: usize) {
        if let Some(ended) = self.loops.remove(&number) {
            self.before = self.before.clone().and(&ended.tally());
        }
    }

    /// Whether each of them has had an answer.
    pub(super) fn have_begun(&self) -> bool {
        self.loops.values().all(|it| it.tally().resolutions > 0)
    }

    pub(super) fn tally(&self) -> Tally {
        self.loops.values().fold(self.before.clone(), |sum, it| sum.and(&it.tally()))
    }
}

impl Loop {
    fn tally(&self) -> Tally {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Tally {
    fn and(mut self, other: &Tally) -> Tally {
        self.resolutions += other.resolutions;
        self.failed += other.failed;
        self.first_failure = self.first_failure.or_else(|| other.first_failure.clone());
        self
    }

    fn count(&mut self, result: Result<(), String>) {
        self.resolutions += 1;
        if let Err(why) = result {
            self.failed += 1;
            self.first_failure.get_or_insert(why);
        }
    }
}

async fn resolve((transport, asap): (Transport, SocketAddr), number: usize, elements: usize, tally: Arc<Mutex<Tally>>) {
    let mut config = Config::of(Profile::Fast);
    // A registrar that lives answers, be it late: this machine does other things, too.
    (config.endpoint.t1_request, config.endpoint.connect_timeout) = (PATIENCE, PATIENCE);
    let builder = PoolUser::builder().config(config).transport(transport).registrar(asap.to_string());
    let user = match builder.build().await {
        Ok(user) => user,
        Err(error) => return count(&tally, Err(format!("registrar {number}: {error}"))),
    };
    loop {
        let result = match user.resolve_fresh(POOL, Items::All).await {
            Ok(pool) if pool.stale => Err("it does not answer".to_owned()),
            Ok(pool) if pool.elements.len() != elements => {
                Err(format!("{} pool elements instead of {elements}", pool.elements.len()))
            }
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        };
        count(&tally, result.map_err(|why| format!("registrar {number}: {why}")));
        tokio::time::sleep(PAUSE).await;
    }
}

fn count(tally: &Mutex<Tally>, result: Result<(), String>) {
    tally.lock().unwrap_or_else(PoisonError::into_inner).count(result);
}

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Between an answer and the next question.
const PAUSE: Duration = Duration::from_millis(2);
