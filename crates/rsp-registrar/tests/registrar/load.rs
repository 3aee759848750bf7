// SPDX-License-Identifier: MIT OR Apache-2.0
//! Many associations.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use machine::association::LostReason;
use rsp_wire::asap::Message;
use rsp_wire::parameter::ErrorCause;

use crate::peer::Peer;
use crate::process::Registrar;

#[test]
fn a_thousand_idle_associations_are_carried_and_then_forgotten() {
    daemon::limits::raise_open_files();
    let registrar = Registrar::start(&[]);
    let before = registrar.resident_kib();
    let idle: Vec<_> = (0..IDLE).map(|_| idle(registrar.asap())).collect();
    assert_eq!(registrar.associations(), IDLE);
    let grown = registrar.resident_kib().saturating_sub(before);
    println!("{IDLE} idle associations: {grown} KiB more, {} bytes each", grown * 1024 / IDLE);
    let mut pu = Peer::connect(registrar.asap());
    assert!(pu.resolve("none").error.is_some(), "it serves on");
    drop(idle);
    drop(pu);
    for _ in 0..6_000 {
        if registrar.associations() == 0 {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("{} associations are still there", registrar.associations());
}

#[test]
fn one_association_too_many_is_told_why_and_the_others_do_not_notice() {
    let registrar = Registrar::start(&["--set", "associations=2"]);
    let mut first = Peer::connect(registrar.asap());
    let mut second = Peer::connect(registrar.asap());
    second.resolve("none");
    let mut third = Peer::connect(registrar.asap());
    let Message::Error(refusal) = third.receive() else { panic!("not an ASAP_ERROR") };
    assert_eq!(refusal.error.0[0], ErrorCause::LackOfResources);
    assert_eq!(third.lost(), LostReason::PeerClosed);
    first.resolve("none");
    second.resolve("none");
    drop(first);
    assert!(registrar.get("/metrics").1.contains("rserpool_associations_refused_total 1"));
}

/// A peer that has said INIT and nothing since.
fn idle(to: SocketAddr) -> TcpStream {
    let mut peer = TcpStream::connect(to).expect("it listens");
    peer.write_all(&[1, 0, 0, 4]).expect("it reads");
    let mut init = [0; 4];
    peer.read_exact(&mut init).expect("it answers with its own");
    assert_eq!(init, [1, 0, 0, 4]);
    peer
}

impl Registrar {
    fn associations(&self) -> u64 {
        let (_, metrics) = self.get("/metrics");
        let line = metrics.lines().find_map(|line| line.strip_prefix("rserpool_associations "));
        line.expect("it is there").parse().expect("a number")
    }
}

const IDLE: u64 = 1_000;
