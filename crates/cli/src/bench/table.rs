// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp bench table`: the numbers of docs/performance.md, each so many times, with the loopback's limit measured beside each.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use serde::Serialize;

use super::report::Report;
use super::{Bench, echo, fairness, join, keepalive, register, reregister, resolve, startup, takeover, update};
use crate::duration;
use crate::output::{self, Output};

/// Measure all that docs/performance.md promises
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Only these rows
    #[arg(long, value_enum, value_delimiter = ',')]
    rows: Vec<Row>,
    /// How often each is measured; the median counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=99))]
    runs: u32,
    /// How long each measurement takes
    #[arg(short, long, value_parser = duration::parse, default_value = "3s")]
    duration: Duration,
    /// Measure so many requests each time, however long they take
    #[arg(long, conflicts_with = "duration", value_parser = clap::value_parser!(u64).range(1..))]
    requests: Option<u64>,
    /// How to print the result
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

/// What is measured together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Row {
    /// Resolution, 64 associations x 1 outstanding
    Resolve,
    /// Resolution, 16 x 32
    Pipelined,
    /// Resolution, one outstanding: latency
    Latency,
    /// Resolution over SCTP over UDP, 64 x 16 and 64 x 1, and memory with 10,000 associations
    SctpUdp,
    /// Re-registration with answer, 64 x 1
    Reregister,
    /// First registration, 64 x 1
    Register,
    /// Keep-alive of 100,000 pool elements over 64 associations; memory
    Keepalive,
    /// Update visible at the others, three registrars
    Update3,
    /// Update visible at the others, ten registrars
    Update10,
    /// A registrar joins one with 100,000 pool elements
    Join,
    /// Takeover of 50,000 pool elements from a registrar that is killed
    TakeoverKill,
    /// The same from one that says nothing any more
    TakeoverHang,
    /// One pool user floods, the others ask for half of the capacity
    Fairness,
    /// Start to first answer, idle memory, size of the program
    Startup,
}

/// One number.
#[derive(Debug, Clone, Serialize)]
struct Number {
    name: &'static str,
    unit: &'static str,
    runs: Vec<f64>,
    median: f64,
    /// The loopback's limit, measured beside each run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    limits: Vec<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<f64>,
    /// Median by limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<f64>,
    goal: Goal,
    reached: bool,
}

/// What is to be reached.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Goal {
    /// At least this share of the limit.
    ShareOfLimit(f64),
    /// At most this multiple of the limit.
    MultipleOfLimit(f64),
    /// At most the limit and so much.
    AboveLimit(f64),
    Most(f64),
    Least(f64),
    /// Nothing; it is to be said.
    Stated,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let rows =
        if args.rows.is_empty() { <Row as clap::ValueEnum>::value_variants().to_vec() } else { args.rows.clone() };
    let mut numbers = Vec::new();
    for row in rows {
        let row_numbers = row.measure(args).with_context(|| format!("row {row:?}"))?;
        if args.output == Output::Jsonl {
            row_numbers.iter().try_for_each(|number| output::print(&serde_json::to_string(number)?))?;
        }
        numbers.extend(row_numbers);
    }
    match args.output {
        Output::Json => output::print(&serde_json::to_string(&numbers)?),
        Output::Jsonl => Ok(()),
        Output::Table => output::print(&output::table(
            ["", "MEDIAN", "UNIT", "RUNS", "LIMIT", "RATIO", "GOAL", "REACHED"],
            numbers.iter().map(Number::cells),
        )),
    }
}

