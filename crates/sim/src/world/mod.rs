// SPDX-License-Identifier: MIT OR Apache-2.0
//! Registrars, pool elements and pool users on a virtual network: the real machines over the real TCP mapping, in virtual time, with faults.
//!
//! Everything follows from the plan and the seed. [`replay`] runs a scenario, and once more with its dialogue if it fails.

mod dialogue;
mod ledger;
mod plan;
mod pool_element;
mod pool_user;
mod registrar;
mod replay;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use machine::{Rng, Time};
use rsp_core::endpoint::Endpoint;
use rsp_core::registrar::Registrar;
use rsp_core::session::{PuOptions, PuSession};
use rsp_wire::{PeId, ServerId};

pub use dialogue::Dialogue;
pub use ledger::{Ledger, Move};
pub use plan::{Plan, Workload};
pub use pool_element::ElementProcess;
pub use pool_user::UserProcess;
pub use registrar::RegistrarProcess;
pub use replay::replay;

use crate::network::{Awake, Kernel, Network};
use plan::{ASAP_PORT, PE_PORT, endpoint_config, pe_transport, pool, session_config};

/// Names a host; counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// Runs a registrar.
    Registrar(u8),
    /// Runs a pool element.
    Element(u8),
    /// Runs a pool user.
    User(u8),
}

impl Host {
    /// Its address.
    pub fn address(self) -> IpAddr {
        let (net, host) = match self {
            Host::Registrar(n) => (0, n),
            Host::Element(n) => (1, n),
            Host::User(n) => (2, n),
        };
        IpAddr::from([10, 0, net, host + 1])
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Registrar(n) => write!(f, "r{n}"),
            Host::Element(n) => write!(f, "pe{n}"),
            Host::User(n) => write!(f, "pu{n}"),
        }
    }
}

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
}

/// A host.
#[derive(Debug)]
struct Machine {
    kernel: Kernel,
    process: Option<Process>,
    stopped: bool,
    next: Option<Time>,
}

#[derive(Debug)]
enum Process {
    Registrar(Box<RegistrarProcess>),
    Element(Box<ElementProcess>),
    User(Box<UserProcess>),
}

impl World {
    /// All hosts of the plan, their processes started.
    pub fn new(plan: Plan, seed: u64, dialogue: Dialogue) -> Self {
        let mut rng = Rng::new(seed);
        let network = Network::new(plan.boxes.clone(), rng.next_u64());
        let registrars = (0..plan.registrars).map(Host::Registrar);
        let names: Vec<Host> =
            registrars.chain((0..plan.elements).map(Host::Element)).chain((0..plan.users).map(Host::User)).collect();
        let host = |name: &Host| {
            let kernel = Kernel::new(name.address());
            (*name, Machine { kernel, process: None, stopped: false, next: None })
        };
        let hosts = names.iter().map(host).collect();
        let mut world = World { plan, rng, now: Time::ZERO, hosts, network, dialogue, processes: 0 };
        for name in names.into_iter().filter(|name| !matches!(name, Host::User(_))) {
            world.start(name);
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
        self.say(name, "starts");
        let seed = self.rng.next_u64();
        self.processes += 1;
        let endpoint = |plan: &Plan| Endpoint::new(plan.endpoint.clone(), plan.registrar_addresses(), seed);
        let (process, port) = match name {
            Host::Registrar(_) => {
                let id = ServerId(self.processes);
                let machine = Registrar::new(id, self.plan.registrar.clone(), vec![name.address()], seed);
                (Process::Registrar(Box::new(RegistrarProcess::new(machine))), Some(ASAP_PORT))
            }
            Host::Element(n) => {
                let plan = &self.plan;
                let (towards_registrars, towards_users) = (plan.endpoint.clone(), plan.session.clone());
                let id = PeId(if plan.fixed_ids { 1_000 + u32::from(n) } else { self.processes });
                let endpoint = endpoint(plan);
                let (address, service) = (name.address(), plan.workload.service);
                let process = ElementProcess::new(id, address, endpoint, towards_registrars, towards_users, service);
                (Process::Element(Box::new(process)), Some(PE_PORT))
            }
            Host::User(_) => {
                let plan = &self.plan;
                let options = PuOptions { failover: true, hold_failover: plan.workload.callback.is_some() };
                let sessions =
                    (0..plan.sessions).map(|n| PuSession::new(plan.session.clone(), options, seed ^ u64::from(n)));
                let (towards_registrars, towards_elements) = (plan.endpoint.clone(), plan.session.clone());
                let endpoint = endpoint(plan);
                let process =
                    UserProcess::new(endpoint, towards_registrars, towards_elements, plan.workload, sessions, self.now);
                (Process::User(Box::new(process)), None)
            }
        };
        let now = self.now;
        let host = self.hosts.get_mut(&name).expect("a host of the plan");
        host.kernel.listen(port, &mut self.network, now);
        host.process = Some(process);
        host.next = Some(now);
    }

    /// `kill -9`: the kernel closes its connections.
    pub fn kill(&mut self, name: Host) {
        self.say(name, "is killed");
        let host = self.hosts.get_mut(&name).expect("a host of the plan");
        host.process = None;
        host.stopped = false;
        host.next = None;
        host.kernel.close_all(&mut self.network, self.now);
    }

    /// SIGSTOP: its kernel goes on accepting, receiving and acknowledging.
    pub fn stop(&mut self, name: Host) {
        self.say(name, "is stopped");
        self.hosts.get_mut(&name).expect("a host of the plan").stopped = true;
    }

    /// SIGCONT
    pub fn cont(&mut self, name: Host) {
        self.say(name, "goes on");
        let host = self.hosts.get_mut(&name).expect("a host of the plan");
        host.stopped = false;
        host.next = Some(self.now);
    }

    /// Nothing passes between these two, and nobody is told.
    pub fn cut(&mut self, a: Host, b: Host) {
        self.say(a, &format!("is cut from {b}"));
        self.network.cut(a.address(), b.address());
    }

    /// It passes again.
    pub fn heal(&mut self, a: Host, b: Host) {
        self.say(a, &format!("reaches {b} again"));
        self.network.heal(a.address(), b.address(), self.now);
    }

    /// The pool element leaves its pool in order.
    pub fn drain(&mut self, name: Host) {
        self.say(name, "drains");
        let now = self.now;
        self.element_mut(name).drain(now);
        self.wake(name);
    }

    /// The application of this pool user wants all its sessions elsewhere.
    pub fn force_failover(&mut self, name: Host, report: bool) {
        self.say(name, "forces a failover");
        let now = self.now;
        if let Some(Process::User(user)) = self.hosts.get_mut(&name).and_then(|host| host.process.as_mut()) {
            user.force_failover(report, now);
        }
        self.wake(name);
    }

    /// The application of this host stops reading and writing, or goes on; its library goes on anyway.
    pub fn stop_application(&mut self, name: Host, stopped: bool) {
        self.say(name, if stopped { "reads nothing" } else { "reads again" });
        match self.hosts.get_mut(&name).and_then(|host| host.process.as_mut()) {
            Some(Process::Element(element)) => element.application_stopped = stopped,
            Some(Process::User(user)) => user.application_stopped = stopped,
            _ => {}
        }
        self.wake(name);
    }

    /// Whether its process exists and is not stopped.
    pub fn runs(&self, name: Host) -> bool {
        self.hosts.get(&name).is_some_and(|host| host.process.is_some() && !host.stopped)
    }

    /// A registrar that runs.
    pub fn registrar(&self, name: Host) -> &RegistrarProcess {
        match self.hosts.get(&name).and_then(|host| host.process.as_ref()) {
            Some(Process::Registrar(registrar)) => registrar,
            other => panic!("{name} runs no registrar but {other:?}"),
        }
    }

    /// A pool element that runs.
    pub fn element(&self, name: Host) -> &ElementProcess {
        match self.hosts.get(&name).and_then(|host| host.process.as_ref()) {
            Some(Process::Element(element)) => element,
            other => panic!("{name} runs no pool element but {other:?}"),
        }
    }

    /// A pool user that runs.
    pub fn user(&self, name: Host) -> &UserProcess {
        match self.hosts.get(&name).and_then(|host| host.process.as_ref()) {
            Some(Process::User(user)) => user,
            other => panic!("{name} runs no pool user but {other:?}"),
        }
    }

    /// Hosts with these names that the plan has.
    pub fn hosts(&self) -> impl Iterator<Item = Host> + '_ {
        self.hosts.keys().copied()
    }

