// SPDX-License-Identifier: MIT OR Apache-2.0
//! What SCTP over UDP costs: a server that echoes, and a client with many associations and many messages out on each.
//!
//! ```text
//! cargo run --release -p net --example sctp_echo [associations] [outstanding] [seconds] [bytes]
//! ```
//!
//! The server is a thread with a runtime of its own; its messages per second of its own processor time are printed. With 0 outstanding
//! each association echoes one message and is idle then: what the server needs for them is printed, in processor time and memory.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use machine::Time;
use machine::association::{Event, Heartbeat, Protocol, Token};
use net::{Options, TransportChoice, TransportSettings, Transports};

fn main() {
    let number = |at, default| std::env::args().nth(at).and_then(|arg| arg.parse::<u64>().ok()).unwrap_or(default);
    let (associations, outstanding, seconds, bytes) = (number(1, 64), number(2, 16), number(3, 5), number(4, 64));
    let (to, from) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        block_on(async move {
            let address = "127.0.0.1:0".parse().expect("an address");
            let listener = transports()
                .bind(Protocol::Sctp, &[address], if outstanding == 0 { IDLE } else { Options::default() })
                .expect("loopback has a free port");
            to.send((listener.local_addr(), thread_clock())).expect("the client waits");
            loop {
                tokio::task::spawn_local(echo(listener.accept().await));
            }
        });
    });
    let (server, clock) = from.recv().expect("the server starts");
    if outstanding == 0 {
        return block_on(idle(server, associations, seconds, clock));
    }
    block_on(async move {
        let transports = transports();
        let start = Instant::now();
        let tasks: Vec<_> = (0..associations)
            .map(|_| {
                let association = transports.connect(Protocol::Sctp, vec![server], Options::default());
                tokio::task::spawn_local(ask(association, outstanding, bytes, start + Duration::from_secs(seconds)))
            })
            .collect();
        tokio::time::sleep_until((start + Duration::from_secs(1)).into()).await;
        let busy = clock();
        let mut answers = 0;
        for task in tasks {
            answers += task.await.expect("it ends");
        }
        let (busy, took) = (clock() - busy, (start.elapsed() - Duration::from_secs(1)).as_secs_f64());
        let answers = answers as f64;
        println!(
            "{associations} associations x {outstanding}, {bytes} bytes: {:.0} /s, {:.0} per second of the server's processor time ({:.2} us each)",
            answers / took,
            answers / busy,
            busy / answers * 1e6
        );
    });
}

async fn idle(server: SocketAddr, associations: u64, seconds: u64, clock: impl Fn() -> f64) {
    let (transports, before, start) = (transports(), resident(), Instant::now());
    let mut all = Vec::new();
    for _ in 0..associations {
        let mut association = transports.connect(Protocol::Sctp, vec![server], IDLE);
        association.send(0, 11, false, Token(0), Bytes::from_static(b"hello")).expect("it may be sent before it is up");
        all.push(association);
    }
    for association in &mut all {
        while !matches!(association.next().await, Event::Message { sequence: 0, .. }) {}
        association.taken(0);
    }
    let (set_up, both_ends) = (start.elapsed(), (resident() - before) / associations);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let busy = clock();
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let share = (clock() - busy) / seconds as f64 * 100.0;
    println!(
        "{associations} associations in {set_up:?}, {both_ends} bytes for both ends of each; idle, the server takes {share:.2} % of a core"
    );
}

/// Bytes of memory this process has.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").expect("it runs");
    pages.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).expect("a number") * 4096
}

const IDLE: Options = Options {
    connect_timeout: Duration::from_secs(30),
    close_timeout: Duration::from_secs(5),
    heartbeat: Heartbeat { interval: Duration::from_secs(30), dead_after: Duration::from_secs(90) },
    max_untaken_bytes: 16 << 20,
};

fn transports() -> Transports {
    let settings =
        TransportSettings { choice: TransportChoice::SctpUdp, encapsulation_port: 0, ..TransportSettings::default() };
    Transports::new(settings)
}

async fn echo(mut association: net::Association) {
    let mut respond = |_: Time, _: u32, message: &[u8], answer: &mut BytesMut| {
        answer.extend_from_slice(message);
        true
    };
    while !matches!(std::future::poll_fn(|cx| association.poll_turn(cx, &mut respond)).await, Event::Lost(_)) {}
}

/// Answers how many answers came after the first second.
async fn ask(mut association: net::Association, outstanding: u64, bytes: u64, until: Instant) -> u64 {
    let data = Bytes::from(vec![7; bytes as usize]);
    let count_from = Instant::now() + Duration::from_secs(1);
    let mut answers = 0;
    for token in 0..outstanding {
        association.send(0, 11, false, Token(token), data.clone()).expect("it may be sent before it is up");
    }
    loop {
        match association.next().await {
            Event::Message { sequence, .. } => {
                association.taken(sequence);
                let now = Instant::now();
                answers += u64::from(now >= count_from);
                if now >= until {
                    return answers;
                }
                association.send(0, 11, false, Token(0), data.clone()).expect("it is up");
            }
            Event::Lost(reason) => panic!("{reason}"),
            _ => {}
        }
    }
}

fn block_on(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be had");
    tokio::task::LocalSet::new().block_on(&runtime, work);
}

/// Reads how many seconds this thread has used a processor.
fn thread_clock() -> impl Fn() -> f64 {
    let thread = nix::unistd::gettid();
    move || {
        let line = std::fs::read_to_string(format!("/proc/self/task/{thread}/schedstat")).expect("it runs");
        let nanos: f64 = line.split(' ').next().and_then(|nanos| nanos.parse().ok()).expect("a number");
        nanos / 1e9
    }
}
