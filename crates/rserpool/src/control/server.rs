// SPDX-License-Identifier: MIT OR Apache-2.0
//! Serves the control socket: a JSON object a line, in both directions.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use super::Registry;

/// Serves for ever.
pub(super) async fn serve(listener: UnixListener, registry: Registry, owner: u32) {
    let clients = Arc::new(Semaphore::new(MAX_CLIENTS));
    loop {
        let permit = Arc::clone(&clients).acquire_owned().await.expect("never closed");
        match listener.accept().await {
            Ok((stream, _)) => {
                let registry = registry.clone();
                tokio::spawn(async move {
                    // An error means that the client has gone, or has been slow for too long.
                    let _ = talk(stream, &registry, owner).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "control socket");
                // Out of descriptors, most likely.
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn talk(stream: UnixStream, registry: &Registry, owner: u32) -> std::io::Result<()> {
    let identity = Identity { uid: stream.peer_cred()?.uid() };
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read).take(0);
    let mut line = Vec::new();
    loop {
        line.clear();
        read.set_limit(MAX_LINE);
        if tokio::time::timeout(PATIENCE, read.read_until(b'\n', &mut line)).await?? == 0 {
            return Ok(());
        }
        let is_whole = line.ends_with(b"\n");
        let answer = match serde_json::from_slice(&line) {
            _ if !is_whole => refusal("bad_request", "a request is a line of at most 4096 bytes"),
            Ok(request) => answer(request, &identity, registry, owner),
            Err(error) => refusal("bad_request", &error.to_string()),
        };
        let mut text = answer.to_string();
        text.push('\n');
        tokio::time::timeout(PATIENCE, write.write_all(text.as_bytes())).await??;
        if !is_whole {
            return Ok(());
        }
    }
}

/// What can be asked.
#[derive(Debug, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
enum Request {
    /// Everything there is.
    Show {},
    /// Another load or weight for a pool element.
    Set { pool: String, pe: String, load: Option<f64>, weight: Option<u32> },
}

/// Who asks.
struct Identity {
    uid: u32,
}

/// What somebody wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Look,
    Change,
}

/// Whether someone of this identity may do it: rights plug in here, nowhere else. Today whoever runs the process may do everything, and so may root.
fn may(identity: &Identity, _action: Action, owner: u32) -> bool {
    identity.uid == owner || identity.uid == 0
}

fn answer(request: Request, identity: &Identity, registry: &Registry, owner: u32) -> Value {
    let action = match request {
        Request::Show {} => Action::Look,
        Request::Set { .. } => Action::Change,
    };
    if !may(identity, action, owner) {
        return refusal("denied", "this process belongs to somebody else");
    }
    match request {
        Request::Show {} => registry.describe(),
        Request::Set { load: Some(load), .. } if !(0.0..=1.0).contains(&load) => {
            refusal("bad_request", "a load is a number from 0 to 1")
        }
        Request::Set { pool, pe, load, weight } => match registry.set(&pool, &pe, load, weight) {
            Ok(Some(element)) => json!({"pool_element": element}),
            Ok(None) => refusal("not_found", &format!("this process has no pool element {pe} in pool {pool}")),
            Err(error) => refusal("bad_request", &error.to_string()),
        },
    }
}

fn refusal(kind: &str, message: &str) -> Value {
    json!({"error": {"kind": kind, "message": message}})
}

/// Clients at a time; more wait.
const MAX_CLIENTS: usize = 16;
/// Longest request, in bytes.
const MAX_LINE: u64 = 4096;
/// How long a client may be silent, or not read its answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Until accepting is tried again after it failed.
const PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::control::Element;

    #[derive(Default)]
    struct Fake(Mutex<f64>);

    impl Element for Fake {
        fn describe(&self) -> Value {
            json!({"pool": "web", "pe": "0x00000001", "load": *self.0.lock().expect("nobody panics")})
        }

        fn set(&self, load: Option<f64>, _: Option<u32>) -> crate::Result<()> {
            *self.0.lock().expect("nobody panics") = load.unwrap_or_default();
            Ok(())
        }
    }

    async fn ask(registry: &Registry, text: &[u8]) -> Vec<Value> {
        let (mut client, server) = UnixStream::pair().expect("there are sockets");
        let owner = client.peer_cred().expect("it is connected").uid();
        let registry = registry.clone();
        tokio::spawn(async move { talk(server, &registry, owner).await });
        // The server hangs up on a line that is too long.
        let _ = client.write_all(text).await;
        let _ = client.shutdown().await;
        let mut answers = String::new();
        let _ = client.read_to_string(&mut answers).await;
        answers.lines().map(|line| serde_json::from_str(line).expect("a line is an object")).collect()
    }

    #[tokio::test]
    async fn a_client_asks_line_by_line_and_a_mistake_is_answered_like_anything_else() {
        let registry = Registry::default();
        let element: Arc<dyn Element> = Arc::new(Fake::default());
        let entered = registry.enter_element(Arc::downgrade(&element));
        let _session = registry.enter_session(|| Some(json!({"pool": "db"})));
        let requests = b"{\"command\":\"show\"}\n{\"command\":\"set\",\"pool\":\"web\",\"pe\":\"0x00000001\",\"load\":0.5}\n\
            {\"command\":\"set\",\"pool\":\"web\",\"pe\":\"0x00000002\",\"load\":0.5}\n{\"command\":\"set\",\"pool\":\"web\",\"pe\":\"0x00000001\"}\n\
            {\"command\":\"set\",\"pool\":\"web\",\"pe\":\"0x00000001\",\"load\":7}\n{\"command\":\"reboot\"}\nhello\n";
        let answers = ask(&registry, requests).await;
        assert_eq!(
            (&answers[0]["pid"], &answers[0]["sessions"][0]["pool"]),
            (&std::process::id().into(), &"db".into())
        );
        assert_eq!(
            (&answers[0]["pool_elements"][0]["load"], &answers[1]["pool_element"]["load"]),
            (&0.0.into(), &0.5.into())
        );
        let kinds: Vec<_> = answers[2..].iter().map(|it| it["error"]["kind"].as_str().expect("an error")).collect();
        assert_eq!(kinds, ["not_found", "bad_request", "bad_request", "bad_request", "bad_request"]);
        drop(entered);
        assert!(registry.describe()["pool_elements"].as_array().is_some_and(Vec::is_empty));
    }

    #[tokio::test]
    async fn a_line_without_end_is_refused_and_not_kept() {
        let answers = ask(&Registry::default(), &[b'x'; 100_000]).await;
        assert!(answers.iter().all(|it| it["error"]["kind"] == "bad_request"), "{answers:?}");
    }

    #[test]
    fn others_than_the_owner_and_root_are_denied() {
        let ask = |uid| answer(Request::Show {}, &Identity { uid }, &Registry::default(), 1000);
        assert_eq!(ask(1001)["error"]["kind"], "denied");
        assert!(ask(0)["error"].is_null() && ask(1000)["error"].is_null());
    }
}
