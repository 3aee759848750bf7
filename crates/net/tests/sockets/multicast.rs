// SPDX-License-Identifier: MIT OR Apache-2.0
//! Multicast channels.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use net::{Multicast, MulticastChannel, MulticastError, MulticastOptions};
use sim::namespace::{self, ip};

use crate::common::within;

const GROUPS: [&str; 3] = ["239.0.0.50:3863", "[ff05::133]:3863", "[ff02::133]:3863"];

#[test]
fn all_who_joined_hear_what_one_sends_and_the_sender_too() {
    in_namespace(async {
        for group in GROUPS {
            let mut channels = [join(group), join(group), join(group)];
            channels[0].send(b"here I am").unwrap();
            for channel in &mut channels {
                assert_eq!(channel.receive().await.1, "here I am", "{group}");
            }
        }
    });
}

#[test]
fn datagrams_come_from_the_port_that_was_asked_for() {
    in_namespace(async {
        for (group, source) in GROUPS.into_iter().zip(["127.0.0.1:4711", "[::1]:4711", "[::1]:4711"]) {
            // Two processes of a host may both want the port of the group itself.
            let mut first = join_with(group, MulticastOptions { source_port: 3863, ..MulticastOptions::default() });
            let second = join_with(group, MulticastOptions { source_port: 4711, ..MulticastOptions::default() });
            second.send(b"x").unwrap();
            assert_eq!(first.receive().await.0, source.parse().unwrap(), "{group}");
            first.send(b"y").unwrap();
            assert_eq!(first.receive().await.0.port(), 3863, "{group}");
        }
    });
}

#[test]
fn a_source_port_of_another_program_is_no_reason_to_be_silent() {
    in_namespace(async {
        let taken = UdpSocket::bind("0.0.0.0:0").unwrap();
        let source_port = taken.local_addr().unwrap().port();
        let mut channel = join_with(GROUPS[0], MulticastOptions { source_port, ..MulticastOptions::default() });
        channel.send(b"x").unwrap();
        assert_ne!(channel.receive().await.0.port(), source_port);
    });
}

#[test]
fn only_the_group_is_heard() {
    in_namespace(async {
        let (mut asap, other) = (join("239.0.0.50:3863"), join("239.0.0.51:3863"));
        other.send(b"another group, the same port").unwrap();
        let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
        assert!(stranger.send_to(b"not multicast", (Ipv4Addr::LOCALHOST, 3863)).is_ok());
        asap.send(b"the group").unwrap();
        assert_eq!(asap.receive().await.1, "the group");
    });
}

#[test]
fn every_interface_that_can_multicast_is_joined_or_the_one_that_is_named() {
    in_namespace(async {
        two_networks();
        for group in ["239.0.0.50:3863", "[ff05::133]:3863"] {
            let (mut all, mut named) = (join(group), named(group, "net1"));
            assert_eq!(all.interfaces().collect::<Vec<_>>(), ["lo", "net1", "net2"], "{group}");
            assert_eq!(named.interfaces().collect::<Vec<_>>(), ["net1"]);
            all.send(b"on three").unwrap();
            named.send(b"on one").unwrap();
            for _ in 0..3 {
                assert_eq!(all.receive().await.1, "on three");
            }
            let (from, data) = all.receive().await;
            assert!(["10.1.0.1", "fd01::1"].contains(&from.ip().to_string().as_str()) && data == "on one", "{from}");
            let from = named.receive().await.0;
            assert!(!from.ip().is_loopback() && named.receive().await.1 == "on one", "{from}");
        }
    });
}

#[test]
fn an_interface_that_comes_later_is_joined_and_one_that_goes_forgotten() {
    in_namespace(async {
        let mut channel = join(GROUPS[0]);
        two_networks();
        channel.refresh().unwrap();
        assert_eq!(channel.interfaces().collect::<Vec<_>>(), ["lo", "net1", "net2"]);
        ip("link del net1");
        ip("link set lo multicast off");
        channel.refresh().unwrap();
        assert_eq!(channel.interfaces().collect::<Vec<_>>(), ["net2"]);
        ip("link set lo multicast on");
        channel.refresh().unwrap();
        channel.send(b"on both").unwrap();
        assert_eq!((channel.receive().await.1, channel.receive().await.1), ("on both".into(), "on both".into()));
    });
}

