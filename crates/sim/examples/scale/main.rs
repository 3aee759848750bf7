// SPDX-License-Identifier: MIT OR Apache-2.0
//! What many registrars and very many pool elements cost: `cargo run --release -p sim --example scale -- REGISTRARS PES`. Prints the rows of `docs/scale.md`.
//!
//! The registrars' machines with whole messages between them, without the bytes of TCP below.

mod cluster;

use std::time::Duration;

use cluster::{Cluster, Spent};

fn main() {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u32>().expect("scale REGISTRARS PES"));
    let (registrars, elements) = (numbers.next().unwrap_or(10), numbers.next().unwrap_or(10_000));
    let mut cluster = Cluster::new(registrars, elements);
    println!("{registrars} registrars, {elements} PEs");
    println!("| event | times | messages sent each | bytes sent each | CPU µs each | CPU µs each and registrar |");
    println!("|---|---|---|---|---|---|");

    // The last one joins later.
    for n in 0..registrars - 1 {
        cluster.start(n);
    }
    cluster.run(Duration::from_secs(10));
    let idle = cluster::resident();
    let spent = cluster.measure(|cluster| cluster.register_all());
    row("registration", elements, &spent, registrars - 1);
    let full = cluster::resident();
    let spent = cluster.measure(|cluster| cluster.register_all());
    row("re-registration", elements, &spent, registrars - 1);
    let cycles = 10;
    let heartbeats = cluster.measure(|cluster| cluster.run(CYCLE * cycles));
    row("heartbeat of one registrar", cycles * (registrars - 1), &heartbeats, 1);
    // What goes on anyway is taken off from here on.
    let per_second = |seconds: u32| f64::from(seconds) / (CYCLE * cycles).as_secs_f64();
    let spent = cluster.measure(|cluster| {
        cluster.start(registrars - 1);
        cluster.run(Duration::from_secs(5));
    });
    row("join", 1, &spent.less(&heartbeats, per_second(5)), registrars);
    assert_eq!(cluster.known(registrars - 1), elements as usize, "the one that joined knows all PEs");
    let owned = cluster.owned(0);
    // 10,000 are asked per second.
    let seconds = 3 + owned as u32 / 5_000;
    let spent = cluster.measure(|cluster| {
        cluster.kill(0);
        cluster.run(Duration::from_secs(seconds.into()));
    });
    row(&format!("takeover of {owned} PEs"), 1, &spent.less(&heartbeats, per_second(seconds)), registrars - 1);
    assert_eq!(cluster.known(1), elements as usize, "no PE is lost");
    assert_eq!(
        (1..registrars).map(|n| cluster.owned(n)).sum::<usize>(),
        elements as usize,
        "every PE has a home that lives"
    );
    let each = (full - idle) as f64 / f64::from(registrars - 1);
    println!();
    println!(
        "Memory: {:.1} MB per registrar, {:.0} bytes per PE at each; what the example keeps of the PEs themselves included.",
        each / 1e6,
        each / f64::from(elements)
    );
}

fn row(event: &str, times: u32, spent: &Spent, registrars: u32) {
    let times_ = f64::from(times);
    let cpu = spent.cpu.as_secs_f64() * 1e6 / times_;
    println!(
        "| {event} | {times} | {:.1} | {:.0} | {cpu:.1} | {:.2} |",
        spent.messages as f64 / times_,
        spent.bytes as f64 / times_,
        cpu / f64::from(registrars)
    );
}

/// PEER-HEARTBEAT-CYCLE of profile standard.
const CYCLE: Duration = Duration::from_millis(2_400);
