// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a scenario does to hosts, wires and applications.

use super::host::Process;
use super::{Host, World};
use crate::network::Cut;

impl World {
    /// `kill -9`: the kernel closes its connections.
    pub fn kill(&mut self, name: Host) {
        let now = self.now;
        if self.end_process(name) {
            self.say(name, "is killed");
        }
        let host = self.hosts.get_mut(&name).expect("a host of the plan");
        host.kernel.close_all(&mut self.network, now);
    }

    /// The host loses its power: nobody is told anything, and nothing reaches it until it is started.
    pub fn crash(&mut self, name: Host) {
        self.say(name, "loses its power");
        let now = self.now;
        self.end_process(name);
        let host = self.hosts.get_mut(&name).expect("a host of the plan");
        host.kernel.vanish(&mut self.network);
        self.network.power(name.address(), false, now);
    }

    /// Whether there was one.
    fn end_process(&mut self, name: Host) -> bool {
        let host = self.hosts.get_mut(&name).expect("a host of the plan");
        (host.stopped, host.next) = (false, None);
        let process = host.process.take();
        if let Some(Process::Registrar(registrar)) = &process {
            self.traffic_before.add(&registrar.traffic);
        }
        process.is_some()
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

    /// The host's process reads this many bytes in a millisecond and no more; `None` = all there is.
    pub fn read_slowly(&mut self, name: Host, bytes: Option<usize>) {
        self.say(name, if bytes.is_some() { "reads slowly" } else { "reads as it should" });
        let host = self.hosts.get_mut(&name).expect("a host of the plan");
        host.kernel.read_slowly(bytes);
        host.next = host.process.is_some().then_some(self.now);
    }

    /// Nothing passes between these two, and nobody is told.
    pub fn cut(&mut self, a: Host, b: Host) {
        self.cut_some(a, b, Cut::All);
    }

    /// This does not pass between these two, and nobody is told.
    pub fn cut_some(&mut self, a: Host, b: Host, cut: Cut) {
        self.say(a, &format!("is cut from {b}: {cut:?}"));
        self.network.cut(a.address(), b.address(), cut);
    }

    /// It passes again.
    pub fn heal(&mut self, a: Host, b: Host) {
        self.say(a, &format!("reaches {b} again"));
        self.network.heal(a.address(), b.address(), self.now);
    }

    /// A registrar hands its pool elements over and ends; a pool element leaves its pool in order.
    pub fn leave(&mut self, name: Host) {
        self.say(name, "leaves");
        let now = self.clock(name);
        match self.hosts.get_mut(&name).and_then(|host| host.process.as_mut()) {
            Some(Process::Registrar(registrar)) => registrar.leave(now),
            Some(Process::Element(element)) => element.drain(now),
            _ => {}
        }
        self.wake(name);
    }

    /// The pool element leaves its pool in order.
    pub fn drain(&mut self, name: Host) {
        self.leave(name);
    }

    /// The application of this pool user wants all its sessions elsewhere.
    pub fn force_failover(&mut self, name: Host, report: bool) {
        self.say(name, "forces a failover");
        let now = self.clock(name);
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

    /// From now on the registrar breaks this rule.
    pub fn break_rule(&mut self, name: Host, rule: super::Rule) {
        self.say(name, &format!("breaks a rule: {rule:?}"));
        if let Some(Process::Registrar(registrar)) = self.hosts.get_mut(&name).and_then(|host| host.process.as_mut()) {
            registrar.machine.break_rule(rule);
        }
    }
}
