// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs seeds of the soak test on all cores: `cargo run --release -p sim --example soak -- 1..2001`. One number alone replays that seed.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use sim::soak::{self, Report};

fn main() -> ExitCode {
    let argument = std::env::args().nth(1).unwrap_or_else(|| "1..201".to_owned());
    let Some((first, end)) = range(&argument) else {
        eprintln!("soak FIRST..END or soak SEED, not {argument}");
        return ExitCode::from(2);
    };
    let (next, failed, total) = (AtomicU64::new(first), Mutex::new(Vec::new()), Mutex::new(Report::default()));
    let start = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(seed) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < end) {
                    match std::panic::catch_unwind(|| soak::run(seed)) {
                        Ok(report) => total.lock().expect("nobody panics with it").add(&report),
                        Err(_) => failed.lock().expect("nobody panics with it").push(seed),
                    }
                }
            });
        }
    });
    println!("{}", total.into_inner().expect("nobody panics with it"));
    println!("{:.1} s", start.elapsed().as_secs_f64());
    let mut failed = failed.into_inner().expect("nobody panics with it");
    failed.sort_unstable();
    if failed.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("{} seeds failed: {failed:?}", failed.len());
    ExitCode::FAILURE
}

fn range(text: &str) -> Option<(u64, u64)> {
    match text.split_once("..") {
        Some((first, end)) => Some((first.parse().ok()?, end.parse().ok()?)),
        None => {
            let seed: u64 = text.parse().ok()?;
            Some((seed, seed + 1))
        }
    }
}
