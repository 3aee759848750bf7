// SPDX-License-Identifier: MIT OR Apache-2.0
//! What must hold all through a run, checked after every step.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use machine::Time;
use rsp_wire::{PeId, ServerId};

use super::takeovers::Enforced;
use super::{Bounds, Fault, Report};
use crate::world::{Host, World};

/// Looks at a world and panics when something does not hold.
#[derive(Debug)]
pub struct Watcher {
    /// How long things may take.
    pub bounds: Bounds,
    /// What has been seen.
    pub report: Report,
    pub(super) registrars: BTreeMap<Host, Registrar>,
    elements: BTreeMap<Host, Element>,
    /// Pool elements that are no more, and since when.
    dead: BTreeMap<PeId, Time>,
    active: Vec<Fault>,
    /// The last time a registrar came, went, or was cut off.
    registrars_changed: Time,
    /// The last time one could have been misled about others.
    misled: Time,
    /// The last time one read slowly.
    slow: Time,
    /// There was no registrar since then; and the last time that was so, with how long it had been.
    outage: Option<Time>,
    last_outage: (Time, Duration),
    /// Registrars that came, went, or were cut off, and pool elements that did.
    pub(super) registrar_events: u64,
    pub(super) element_events: u64,
    pub(super) enforced: Vec<Enforced>,
}

/// What is known of a registrar's process.
#[derive(Debug, Default)]
pub(super) struct Registrar {
    life: u32,
    pub(super) since: Time,
    pub(super) runs: bool,
    started: bool,
    /// Events and ENRP messages.
    seen: (usize, u64),
    pub(super) takeovers: usize,
    members: BTreeMap<PeId, ServerId>,
    /// ENRP messages of processes that are no more.
    messages_before: u64,
}

#[derive(Debug, Default)]
struct Element {
    life: u32,
    id: Option<PeId>,
    /// It can be reached by all registrars since then.
    answers: Option<Time>,
    /// Not to be judged before.
    spared_until: Time,
    absent: Option<Time>,
    /// Who had it at the last step.
    holders: BTreeSet<Host>,
    replies: usize,
}

impl Watcher {
    /// For a world in which nothing runs yet.
    pub fn new(world: &World) -> Self {
        Watcher {
            bounds: Bounds::of(&world.plan),
            report: Report::default(),
            registrars: (0..world.plan.registrars).map(|n| (Host::Registrar(n), Registrar::default())).collect(),
            elements: (0..world.plan.elements).map(|n| (Host::Element(n), Element::default())).collect(),
            dead: BTreeMap::new(),
            active: Vec::new(),
            registrars_changed: Time::ZERO,
            misled: Time::ZERO,
            slow: Time::ZERO,
            outage: None,
            last_outage: (Time::ZERO, Duration::ZERO),
            registrar_events: 0,
            element_events: 0,
            enforced: Vec::new(),
        }
    }

    /// A fault is about to begin.
    pub fn begins(&mut self, fault: &Fault, world: &World) {
        *self.report.faults.entry(fault.to_string()).or_default() += 1;
        self.active.push(fault.clone());
        self.note(fault, world);
    }

    /// It is over.
    pub fn ends(&mut self, fault: &Fault, world: &World) {
        self.active.retain(|other| other != fault);
        self.note(fault, world);
    }

    fn note(&mut self, fault: &Fault, world: &World) {
        let now = world.now();
        if fault.misleads() {
            self.misled = now;
        }
        if let Fault::Slow(Host::Registrar(_), _) = fault {
            self.slow = now;
        }
        for host in fault.hosts() {
            self.changed(host, now);
        }
    }

    /// This host came, went, or was cut off.
    pub fn changed(&mut self, host: Host, now: Time) {
        match host {
            Host::Registrar(_) => {
                self.registrar_events += 1;
                self.registrars_changed = now;
            }
            Host::Element(_) => {
                self.element_events += 1;
                let spared = now + self.bounds.element_gone + self.bounds.rehomed;
                if let Some(element) = self.elements.get_mut(&host) {
                    element.spared_until = spared;
                    element.answers = None;
                }
            }
            Host::User(_) => {}
        }
    }

    /// Lets time pass until then.
    pub fn watch(&mut self, world: &mut World, until: Time) {
        while world.now() < until {
            let tick = until.min(world.now() + TICK);
            world.run_until(tick, |world| {
                self.step(world);
                false
            });
            self.tick(world);
        }
    }

    /// Is anything active that may make one registrar believe of another what is not so, or was there so lately?
    pub(super) fn is_misled(&self, now: Time, lately: Duration) -> bool {
        self.active.iter().any(Fault::misleads) || now < self.misled + lately
    }

