// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a run came to, for people and for programs.

use std::ops::Range;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use super::associations::Associations;
use super::client::{Client, Pace, Plan, Tally, Workload};
use super::options::Load;
use super::server::{self, Server, Usage};
use crate::output::{self, Output};

/// The result of one run.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Report {
    pub(super) workload: &'static str,
    pub(super) server: String,
    pub(super) connections: usize,
    /// Requests outstanding on each; absent in the open loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) outstanding: Option<u32>,
    /// Requests due a second in the open loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rate: Option<u32>,
    pub(super) seconds: f64,
    pub(super) requests: u64,
    pub(super) per_second: f64,
    /// Wrong answers and requests without one.
    pub(super) errors: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) first_error: Option<&'static str>,
    pub(super) keep_alives: u64,
    /// Messages to a connection that floods.
    #[serde(skip)]
    pub(super) flooded: u64,
    pub(super) latency_us: Latency,
    /// Absent if the server's process isn't known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) server_process: Option<ServerProcess>,
    /// Share of a processor this client needed: near 1 it is the client that was measured.
    pub(super) client_cpu: f64,
}

/// Microseconds.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Latency {
    pub(super) mean: f64,
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
    pub(super) p999: f64,
    pub(super) max: f64,
}

/// What the server's process used.
#[derive(Debug, Clone, Serialize)]
pub(super) struct ServerProcess {
    pub(super) pid: u32,
    pub(super) cpu_seconds: f64,
    /// Share of a processor.
    pub(super) cpu: f64,
    /// Requests, or keep-alives where nothing is requested, per second of processor time.
    pub(super) per_core_second: f64,
    pub(super) rss_before_kb: u64,
    pub(super) rss_after_kb: u64,
}

/// Runs a workload as the options say.
pub(super) fn measure(
    name: &'static str,
    server: &Server,
    client: &mut Client,
    load: &Load,
    active: Range<usize>,
    workload: &mut impl Workload,
) -> Result<Report> {
    let plan = load.plan(active);
    run(name, server, client, &plan, workload)
}

/// Runs a workload.
pub(super) fn run(
    name: &'static str,
    server: &Server,
    client: &mut Client,
    plan: &Plan,
    workload: &mut impl Workload,
) -> Result<Report> {
    let mut usages = Vec::with_capacity(2);
    let tally = client.run(plan, workload, || usages.push((server.usage(), server::usage("self"))))?;
    let connections = if plan.active.is_empty() { client.connections().len() } else { plan.active.len() };
    Ok(of(name, server, connections, plan, &tally, &usages))
}

/// Runs a workload over SCTP.
pub(super) fn measure_over_sctp(
    name: &'static str,
    server: &Server,
    associations: &mut Associations,
    load: &Load,
    workload: impl Workload + 'static,
) -> Result<Report> {
    let count = associations.len();
    let plan = load.plan(0..count);
    let mut usages = Vec::with_capacity(2);
    let tally = associations.run(&plan, workload, || usages.push((server.usage(), server::usage("self"))))?;
    Ok(of(name, server, count, &plan, &tally, &usages))
}

/// What the server's process and ours had used when measuring began, and when it ended.
type Usages = [(Option<Usage>, Option<Usage>)];

