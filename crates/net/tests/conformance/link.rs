// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two hosts and a cable between them, which can be cut without either hearing of it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use sim::namespace::{in_namespace, ip};
use sim::process::Process;

use crate::BackEnd;
use crate::peer::{Peer, Role};

/// The cable. The near host is this thread's network namespace.
#[derive(Debug)]
pub(crate) struct Link {
    /// Keeps the far host's namespace.
    far: Process,
    near_hardware: String,
    far_hardware: String,
}

impl Link {
    /// Runs a test with a link. That needs root: without, nothing is tested.
    pub(crate) fn with(test: impl FnOnce(Link)) {
        in_namespace(|| test(Link::lay()));
    }

    fn lay() -> Link {
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", "echo ready; exec cat"]);
        let far = Process::spawn(command);
        far.line();
        let link = Link { near_hardware: "02:00:00:00:00:01".into(), far_hardware: "02:00:00:00:00:02".into(), far };
        let far = link.far.pid();
        ip(&format!(
            "link add near address {} type veth peer name far address {} netns {far}",
            link.near_hardware, link.far_hardware
        ));
        ip(&format!("address add {NEAR}/24 dev near"));
        ip("link set near up");
        link.far_ip("link set lo up");
        link.far_ip(&format!("address add {FAR}/24 dev far"));
        link.far_ip("link set far up");
        link.mend();
        link
    }

    /// A peer on the far host.
    pub(crate) fn peer(&self, back_end: BackEnd, role: Role, interval: Duration) -> Peer {
        let mut command = self.on_far_host();
        command.arg(std::env::current_exe().expect("this program has a file"));
        Peer::start_by(command, back_end, SocketAddr::new(FAR, 0), role, interval)
    }

    /// From now on every packet is lost, in both directions: each host sends to hardware that isn't there.
    pub(crate) fn cut(&self) {
        self.neighbours(NOBODY, NOBODY);
    }

    /// Packets pass again.
    pub(crate) fn mend(&self) {
        self.neighbours(&self.near_hardware, &self.far_hardware);
    }

    fn neighbours(&self, near_hardware: &str, far_hardware: &str) {
        ip(&format!("neighbour replace {FAR} lladdr {far_hardware} nud permanent dev near"));
        self.far_ip(&format!("neighbour replace {NEAR} lladdr {near_hardware} nud permanent dev far"));
    }

    fn far_ip(&self, arguments: &str) {
        let output = self.on_far_host().arg("ip").args(arguments.split(' ')).output().expect("iproute2 is installed");
        assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn on_far_host(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", self.far.pid()));
        command
    }
}

/// The near host's address.
pub(crate) const NEAR: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 101));
pub(crate) const FAR: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 102));
const NOBODY: &str = "02:00:00:00:00:99";
