// SPDX-License-Identifier: MIT OR Apache-2.0
//! A network of a test's own.

use std::process::Command;

use nix::sched::{CloneFlags, unshare};
use nix::unistd::geteuid;

/// Runs `test` on this thread in a network namespace with nothing but loopback, which can multicast; processes it starts are there, too. It ends
/// with the thread, its processes and their sockets. That needs root: without, nothing is tested.
pub fn in_namespace(test: impl FnOnce()) {
    if !geteuid().is_root() {
        eprintln!("not tested: this needs root");
        return;
    }
    unshare(CloneFlags::CLONE_NEWNET).expect("root may have a network namespace");
    ip("link set lo up multicast on");
    ip("route add 224.0.0.0/4 dev lo");
    // Without "local" the kernel throws away what it sends there.
    ip("-6 route add local ff00::/8 dev lo table local");
    test();
}

/// Runs `ip` with these arguments in the namespace of this thread.
pub fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split(' ')).output().expect("iproute2 is installed");
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}
