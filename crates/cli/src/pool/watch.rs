// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp pool watch`: a line for each change of a pool, as its registrar pushes them ('S' bit, RFC 5352 §2.2.5).

use std::collections::BTreeMap;

use rserpool::{PeId, Pool, PoolUrl};
use rsp_wire::parameter::PoolElement;
use serde_json::json;

use super::element;
use crate::access::Access;
use crate::output::{Output, print, print_json};

/// Print a line for each change of a pool, until interrupted
///
/// It begins with who is in the pool now. A pool that is not there yet is waited for.
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
    loop {
        let pool = tokio::select! {
            news = watch.next() => news.ok_or(rserpool::Error::Closed)?,
            _ = tokio::signal::ctrl_c() => return Ok(()),
        };
        let changes = changes(&mut known, pool.as_ref());
        if is_first && pool.is_none() {
            eprintln!("rsp: there is no pool \"{}\" yet; waiting for it", args.pool.pool);
        }
        is_first = false;
        for (change, element) in changes {
            match args.output {
                Output::Table => print(&format!("{:<8} {}", change.word(), element::line(&element)))?,
                Output::Json | Output::Jsonl => {
                    let mut object = json!({"event": change.word(), "handle": args.pool.pool.to_string()});
                    object["pool_element"] = element::json(&element);
                    print_json(&object)?;
                }
            }
        }
    }
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
        Some(old) if old != new => Some((Change::Changed, new.clone())),
        Some(_) => None,
    });
    removed.chain(others).collect()
}

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
