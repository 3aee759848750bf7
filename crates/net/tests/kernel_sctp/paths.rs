// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two hosts with two networks between them: what becomes of an association when one is cut.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use machine::association::{Event, LostReason, Mapping, PathState, Peer, Protocol};
use net::{Association, Feature, NotAvailable, Transports};
use socket2::{Domain, Socket, Type};

use crate::common::{fast, message, next, options, send, up, with_settings};
use crate::hosts::{Hosts, NETWORKS};

#[test]
fn one_of_two_paths_is_cut_silently_and_messages_go_on_over_the_other() {
    with_settings(fast(), async |transports| {
        let hosts = Hosts::new();
        let (mut client, peer, mut server) = pair(&hosts, &transports, &NETWORKS).await;
        assert_eq!(peer.addresses.len(), 2, "{peer:?}");
        let primary = client.peer_addr();
        let other = *peer.addresses.iter().find(|address| **address != primary).unwrap();
        round_trip(&mut client, &mut server).await;

        hosts.cut(primary.ip());
        let cut = Instant::now();
        round_trip(&mut client, &mut server).await;
        println!("a message and its answer {:?} after the path was cut", cut.elapsed());
        news(&mut client, &mut server, primary.ip(), PathState::Unreachable).await;
        println!("the path was given up {:?} after", cut.elapsed());
        let paths = client.paths().unwrap();
        let state = |ip| paths.iter().find(|path| path.address.ip() == ip).unwrap().state;
        assert_eq!((state(primary.ip()), state(other.ip())), (PathState::Unreachable, PathState::Available));
        for _ in 0..100 {
            round_trip(&mut client, &mut server).await;
        }

        hosts.heal(primary.ip());
        news(&mut client, &mut server, primary.ip(), PathState::Available).await;
        round_trip(&mut client, &mut server).await;
    });
}

#[test]
fn messages_take_the_path_that_is_named_primary() {
    with_settings(fast(), async |transports| {
        let hosts = Hosts::new();
        let (mut client, peer, mut server) = pair(&hosts, &transports, &NETWORKS).await;
        let other = *peer.addresses.iter().find(|address| **address != client.peer_addr()).unwrap();
        client.set_primary(other).unwrap();
        assert_eq!(client.peer_addr(), other);
        let primary: Vec<_> = client.paths().unwrap().into_iter().filter(|path| path.primary).collect();
        assert_eq!(primary.len(), 1);
        assert_eq!(primary[0].address, other);
        assert!(primary[0].rto.is_some() && primary[0].pmtu.is_some_and(|mtu| mtu > 500));
        round_trip(&mut client, &mut server).await;
    });
}

/// The ends of an association between the hosts over these networks, and the server as the client sees it.
async fn pair(hosts: &Hosts, transports: &Transports, networks: &[u8]) -> (Association, Peer, Association) {
    let addresses: Vec<_> = networks.iter().map(|network| format!("10.0.{network}.2:0").parse().unwrap()).collect();
    let listener = hosts.b(|| transports.bind(Protocol::Sctp, &addresses, options())).unwrap();
    let to = listener.local_addrs().to_vec();
    let mut client = hosts.a(|| transports.connect(Protocol::Sctp, to, options()));
    let (peer, (server, _)) = tokio::join!(up(&mut client), hosts.accepted(&listener));
    (client, peer, server)
}

/// A message there and one back.
async fn round_trip(client: &mut Association, server: &mut Association) {
    send(client, 1, &b"ping"[..]);
    let mut answered = false;
    while !answered {
        tokio::select! {
            event = client.next() => match event {
                Event::Message { sequence, .. } => {
                    client.taken(sequence);
                    answered = true;
                }
                Event::Delivered(_) | Event::PathChange { .. } => {}
                other => panic!("{other:?} at the client"),
            },
            () = answer(server) => {}
        }
    }
}

async fn answer(server: &mut Association) {
    loop {
        match server.next().await {
            Event::Message { sequence, data, .. } => {
                server.taken(sequence);
                send(server, 2, data);
            }
            Event::Delivered(_) | Event::PathChange { .. } => {}
            other => panic!("{other:?} at the server"),
        }
    }
}

/// Until the client hears this of the path; both ends do what they do meanwhile.
async fn news(client: &mut Association, server: &mut Association, address: std::net::IpAddr, wanted: PathState) {
    loop {
        let event = tokio::select! {
            event = client.next() => event,
            () = answer(server) => unreachable!("it goes on for ever"),
        };
        match event {
            Event::PathChange { address: changed, state } if changed.ip() == address && state == wanted => break,
            Event::PathChange { .. } | Event::Delivered(_) => {}
            other => panic!("{other:?} at the client"),
        }
    }
}

