// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two hosts with two networks between them: network namespaces and two veth pairs.

use std::fs::{self, File};
use std::future::poll_fn;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::pin::pin;
use std::process::Command;
use std::time::{Duration, Instant};

use machine::association::Peer;
use net::{Association, Listener};
use nix::sched::{CloneFlags, setns, unshare};

use crate::common::accepted;

/// The two networks; `a` has .1 on each, `b` .2.
pub(crate) const NETWORKS: [u8; 2] = [10, 20];

/// Two network namespaces, and two networks between them.
pub(crate) struct Hosts {
    home: File,
    a: File,
    b: File,
}

impl Hosts {
    pub(crate) fn new() -> Self {
        let home = this_namespace();
        let new = || {
            unshare(CloneFlags::CLONE_NEWNET).expect("the machine is ours");
            ip("link set lo up");
            this_namespace()
        };
        let (a, b) = (new(), new());
        let hosts = Hosts { home, a, b };
        for network in NETWORKS {
            hosts.b(|| {
                let peer = format!("/proc/{}/fd/{}", std::process::id(), hosts.a.as_raw_fd());
                ip(&format!("link add n{network} type veth peer name n{network} netns {peer}"));
                ip(&format!("addr add 10.0.{network}.2/24 dev n{network}"));
                ip(&format!("link set n{network} up"));
            });
            hosts.a(|| {
                ip(&format!("addr add 10.0.{network}.1/24 dev n{network}"));
                ip(&format!("link set n{network} up"));
            });
        }
        hosts
    }

    /// Does it on host `a`: sockets stay where they were made.
    pub(crate) fn a<T>(&self, work: impl FnOnce() -> T) -> T {
        self.on(&self.a, work)
    }

    pub(crate) fn b<T>(&self, work: impl FnOnce() -> T) -> T {
        self.on(&self.b, work)
    }

    /// An association is peeled off where its socket is.
    pub(crate) async fn accepted(&self, listener: &Listener) -> (Association, Peer) {
        let mut accepted = pin!(accepted(listener));
        poll_fn(|cx| self.b(|| accepted.as_mut().poll(cx))).await
    }

    /// From now on everything that is not done on `a` is done on `b`.
    pub(crate) fn stay_on_b(&mut self) {
        self.home = self.b.try_clone().expect("a descriptor");
        setns(&self.home, CloneFlags::CLONE_NEWNET).expect("it is there");
    }

    /// Accepts on `a`.
    pub(crate) async fn accepted_on_a(&self, listener: &Listener) -> (Association, Peer) {
        let mut accepted = pin!(accepted(listener));
        poll_fn(|cx| self.a(|| accepted.as_mut().poll(cx))).await
    }

    /// Sets one of the network settings of `a`.
    pub(crate) fn set_on_a(&self, name: &str, value: &str) {
        let set = || self.a(|| fs::write(format!("/proc/sys/net/{name}"), value));
        // A port of its own in a namespace that has just been made was in use for the kernel once.
        let until = Instant::now() + Duration::from_secs(30);
        let mut result = set();
        while result.as_ref().is_err_and(|error| error.kind() == ErrorKind::AddrInUse) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(50));
            result = set();
        }
        result.expect("the kernel has this setting");
    }

    fn on<T>(&self, host: &File, work: impl FnOnce() -> T) -> T {
        setns(host, CloneFlags::CLONE_NEWNET).expect("it is there");
        let result = work();
        setns(&self.home, CloneFlags::CLONE_NEWNET).expect("it is there");
        result
    }

    /// From now on packets to and from this address of `b` go to a station that is not there: no link is down, nothing is told.
    pub(crate) fn cut(&self, address: IpAddr) {
        self.neighbours(address, "replace", "lladdr 02:00:00:00:00:99 nud permanent ");
    }

    pub(crate) fn heal(&self, address: IpAddr) {
        self.neighbours(address, "del", "");
    }

    fn neighbours(&self, address: IpAddr, what: &str, how: &str) {
        let text = address.to_string();
        let network = text.split('.').nth(2).expect("IPv4");
        self.a(|| ip(&format!("neigh {what} 10.0.{network}.2 {how}dev n{network}")));
        self.b(|| ip(&format!("neigh {what} 10.0.{network}.1 {how}dev n{network}")));
    }
}

fn this_namespace() -> File {
    File::open("/proc/thread-self/ns/net").expect("/proc is mounted")
}

fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split(' ')).output().expect("iproute2 is installed");
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}
