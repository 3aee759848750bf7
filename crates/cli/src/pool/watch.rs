// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp pool watch`: a line for each change of a pool, as its registrar pushes them ('S' bit, RFC 5352 §2.2.5).

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rserpool::{PeId, Pool, PoolUrl};
use rsp_wire::parameter::PoolElement;
use serde_json::json;

use super::element;
use crate::access::Access;
use crate::output::{Output, print, print_json};
use crate::stop::Stop;

/// Print a line for each change of a pool, until interrupted
///
/// It begins with who is in the pool now. A pool that is not there yet is waited for. Each line begins with the time (UTC). Which registrar is
/// the home of an element is not shown: registrars do not tell when nothing else has changed.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The pool: HANDLE or pool://REGISTRAR/HANDLE
    #[arg(value_name = "HANDLE")]
    pool: PoolUrl,
    #[command(flatten)]
    access: Access,
    /// How to print: a line for each change in every form
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

pub(crate) async fn run(args: &Args) -> anyhow::Result<()> {
    let user = args.access.user(&args.pool).await?;
    let mut watch = user.watch(args.pool.pool.clone());
    let mut known = BTreeMap::new();
    let mut is_first = true;
    let mut look = tokio::time::interval(LOOK);
    // How often in a row there was no registrar: while it moves from one to the next there is none for a moment.
    let mut without = 0;
    let mut stop = Stop::catch()?;
    loop {
        let pool = tokio::select! {
            news = watch.next() => news.ok_or(rserpool::Error::Closed)?,
            _ = look.tick() => {
                let missing = user.missing_registrar().await;
                without = if missing.is_some() { without + 1 } else { 0 };
                if let Some(error) = missing.filter(|_| without == MANY) {
                    tell_stale(args.output, &error, known.is_empty())?;
                }
                continue;
            }
            _ = stop.asked() => return Ok(()),
        };
        let changes = changes(&mut known, pool.as_ref());
        if is_first && pool.is_none() {
            eprintln!("rsp: there is no pool \"{}\" yet; waiting for it", args.pool.pool);
        }
        is_first = false;
        for (change, element) in changes {
            match args.output {
                Output::Table => {
                    print(&format!("{}  {:<8} {}", time_of_day(), change.word(), element::line(&element)))?;
                }
                Output::Json | Output::Jsonl => {
                    let handle = args.pool.pool.to_string();
                    let mut object = json!({"event": change.word(), "time_ms": now_ms(), "handle": handle});
                    object["pool_element"] = element::json(&element);
                    // Registrars do not tell when nothing but the home has changed.
                    object["pool_element"].as_object_mut().map(|element| element.remove("home"));
                    print_json(&object)?;
                }
            }
        }
    }
}

/// What is shown may not be true any more.
fn tell_stale(output: Output, error: &rserpool::Error, is_empty: bool) -> anyhow::Result<()> {
    match output {
        Output::Table => {
            let what = if is_empty { "" } else { "; what was shown may be out of date" };
            eprintln!("rsp: {error}{what}");
            Ok(())
        }
        Output::Json | Output::Jsonl => {
            print_json(&json!({"event": "stale", "time_ms": now_ms(), "reason": error.to_string()}))
        }
    }
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// Of UTC, as the logs have it.
fn time_of_day() -> String {
    let ms = now_ms() % 86_400_000;
    let (seconds, ms) = (ms / 1_000, ms % 1_000);
    format!("{:02}:{:02}:{:02}.{ms:03}Z", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Added,
    Changed,
    Removed,
}

impl Change {
    fn word(self) -> &'static str {
        match self {
            Change::Added => "added",
            Change::Changed => "changed",
            Change::Removed => "removed",
        }
    }
}

/// What is different now; `known` becomes what is.
fn changes(known: &mut BTreeMap<PeId, PoolElement>, pool: Option<&Pool>) -> Vec<(Change, PoolElement)> {
    let now: BTreeMap<PeId, PoolElement> =
        pool.iter().flat_map(|pool| &pool.elements).map(|element| (element.id, element.clone())).collect();
    let before = std::mem::replace(known, now);
    let removed = before.values().filter(|old| !known.contains_key(&old.id)).map(|old| (Change::Removed, old.clone()));
    let others = known.values().filter_map(|new| match before.get(&new.id) {
        None => Some((Change::Added, new.clone())),
        Some(old) if *old != (PoolElement { home: old.home, ..new.clone() }) => Some((Change::Changed, new.clone())),
        Some(_) => None,
    });
    removed.chain(others).collect()
}

const LOOK: Duration = Duration::from_millis(500);
const MANY: u32 = 4;

#[cfg(test)]
mod tests {
    use rsp_wire::ServerId;
    use rsp_wire::parameter::{Policy, RegistrationLife, UserTransport};

    use super::*;

    fn pool(elements: &[(u32, u32)]) -> Pool {
        let element = |&(id, weight): &(u32, u32)| PoolElement {
            id: PeId(id),
            home: ServerId(1),
            life: RegistrationLife(30),
            user_transport: UserTransport::Opaque(Vec::new().into()),
            policy: Policy::WeightedRoundRobin { weight },
            asap_transport: None,
            unknown: Vec::new(),
        };
        Pool {
            handle: "p".into(),
            policy: Policy::WeightedRoundRobin { weight: 0 },
            elements: elements.iter().map(element).collect(),
            stale: false,
            complete: true,
        }
    }

    #[test]
    fn each_element_that_came_went_or_changed_is_one_change() {
        let mut known = BTreeMap::new();
        let mut words = |news: Option<&Pool>| -> Vec<(&str, u32)> {
            changes(&mut known, news).iter().map(|(change, element)| (change.word(), element.id.0)).collect()
        };
        assert_eq!(words(Some(&pool(&[(1, 1), (2, 1)]))), [("added", 1), ("added", 2)]);
        assert_eq!(words(Some(&pool(&[(1, 1), (2, 1)]))), []);
        assert_eq!(words(Some(&pool(&[(2, 5), (3, 1)]))), [("removed", 1), ("changed", 2), ("added", 3)]);
        assert_eq!(words(None), [("removed", 2), ("removed", 3)]);
    }
}
