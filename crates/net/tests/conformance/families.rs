// SPDX-License-Identifier: MIT OR Apache-2.0
//! IPv4 and IPv6.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use machine::association::{LostReason, Token};

use crate::BackEnd;
use crate::pair::{LOOPBACK, accept, block_on, delivered, options, pair_on, payload, receive, rest, up, within};
use crate::runner::tests;

tests![
    ipv4_and_ipv6_are_spoken_and_both_ends_name_the_same_addresses,
    a_listener_on_all_addresses_is_reached_over_loopback,
    a_listener_on_the_second_address_of_loopback_answers_from_it,
];

fn ipv4_and_ipv6_are_spoken_and_both_ends_name_the_same_addresses(back_end: BackEnd) {
    for ip in [LOOPBACK, Ipv6Addr::LOCALHOST.into()] {
        block_on(async {
            let mut pair = pair_on(back_end, ip, options()).await;
            assert_eq!(pair.client.peer_addr(), pair.server.local_addr());
            assert_eq!(pair.client.local_addr(), pair.server.peer_addr());
            assert_eq!((pair.client.peer_addr().ip(), pair.client.local_addr().ip()), (ip, ip));
            pair.client.send(0, 0, false, Token(0), payload(1, 3000)).expect("it can be sent");
            let receiving = async {
                assert_eq!(receive(&mut pair.server).await.data, payload(1, 3000));
                rest(&mut pair.server).await
            };
            let sending = async {
                delivered(&mut pair.client, 1).await;
                pair.client.finish().await
            };
            let (_, closed) = within(async { tokio::join!(receiving, sending) }).await;
            assert_eq!(closed, LostReason::Closed);
        });
    }
}

fn a_listener_on_all_addresses_is_reached_over_loopback(back_end: BackEnd) {
    for everywhere in [IpAddr::from(Ipv4Addr::UNSPECIFIED), Ipv6Addr::UNSPECIFIED.into()] {
        reach(back_end, everywhere);
    }
}

fn a_listener_on_the_second_address_of_loopback_answers_from_it(back_end: BackEnd) {
    reach(back_end, Ipv4Addr::new(127, 0, 0, 2).into());
}

fn reach(back_end: BackEnd, listen: IpAddr) {
    block_on(async {
        let (transports, servers) = (back_end.transports(), back_end.transports());
        let listener =
            servers.bind(back_end.protocol(), &[SocketAddr::new(listen, 0)], options()).expect("there is a free port");
        let to = listener.loopback_addr();
        let mut client = transports.connect(back_end.protocol(), vec![to], options());
        let (peer, mut server) =
            within(async { tokio::join!(up(back_end, &mut client), accept(back_end, &listener)) }).await;
        assert!(peer.addresses.contains(&to), "{to} is none of {:?}", peer.addresses);
        assert_eq!(client.peer_addr(), to);
        let (_, closed) = within(async { tokio::join!(rest(&mut server), client.finish()) }).await;
        assert_eq!(closed, LostReason::Closed);
    });
}
