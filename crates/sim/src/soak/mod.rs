// SPDX-License-Identifier: MIT OR Apache-2.0
//! Registrars that replace each other, under faults, by seed: `make soak`.
//!
//! A seed gives a world ([`plan()`]), a list of faults ([`Fault`]) and what must hold all through ([`Watcher`]) and at rest (`rest.rs`), each within
//! a bound computed from the settings ([`Bounds`]). A seed that fails prints its dialogue.

mod bounds;
mod faults;
mod plan;
mod report;
mod rest;
mod takeovers;
mod watcher;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use machine::Time;

pub use bounds::Bounds;
pub use faults::{Fault, Palette};
pub use plan::{Seed, plan};
pub use report::Report;
pub use watcher::Watcher;

use crate::world::{Dialogue, Host, Rule, World, replay};
use faults::Trouble;

/// Runs a seed.
///
/// # Panics
/// If something does not hold; its dialogue is on standard error then.
pub fn run(seed: u64) -> Report {
    let plan = plan(seed);
    let report = RefCell::new(Report::default());
    replay(&plan.world, seed, |world| *report.borrow_mut() = scenario(world, &plan, None));
    report.into_inner()
}

/// Runs a seed with registrars that break a rule, and answers what has been noticed.
pub fn violation(seed: u64, rule: Rule) -> Option<String> {
    let plan = plan(seed);
    let mut world = World::new(plan.world.clone(), seed, Dialogue::default());
    let panic = catch_unwind(AssertUnwindSafe(|| scenario(&mut world, &plan, Some(rule)))).err()?;
    let text = panic.downcast_ref::<String>().cloned();
    Some(text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default())
}

fn scenario(world: &mut World, seed: &Seed, rule: Option<Rule>) -> Report {
    let mut soak = Soak { watcher: Watcher::new(world), trouble: Trouble::new(seed.palette), rule };
    soak.begin(world, seed);
    soak.rest(world, "after the start");
    (0..world.plan.users).for_each(|n| world.start(Host::User(n)));
    let end = world.now() + seed.trouble;
    while world.now() < end {
        let pause = Duration::from_millis(10 + world.rng.below(seed.pause.as_millis() as u64));
        soak.pass(world, pause);
        soak.trouble.begin_one(world, &mut soak.watcher);
    }
    soak.end_all(world);
    soak.rest(world, "after the faults");
    if seed.survivor {
        soak.all_but_one(world);
        soak.rest(world, "with one registrar left");
    }
    soak.watcher.finish(world)
}

/// A run that goes on.
struct Soak {
    watcher: Watcher,
    trouble: Trouble,
    rule: Option<Rule>,
}

impl Soak {
    /// Everything is switched on, at once or one after the other.
    fn begin(&mut self, world: &mut World, seed: &Seed) {
        let mut starts: Vec<(Time, Host)> = Vec::new();
        for host in world.hosts().collect::<Vec<_>>() {
            let at = match host {
                Host::Registrar(_) => world.rng.below(1 + seed.start_within.as_millis() as u64),
                Host::Element(_) => world.rng.below(1 + seed.start_within.as_millis() as u64 * 2),
                // There must be somebody to serve them.
                Host::User(_) => continue,
            };
            starts.push((Time::from_millis(at), host));
        }
        starts.sort_unstable();
        for (at, host) in starts {
            self.pass(world, at.since(world.now()));
            world.start(host);
            self.watcher.changed(host, world.now());
            if let (Host::Registrar(_), Some(rule)) = (host, self.rule) {
                world.break_rule(host, rule);
            }
        }
    }

    /// Lets time pass; faults end when they are due.
    fn pass(&mut self, world: &mut World, time: Duration) {
        let end = world.now() + time;
        while world.now() < end {
            let next = self.trouble.next_end().filter(|next| *next < end).unwrap_or(end);
            self.watcher.watch(world, next);
            self.trouble.end_due(world, &mut self.watcher, self.rule);
        }
    }

    fn end_all(&mut self, world: &mut World) {
        while let Some(next) = self.trouble.next_end() {
            self.pass(world, next.since(world.now()).max(Duration::from_millis(1)));
        }
        self.trouble.start_all(world, &mut self.watcher, self.rule);
    }

    fn all_but_one(&mut self, world: &mut World) {
        let survivor = world.rng.below(world.plan.registrars.into()) as u16;
        for other in (0..world.plan.registrars).filter(|other| *other != survivor).map(Host::Registrar) {
            if world.rng.below(2) == 0 {
                world.kill(other)
            } else {
                world.crash(other)
            }
            self.watcher.changed(other, world.now());
        }
    }

    /// Within the bound everything agrees, and then nothing is said but that everybody lives.
    fn rest(&mut self, world: &mut World, when: &str) {
        let start = world.now();
        let end = start + self.watcher.bounds.settle;
        let mut disagreement = rest::disagreement(world);
        while disagreement.is_some() && world.now() < end {
            self.watcher.watch(world, world.now() + Duration::from_millis(50));
            disagreement = rest::disagreement(world);
        }
        if let Some(disagreement) = disagreement {
            panic!("{when}: no agreement within {:?}: {disagreement}", self.watcher.bounds.settle);
        }
        self.watcher.report.settled(world.now().since(start));
        rest::quiet(world, &mut self.watcher, when);
    }
}
