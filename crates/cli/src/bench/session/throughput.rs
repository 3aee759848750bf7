// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp bench session throughput`: how much goes over a session, beside as many bytes over a TCP connection between the same processes.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use rserpool::{Profile, Session};
use serde::Serialize;

use super::server::{LAST, TAKE};
use super::stage::Stage;
use super::{Common, median, print, raw};

/// Measure how much goes over a session, beside raw TCP
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Bytes of a message
    #[arg(short = 'l', long, default_value_t = 65_000)]
    length: usize,
    /// Messages of a run
    #[arg(short = 'n', long, default_value_t = 40_000, value_parser = clap::value_parser!(u64).range(1..))]
    messages: u64,
    /// Runs, in turn with raw TCP; the median counts
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=99))]
    runs: u32,
    #[command(flatten)]
    common: Common,
}

/// What it came to.
#[derive(Debug, Serialize)]
struct Throughput {
    workload: &'static str,
    length: usize,
    messages: u64,
    /// Megabytes (10^6) per second.
    session: Vec<f64>,
    raw: Vec<f64>,
    median: f64,
    raw_median: f64,
    ratio: f64,
}

pub(super) async fn run(args: &Args) -> Result<()> {
    let stage = Stage::start(&args.common, Profile::Standard, 1).await?;
    let session = stage.session().await?;
    let longest = session.largest_message();
    ensure!((1..=longest).contains(&args.length), "a session carries messages of 1 to {longest} bytes");
    let megabytes = args.length as f64 * args.messages as f64 / 1e6;
    let (mut of_session, mut of_raw) = (Vec::new(), Vec::new());
    let to: SocketAddr = stage.elements[0].raw;
    for _ in 0..args.runs {
        of_raw.push(megabytes / raw::send(to, args.length, args.messages).await?.as_secs_f64());
        of_session.push(megabytes / send(&session, args.length, args.messages).await?.as_secs_f64());
    }
    let (fast, limit) = (median(&of_session), median(&of_raw));
    let result = Throughput {
        workload: "session throughput",
        length: args.length,
        messages: args.messages,
        session: of_session,
        raw: of_raw,
        median: fast,
        raw_median: limit,
        ratio: fast / limit,
    };
    print(args.common.output, &result, || {
        format!(
            "session throughput: {} messages of {} bytes: {fast:.0} MB/s, raw TCP {limit:.0} MB/s, {:.2} of it",
            args.messages, args.length, result.ratio
        )
    })
}

/// How long so many messages take until the server has taken them all.
async fn send(session: &Session, length: usize, count: u64) -> Result<Duration> {
    let mut last = vec![TAKE; length];
    let message = Bytes::from(last.clone());
    last[0] = LAST;
    let start = Instant::now();
    for _ in 1..count {
        drop(session.send(message.clone()).await?);
    }
    drop(session.send(last).await?);
    session.recv_data().await?.context("the server ended the session")?;
    Ok(start.elapsed())
}
