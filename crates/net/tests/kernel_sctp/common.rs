// SPDX-License-Identifier: MIT OR Apache-2.0
//! What these tests share.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use machine::association::{Event, Heartbeat, Peer, Protocol, Token};
use net::{
    Association, KernelSettings, Listener, Options, SctpBackend, TransportChoice, TransportSettings, Transports,
};
use socket2::{Domain, Socket, Type};

/// Whether this kernel has SCTP. The module is there or it is not: it is the first thing asked.
pub(crate) fn has_kernel_sctp() -> bool {
    Socket::new(Domain::IPV4, Type::SEQPACKET, Some(132.into())).is_ok()
}

/// Runs the test where the kernel has SCTP; elsewhere `vm.rs` does.
pub(crate) fn with_kernel_sctp(test: impl AsyncFnOnce(Transports)) {
    with_settings(KernelSettings::default(), test);
}

pub(crate) fn with_settings(kernel: KernelSettings, test: impl AsyncFnOnce(Transports)) {
    if !has_kernel_sctp() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be had");
    runtime.block_on(async {
        let settings = TransportSettings { choice: TransportChoice::Sctp, kernel, ..TransportSettings::default() };
        let transports = Transports::new(settings);
        assert_eq!(transports.sctp(), Some(SctpBackend::Kernel));
        tokio::time::timeout(Duration::from_secs(60), test(transports)).await.expect("it is over within a minute");
    });
}

/// Profile `fast`: a path that dies is left at once.
pub(crate) fn fast() -> KernelSettings {
    KernelSettings {
        rto_initial: Duration::from_millis(100),
        rto_min: Duration::from_millis(60),
        rto_max: Duration::from_millis(250),
        path_heartbeat_interval: Duration::from_millis(500),
        ..KernelSettings::default()
    }
}

/// Patient settings: the machine that runs the tests may be busy.
pub(crate) fn options() -> Options {
    let heartbeat = Heartbeat { interval: Duration::from_secs(10), dead_after: Duration::from_secs(30) };
    Options { connect_timeout: Duration::from_secs(10), heartbeat, ..Options::default() }
}

/// Both ends of an association that is up, and the listener.
pub(crate) async fn pair(transports: &Transports, addresses: &[&str]) -> (Association, Association, Listener) {
    let addresses: Vec<SocketAddr> = addresses.iter().map(|text| text.parse().expect("an address")).collect();
    let listener = transports.bind(Protocol::Sctp, &addresses, options()).expect("a port is free");
    let to = listener.local_addrs().to_vec();
    let mut client = transports.connect(Protocol::Sctp, to, options());
    let (_, (server, _)) = tokio::join!(up(&mut client), accepted(&listener));
    (client, server, listener)
}

pub(crate) async fn accepted(listener: &Listener) -> (Association, Peer) {
    let mut association = listener.accept().await;
    let peer = up(&mut association).await;
    (association, peer)
}

pub(crate) async fn up(association: &mut Association) -> Peer {
    match association.next().await {
        Event::Up(peer) => peer,
        other => panic!("{other:?} instead of Up"),
    }
}

/// What happens next, but for news of the paths.
pub(crate) async fn next(association: &mut Association) -> Event {
    loop {
        match association.next().await {
            Event::PathChange { .. } => {}
            event => return event,
        }
    }
}

pub(crate) async fn message(association: &mut Association) -> Bytes {
    match next(association).await {
        Event::Message { sequence, data, .. } => {
            association.taken(sequence);
            data
        }
        other => panic!("{other:?} instead of a message"),
    }
}

pub(crate) fn send(association: &mut Association, token: u64, data: impl Into<Bytes>) {
    association.send(0, 11, false, Token(token), data.into()).expect("it is up");
}
