// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the tests with real sockets share.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use machine::association::{Event, Heartbeat, Mapping, Peer};
use net::{Association, Listener, Options};

pub(crate) const ANY_V4: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
pub(crate) const ANY_V6: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 0);

/// Patient settings: the machine that runs the tests may be busy.
pub(crate) fn options() -> Options {
    let heartbeat = Heartbeat { interval: Duration::from_secs(10), dead_after: Duration::from_secs(30) };
    Options { connect_timeout: Duration::from_secs(10), heartbeat, ..Options::default() }
}

/// Waits for something that must happen, however busy the machine.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("it happens within a minute")
}

/// The next association a listener accepts, once it is up.
pub(crate) async fn up(listener: &Listener) -> Association {
    let mut association = listener.accept().await;
    assert_eq!(mapping(association.next().await), Mapping::Tcp);
    association
}

/// Both ends of an association that is up.
pub(crate) async fn pair(address: SocketAddr) -> (Association, Association) {
    let listener = Listener::bind(address, options()).expect("loopback has a free port");
    let mut client = Association::connect(vec![listener.local_addr()], options());
    let (event, server) = within(async { tokio::join!(client.next(), up(&listener)) }).await;
    assert_eq!(mapping(event), Mapping::Tcp);
    (client, server)
}

/// How an association that has just come up carries messages.
pub(crate) fn mapping(event: Event) -> Mapping {
    match event {
        Event::Up(Peer { mapping, .. }) => mapping,
        other => panic!("{other:?} instead of Up"),
    }
}
