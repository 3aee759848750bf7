// SPDX-License-Identifier: MIT OR Apache-2.0
//! Takeovers, as their messages show them: nobody takes over who lives, and one registrar takes over who does not.

use machine::Time;
use rsp_wire::ServerId;

use super::Watcher;
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

    fn enforces(&mut self, by: Host, target: ServerId, at: Time, world: &World) {
        // The same words go to each peer.
        if self.enforced.iter().any(|it| it.by == by && it.target == target && at.since(it.at) < self.bounds.way * 2) {
            return;
        }
        self.report.takeovers += 1;
        let bound = self.bounds.taken_over;
        if !self.is_misled(at) {
            let is_target = |(host, _): &(&Host, &super::watcher::Registrar)| world.server_id(**host) == Some(target);
            if let Some((name, registrar)) = self.registrars.iter().find(is_target)
                && registrar.runs
                && registrar.since + bound < at
                && !self.is_troubled(*name)
            {
                panic!("{by} takes over {name} ({target}), which lives since {}", registrar.since);
            }
            let before = self.enforced.iter().find(|it| it.target == target && it.by != by && at.since(it.at) < bound);
            if let Some(before) = before.filter(|before| self.registrars[&before.by].runs) {
                panic!("{by} takes over {target}, which {} has done at {}", before.by, before.at);
            }
        }
        self.enforced.push(Enforced { at, by, target });
    }
}