    /// Is a registrar so slow, or was one lately, that it does not see the answers of its pool elements in time?
    fn is_slow(&self, now: Time) -> bool {
        let slow = |fault: &Fault| matches!(fault, Fault::Slow(Host::Registrar(_), _));
        self.active.iter().any(slow) || now < self.slow + self.bounds.element_gone + self.bounds.rehomed
    }

    /// Whether something concerns this host now.
    pub(super) fn is_troubled(&self, host: Host) -> bool {
        self.active.iter().any(|fault| fault.hosts().any(|other| other == host))
    }

    fn step(&mut self, world: &World) {
        for host in self.registrars.keys().copied().collect::<Vec<_>>() {
            self.look_at_registrar(host, world);
        }
        let now = world.now();
        let serves = self.registrars.values().any(|registrar| registrar.runs && registrar.started);
        match (serves, self.outage) {
            (false, None) => self.outage = Some(now),
            (false, Some(since)) => self.last_outage = (now, now.since(since)),
            (true, _) => self.outage = None,
        }
        for host in self.elements.keys().copied().collect::<Vec<_>>() {
            self.look_at_element(host, world);
        }
    }

    fn look_at_registrar(&mut self, host: Host, world: &World) {
        let now = world.now();
        let registrar = self.registrars.get_mut(&host).expect("one of them");
        let life = world.life(host);
        if registrar.life != life {
            let messages_before = registrar.messages_before;
            *registrar = Registrar { life, since: now, messages_before, ..Registrar::default() };
        }
        registrar.runs = world.runs(host);
        if !registrar.runs {
            return;
        }
        let process = world.registrar(host);
        // A table that is downloaded changes the handlespace without an event for each PE.
        let seen = (process.events.len(), process.heard);
        if std::mem::replace(&mut registrar.seen, seen) == seen {
            return;
        }
        registrar.started = process.started;
        let members = world.members_at(host);
        let before = std::mem::replace(&mut registrar.members, members);
        let registrar = &self.registrars[&host];
        let dropped: Vec<PeId> = before.into_keys().filter(|id| !registrar.members.contains_key(id)).collect();
        for id in dropped {
            self.dropped(host, id, world);
        }
        self.look_at_takeovers(host, world);
    }

    /// A registrar does not know a pool element any more.
    fn dropped(&self, host: Host, id: PeId, world: &World) {
        let now = world.now();
        if self.is_misled(now, self.bounds.settle) || self.is_troubled(host) {
            return;
        }
        let Some((name, element)) = self.elements.iter().find(|(_, element)| element.id == Some(id)) else { return };
        if let Some(since) = element.answers.filter(|since| *since + self.bounds.element_gone < now) {
            panic!("{host} drops {id} ({name}), which answers since {since}");
        }
    }

    fn look_at_element(&mut self, host: Host, world: &World) {
        let now = world.now();
        let life = world.life(host);
        let troubled = self.is_troubled(host) || self.is_slow(now);
        let element = self.elements.get_mut(&host).expect("one of them");
        let runs = world.runs(host);
        let spared_until = element.spared_until;
        if element.life != life {
            if let Some(id) = element.id {
                self.dead.entry(id).or_insert(now);
            }
            *element = Element { life, spared_until, ..Element::default() };
        }
        if !runs {
            if let Some(id) = element.id {
                self.dead.entry(id).or_insert(now);
            }
            element.answers = None;
            return;
        }
        let process = world.element(host);
        element.id = Some(process.id);
        self.report.registrations += (process.registered - element.replies) as u64;
        element.replies = process.registered;
        if process.is_leaving() {
            if process.left {
                self.dead.entry(process.id).or_insert(now);
            }
            element.answers = None;
            return;
        }
        self.dead.remove(&process.id);
        let holders: BTreeSet<Host> = self
            .registrars
            .iter()
            .filter(|(_, registrar)| registrar.runs && registrar.members.contains_key(&process.id))
            .map(|(name, _)| *name)
            .collect();
        let held = !holders.is_empty();
        let before = std::mem::replace(&mut element.holders, holders);
        let Some(acknowledged) = process.acknowledged.filter(|_| !troubled && now >= element.spared_until) else {
            element.answers = None;
            element.absent = None;
            return;
        };
        let first = element.answers.is_none();
        let answers = *element.answers.get_or_insert(now);
        if held {
            element.absent = None;
            return;
        }
        // Whoever had it is dead or hangs: it is to find another home. Whoever has thrown it away has lost it.
        let at_fault = before.iter().find(|holder| self.registrars[*holder].runs).copied();
        if let Some(at_fault) = at_fault.filter(|_| !first) {
            panic!(
                "{host} ({}) answers since {answers}, and {at_fault}, the last to know it, has dropped it",
                process.id
            );
        }
        let absent = *element.absent.get_or_insert(now);
        let base = absent.max(self.registrars_changed).max(self.last_outage.0) + self.last_outage.1;
        self.report.unknown_longest = self.report.unknown_longest.max(now.since(absent));
        if base + self.bounds.rehomed < now {
            panic!(
                "{host} ({}) was acknowledged by {} and is known nowhere since {absent}, for more than {:?}",
                process.id, acknowledged.home, self.bounds.rehomed
            );
        }
    }

