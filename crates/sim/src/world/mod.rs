// SPDX-License-Identifier: MIT OR Apache-2.0
//! Registrars, pool elements and pool users on a virtual network: the real machines over the real TCP mapping, in virtual time, with faults.
//!
//! Everything follows from the plan and the seed. [`replay`] runs a scenario, and once more with its dialogue if it fails.

mod broken;
mod dialogue;
mod faults;
mod host;
mod ledger;
mod plan;
mod pool_element;
mod pool_user;
mod registrar;
mod replay;
mod traffic;
mod view;

use std::collections::BTreeMap;
use std::time::Duration;

use machine::{Rng, Time};
use rsp_core::endpoint::Endpoint;
use rsp_core::registrar::Registrar;
use rsp_core::session::{PuOptions, PuSession};
use rsp_wire::{PeId, ServerId};

pub use broken::{BrokenRegistrar, Rule};
pub use dialogue::Dialogue;
pub use host::Host;
pub use ledger::{Ledger, Move};
pub use plan::{Peering, Plan, Workload};
pub use pool_element::{Acknowledged, ElementProcess};
pub use pool_user::UserProcess;
pub use registrar::RegistrarProcess;
pub use replay::replay;
pub use traffic::{Count, Kind, Said, Traffic};
pub use view::PeerView;

use crate::network::{Awake, Group, Kernel, Network};
use host::{Clock, Machine, Process};
use plan::{ENRP_PORT, PE_PORT, endpoint_config, pe_transport, pool, session_config};

/// The hosts, the wires and the time.
#[derive(Debug)]
pub struct World {
    /// What it was made of.
    pub plan: Plan,
    /// For the scenario's own choices.
    pub rng: Rng,
    now: Time,
    hosts: BTreeMap<Host, Machine>,
    network: Network,
    dialogue: Dialogue,
    processes: u32,
    /// Who each registrar was last.
    identities: BTreeMap<Host, ServerId>,
    /// What registrars have said that are no more.
    traffic_before: Traffic,
}

impl World {
    /// All hosts of the plan. The processes of registrars and pool elements run, unless the plan says that the scenario starts them.
    pub fn new(plan: Plan, seed: u64, dialogue: Dialogue) -> Self {
        let mut rng = Rng::new(seed);
        let network = Network::new(plan.boxes.clone(), rng.next_u64());
        let registrars = (0..plan.registrars).map(Host::Registrar);
        let names: Vec<Host> =
            registrars.chain((0..plan.elements).map(Host::Element)).chain((0..plan.users).map(Host::User)).collect();
        let hosts = names.iter().map(|name| (*name, new_host(*name, &plan, &mut rng))).collect();
        let mut world = World {
            plan,
            rng,
            now: Time::ZERO,
            hosts,
            network,
            dialogue,
            processes: 0,
            identities: BTreeMap::new(),
            traffic_before: Traffic::default(),
        };
        if !world.plan.all_off {
            for name in names.into_iter().filter(|name| !matches!(name, Host::User(_))) {
                world.start(name);
            }
        }
        world
    }

    /// The time.
    pub fn now(&self) -> Time {
        self.now
    }

    /// The last lines of the dialogue.
    pub fn dialogue(&self) -> &Dialogue {
        &self.dialogue
    }

    /// Starts the host's process anew: it remembers nothing.
    pub fn start(&mut self, name: Host) {
        self.kill(name);
        self.network.power(name.address(), true, self.now);
        self.say(name, "starts");
        let seed = self.rng.next_u64();
        self.processes += 1;
        let process = match name {
            Host::Registrar(_) => {
                let id = ServerId(1 + self.rng.below(u64::from(u32::MAX)) as u32);
                Process::Registrar(self.new_registrar(name, id, seed))
            }
            Host::Element(n) => Process::Element(self.new_element(n, seed)),
            Host::User(_) => Process::User(self.new_user(name, seed)),
        };
        self.run_process(name, process);
    }

    /// Starts the host's registrar with the identifier it had before, as one has that keeps it in its configuration.
    pub fn start_as_before(&mut self, name: Host) {
        let Some(id) = self.identities.get(&name).copied() else { return self.start(name) };
        self.kill(name);
        self.network.power(name.address(), true, self.now);
        self.say(name, "starts as before");
        let seed = self.rng.next_u64();
        let registrar = self.new_registrar(name, id, seed);
        self.run_process(name, Process::Registrar(registrar));
    }

    fn new_registrar(&mut self, name: Host, id: ServerId, seed: u64) -> Box<RegistrarProcess> {
        self.identities.insert(name, id);
        let mut settings = self.plan.registrar.clone();
        settings.multicast = self.plan.multicast;
        let machine = Registrar::new(id, settings, vec![name.address()], seed);
        let now = self.clock(name);
        Box::new(RegistrarProcess::new(machine, name, &self.plan, now))
    }

    fn new_element(&self, n: u16, seed: u64) -> Box<ElementProcess> {
        let plan = &self.plan;
        let id = PeId(if plan.fixed_ids { 1_000 + u32::from(n) } else { self.processes });
        Box::new(ElementProcess::new(id, Host::Element(n).address(), plan, seed))
    }

