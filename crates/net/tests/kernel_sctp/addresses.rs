// SPDX-License-Identifier: MIT OR Apache-2.0
//! Addresses that come and go while an association lives (RFC 5061). Inside `scripts/sctp-vm` dummy0 to dummy3 have 192.0.2.1 to 192.0.2.4.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;

use machine::association::{Event, PathState, Protocol};
use net::{AddressError, Association, Feature, NotAvailable};

use crate::common::{accepted, message, options, send, up, with_kernel_sctp};

#[test]
fn the_peer_hears_of_addresses_that_come_and_go_and_nothing_is_lost() {
    if !has("addip_enable") {
        return;
    }
    with_kernel_sctp(async |transports| {
        let bound = ["192.0.2.1:0", "192.0.2.2:0"].map(|text| text.parse().unwrap());
        let Ok(listener) = transports.bind(Protocol::Sctp, &bound, options()) else { return };
        let mut client = transports.connect(Protocol::Sctp, listener.local_addrs().to_vec(), options());
        let (peer, (mut server, _)) = tokio::join!(up(&mut client), accepted(&listener));
        assert_eq!(ips(&peer.addresses), ["192.0.2.1", "192.0.2.2"].map(ip).into());
        let third = ip("192.0.2.3");

        server.add_local_address(third).unwrap();
        listener.add_local_address(third).unwrap();
        change(&mut client, &mut server, third, PathState::Added).await;
        change(&mut client, &mut server, third, PathState::Confirmed).await;
        server.set_peer_primary(third).unwrap();
        change(&mut client, &mut server, third, PathState::Primary).await;
        assert_eq!(client.peer_addr().ip(), third);
        send(&mut client, 1, &b"to the new one"[..]);
        exchange(&mut client, &mut server).await;

        server.remove_local_address(third).unwrap();
        change(&mut client, &mut server, third, PathState::Removed).await;
        let left: BTreeSet<_> = client.paths().unwrap().into_iter().map(|path| path.address.ip()).collect();
        assert_eq!(left, ["192.0.2.1", "192.0.2.2"].map(ip).into());
        send(&mut client, 2, &b"to an old one"[..]);
        exchange(&mut client, &mut server).await;
    });
}

#[test]
fn a_kernel_that_may_not_change_addresses_says_so() {
    if has("addip_enable") {
        return;
    }
    with_kernel_sctp(async |transports| {
        let listener = transports.bind(Protocol::Sctp, &["127.0.0.1:0".parse().unwrap()], options()).unwrap();
        let mut client = transports.connect(Protocol::Sctp, listener.local_addrs().to_vec(), options());
        tokio::join!(up(&mut client), accepted(&listener));
        let error = client.add_local_address(ip("127.0.0.2")).unwrap_err();
        assert!(matches!(error, AddressError::NotAvailable(NotAvailable { feature: Feature::AddIp, .. })), "{error}");
    });
}

/// Until the client hears this of the address.
async fn change(client: &mut Association, server: &mut Association, address: IpAddr, state: PathState) {
    loop {
        let event = tokio::select! {
            event = client.next() => event,
            event = server.next() => panic!("{event:?} at the server"),
        };
        match event {
            Event::PathChange { address: changed, state: now } if changed.ip() == address && now == state => break,
            Event::PathChange { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Until the server has the message and the client knows.
async fn exchange(client: &mut Association, server: &mut Association) {
    let (mut delivered, mut arrived) = (false, false);
    while !(delivered && arrived) {
        tokio::select! {
            event = client.next() => delivered |= matches!(event, Event::Delivered(_)),
            _ = message(server) => arrived = true,
        }
    }
}

fn ips(addresses: &[std::net::SocketAddr]) -> BTreeSet<IpAddr> {
    addresses.iter().map(|address| address.ip()).collect()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn has(setting: &str) -> bool {
    fs::read_to_string(format!("/proc/sys/net/sctp/{setting}")).is_ok_and(|value| value.trim() == "1")
}