#[test]
fn a_message_that_waits_longer_than_its_lifetime_is_returned() {
    with_settings(fast(), async |transports| {
        let hosts = Hosts::new();
        let (mut client, peer, mut server) = pair(&hosts, &transports, &NETWORKS[..1]).await;
        hosts.cut(peer.addresses[0].ip());
        let lifetime = Some(Duration::from_millis(50));
        let data = bytes::Bytes::from_static(b"stale");
        let token = machine::association::Token(7);
        client.send_message(net::Message { stream: 0, ppid: 11, unordered: false, lifetime, token, data }).unwrap();
        let waited = tokio::time::timeout(Duration::from_millis(300), drive(&mut client)).await;
        assert!(waited.is_err(), "the kernel does not know yet whether it arrived");
        hosts.heal(peer.addresses[0].ip());
        send(&mut client, 8, &b"fresh"[..]);
        let outcomes = async {
            assert_eq!(next(&mut client).await, Event::Undelivered(token));
            assert_eq!(next(&mut client).await, Event::Delivered(machine::association::Token(8)));
        };
        let server = async {
            assert_eq!(message(&mut server).await, &b"fresh"[..]);
            drive(&mut server).await;
        };
        tokio::select! {
            () = outcomes => {}
            () = server => unreachable!("it goes on for ever"),
        }
    });
}

#[test]
fn a_lifetime_is_refused_where_one_side_knows_of_none() {
    with_settings(fast(), async |transports| {
        let hosts = Hosts::new();
        hosts.set_on_a("sctp/prsctp_enable", "0");
        let (mut client, _, mut server) = pair(&hosts, &transports, &NETWORKS[..1]).await;
        let refused = NotAvailable { feature: Feature::Lifetime, mapping: Mapping::Sctp };
        for association in [&mut client, &mut server] {
            let (lifetime, token) = (Some(Duration::from_secs(1)), machine::association::Token(7));
            let data = bytes::Bytes::from_static(b"for a second");
            let message = net::Message { stream: 0, ppid: 11, unordered: false, lifetime, token, data };
            assert_eq!(association.send_message(message), Err(refused.into()));
        }
    });
}

#[test]
fn who_was_connected_to_waits_as_long_as_the_heartbeat_allows_and_not_the_kernel() {
    with_settings(fast(), async |transports| {
        let hosts = Hosts::new();
        let listener =
            hosts.b(|| transports.bind(Protocol::Sctp, &["10.0.10.2:0".parse().unwrap()], options())).unwrap();
        let to = listener.local_addr();
        // One that is patient itself.
        let client = hosts.a(|| Socket::new(Domain::IPV4, Type::SEQPACKET, Some(132.into()))).unwrap();
        client.connect(&to.into()).unwrap();
        let (mut server, _) = hosts.accepted(&listener).await;
        hosts.cut(to.ip());
        send(&mut server, 1, &b"after a while"[..]);
        // Twice what eight retransmissions take.
        let waited = tokio::time::timeout(Duration::from_secs(4), next(&mut server)).await;
        assert!(waited.is_err(), "{waited:?}");
        hosts.heal(to.ip());
        assert_eq!(next(&mut server).await, Event::Delivered(machine::association::Token(1)));
    });
}

#[test]
fn a_peer_that_begins_anew_ends_the_old_association_and_comes_out_of_the_listener() {
    with_settings(fast(), async |transports| {
        let hosts = Hosts::new();
        let listener =
            hosts.b(|| transports.bind(Protocol::Sctp, &["10.0.10.2:0".parse().unwrap()], options())).unwrap();
        let to = listener.local_addr();
        let begin = || {
            let socket = Socket::new(Domain::IPV4, Type::SEQPACKET, Some(132.into())).unwrap();
            socket.bind(&"10.0.10.1:9901".parse::<SocketAddr>().unwrap().into()).unwrap();
            socket.connect(&to.into()).unwrap();
            socket
        };
        let first = hosts.a(begin);
        let (mut old, peer) = hosts.accepted(&listener).await;
        assert_eq!(peer.addresses[..], ["10.0.10.1:9901".parse().unwrap()]);
        // Its host dies: nothing of it is heard, and what is sent to it is lost.
        hosts.cut(to.ip());
        first.set_linger(Some(Duration::ZERO)).unwrap();
        drop(first);
        for token in 1..=3 {
            send(&mut old, token, &b"to the former life"[..]);
        }
        old.flush();
        hosts.heal(to.ip());
        let second = hosts.a(begin);
        for token in 1..=3 {
            assert_eq!(next(&mut old).await, Event::Undelivered(machine::association::Token(token)));
        }
        assert_eq!(next(&mut old).await, Event::Lost(LostReason::Restarted));
        drop(old);
        let (mut new, peer) = hosts.accepted(&listener).await;
        assert_eq!(peer.addresses[..], ["10.0.10.1:9901".parse().unwrap()]);
        second.send_to(b"from the new life", &to.into()).unwrap();
        assert_eq!(message(&mut new).await, &b"from the new life"[..]);
        send(&mut new, 4, &b"welcome"[..]);
        new.flush();
        let mut buffer = [std::mem::MaybeUninit::uninit(); 64];
        assert_eq!(second.recv(&mut buffer).unwrap(), 7);
    });
}

async fn drive(association: &mut Association) {
    loop {
        let event = association.next().await;
        assert!(!matches!(event, Event::Lost(_)), "{event:?}");
    }
}