impl Row {
    fn measure(self, args: &Args) -> Result<Vec<Number>> {
        let until = match args.requests {
            Some(requests) => ["--requests".to_owned(), requests.to_string()],
            None => ["--duration".to_owned(), format!("{}ms", args.duration.as_millis())],
        };
        let d = [&until[0][..], &until[1]];
        match self {
            Row::Resolve => {
                let runs = beside(args, "echo", "resolve", &["-c64", "-k1"], &d)?;
                Ok(vec![rate("resolution, 64 x 1", &runs, Goal::ShareOfLimit(0.75))])
            }
            Row::Pipelined => {
                let runs = beside(args, "echo", "resolve", &["-c16", "-k32"], &d)?;
                Ok(vec![rate("resolution, 16 x 32", &runs, Goal::ShareOfLimit(0.32))])
            }
            Row::Latency => {
                let runs = beside(args, "echo", "resolve", &["-c1", "-k1"], &d)?;
                let of = |name, goal, us: fn(&Report) -> f64| Number::new(name, "us", goal, &runs, us);
                Ok(vec![
                    of("latency, one outstanding: p50", Goal::AboveLimit(5.0), |report| report.latency_us.p50),
                    of("latency, one outstanding: p99", Goal::MultipleOfLimit(2.0), |report| report.latency_us.p99),
                ])
            }
            Row::SctpUdp => {
                let run =
                    |how: &[&str]| beside(args, "echo", "resolve", &[how, &["--transport", "sctp-udp"]].concat(), &d);
                let (sixteen, one, many) = (run(&["-c64", "-k16"])?, run(&["-c64", "-k1"])?, run(&["-c10000", "-k1"])?);
                let memory = |report: &Report| {
                    let process = report.server_process.as_ref().expect("the server is ours");
                    process.rss_after_kb.saturating_sub(process.rss_before_kb) as f64 / report.connections as f64
                };
                Ok(vec![
                    rate("resolution over SCTP over UDP, 64 x 16", &sixteen, Goal::Least(70_000.0)),
                    rate("resolution over SCTP over UDP, 64 x 1", &one, Goal::Stated),
                    Number::new("  memory for each of 10,000 associations", "KiB", Goal::Most(10.0), &many, memory),
                ])
            }
            Row::Reregister => {
                let runs = beside(args, "echo", "reregister", &["-c64", "-k1"], &d)?;
                Ok(vec![rate("re-registration, 64 x 1", &runs, Goal::ShareOfLimit(0.58))])
            }
            Row::Register => {
                let runs = beside(args, "echo", "register", &["-c64", "-k1"], &d)?;
                Ok(vec![rate("first registration, 64 x 1", &runs, Goal::ShareOfLimit(0.46))])
            }
            Row::Keepalive => {
                let runs = repeat(args, || report(&["keepalive", "--policy", "lu", "--elements", "100000", "-c64"]))?;
                let process = |report: &Report| report.server_process.clone().expect("the registrar is ours");
                let cpu = runs.iter().map(|report| process(report).cpu * 100.0).collect();
                let memory = runs.iter().map(|report| process(report).rss_after_kb as f64 / 1024.0).collect();
                Ok(vec![
                    Number::alone("keep-alive of 100,000 PEs every 5 s", "% of a core", Goal::Most(20.0), cpu),
                    Number::alone("memory with 100,000 PEs", "MB", Goal::Most(32.0), memory),
                ])
            }
            Row::Update3 => update_row(args, "3", &d, [Some(150.0), Some(500.0)]),
            Row::Update10 => update_row(args, "10", &d, [None, Some(2_000.0)]),
            Row::Join => {
                let runs = repeat(args, || match workload(&["join"])? {
                    Bench::Join(args) => join::measure(&args),
                    _ => unreachable!("it was asked for"),
                })?;
                let of = |name, unit, goal, value: fn(&join::Join) -> f64| {
                    Number::alone(name, unit, goal, runs.iter().map(value).collect())
                };
                Ok(vec![
                    of("joining with 100,000 PEs", "ms", Goal::Most(120.0), |run| run.joined_ms),
                    of("joining with none", "ms", Goal::Stated, |run| run.empty_ms),
                    of("lookups meanwhile: p99.9", "us", Goal::Most(5_000.0), |run| run.meanwhile.latency_us.p999),
                    of("lookups without it: p99.9", "us", Goal::Stated, |run| run.calm.latency_us.p999),
                ])
            }
            Row::TakeoverKill => takeover_row(args, "kill", "takeover of 50,000 PEs, kill -9", 500.0),
            Row::TakeoverHang => takeover_row(args, "hang", "takeover of 50,000 PEs, silent", 2_000.0),
            Row::Fairness => {
                let runs = repeat(args, || match workload(&[&["fairness"], &d[..]].concat())? {
                    Bench::Fairness(args) => fairness::measure(&args),
                    _ => unreachable!("it was asked for"),
                })?;
                let share = runs.iter().map(|run| run.share * 100.0).collect();
                let p99 = runs.iter().map(|run| run.flooded.latency_us.p99).collect();
                Ok(vec![
                    Number::alone("others beside one that floods", "% of what they ask for", Goal::Least(90.0), share),
                    Number::alone("others beside one that floods: p99", "us", Goal::Stated, p99),
                ])
            }
            Row::Startup => {
                let runs = repeat(args, || match workload(&["startup"])? {
                    Bench::Startup(args) => startup::measure(&args),
                    _ => unreachable!("it was asked for"),
                })?;
                let of = |name, unit, goal, value: fn(&startup::Startup) -> f64| {
                    Number::alone(name, unit, goal, runs.iter().map(value).collect())
                };
                const MB: f64 = 1_048_576.0;
                Ok(vec![
                    of("start to first answer", "ms", Goal::Most(10.0), |run| run.first_answer_ms),
                    of("idle memory", "MB", Goal::Most(6.0), |run| run.idle_rss_kb as f64 * 1024.0 / MB),
                    of("stripped program", "MB", Goal::Most(6.0), |run| run.program_bytes as f64 / MB),
                ])
            }
        }
    }
}

