// SPDX-License-Identifier: MIT OR Apache-2.0
//! How many requests a second one association carries on loopback, answered by an echo.
//!
//! `cargo run --release -p net --example pingpong -- [REQUESTS] [BYTES] [OUTSTANDING]`

use std::time::Instant;

use bytes::Bytes;
use machine::association::{Event, Token};
use net::{Association, Listener, Options};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let mut numbers = std::env::args().skip(1).map(|arg| arg.parse::<u64>().expect("a number"));
    let count = numbers.next().unwrap_or(200_000);
    let size = numbers.next().unwrap_or(64) as usize;
    let window = numbers.next().unwrap_or(64);

    let listener = Listener::bind("127.0.0.1:0".parse().expect("an address"), Options::default()).expect("a free port");
    let address = listener.local_addr();
    tokio::spawn(async move { echo(listener.accept().await).await });

    let start = Instant::now();
    ask(Association::connect(vec![address], Options::default()), count, window, Bytes::from(vec![7; size])).await;
    let elapsed = start.elapsed();
    let rate = count as f64 / elapsed.as_secs_f64();
    println!("{count} requests of {size} bytes, {window} outstanding: {rate:.0}/s, {:.2} us each", 1e6 / rate);
}

async fn ask(mut association: Association, count: u64, window: u64, request: Bytes) {
    let (mut sent, mut answered) = (0, 0);
    while answered < count {
        while sent < count.min(answered + window) {
            association.send(0, 0, false, Token(sent), request.clone()).expect("it is up or coming up");
            sent += 1;
        }
        match association.next().await {
            Event::Message { sequence, .. } => {
                association.taken(sequence);
                answered += 1;
            }
            Event::Lost(reason) => panic!("{reason}"),
            _ => {}
        }
    }
}

async fn echo(mut association: Association) {
    loop {
        match association.next().await {
            Event::Message { sequence, stream, ppid, data, .. } => {
                association.taken(sequence);
                association.send(stream, ppid, false, Token(sequence), data).expect("it is up");
            }
            Event::Lost(_) => return,
            _ => {}
        }
    }
}
