// SPDX-License-Identifier: MIT OR Apache-2.0
//! Takeovers, as their messages show them: nobody takes over who lives, and one registrar takes over who does not.

use machine::Time;
use rsp_wire::ServerId;

use super::Watcher;
use super::watcher::Registrar;
use crate::world::{Host, Kind, World};

/// A takeover that was enforced.
#[derive(Debug, Clone, Copy)]
pub(super) struct Enforced {
    at: Time,
    by: Host,
    target: ServerId,
}

impl Watcher {
    /// New words about takeovers.
    pub(super) fn look_at_takeovers(&mut self, host: Host, world: &World) {
        let seen = self.registrars[&host].takeovers;
        let said = &world.registrar(host).traffic.takeovers;
        for word in &said[seen..] {
            if word.kind == Kind::Enforce {
                self.enforces(host, word.target, word.at, world);
            }
        }
        let seen = said.len();
        self.registrars.get_mut(&host).expect("one of them").takeovers = seen;
    }

    /// Everybody who has been there for long has said yes.
    fn check_agreement(&self, by: Host, target: ServerId, at: Time, world: &World) {
        let there = |(name, registrar): &(&Host, &Registrar)| {
            **name != by
                && world.server_id(**name) != Some(target)
                && registrar.runs
                && registrar.since + self.bounds.taken_over < at
                && !self.is_troubled(**name)
        };
        let agreed = |name: &Host| {
            let said = &world.registrar(*name).traffic.takeovers;
            said.iter()
                .any(|it| it.kind == Kind::Ack && it.target == target && at.since(it.at) < self.bounds.taken_over)
        };
        if let Some((name, _)) = self.registrars.iter().filter(there).find(|(name, _)| !agreed(name)) {
            panic!("{by} takes over {target}, and {name} has not agreed");
        }
    }

    fn enforces(&mut self, by: Host, target: ServerId, at: Time, world: &World) {
        // The same words go to each peer.
        if self.enforced.iter().any(|it| it.by == by && it.target == target && at.since(it.at) < self.bounds.way * 2) {
            return;
        }
        self.report.takeovers += 1;
        let bound = self.bounds.taken_over;
        if !self.is_misled(at, bound) {
            let is_target = |(host, _): &(&Host, &Registrar)| world.server_id(**host) == Some(target);
            if let Some((name, registrar)) = self.registrars.iter().find(is_target)
                && registrar.runs
                && registrar.since + bound < at
                && !self.is_troubled(*name)
            {
                panic!("{by} takes over {name} ({target}), which lives since {}", registrar.since);
            }
            let before = self.enforced.iter().find(|it| it.target == target && it.by != by && at.since(it.at) < bound);
            let lived_since = |before: &Enforced| {
                self.registrars.iter().filter(is_target).any(|(_, registrar)| registrar.since > before.at)
            };
            // One that was just joining has it from its mentor's table, which was on its way when the takeover was enforced.
            let was_joining = |before: &Enforced| self.registrars[&by].since + bound > before.at;
            let again = before
                .filter(|before| self.registrars[&before.by].runs && !lived_since(before) && !was_joining(before));
            if let Some(before) = again {
                panic!("{by} takes over {target}, which {} has done at {}", before.by, before.at);
            }
            self.check_agreement(by, target, at, world);
        }
        self.enforced.push(Enforced { at, by, target });
    }
}