/// How long until an update is seen, among so many registrars.
fn update_row(args: &Args, registrars: &str, d: &[&str], goals: [Option<f64>; 2]) -> Result<Vec<Number>> {
    let runs = repeat(args, || report(&[&["update", "--own", registrars], d].concat()))?;
    let names = match registrars {
        "3" => ["update at the others, 3 registrars: p50", "update at the others, 3 registrars: p99"],
        _ => ["update at the others, 10 registrars: p50", "update at the others, 10 registrars: p99"],
    };
    let values: [fn(&Report) -> f64; 2] = [|report| report.latency_us.p50, |report| report.latency_us.p99];
    let numbers = names.into_iter().zip(goals).zip(values).map(|((name, goal), value)| {
        let goal = goal.map_or(Goal::Stated, Goal::Most);
        Number::alone(name, "us", goal, runs.iter().map(value).collect())
    });
    Ok(numbers.collect())
}

/// Takeover in profile fast.
fn takeover_row(args: &Args, death: &str, name: &'static str, goal: f64) -> Result<Vec<Number>> {
    let line = ["takeover", "--profile", "fast", "--death", death];
    let runs = repeat(args, || match workload(&line)? {
        Bench::Takeover(args) => takeover::measure(&args),
        _ => unreachable!("it was asked for"),
    })?;
    let of = |name, unit, goal, value: fn(&takeover::Takeover) -> f64| {
        Number::alone(name, unit, goal, runs.iter().map(value).collect())
    };
    Ok(vec![
        of(name, "ms", Goal::Most(goal), |run| run.owned_ms),
        of("  all told of their new home", "ms", Goal::Most(5_000.0), |run| run.told_ms),
        of("  PEs told", "", Goal::Least(50_000.0), |run| run.told as f64),
        of("  PEs kept", "", Goal::Least(50_000.0), |run| run.kept as f64),
        of("  failed lookups at survivors", "", Goal::Most(0.0), |run| run.failed_lookups as f64),
    ])
}

/// A run of the limit and one of the workload, in turn.
fn beside(args: &Args, limit: &str, name: &str, how: &[&str], d: &[&str]) -> Result<Vec<(Report, Report)>> {
    repeat(args, || Ok((report(&[&[limit], how, d].concat())?, report(&[&[name], how, d].concat())?)))
}

fn repeat<T>(args: &Args, mut measure: impl FnMut() -> Result<T>) -> Result<Vec<T>> {
    (0..args.runs).map(|_| measure()).collect()
}

/// What `rsp bench` with these arguments measures.
fn report(args: &[&str]) -> Result<Report> {
    let report = match workload(args)? {
        Bench::Resolve(args) => resolve::measure(&args),
        Bench::Register(args) => register::measure(&args),
        Bench::Reregister(args) => reregister::measure(&args),
        Bench::Keepalive(args) => keepalive::measure(&args),
        Bench::Echo(args) => echo::measure(&args),
        Bench::Update(args) => update::measure(&args),
        Bench::Fairness(_)
        | Bench::Join(_)
        | Bench::Takeover(_)
        | Bench::Startup(_)
        | Bench::Table(_)
        | Bench::Session(_)
        | Bench::SessionServer(_)
        | Bench::EchoServer(_) => {
            unreachable!("what has another result is not asked for here")
        }
    }?;
    ensure!(report.errors == 0, "{} errors, the first: {}", report.errors, report.first_error.unwrap_or_default());
    Ok(report)
}

