// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp bench session latency`: round trips over a session, beside those over a TCP connection between the same processes.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use hdrhistogram::Histogram;
use rserpool::{Profile, Session};
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::server::ECHO;
use super::stage::Stage;
use super::{Common, median, print, raw};

/// Measure round trips over a session, beside raw TCP
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Bytes of a message, there and back
    #[arg(short = 'l', long, default_value_t = 1_024)]
    length: usize,
    /// Round trips of a run
    #[arg(short = 'n', long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    messages: u64,
    /// Runs, in turn with raw TCP; the median counts
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=99))]
    runs: u32,
    #[command(flatten)]
    common: Common,
}

/// What it came to, in microseconds.
#[derive(Debug, Serialize)]
struct Latency {
    workload: &'static str,
    length: usize,
    messages: u64,
    p50: Vec<f64>,
    p99: Vec<f64>,
    raw_p50: Vec<f64>,
    raw_p99: Vec<f64>,
    /// By how much the median p50 is more than that of raw TCP.
    above_us: f64,
}

pub(super) async fn run(args: &Args) -> Result<()> {
    let stage = Stage::start(&args.common, Profile::Standard, 1).await?;
    let session = stage.session().await?;
    let longest = session.largest_message();
    ensure!((1..=longest).contains(&args.length), "a session carries messages of 1 to {longest} bytes");
    let mut stream = raw::connect(stage.elements[0].raw, args.length).await?;
    let (mut p50, mut p99, mut raw_p50, mut raw_p99) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..args.runs {
        let times = raw_round_trips(&mut stream, args).await?;
        raw_p50.push(us(&times, 0.5));
        raw_p99.push(us(&times, 0.99));
        let times = round_trips(&session, args).await?;
        p50.push(us(&times, 0.5));
        p99.push(us(&times, 0.99));
    }
    let above_us = median(&p50) - median(&raw_p50);
    let result = Latency {
        workload: "session latency",
        length: args.length,
        messages: args.messages,
        p50,
        p99,
        raw_p50,
        raw_p99,
        above_us,
    };
    print(args.common.output, &result, || {
        format!(
            "session latency: {} round trips of {} bytes: p50 {:.1} us, p99 {:.1} us; raw TCP p50 {:.1} us, p99 {:.1} us; {above_us:+.1} us",
            args.messages,
            args.length,
            median(&result.p50),
            median(&result.p99),
            median(&result.raw_p50),
            median(&result.raw_p99)
        )
    })
}

async fn round_trips(session: &Session, args: &Args) -> Result<Histogram<u64>> {
    let message = Bytes::from(vec![ECHO; args.length]);
    let mut times = Histogram::new_with_max(HIGHEST, 3)?;
    for _ in 0..args.messages {
        let start = Instant::now();
        drop(session.send(message.clone()).await?);
        session.recv_data().await?.context("the server ended the session")?;
        times.saturating_record(start.elapsed().as_nanos() as u64);
    }
    Ok(times)
}

async fn raw_round_trips(stream: &mut TcpStream, args: &Args) -> Result<Histogram<u64>> {
    let message = vec![ECHO; args.length];
    let mut answer = vec![0; args.length];
    let mut times = Histogram::new_with_max(HIGHEST, 3)?;
    for _ in 0..args.messages {
        let start = Instant::now();
        stream.write_all(&message).await?;
        stream.read_exact(&mut answer).await?;
        times.saturating_record(start.elapsed().as_nanos() as u64);
    }
    Ok(times)
}

fn us(times: &Histogram<u64>, quantile: f64) -> f64 {
    times.value_at_quantile(quantile) as f64 / 1e3
}

/// Longer ones are counted as this one: 100 s.
const HIGHEST: u64 = 100_000_000_000;
