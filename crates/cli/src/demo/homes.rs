// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which registrar is the home of which pool element, as the living ones say over admin HTTP.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::clock;
use super::pe::POOL;
use crate::http;

/// A registrar to ask.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) number: usize,
    pub(crate) admin: String,
}

/// What those that live say.
#[derive(Debug, Clone, Default)]
pub(crate) struct View {
    /// When they were asked, and when all had answered.
    pub(crate) asked: u64,
    pub(crate) answered: u64,
    seen: Vec<Seen>,
}

/// What one says; no pool if it doesn't answer.
#[derive(Debug, Clone)]
struct Seen {
    number: usize,
    pool: Option<Pool>,
}

/// `GET /v1/pools/demo`, as far as it matters here.
#[derive(Debug, Clone, Deserialize)]
struct Pool {
    registrar: String,
    pool_elements: Vec<Element>,
}

#[derive(Debug, Clone, Deserialize)]
struct Element {
    id: String,
    home: String,
    watched: Option<Watched>,
}

#[derive(Debug, Clone, Deserialize)]
struct Watched {
    up: bool,
}

impl View {
    /// All of them know all these pool elements, each has a home that lives, and is connected with it.
    pub(crate) fn is_settled(&self, servers: &[u32]) -> bool {
        let mut expected: Vec<_> = servers.iter().map(|id| pe_id(*id)).collect();
        expected.sort_unstable();
        let pools: BTreeMap<&str, &Pool> = self
            .seen
            .iter()
            .filter_map(|seen| seen.pool.as_ref())
            .map(|pool| (pool.registrar.as_str(), pool))
            .collect();
        let is_watched = |element: &Element| {
            let home = pools.get(element.home.as_str());
            let there = home.and_then(|home| home.pool_elements.iter().find(|other| other.id == element.id));
            there.and_then(|there| there.watched.as_ref()).is_some_and(|watched| watched.up)
        };
        let is_whole = |pool: &&Pool| {
            pool.pool_elements.iter().map(|element| &element.id).eq(&expected)
                && pool.pool_elements.iter().all(is_watched)
        };
        !self.seen.is_empty() && pools.len() == self.seen.len() && pools.values().all(is_whole)
    }

    /// The number of the registrar that is the home of this pool element, and says so itself.
    pub(crate) fn home_of(&self, server: u32) -> Option<usize> {
        let id = pe_id(server);
        let is_home = |pool: &Pool| pool.pool_elements.iter().any(|it| it.id == id && it.home == pool.registrar);
        self.seen.iter().find(|seen| seen.pool.as_ref().is_some_and(is_home)).map(|seen| seen.number)
    }

    /// How many pool elements this one is the home of, in its own words.
    pub(crate) fn owned(&self, number: usize) -> usize {
        let pool = self.seen.iter().find(|seen| seen.number == number).and_then(|seen| seen.pool.as_ref());
        pool.map_or(0, |pool| pool.pool_elements.iter().filter(|element| element.home == pool.registrar).count())
    }
}

/// Asks all that live, again and again.
pub(crate) async fn observe(living: watch::Receiver<Vec<Asked>>, view: watch::Sender<View>) {
    loop {
        let asked = clock::now();
        let who = living.borrow().clone();
        let mut answers: Vec<Seen> = who.into_iter().map(ask).collect::<JoinSet<_>>().join_all().await;
        answers.sort_unstable_by_key(|seen| seen.number);
        if view.send(View { asked, answered: clock::now(), seen: answers }).is_err() {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn ask(asked: Asked) -> Seen {
    let pool = http::get(&asked.admin, &format!("/v1/pools/{POOL}"), PATIENCE).await;
    Seen { number: asked.number, pool: pool.ok().and_then(|body| serde_json::from_slice(&body).ok()) }
}

fn pe_id(server: u32) -> String {
    rserpool::PeId(server).to_string()
}

/// Between two rounds of questions: what the times measured here are good to.
const PAUSE: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    /// Registrars `r1`, `r2`, .. with `(pool element, home, is connected here)` as each says.
    fn view(seen: &[&[(u32, &str, bool)]]) -> View {
        let pool = |(index, elements): (usize, &&[(u32, &str, bool)])| Seen {
            number: index + 1,
            pool: Some(Pool {
                registrar: format!("r{}", index + 1),
                pool_elements: elements
                    .iter()
                    .map(|(id, home, up)| Element {
                        id: pe_id(*id),
                        home: (*home).to_owned(),
                        watched: up.then_some(Watched { up: true }),
                    })
                    .collect(),
            }),
        };
        View { asked: 0, answered: 0, seen: seen.iter().enumerate().map(pool).collect() }
    }

    #[test]
    fn settled_is_when_all_know_all_and_each_home_lives_and_is_connected() {
        let good = view(&[&[(1, "r1", true), (2, "r2", false)], &[(1, "r1", false), (2, "r2", true)]]);
        assert!(good.is_settled(&[2, 1]));
        assert_eq!((good.home_of(1), good.home_of(2), good.home_of(3), good.owned(2)), (Some(1), Some(2), None, 1));
        assert!(!good.is_settled(&[1, 2, 3]), "one is missing");
        let dead = view(&[&[(1, "r1", true), (2, "r9", false)], &[(1, "r1", false), (2, "r9", false)]]);
        assert!(!dead.is_settled(&[1, 2]), "a home is none of those that live");
        let unconnected = view(&[&[(1, "r1", true), (2, "r2", false)], &[(1, "r1", false), (2, "r2", false)]]);
        assert!(!unconnected.is_settled(&[1, 2]), "a home has no association with its element");
        assert!(!view(&[&[(1, "r1", true)], &[]]).is_settled(&[1]), "one does not know it");
        let mut silent = view(&[&[(1, "r1", true)]]);
        silent.seen.push(Seen { number: 2, pool: None });
        assert!(!silent.is_settled(&[1]), "one does not answer");
        assert!(!View::default().is_settled(&[]), "nobody was asked");
    }
}