/// The command line is the table's language too: what it runs is what everybody can run.
fn workload(args: &[&str]) -> Result<Bench> {
    #[derive(Parser)]
    #[command(no_binary_name = true)]
    struct Line {
        #[command(subcommand)]
        bench: Bench,
    }
    Ok(Line::try_parse_from(args)?.bench)
}

/// Requests per second of the server's processor time.
fn rate(name: &'static str, runs: &[(Report, Report)], goal: Goal) -> Number {
    Number::new(name, "/s of a core", goal, runs, |report| {
        report.server_process.as_ref().expect("the server is ours").per_core_second
    })
}

impl Number {
    fn new(
        name: &'static str,
        unit: &'static str,
        goal: Goal,
        runs: &[(Report, Report)],
        value: fn(&Report) -> f64,
    ) -> Self {
        let limits: Vec<f64> = runs.iter().map(|(limit, _)| value(limit)).collect();
        let runs: Vec<f64> = runs.iter().map(|(_, run)| value(run)).collect();
        let (median_of_runs, limit) = (median(&runs), median(&limits));
        let reached = goal.is_reached(median_of_runs, limit);
        let (limit, ratio) = (Some(limit), Some(median_of_runs / limit));
        Number { name, unit, median: median_of_runs, runs, limits, limit, ratio, goal, reached }
    }

    fn alone(name: &'static str, unit: &'static str, goal: Goal, runs: Vec<f64>) -> Self {
        let median = median(&runs);
        let reached = goal.is_reached(median, f64::NAN);
        Number { name, unit, median, runs, limits: Vec::new(), limit: None, ratio: None, goal, reached }
    }

    fn cells(&self) -> [String; 8] {
        let goal = match self.goal {
            Goal::ShareOfLimit(share) => format!(">= {share} x limit"),
            Goal::MultipleOfLimit(share) => format!("<= {share} x limit"),
            Goal::AboveLimit(more) => format!("<= limit + {more}"),
            Goal::Stated => "stated".to_owned(),
            Goal::Most(most) => format!("<= {most}"),
            Goal::Least(least) => format!(">= {least}"),
        };
        [
            self.name.to_owned(),
            number(self.median),
            self.unit.to_owned(),
            self.runs.iter().map(|run| number(*run)).collect::<Vec<_>>().join(" "),
            self.limit.map(number).unwrap_or_default(),
            self.ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default(),
            goal,
            if self.reached { "yes" } else { "no" }.to_owned(),
        ]
    }
}

impl Goal {
    fn is_reached(self, value: f64, limit: f64) -> bool {
        match self {
            Goal::ShareOfLimit(share) => value >= share * limit,
            Goal::MultipleOfLimit(share) => value <= share * limit,
            Goal::AboveLimit(more) => value <= limit + more,
            Goal::Most(most) => value <= most,
            Goal::Least(least) => value >= least,
            Goal::Stated => true,
        }
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn number(value: f64) -> String {
    if value >= 1_000.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_reached_by_the_median_beside_the_median_of_the_limit() {
        let number = Number::alone("", "", Goal::Most(10.0), vec![9.0, 90.0, 8.0]);
        assert!(number.reached && number.median == 9.0);
        assert!(Goal::ShareOfLimit(0.75).is_reached(75.0, 100.0) && !Goal::ShareOfLimit(0.75).is_reached(74.0, 100.0));
        assert!(Goal::AboveLimit(5.0).is_reached(75.0, 70.0) && !Goal::AboveLimit(5.0).is_reached(75.1, 70.0));
        assert!(Goal::MultipleOfLimit(2.0).is_reached(140.0, 70.0) && Goal::Least(90.0).is_reached(90.0, f64::NAN));
    }

    #[test]
    fn every_command_of_the_table_can_be_given_by_anybody() {
        for line in [&["resolve", "-c16", "-k32", "--duration", "3000ms"][..], &["update", "--own", "10"], &["startup"]]
        {
            assert!(workload(line).is_ok(), "{line:?}");
        }
        assert!(workload(&["resolve", "--nonsense"]).is_err());
    }
}
