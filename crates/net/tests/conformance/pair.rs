// SPDX-License-Identifier: MIT OR Apache-2.0
//! Both ends of an association in this process, and what all tests do with one.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use machine::association::{Event, Heartbeat, LostReason, Peer, Token};
use net::{Association, Listener, Options, Transports};

use crate::BackEnd;

/// Both ends of an association that is up, each with a stack of its own.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) client: Association,
    pub(crate) server: Association,
    pub(crate) listener: Listener,
    pub(crate) transports: Transports,
    pub(crate) _servers_transports: Transports,
}

pub(crate) async fn pair(back_end: BackEnd) -> Pair {
    pair_on(back_end, LOOPBACK, options()).await
}

pub(crate) async fn pair_on(back_end: BackEnd, ip: IpAddr, options: Options) -> Pair {
    let (transports, servers) = (back_end.transports(), back_end.transports());
    let listener = servers.bind(back_end.protocol(), &[SocketAddr::new(ip, 0)], options).expect("there is a free port");
    let mut client = transports.connect(back_end.protocol(), listener.local_addrs().to_vec(), options);
    let (_, server) = within(async { tokio::join!(up(back_end, &mut client), accept(back_end, &listener)) }).await;
    Pair { client, server, listener, transports, _servers_transports: servers }
}

pub(crate) async fn accept(back_end: BackEnd, listener: &Listener) -> Association {
    let mut association = listener.accept().await;
    up(back_end, &mut association).await;
    association
}

/// Waits for an association to come up.
pub(crate) async fn up(back_end: BackEnd, association: &mut Association) -> Peer {
    match next(association).await {
        Event::Up(peer) => {
            assert_eq!(peer.mapping, back_end.mapping());
            assert_eq!(peer.max_message, association.max_message());
            peer
        }
        other => panic!("{other:?} instead of Up"),
    }
}

/// The next event that says something about messages or the end.
pub(crate) async fn next(association: &mut Association) -> Event {
    loop {
        match association.next().await {
            // On a busy machine we may not run for longer than a short heartbeat; paths are for those who look at them.
            Event::Paused | Event::PathChange { .. } => {}
            event => return event,
        }
    }
}

/// A message that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arrived {
    pub(crate) stream: u16,
    pub(crate) ppid: u32,
    pub(crate) unordered: bool,
    pub(crate) data: Bytes,
}

/// The next message, taken.
pub(crate) async fn receive(association: &mut Association) -> Arrived {
    match next(association).await {
        Event::Message { sequence, stream, ppid, unordered, data } => {
            association.taken(sequence);
            Arrived { stream, ppid, unordered, data }
        }
        other => panic!("{other:?} instead of a message"),
    }
}

/// The next message, taken, passing over the fates of our own.
pub(crate) async fn receive_echo(association: &mut Association) -> Arrived {
    loop {
        match next(association).await {
            Event::Delivered(_) => {}
            Event::Message { sequence, stream, ppid, unordered, data } => {
                association.taken(sequence);
                return Arrived { stream, ppid, unordered, data };
            }
            other => panic!("{other:?} instead of a message"),
        }
    }
}

/// Everything until the end: messages taken, the fates of our own, and why it ended.
#[derive(Debug)]
pub(crate) struct Rest {
    pub(crate) messages: Vec<Arrived>,
    pub(crate) delivered: Vec<Token>,
    pub(crate) undelivered: Vec<Token>,
    pub(crate) reason: LostReason,
}

pub(crate) async fn rest(association: &mut Association) -> Rest {
    let (mut messages, mut delivered, mut undelivered) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        match next(association).await {
            Event::Message { sequence, stream, ppid, unordered, data } => {
                association.taken(sequence);
                messages.push(Arrived { stream, ppid, unordered, data });
            }
            Event::Delivered(token) => delivered.push(token),
            Event::Undelivered(token) => undelivered.push(token),
            Event::Lost(reason) => return Rest { messages, delivered, undelivered, reason },
            other => panic!("{other:?} after Up"),
        }
    }
}

/// Waits until so many messages are delivered, passing over messages.
pub(crate) async fn delivered(association: &mut Association, count: usize) -> Vec<Token> {
    let mut tokens = Vec::new();
    while tokens.len() < count {
        match next(association).await {
            Event::Delivered(token) => tokens.push(token),
            Event::Message { sequence, .. } => association.taken(sequence),
            other => panic!("{other:?} after {} of {count} were delivered", tokens.len()),
        }
    }
    tokens.sort_unstable();
    tokens
}

/// Runs a test.
pub(crate) fn block_on(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be had");
    runtime.block_on(test);
}

/// Waits for something that must happen, however busy the machine.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.expect("it happens within two minutes")
}

/// Patient settings: the machine that runs the tests may be busy.
pub(crate) fn options() -> Options {
    let heartbeat = Heartbeat { interval: Duration::from_secs(10), dead_after: Duration::from_secs(30) };
    let patience = Duration::from_secs(30);
    Options { connect_timeout: patience, close_timeout: patience, heartbeat, ..Options::default() }
}

/// Settings that soon notice a peer that is gone; one that only waits for a processor is back earlier.
pub(crate) fn watchful() -> Options {
    Options { heartbeat: WATCHFUL, ..options() }
}

/// Bytes that tell which message they are of and which byte of it.
pub(crate) fn payload(seed: usize, length: usize) -> Bytes {
    (0..length).map(|at| (at.wrapping_mul(31).wrapping_add(at >> 8).wrapping_add(seed)) as u8).collect()
}

pub(crate) const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
pub(crate) const WATCHFUL: Heartbeat =
    Heartbeat { interval: Duration::from_millis(400), dead_after: Duration::from_millis(1_600) };
const LIMIT: Duration = Duration::from_secs(120);
