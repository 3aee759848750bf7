// SPDX-License-Identifier: MIT OR Apache-2.0
//! Being in a pool as long as it is wanted: joins, leaves, and tries again where no registrar answers.

use std::time::Duration;

use rserpool::{Error, PeId, Policy, PoolElement, PoolElementBuilder};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::events::Events;

/// Whether a server is to be in its pool, and whether it is.
#[derive(Debug)]
pub(super) struct Membership {
    wanted: watch::Sender<bool>,
    load: watch::Sender<Option<f64>>,
    inside: watch::Receiver<bool>,
    task: JoinHandle<Error>,
}

impl Membership {
    /// Outside at first. `builder` makes the pool element anew each time it joins.
    pub(super) fn new(
        id: Option<PeId>,
        policy: Policy,
        events: Events,
        builder: impl Fn(Policy) -> PoolElementBuilder + Send + 'static,
    ) -> Self {
        let (wanted, is_wanted) = watch::channel(false);
        let (load, loads) = watch::channel(None);
        let (now_inside, inside) = watch::channel(false);
        let member = Member { wanted: is_wanted, loads, inside: now_inside, id, policy, events };
        Membership { wanted, load, inside, task: tokio::spawn(member.run(builder)) }
    }

    /// To be in the pool, or not.
    pub(super) fn want(&self, inside: bool) {
        self.wanted.send_replace(inside);
    }

    /// Takes the load from now on.
    pub(super) fn load(&self) -> watch::Sender<Option<f64>> {
        self.load.clone()
    }

    /// Leaves the pool; ready when it has been left. Answers whether it was inside.
    pub(super) async fn leave(&mut self) -> bool {
        self.want(false);
        let was_inside = *self.inside.borrow_and_update();
        // An error means that its task is over, and the pool element with it.
        let _ = self.inside.wait_for(|inside| !inside).await;
        was_inside
    }

    /// The registrar refuses, and would do so again. Cancel-safe.
    pub(super) async fn refused(&mut self) -> Error {
        (&mut self.task).await.unwrap_or(Error::Closed)
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Member {
    wanted: watch::Receiver<bool>,
    loads: watch::Receiver<Option<f64>>,
    inside: watch::Sender<bool>,
    /// It comes back as who it was.
    id: Option<PeId>,
    policy: Policy,
    events: Events,
}

impl Member {
    /// Comes back with what can't be mended by trying again.
    async fn run(mut self, builder: impl Fn(Policy) -> PoolElementBuilder) -> Error {
        loop {
            if self.wanted.wait_for(|wanted| *wanted).await.is_err() {
                return Error::Closed;
            }
            if let Some(load) = *self.loads.borrow_and_update() {
                self.policy = self.policy.with_load(load);
            }
            let mut builder = builder(self.policy);
            if let Some(id) = self.id {
                builder = builder.id(id);
            }
            let result = tokio::select! {
                result = builder.register() => result,
                // Registering undoes itself.
                () = unwanted(&mut self.wanted) => continue,
            };
            match result {
                Ok(pe) => self.stay(pe).await,
                Err(error @ (Error::Rejected(_) | Error::Config(_) | Error::NotAvailable { .. })) => return error,
                Err(error) => {
                    self.events.not_joined(&error);
                    tokio::select! {
                        () = tokio::time::sleep(AGAIN) => {}
                        () = unwanted(&mut self.wanted) => {}
                    }
                }
            }
        }
    }

    /// Inside, until it is not wanted any more.
    async fn stay(&mut self, pe: PoolElement) {
        self.inside.send_replace(true);
        self.events.registered(&pe);
        let mut home = pe.home_registrar();
        loop {
            tokio::select! {
                biased;
                () = unwanted(&mut self.wanted) => break,
                Some(now) = pe.home_other_than(home) => {
                    self.events.rehomed(pe.handle(), now);
                    home = Some(now);
                }
                Ok(()) = self.loads.changed() => {
                    let load = *self.loads.borrow_and_update();
                    let policy = load.map_or(pe.policy(), |load| pe.policy().with_load(load));
                    // The same policy with another value is never refused.
                    let _ = pe.update(policy).await;
                }
            }
        }
        // What was set at run time (`rsp pe set`) holds when it comes back.
        (self.id, self.policy) = (Some(pe.handle().id), pe.policy());
        // No answer in time: the registrar finds out by itself.
        let _ = pe.deregister().await;
        drop(pe);
        self.inside.send_replace(false);
        self.events.left();
    }
}

/// To be out of the pool, or gone.
async fn unwanted(wanted: &mut watch::Receiver<bool>) {
    drop(wanted.wait_for(|wanted| !wanted).await);
}

/// Until joining is tried again; joining itself has asked every registrar several times.
const AGAIN: Duration = Duration::from_secs(1);
