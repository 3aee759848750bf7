// SPDX-License-Identifier: MIT OR Apache-2.0
//! What runs have shown, added up.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// What happened in one run, or in many.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// Runs.
    pub seeds: u64,
    /// Virtual time.
    pub time: Duration,
    /// Faults by kind.
    pub faults: BTreeMap<String, u64>,
    /// Registrations that were acknowledged.
    pub registrations: u64,
    /// Takeovers that were enforced.
    pub takeovers: u64,
    /// ENRP messages but presences.
    pub messages: u64,
    /// What the bound allowed.
    pub messages_allowed: u64,
    /// The largest part of its bound a run used, in messages, per mille.
    pub messages_most: u64,
    /// The longest time a PE was known nowhere that lived.
    pub unknown_longest: Duration,
    /// The longest time until all agreed.
    pub settled_longest: Duration,
    /// The largest part of its bound that was, per mille.
    pub settled_most: u64,
    /// Requests of pool users that were answered.
    pub answered: u64,
}

impl Report {
    pub(super) fn settled(&mut self, time: Duration) {
        self.settled_longest = self.settled_longest.max(time);
    }

    /// Adds another.
    pub fn add(&mut self, other: &Report) {
        self.seeds += other.seeds;
        self.time += other.time;
        for (fault, count) in &other.faults {
            *self.faults.entry(fault.clone()).or_default() += count;
        }
        self.registrations += other.registrations;
        self.takeovers += other.takeovers;
        self.messages += other.messages;
        self.messages_allowed += other.messages_allowed;
        self.messages_most = self.messages_most.max(other.messages_most);
        self.unknown_longest = self.unknown_longest.max(other.unknown_longest);
        self.settled_longest = self.settled_longest.max(other.settled_longest);
        self.settled_most = self.settled_most.max(other.settled_most);
        self.answered += other.answered;
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} seeds, {:.1} hours of virtual time", self.seeds, self.time.as_secs_f64() / 3600.0)?;
        for (fault, count) in &self.faults {
            writeln!(f, "  {count:>6} {fault}")?;
        }
        writeln!(f, "{} registrations, {} takeovers", self.registrations, self.takeovers)?;
        writeln!(
            f,
            "{} ENRP messages but presences, {} allowed; at most {:.1} % of what a run may",
            self.messages,
            self.messages_allowed,
            self.messages_most as f64 / 10.0
        )?;
        writeln!(f, "a PE known nowhere for {:?} at most", self.unknown_longest)?;
        writeln!(
            f,
            "all agreed after {:?} at most, {:.1} % of what it may take",
            self.settled_longest,
            self.settled_most as f64 / 10.0
        )?;
        write!(f, "{} requests of pool users answered, each once", self.answered)
    }
}
