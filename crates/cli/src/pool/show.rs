// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp pool show`: one pool, asked of a registrar by ASAP_HANDLE_RESOLUTION.

use std::time::Duration;

use rserpool::{Error, Items, Pool, PoolUrl, PoolUser};
use serde_json::{Value, json};

use super::element;
use crate::access::{Access, within};
use crate::duration;
use crate::output::{Output, print, print_json, table};

/// Show who is in a pool
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The pool: HANDLE or pool://REGISTRAR/HANDLE
    #[arg(value_name = "HANDLE")]
    pool: PoolUrl,
    #[command(flatten)]
    access: Access,
    /// How many elements to ask for: a number, 0 for as many as the registrar thinks right, or all (the handle resolution option)
    #[arg(long, value_name = "N", value_parser = items, default_value = "all", conflicts_with = "wait")]
    items: Items,
    /// Wait until the pool has at least so many elements
    #[arg(long, value_name = "N")]
    wait: Option<usize>,
    /// Give up after this time
    #[arg(long, value_parser = duration::parse, default_value = "10s")]
    timeout: Duration,
    /// How to print
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

pub(crate) async fn run(args: &Args) -> anyhow::Result<()> {
    let user = args.access.user(&args.pool).await?;
    let what = format!("asking for pool \"{}\"", args.pool.pool);
    let pool = match args.wait {
        None => within(args.timeout, &what, &user, user.resolve_fresh(args.pool.pool.clone(), args.items)).await?,
        Some(wanted) => {
            let what = format!("waiting for {wanted} elements in pool \"{}\"", args.pool.pool);
            within(args.timeout, &what, &user, wait_for(&user, &args.pool, wanted)).await?
        }
    };
    match args.output {
        Output::Table => {
            let policy = pool.policy.short_name();
            let stale = if pool.stale { ", old news: no registrar answers" } else { "" };
            print(&format!("Pool {}: policy {policy}, {} elements{stale}", pool.handle, pool.elements.len()))?;
            print(&table(element::TITLES, pool.elements.iter().map(element::row)))
        }
        Output::Json => print_json(&describe(&pool)),
        Output::Jsonl => pool.elements.iter().try_for_each(|element| {
            let mut object = element::json(element);
            object["handle"] = pool.handle.to_string().into();
            print_json(&object)
        }),
    }
}

/// A pool nobody has registered in yet is waited for; a registrar that does not answer is not.
async fn wait_for(user: &PoolUser, url: &PoolUrl, wanted: usize) -> rserpool::Result<Pool> {
    match user.resolve_fresh(url.pool.clone(), Items::All).await {
        Ok(pool) if pool.elements.len() >= wanted => return Ok(pool),
        Ok(_) | Err(Error::UnknownPool { .. }) => {}
        Err(error) => return Err(error),
    }
    let mut watch = user.watch(url.pool.clone());
    loop {
        if let Some(pool) = watch.next().await.ok_or(Error::Closed)?
            && pool.elements.len() >= wanted
        {
            return Ok(pool);
        }
    }
}

fn items(text: &str) -> Result<Items, String> {
    match text {
        "all" | "0xffffffff" | "4294967295" => Ok(Items::All),
        "0" => Ok(Items::Default),
        number => number.parse().map(Items::AtMost).map_err(|_| "a number, or all, is expected".to_owned()),
    }
}

fn describe(pool: &Pool) -> Value {
    let elements: Vec<Value> = pool.elements.iter().map(element::json).collect();
    json!({
        "handle": pool.handle.to_string(),
        "policy": pool.policy.name(),
        "stale": pool.stale,
        "pool_elements": elements,
    })
}
