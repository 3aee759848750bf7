// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp bench session memory`: what an idle session takes at each end.

use anyhow::{Context, Result};
use rserpool::Profile;
use serde::Serialize;

use super::server::POOL;
use super::stage::Stage;
use super::{Common, print};
use crate::bench::server::usage;

/// Measure how much memory an idle session takes at each end
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Sessions
    #[arg(short = 's', long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    sessions: u32,
    #[command(flatten)]
    common: Common,
}

/// What it came to: resident memory more than before, in KiB for each session.
#[derive(Debug, Serialize)]
struct Memory {
    workload: &'static str,
    sessions: u32,
    pool_user_kib: f64,
    pool_element_kib: f64,
}

pub(super) async fn run(args: &Args) -> Result<()> {
    let stage = Stage::start(&args.common, Profile::Standard, 1).await?;
    let user = stage.user().await?;
    let mut sessions = Vec::with_capacity(args.sessions as usize);
    // What the first ones need is needed once.
    for _ in 0..WARM {
        sessions.push(user.session(POOL).connect().await?);
    }
    let rss = || {
        let own = usage("self").context("/proc")?.rss_kb;
        anyhow::Ok([own, stage.elements[0].process.usage().context("the pool element has ended")?.rss_kb])
    };
    let before = rss()?;
    for _ in 0..args.sessions {
        sessions.push(user.session(POOL).connect().await?);
    }
    let after = rss()?;
    let each = |end: usize| after[end].saturating_sub(before[end]) as f64 / f64::from(args.sessions);
    let result = Memory {
        workload: "session memory",
        sessions: args.sessions,
        pool_user_kib: each(0),
        pool_element_kib: each(1),
    };
    print(args.common.output, &result, || {
        format!(
            "session memory: {} idle sessions: {:.1} KiB each at the pool user, {:.1} KiB at the pool element",
            args.sessions, result.pool_user_kib, result.pool_element_kib
        )
    })
}

const WARM: u32 = 100;