fn of(name: &'static str, server: &Server, connections: usize, plan: &Plan, tally: &Tally, usages: &Usages) -> Report {
    let [(server_before, client_before), (server_after, client_after)] = *usages else {
        unreachable!("a run has a beginning and an end");
    };
    let client_cpu = client_before.zip(client_after).map_or(0.0, |(before, after)| share(before, after, tally.elapsed));
    let work = if plan.active.is_empty() { tally.keep_alives } else { tally.answered };
    let server_process = server.pid().zip(server_before.zip(server_after)).map(|(pid, (before, after))| {
        let cpu_seconds = (after.cpu - before.cpu).as_secs_f64();
        ServerProcess {
            pid,
            cpu_seconds,
            cpu: share(before, after, tally.elapsed),
            per_core_second: if cpu_seconds > 0.0 { work as f64 / cpu_seconds } else { 0.0 },
            rss_before_kb: before.rss_kb,
            rss_after_kb: after.rss_kb,
        }
    });
    let (outstanding, rate) = match plan.pace {
        Pace::Closed { outstanding } => (Some(outstanding), None),
        Pace::Open { per_second } => (None, Some(per_second)),
    };
    Report {
        workload: name,
        server: server.address().to_string(),
        connections,
        outstanding,
        rate,
        seconds: tally.elapsed.as_secs_f64(),
        requests: tally.answered,
        per_second: work as f64 / tally.elapsed.as_secs_f64(),
        errors: tally.wrong + tally.unanswered,
        first_error: tally.reason.or((tally.unanswered > 0).then_some("requests without an answer")),
        keep_alives: tally.keep_alives,
        flooded: tally.flooded,
        latency_us: Latency::of(tally),
        server_process,
        client_cpu,
    }
}

impl Report {
    /// Counts the server's memory from an earlier moment on.
    pub(super) fn since(&mut self, before: Option<Usage>) {
        if let (Some(process), Some(before)) = (&mut self.server_process, before) {
            process.rss_before_kb = before.rss_kb;
        }
    }
}

impl Latency {
    fn of(tally: &Tally) -> Self {
        let us = |quantile: f64| tally.latency.value_at_quantile(quantile) as f64 / 1e3;
        Latency {
            mean: tally.latency.mean() / 1e3,
            p50: us(0.5),
            p90: us(0.9),
            p99: us(0.99),
            p999: us(0.999),
            max: tally.latency.max() as f64 / 1e3,
        }
    }
}

/// Prints it, and fails if there were errors.
pub(super) fn print(report: &Report, output: Output) -> Result<()> {
    match output {
        Output::Table => output::print(&table(report))?,
        Output::Json | Output::Jsonl => output::print(&serde_json::to_string(report)?)?,
    }
    let first_error = report.first_error.unwrap_or_default();
    anyhow::ensure!(report.errors == 0, "{} errors, the first: {first_error}", report.errors);
    Ok(())
}

fn table(report: &Report) -> String {
    let Report { workload, connections, seconds, requests, per_second, keep_alives, errors, latency_us, .. } = report;
    let how = match (report.outstanding, report.rate) {
        (_, Some(rate)) => format!(", {rate} due a second"),
        (Some(outstanding @ 1..), _) => format!(" x {outstanding} outstanding"),
        _ => String::new(),
    };
    let mut lines = vec![format!("{workload}: {connections} connections{how}, {seconds:.1} s")];
    if *requests > 0 {
        lines.push(format!("  {per_second:.0} requests/s, {requests} in all, {errors} errors"));
        let Latency { mean, p50, p90, p99, p999, max } = latency_us;
        lines.push(format!(
            "  latency in us: mean {mean:.1}, p50 {p50:.1}, p90 {p90:.1}, p99 {p99:.1}, p99.9 {p999:.1}, max {max:.1}"
        ));
    }
    if *keep_alives > 0 {
        lines.push(format!("  {:.0} keep-alives/s answered", *keep_alives as f64 / seconds));
    }
    if let Some(process) = &report.server_process {
        let ServerProcess { pid, cpu, per_core_second, rss_before_kb, rss_after_kb, .. } = process;
        lines.push(format!(
            "  server (pid {pid}): {:.1} % of a processor, {per_core_second:.0} per second of it; memory {rss_before_kb} kB before, {rss_after_kb} kB after",
            cpu * 100.0
        ));
    }
    lines.push(format!("  client: {:.1} % of a processor", report.client_cpu * 100.0));
    lines.join("\n")
}

fn share(before: Usage, after: Usage, elapsed: Duration) -> f64 {
    (after.cpu - before.cpu).as_secs_f64() / elapsed.as_secs_f64()
}