#[test]
fn a_channel_is_joined_as_soon_as_there_is_an_interface_for_it() {
    in_namespace(async {
        ip("link set lo multicast off");
        let groups = ["239.0.0.50:3863", "[ff05::133]:3863"].map(|group| group.parse().unwrap());
        let mut late = MulticastChannel::open(&groups, MulticastOptions::default());
        assert!(!late.is_joined());
        late.send(b"to nobody");
        ip("link set lo multicast on");
        let sender = join(groups[1].to_string().as_str());
        let say = async {
            loop {
                sender.send(b"on IPv6").unwrap();
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        };
        tokio::select! {
            (_, data) = late.receive() => assert_eq!(data, "on IPv6"),
            () = say => {}
        }
        let mut other = MulticastChannel::open(&groups, MulticastOptions::default());
        late.send(b"on both");
        assert_eq!((other.receive().await.1, other.receive().await.1), ("on both".into(), "on both".into()));
    });
}

#[test]
fn a_host_that_cannot_multicast_is_told_what_it_needs() {
    in_namespace(async {
        ip("link set lo multicast off");
        let error = refused(GROUPS[0], MulticastOptions::default());
        assert!(matches!(error, MulticastError::NoInterface(_)) && error.to_string().contains("MULTICAST"), "{error}");
        // Whoever names it wants it.
        named(GROUPS[0], "lo").send(b"x").unwrap();
        let options = MulticastOptions { interface: Some("eth7".to_owned()), ..MulticastOptions::default() };
        let error = refused(GROUPS[0], options);
        assert!(matches!(&error, MulticastError::NoSuchInterface(name) if name == "eth7"), "{error}");
    });
}

#[tokio::test]
async fn what_is_not_a_group_is_refused_by_name() {
    for address in ["192.0.2.1:3863", "[::1]:3863", "239.0.0.50:0"] {
        let error = refused(address, MulticastOptions::default());
        assert!(matches!(error, MulticastError::NotAGroup(_)) && error.to_string().contains(address), "{error}");
    }
}

#[test]
fn a_flood_is_received_to_its_end() {
    in_namespace(async {
        let (mut channel, flooder) = (join(GROUPS[0]), join(GROUPS[0]));
        for number in 0..1_000_u32 {
            flooder.send(&number.to_be_bytes()).unwrap();
            if number % 100 == 99 {
                for _ in 0..100 {
                    channel.receive().await;
                }
            }
        }
        flooder.send(b"last").unwrap();
        assert_eq!(channel.receive().await.1, "last");
    });
}

fn in_namespace(test: impl Future<Output = ()>) {
    namespace::in_namespace(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("there can be a runtime").block_on(within(test));
    });
}

fn two_networks() {
    for (name, v4, v6) in [("net1", "10.1.0.1/24", "fd01::1/64"), ("net2", "10.2.0.1/24", "fd02::1/64")] {
        ip(&format!("link add {name} type veth peer name {name}-end"));
        ip(&format!("link set {name}-end up"));
        ip(&format!("link set {name} up"));
        ip(&format!("address add {v4} dev {name}"));
        ip(&format!("address add {v6} dev {name} nodad"));
    }
}

fn join(group: &str) -> Multicast {
    join_with(group, MulticastOptions::default())
}

fn named(group: &str, interface: &str) -> Multicast {
    join_with(group, MulticastOptions { interface: Some(interface.to_owned()), ..MulticastOptions::default() })
}

fn join_with(group: &str, options: MulticastOptions) -> Multicast {
    Multicast::join(group.parse::<SocketAddr>().unwrap(), options).unwrap()
}

fn refused(group: &str, options: MulticastOptions) -> MulticastError {
    Multicast::join(group.parse::<SocketAddr>().unwrap(), options).unwrap_err()
}