    /// What takes a while to check, or is only due some time.
    fn tick(&mut self, world: &World) {
        let now = world.now();
        for (host, registrar) in self.registrars.iter().filter(|(_, registrar)| registrar.runs) {
            let members = world.members_at(*host);
            assert_eq!(members, registrar.members, "{host}: the handlespace has changed, and nobody knows why");
        }
        let slow =
            self.active.iter().any(|fault| matches!(fault, Fault::Slow(..) | Fault::Stopped(Host::Registrar(_))));
        if !slow {
            self.check_dead(now);
        }
        if !self.is_misled(now, self.bounds.settle) && self.registrars_changed + self.bounds.settle < now {
            self.check_everywhere(now);
        }
    }

    fn check_dead(&self, now: Time) {
        let bound = self.bounds.orphan_gone;
        for (id, since) in &self.dead {
            if (*since).max(self.registrars_changed) + bound >= now {
                continue;
            }
            let knows = |(_, registrar): &(&Host, &Registrar)| registrar.runs && registrar.members.contains_key(id);
            if let Some((host, _)) = self.registrars.iter().find(knows) {
                panic!("{host} knows {id}, which is dead since {since}, for more than {bound:?}");
            }
        }
    }

    fn check_everywhere(&self, now: Time) {
        for (name, element) in &self.elements {
            let (Some(id), Some(since)) = (element.id, element.answers) else { continue };
            if since + self.bounds.settle >= now {
                continue;
            }
            let lacks = |(_, registrar): &(&Host, &Registrar)| {
                registrar.runs && registrar.started && !registrar.members.contains_key(&id)
            };
            if let Some((host, _)) = self.registrars.iter().find(lacks) {
                panic!("{host} does not know {id} ({name}), which answers since {since}");
            }
        }
    }

    /// The end of a run.
    pub fn finish(mut self, world: &World) -> Report {
        for user in world.hosts().filter(|host| matches!(host, Host::User(_))) {
            for ledger in world.user(user).ledgers() {
                assert!(ledger.wrong.is_empty(), "{user}: {:?}", ledger.wrong);
                // One that never found anybody tells its application at once, and has promised nothing.
                if ledger.ended.is_some() && ledger.outstanding() == ledger.asked() {
                    continue;
                }
                assert_eq!(ledger.ended, None, "{user}: a session has ended");
                assert!(ledger.returned.is_empty(), "{user}: {:?}", ledger.returned);
                assert!(ledger.outstanding() < 100, "{user}: {} requests are not answered", ledger.outstanding());
                self.report.answered += ledger.asked() - ledger.outstanding();
            }
        }
        self.report.seeds = 1;
        self.report.time = world.now().since(Time::ZERO);
        self.report.settled_most = per_mille(self.report.settled_longest.as_micros(), self.bounds.settle.as_micros());
        self.count_messages(world);
        self.report
    }

    /// No message storm: what was said is bounded by what happened.
    fn count_messages(&mut self, world: &World) {
        let sent = world.enrp_messages();
        let (registrars, elements) = (u64::from(world.plan.registrars), u64::from(world.plan.elements));
        let allowed = self.registrar_events * EVENT_FACTOR * registrars * (registrars + elements)
            + (self.report.registrations + self.element_events) * 4 * registrars;
        self.report.messages = sent;
        self.report.messages_allowed = allowed;
        self.report.messages_most = per_mille(sent.into(), allowed.into());
        assert!(
            sent <= allowed,
            "{sent} ENRP messages but presences, {allowed} may be, after {} events of registrars, {} of PEs and {} registrations",
            self.registrar_events,
            self.element_events,
            self.report.registrations
        );
    }
}

fn per_mille(part: u128, whole: u128) -> u64 {
    (part * 1_000 / whole.max(1)) as u64
}

/// Between two looks at what takes a while to check.
const TICK: Duration = Duration::from_millis(250);
/// An event of a registrar may cost so many messages for each pair of registrars, and for each PE and registrar.
const EVENT_FACTOR: u64 = 4;
