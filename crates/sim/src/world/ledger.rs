// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an application keeps about its requests: asked, answered, and with which outcome.

use std::collections::BTreeMap;
use std::time::Duration;

use machine::Time;
use rsp_core::session::{Cause, Outcome, SessionError};
use rsp_wire::PeId;

/// The requests of one session, numbered from 1.
#[derive(Debug, Default)]
pub struct Ledger {
    requests: Vec<Entry>,
    settled: u64,
    /// Moves from one PE to the next.
    pub failovers: Vec<Move>,
    /// PEs reported as unreachable.
    pub reports: Vec<(Time, PeId)>,
    /// Acknowledgements and answers that nobody waited for.
    pub stray: u64,
    /// The end.
    pub ended: Option<(Time, Result<(), SessionError>)>,
    /// What must never happen, and did.
    pub wrong: Vec<String>,
    /// Outcomes other than an acknowledgement, by request.
    pub returned: BTreeMap<u64, String>,
}

/// A failover as the application saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    /// When it was complete.
    pub at: Time,
    /// The PE left.
    pub from: PeId,
    /// The new one.
    pub to: PeId,
    /// Why.
    pub cause: Cause,
}

#[derive(Debug)]
struct Entry {
    asked: Time,
    answered: Option<Time>,
    outcome: bool,
}

impl Ledger {
    /// Requests asked.
    pub fn asked(&self) -> u64 {
        self.requests.len() as u64
    }

    /// Requests without outcome or answer.
    pub fn outstanding(&self) -> u64 {
        self.asked() - self.settled
    }

    /// Every request has its answer and its outcome.
    pub fn is_settled(&self) -> bool {
        self.outstanding() == 0
    }

    /// The longest any answer took.
    pub fn longest(&self) -> Duration {
        let times = self.requests.iter().filter_map(|entry| Some(entry.answered?.since(entry.asked)));
        times.max().unwrap_or_default()
    }

    pub(super) fn ask(&mut self, now: Time) -> u64 {
        self.requests.push(Entry { asked: now, answered: None, outcome: false });
        self.asked()
    }

    pub(super) fn answered(&mut self, number: u64, now: Time) {
        self.change(number, |entry| match entry.answered.replace(now) {
            None => Ok(()),
            Some(before) => Err(format!("answered a second time, first at {before}")),
        });
    }

    pub(super) fn outcome(&mut self, number: u64, outcome: &Outcome) {
        match outcome {
            Outcome::Acknowledged(_) => {}
            Outcome::Delivered(_) => drop(self.returned.insert(number, "delivered without an answer".to_owned())),
            Outcome::Returned(_, reason) => drop(self.returned.insert(number, reason.to_string())),
        }
        self.change(number, |entry| match std::mem::replace(&mut entry.outcome, true) {
            false => Ok(()),
            true => Err("a second outcome".to_owned()),
        });
    }

    pub(super) fn failed_over(&mut self, at: Time, from: PeId, to: PeId, cause: Cause) {
        self.failovers.push(Move { at, from, to, cause });
    }

    fn change(&mut self, number: u64, change: impl FnOnce(&mut Entry) -> Result<(), String>) {
        let index = number.wrapping_sub(1) as usize;
        let Some(entry) = self.requests.get_mut(index) else {
            return self.wrong.push(format!("request {number} was never asked"));
        };
        if let Err(wrong) = change(entry) {
            return self.wrong.push(format!("request {number}: {wrong}"));
        }
        if entry.outcome && entry.answered.is_some() {
            self.settled += 1;
        }
    }
}