    fn new_user(&self, name: Host, seed: u64) -> Box<UserProcess> {
        let plan = &self.plan;
        let options = PuOptions { failover: true, hold_failover: plan.workload.callback.is_some(), separate: false };
        let sessions = (0..plan.sessions).map(|n| PuSession::new(plan.session.clone(), options, seed ^ u64::from(n)));
        let (towards_registrars, towards_elements) = (plan.endpoint.clone(), plan.session.clone());
        let endpoint = Endpoint::new(plan.endpoint.clone(), plan.registrar_addresses(), seed);
        let now = self.clock(name);
        Box::new(UserProcess::new(endpoint, towards_registrars, towards_elements, plan.workload, sessions, now))
    }

    fn run_process(&mut self, name: Host, process: Process) {
        let host = self.hosts.get_mut(&name).expect("a host of the plan");
        match process {
            // It serves ASAP when it has initialized itself.
            Process::Registrar(_) => host.kernel.listen(ENRP_PORT),
            Process::Element(_) => host.kernel.listen(PE_PORT),
            Process::User(_) => {}
        }
        if self.plan.multicast {
            self.network.join(Group::Asap, name.address());
        }
        if let Process::Registrar(_) = process
            && self.plan.enrp_multicast()
        {
            self.network.join(Group::Enrp, name.address());
        }
        host.process = Some(process);
        host.life += 1;
        host.next = Some(self.now);
    }

    /// What the host's clock shows.
    fn clock(&self, name: Host) -> Time {
        self.hosts.get(&name).map_or(self.now, |host| host.clock.read(self.now))
    }

    /// Lets time pass.
    pub fn run(&mut self, time: Duration) {
        self.run_until(self.now + time, |_| false);
    }

    /// Lets time pass until `done`, at most for `most`; answers how long it took, or `None` if it did not happen.
    pub fn run_while(&mut self, most: Duration, goes_on: impl Fn(&World) -> bool) -> Option<Duration> {
        let start = self.now;
        self.run_until(start + most, |world| !goes_on(world));
        (!goes_on(self)).then(|| self.now.since(start))
    }

    /// Lets time pass until then, or until `done`, which is asked after every step.
    pub fn run_until(&mut self, end: Time, mut done: impl FnMut(&World) -> bool) {
        let mut instant = (self.now, 0);
        while !done(self) {
            let deadlines = self.hosts.values().filter(|host| host.is_awake()).filter_map(|host| host.next);
            let next = deadlines.chain(self.network.next()).min().filter(|next| *next <= end);
            let Some(next) = next else {
                self.now = end;
                return;
            };
            self.now = self.now.max(next);
            instant = if instant.0 == self.now { (self.now, instant.1 + 1) } else { (self.now, 0) };
            assert!(instant.1 < MOST_STEPS, "time does not pass at {}", self.now);
            self.deliver();
            let due: Vec<Host> = self
                .hosts
                .iter()
                .filter(|(_, host)| host.is_awake() && host.next.is_some_and(|next| next <= self.now))
                .map(|(name, _)| *name)
                .collect();
            for name in due {
                self.wake(name);
            }
        }
    }

    /// What has arrived goes to the kernels.
    fn deliver(&mut self) {
        let now = self.now;
        while let Some(arrival) = self.network.arrive(now) {
            let Some(host) = Host::at(arrival.host).and_then(|name| self.hosts.get_mut(&name)) else { continue };
            if host.kernel.arrived(arrival, &mut self.network, now) {
                host.next = Some(now);
            }
        }
        while let Some(datagram) = self.network.datagram(now) {
            let Some(host) = Host::at(datagram.host).and_then(|name| self.hosts.get_mut(&name)) else { continue };
            if host.kernel.datagram_arrived(datagram) {
                host.next = Some(now);
            }
        }
    }

    fn wake(&mut self, name: Host) {
        let Some(host) = self.hosts.get_mut(&name).filter(|host| !host.stopped) else { return };
        let Some(process) = &mut host.process else { return };
        self.dialogue.speaker(name);
        let awake = &mut Awake {
            now: host.clock.read(self.now),
            at: self.now,
            kernel: &mut host.kernel,
            network: &mut self.network,
            dialogue: &mut self.dialogue,
        };
        let deadline = match process {
            Process::Registrar(process) => {
                let deadline = process.wake(awake);
                if process.left {
                    return self.kill(name);
                }
                deadline
            }
            Process::Element(process) => process.wake(awake),
            Process::User(process) => process.wake(awake),
        };
        let deadline = deadline.map(|deadline| host.clock.when(deadline));
        host.next = deadline.into_iter().chain(host.kernel.read_again(self.now)).min();
    }

    fn say(&mut self, name: Host, what: &str) {
        self.dialogue.speaker(name);
        let now = self.now;
        self.dialogue.say(now, || format!("*** {what}"));
    }
}

/// Steps without any time passing.
const MOST_STEPS: u32 = 10_000;

fn new_host(name: Host, plan: &Plan, rng: &mut Rng) -> Machine {
    let clock = match plan.drift {
        0 => Clock::default(),
        drift => Clock::new(rng.below(1 << 40), rng.below(2 * drift + 1) as i64 - drift as i64),
    };
    Machine { kernel: Kernel::new(name.address()), clock, process: None, life: 0, stopped: false, next: None }
}
