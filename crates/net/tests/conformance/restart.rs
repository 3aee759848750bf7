// SPDX-License-Identifier: MIT OR Apache-2.0
//! A peer that is started again on the same port.

use std::net::SocketAddr;

use machine::association::Token;

use crate::BackEnd;
use crate::pair::{LOOPBACK, block_on, options, payload, receive_echo, rest, up, within};
use crate::peer::{PATIENT, Peer, Role};
use crate::runner::tests;

tests![
    after_a_restart_the_old_association_ends_and_a_new_one_works,
    a_process_that_is_restarted_listens_on_its_port_at_once,
];

fn after_a_restart_the_old_association_ends_and_a_new_one_works(back_end: BackEnd) {
    block_on(async {
        let mut peer = Peer::start(back_end, SocketAddr::new(LOOPBACK, 0), Role::Echo, PATIENT);
        let transports = back_end.transports();
        let mut old = transports.connect(back_end.protocol(), vec![peer.address], options());
        within(up(back_end, &mut old)).await;
        old.send(0, 0, false, Token(0), payload(0, 100)).expect("it can be sent");
        assert_eq!(within(receive_echo(&mut old)).await.data, payload(0, 100));
        peer.process.kill();
        let again = Peer::start(back_end, peer.address, Role::Echo, PATIENT);
        assert_eq!(again.address, peer.address);
        // The new process knows nothing of the old one's associations, and says so.
        let sent = old.send(0, 0, false, Token(1), payload(1, 100)).is_ok();
        let lost = within(rest(&mut old)).await;
        assert!(back_end.is_the_end_of_a_restarted_peer(&lost.reason), "{:?}", lost.reason);
        assert_eq!(lost.messages, [], "the old conversation is over");
        assert_eq!(lost.undelivered, if sent { vec![Token(1)] } else { vec![] });
        let mut new = transports.connect(back_end.protocol(), vec![peer.address], options());
        within(up(back_end, &mut new)).await;
        new.send(0, 0, false, Token(0), payload(2, 100)).expect("it can be sent");
        assert_eq!(within(receive_echo(&mut new)).await.data, payload(2, 100));
    });
}

fn a_process_that_is_restarted_listens_on_its_port_at_once(back_end: BackEnd) {
    block_on(async {
        let mut peer = Peer::start(back_end, SocketAddr::new(LOOPBACK, 0), Role::Echo, PATIENT);
        for _ in 0..3 {
            let transports = back_end.transports();
            let mut clients = Vec::new();
            for _ in 0..5 {
                let mut client = transports.connect(back_end.protocol(), vec![peer.address], options());
                within(up(back_end, &mut client)).await;
                clients.push(client);
            }
            peer.process.kill();
            // Panics if the port is not free.
            peer = Peer::start(back_end, peer.address, Role::Echo, PATIENT);
        }
    });
}