    /// The pool as this registrar has it.
    pub fn pool_at(&self, registrar: Host) -> Vec<PeId> {
        let pool = self.registrar(registrar).machine.pool(&pool(), self.now);
        let mut members: Vec<PeId> = pool.iter().flat_map(|(_, members)| members).map(|m| m.element.id).collect();
        members.sort_unstable();
        members
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

    fn run_until(&mut self, end: Time, done: impl Fn(&World) -> bool) {
        let mut instant = (self.now, 0);
        while !done(self) {
            let awake = |host: &&Machine| host.process.is_some() && !host.stopped;
            let deadlines = self.hosts.values().filter(awake).filter_map(|host| host.next);
            let next = deadlines.chain(self.network.next()).min().filter(|next| *next <= end);
            let Some(next) = next else {
                self.now = end;
                return;
            };
            self.now = self.now.max(next);
            instant = if instant.0 == self.now { (self.now, instant.1 + 1) } else { (self.now, 0) };
            assert!(instant.1 < MOST_STEPS, "time does not pass at {}", self.now);
            while let Some(arrival) = self.network.arrive(self.now) {
                let Some(name) = self.hosts.keys().find(|name| name.address() == arrival.host).copied() else {
                    continue;
                };
                let host = self.hosts.get_mut(&name).expect("just found");
                if host.kernel.arrived(arrival, &mut self.network, self.now) {
                    host.next = Some(self.now);
                }
            }
            let due: Vec<Host> = self
                .hosts
                .iter()
                .filter(|(_, host)| awake(host) && host.next.is_some_and(|next| next <= self.now))
                .map(|(name, _)| *name)
                .collect();
            for name in due {
                self.wake(name);
            }
        }
    }

    fn wake(&mut self, name: Host) {
        let Some(host) = self.hosts.get_mut(&name).filter(|host| !host.stopped) else { return };
        let Some(process) = &mut host.process else { return };
        self.dialogue.speaker(name);
        let awake = &mut Awake {
            now: self.now,
            kernel: &mut host.kernel,
            network: &mut self.network,
            dialogue: &mut self.dialogue,
        };
        host.next = match process {
            Process::Registrar(process) => process.wake(awake),
            Process::Element(process) => process.wake(awake),
            Process::User(process) => process.wake(awake),
        };
    }

    fn element_mut(&mut self, name: Host) -> &mut ElementProcess {
        match self.hosts.get_mut(&name).and_then(|host| host.process.as_mut()) {
            Some(Process::Element(element)) => element,
            other => panic!("{name} runs no pool element but {other:?}"),
        }
    }

    fn say(&mut self, name: Host, what: &str) {
        self.dialogue.speaker(name);
        let now = self.now;
        self.dialogue.say(now, || format!("*** {what}"));
    }
}

/// Steps without any time passing.
const MOST_STEPS: u32 = 10_000;
