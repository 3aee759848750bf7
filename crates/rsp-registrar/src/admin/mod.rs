// SPDX-License-Identifier: MIT OR Apache-2.0
//! Admin HTTP: what an operator, `rsp pool ls` and Prometheus ask. `docs/admin-http.md` is its contract.
//!
//! It runs on a thread of its own; the registrar's thread answers its [`Question`]s between two messages.

mod events;
mod fields;
mod metrics;
mod page;
mod registrars;
mod status;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Json};
use axum::routing::get;
use daemon::admin::Problem;
use daemon::metrics::CONTENT_TYPE;
use machine::Time;
use rsp_core::registrar::Registrar;
use rsp_wire::PoolHandle;
use tokio::sync::{mpsc, oneshot};

pub(crate) use events::News;
use page::Page;
pub(crate) use registrars::{RegistrarList, Served};
use status::{Pool, PoolList};

/// Something to be looked up in the registrar, and who waits for it.
#[derive(Debug)]
pub(crate) enum Question {
    /// All pools.
    Pools(oneshot::Sender<PoolList>),
    /// One pool with some of its elements.
    Pool(PoolHandle, Page, oneshot::Sender<Option<Pool>>),
    /// This registrar and the others.
    Registrars(oneshot::Sender<RegistrarList>),
    /// Everything that is counted.
    Metrics(oneshot::Sender<metrics::Snapshot>),
}

impl Question {
    /// Looks it up. Whoever asked may have gone meanwhile. `unresolved` are the named peers that have no address.
    pub(crate) fn answer(self, registrar: &Registrar, unresolved: &[String], now: Time) {
        match self {
            Question::Pools(asker) => drop(asker.send(PoolList::of(registrar))),
            Question::Pool(handle, page, asker) => drop(asker.send(Pool::of(registrar, &handle, page, now))),
            Question::Registrars(asker) => drop(asker.send(RegistrarList::of(registrar, unresolved, now))),
            Question::Metrics(asker) => drop(asker.send(metrics::Snapshot::of(registrar, unresolved, now))),
        }
    }
}

/// Questions to the registrar's thread.
pub(crate) type Questions = mpsc::Sender<Question>;

/// The paths, without those every daemon has.
pub(crate) fn routes(questions: Questions, news: News, served: Served) -> Router {
    let registrars = get(registrars).with_state((questions.clone(), served));
    Router::new()
        .route("/v1/pools", get(pools))
        .route(&format!("{}{{*handle}}", status::POOLS), get(pool))
        .route("/v1/registrars", registrars)
        .route("/metrics", get(metrics))
        .with_state(questions)
        .merge(Router::new().route("/v1/events", get(events::stream)).with_state(events::Readers::of(news)))
}

async fn pools(State(questions): State<Questions>, uri: Uri) -> Result<Json<PoolList>, Problem> {
    if let Some(query) = uri.query().filter(|query| !query.is_empty()) {
        let detail = format!(
            "\"{query}\" is not understood: the list of pools is whole; a pool's elements come in pages, /v1/pools/HANDLE?limit=100."
        );
        return Err(Problem::new(StatusCode::BAD_REQUEST, "Bad query", detail));
    }
    ask(&questions, Question::Pools).await.map(Json)
}

/// The handle is any bytes, percent-encoded, so it is taken from the path as it came.
async fn pool(State(questions): State<Questions>, uri: Uri) -> Result<Json<Pool>, Problem> {
    let encoded = uri.path().strip_prefix(status::POOLS).unwrap_or_default();
    let handle = daemon::admin::decode(encoded).ok_or_else(|| {
        let detail = format!("{encoded} is not percent-encoded: each % is followed by two hexadecimal digits.");
        Problem::new(StatusCode::BAD_REQUEST, "Bad pool handle", detail)
    })?;
    let handle = PoolHandle::new(handle);
    let page = Page::of(uri.query().unwrap_or_default())?;
    let pool = ask(&questions, |asker| Question::Pool(handle.clone(), page, asker)).await?;
    pool.map(Json).ok_or_else(|| {
        let detail = format!(
            "No pool element is registered in pool {handle} at this registrar; {} lists the pools there are.",
            status::POOLS.trim_end_matches('/')
        );
        Problem::new(StatusCode::NOT_FOUND, "No such pool", detail)
    })
}

async fn registrars(State((questions, served)): State<(Questions, Served)>) -> Result<Json<RegistrarList>, Problem> {
    ask(&questions, Question::Registrars).await.map(|list| Json(list.served(served)))
}

async fn metrics(State(questions): State<Questions>) -> Result<impl IntoResponse, Problem> {
    let text = daemon::metrics::encode(ask(&questions, Question::Metrics).await?.samples());
    let text = text.map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "Not encodable", "Report this."))?;
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], text))
}

async fn ask<T>(questions: &Questions, question: impl FnOnce(oneshot::Sender<T>) -> Question) -> Result<T, Problem> {
    let (asker, answer) = oneshot::channel();
    let asked = async {
        questions.send(question(asker)).await.ok()?;
        answer.await.ok()
    };
    tokio::time::timeout(daemon::admin::PATIENCE, asked).await.ok().flatten().ok_or_else(|| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "No answer",
            "The registrar is stopping or overloaded; ask again.",
        )
    })
}
