// SPDX-License-Identifier: MIT OR Apache-2.0
//! `GET /v1/events`: what happens, as it happens, as server-sent events.
//!
//! The registrar's thread only puts a fact into a ring and never waits. Each reader goes through the ring at its own pace; one
//! that is overtaken is told how many facts it has missed.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::sse::{self, KeepAlive, Sse};
use daemon::admin::Problem;
use futures_util::stream::{Stream, unfold};
use rsp_core::registrar::Event;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};

use super::fields::{KINDS, fields, kind};

/// Where the registrar's thread tells what happens.
#[derive(Debug, Clone)]
pub(crate) struct News(broadcast::Sender<Arc<Fact>>);

#[derive(Debug)]
struct Fact {
    at: SystemTime,
    event: Event,
}

impl News {
    /// Nobody reads yet.
    pub(crate) fn new() -> Self {
        News(broadcast::Sender::new(RING))
    }

    /// Something has happened. Costs next to nothing while nobody reads.
    pub(crate) fn tell(&self, event: Event) {
        if self.0.receiver_count() > 0 {
            // An error means that the last reader has just gone.
            let _ = self.0.send(Arc::new(Fact { at: SystemTime::now(), event }));
        }
    }
}

/// Who may read.
#[derive(Debug, Clone)]
pub(super) struct Readers {
    news: News,
    places: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn of(news: News) -> Self {
        Readers { news, places: Arc::new(Semaphore::new(MOST_READERS)) }
    }
}

/// Everything from now on, or what `?kind=a,b` names.
pub(super) async fn stream(
    State(readers): State<Readers>,
    uri: Uri,
) -> Result<Sse<impl Stream<Item = Result<sse::Event, Infallible>>>, Problem> {
    let kinds = kinds(uri.query().unwrap_or_default())?;
    let place = readers.places.try_acquire_owned().map_err(|_| {
        let detail = format!("{MOST_READERS} readers follow the events already; end one of them.");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Too many readers", detail)
    })?;
    let reader = Reader { news: readers.news.0.subscribe(), kinds, _place: place };
    let lines = unfold(reader, |mut reader| async move { Some((Ok(reader.next().await?), reader)) });
    Ok(Sse::new(lines).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

#[derive(Debug)]
struct Reader {
    news: broadcast::Receiver<Arc<Fact>>,
    kinds: Vec<String>,
    _place: OwnedSemaphorePermit,
}

impl Reader {
    /// The next one that is wanted; `None` if the registrar has ended.
    async fn next(&mut self) -> Option<sse::Event> {
        loop {
            match self.news.recv().await {
                Ok(fact) => {
                    let kind = kind(&fact.event);
                    if self.kinds.is_empty() || self.kinds.contains(&kind) {
                        return Some(line(fact.at, &kind, fact.event.to_string(), fields(&fact.event)));
                    }
                }
                Err(RecvError::Lagged(count)) => {
                    let text = format!("{count} events were lost: this reader is too slow");
                    return Some(line(SystemTime::now(), LOST, text, json!({ "count": count })));
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

fn line(at: SystemTime, kind: &str, text: String, fields: Value) -> sse::Event {
    let time_ms = at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
    let object = json!({ "time_ms": time_ms, "kind": kind, "text": text, "fields": fields });
    sse::Event::default().data(object.to_string())
}

fn kinds(query: &str) -> Result<Vec<String>, Problem> {
    let mut kinds = Vec::new();
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let Some(names) = parameter.strip_prefix("kind=") else {
            let detail = format!("\"{parameter}\" is not understood: ?kind=pe_added,pe_removed is.");
            return Err(Problem::new(StatusCode::BAD_REQUEST, "Bad query", detail));
        };
        for name in names.split(',').filter(|name| !name.is_empty()) {
            if !KINDS.contains(&name) {
                let detail = format!("There are no events of kind \"{name}\": kinds are {}.", KINDS.join(", "));
                return Err(Problem::new(StatusCode::BAD_REQUEST, "Bad query", detail));
            }
            kinds.push(name.to_owned());
        }
    }
    Ok(kinds)
}

/// Facts kept for readers that are slower than the registrar.
const RING: usize = 4_096;
const MOST_READERS: usize = 64;
const LOST: &str = "lost";

/// Between two comments on a stream where nothing happens, so that nobody in between takes it for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slow_reader_is_told_how_many_it_has_missed_and_goes_on() {
        let news = News::new();
        let mut reader = reader(&news, "").await;
        for _ in 0..RING + 10 {
            news.tell(Event::Paused { late: Duration::from_secs(1) });
        }
        let lost = written(reader.next().await);
        assert!(lost.contains(r#""kind":"lost""#) && lost.contains(r#""fields":{"count":10}"#), "{lost}");
        for _ in 0..RING {
            assert!(written(reader.next().await).contains(r#""kind":"paused""#));
        }
        drop(news);
        assert!(reader.next().await.is_none());
    }

    #[tokio::test]
    async fn there_is_a_place_again_when_a_reader_goes() {
        let readers = Readers::of(News::new());
        let mut following = Vec::new();
        for _ in 0..MOST_READERS {
            following.push(stream(State(readers.clone()), Uri::from_static("/v1/events")).await.expect("a place"));
        }
        assert!(stream(State(readers.clone()), Uri::from_static("/v1/events")).await.is_err());
        following.pop();
        assert!(stream(State(readers), Uri::from_static("/v1/events")).await.is_ok());
    }

    async fn reader(news: &News, query: &str) -> Reader {
        let place = Arc::new(Semaphore::new(1)).acquire_owned().await.expect("it is open");
        Reader { news: news.0.subscribe(), kinds: kinds(query).expect("a good query"), _place: place }
    }

    fn written(event: Option<sse::Event>) -> String {
        format!("{:?}", event.expect("the registrar runs")).replace('\\', "")
    }
}
