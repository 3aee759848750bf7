// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the tests share.

use std::net::SocketAddr;
use std::time::Duration;

use machine::association::{Event, Heartbeat, Mapping, Protocol};
use net::{Association, Listener, Options, SctpBackend, TransportChoice, TransportSettings, Transports};

/// A stack of its own, as another process would have. It does not touch port 9899, which other tests may have.
pub(crate) fn process() -> Transports {
    with_encapsulation_port(0)
}

pub(crate) fn with_encapsulation_port(encapsulation_port: u16) -> Transports {
    let settings =
        TransportSettings { choice: TransportChoice::SctpUdp, encapsulation_port, ..TransportSettings::default() };
    let transports = Transports::new(settings);
    assert_eq!(transports.sctp(), Some(SctpBackend::Udp));
    transports
}

/// Patient settings: the machine that runs the tests may be busy.
pub(crate) fn options() -> Options {
    let heartbeat = Heartbeat { interval: Duration::from_secs(10), dead_after: Duration::from_secs(30) };
    Options { connect_timeout: Duration::from_secs(20), heartbeat, ..Options::default() }
}

/// Waits for something that must happen, however busy the machine.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("it happens within a minute")
}

pub(crate) fn listen(process: &Transports, address: &str) -> Listener {
    process.bind(Protocol::Sctp, &[address.parse().unwrap()], options()).expect("loopback has a free port")
}

pub(crate) fn connect(process: &Transports, to: SocketAddr) -> Association {
    process.connect(Protocol::Sctp, vec![to], options())
}

/// Both ends of an association that is up, in two processes.
pub(crate) async fn pair(address: &str) -> (Association, Association) {
    let listener = listen(&process(), address);
    let mut client = connect(&process(), listener.loopback_addr());
    let server = accept(&listener).await;
    up(&mut client).await;
    (client, server)
}

/// The next association a listener accepts, once it is up.
pub(crate) async fn accept(listener: &Listener) -> Association {
    let mut server = within(listener.accept()).await;
    up(&mut server).await;
    server
}

pub(crate) async fn up(association: &mut Association) {
    match within(association.next()).await {
        Event::Up(peer) => assert_eq!(peer.mapping, Mapping::Sctp),
        other => panic!("{other:?} instead of Up"),
    }
}

/// The next message, taken.
pub(crate) async fn message(association: &mut Association) -> Vec<u8> {
    loop {
        match within(association.next()).await {
            Event::Message { sequence, data, .. } => {
                association.taken(sequence);
                return data.to_vec();
            }
            Event::Delivered(_) => {}
            other => panic!("{other:?} instead of a message"),
        }
    }
}
