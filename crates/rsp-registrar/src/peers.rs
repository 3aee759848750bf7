// SPDX-License-Identifier: MIT OR Apache-2.0
//! The registrars an administrator names: names become addresses, again and again while nobody is reached there.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::str::FromStr;
use std::time::Duration;

use rsp_core::registrar::Input;
use tokio::task::JoinSet;

use crate::listeners::ENRP_PORT;
use crate::shell::Shell;

/// `host`, `host:port`, `address` or `[address]:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PeerName {
    host: String,
    port: u16,
}

impl FromStr for PeerName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = |host: &str, port| PeerName { host: host.to_owned(), port };
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(named(&address.ip().to_string(), address.port()));
        }
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        if bare.parse::<IpAddr>().is_ok() {
            return Ok(named(bare, ENRP_PORT));
        }
        let peer = match text.rsplit_once(':') {
            Some((host, port)) => named(host, port.parse().map_err(|_| EXPECTED.to_owned())?),
            None => named(text, ENRP_PORT),
        };
        let is_name = |host: &str| !host.is_empty() && !host.contains([':', '/', '[', ']', ' ', ',']);
        if is_name(&peer.host) && peer.port != 0 { Ok(peer) } else { Err(EXPECTED.to_owned()) }
    }
}

impl fmt::Display for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.parse::<IpAddr>() {
            Ok(ip) => SocketAddr::new(ip, self.port).fmt(f),
            Err(_) => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// The addresses of all names. A host that has just booted may have to wait for its name server: as long as a registrar looks for others it waits,
/// or it would believe that it is alone. What has no address is told when that is first seen, and when it is no longer waited for.
pub(crate) async fn first_look_up(names: &[PeerName], patience: Duration) -> Found {
    let give_up = tokio::time::Instant::now() + patience;
    let mut is_first = true;
    loop {
        let found = look_up(names).await;
        let is_last = found.unresolved.is_empty() || tokio::time::Instant::now() >= give_up;
        if is_first || is_last {
            found.unresolved.iter().for_each(Unresolved::log);
        }
        if is_last {
            return found;
        }
        is_first = false;
        tokio::time::sleep(LOOK_UP_FIRST).await;
    }
}

/// What names led to.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) addresses: Vec<SocketAddr>,
    /// Names without an address.
    unresolved: Vec<Unresolved>,
}

#[derive(Debug)]
struct Unresolved {
    name: PeerName,
    why: String,
}

impl Found {
    pub(crate) fn unresolved(&self) -> Vec<String> {
        self.unresolved.iter().map(|it| it.name.to_string()).collect()
    }
}

impl Unresolved {
    fn log(&self) {
        tracing::warn!(peer = %self.name, why = self.why, "peer has no address; it is looked up again");
    }
}

/// The addresses of all names.
async fn look_up(names: &[PeerName]) -> Found {
    let mut lookups = JoinSet::new();
    for name in names.iter().cloned() {
        lookups.spawn(async move {
            let found = tokio::net::lookup_host((name.host.as_str(), name.port));
            let why = match tokio::time::timeout(LOOK_UP_PATIENCE, found).await {
                Ok(Ok(found)) => match found.collect::<Vec<_>>() {
                    found if found.is_empty() => "the name has none".to_owned(),
                    found => return Ok(found),
                },
                Ok(Err(error)) => error.to_string(),
                Err(_) => "the name server does not answer".to_owned(),
            };
            Err(Unresolved { name, why })
        });
    }
    let (mut addresses, mut unresolved) = (BTreeSet::new(), Vec::new());
    for found in lookups.join_all().await {
        match found {
            Ok(found) => addresses.extend(found),
            Err(name) => unresolved.push(name),
        }
    }
    unresolved.sort_by_key(|it: &Unresolved| it.name.to_string());
    Found { addresses: addresses.into_iter().collect(), unresolved }
}

/// Looks names up again for as long as it is awaited, while a peer is not reached. Addresses that did not change are not news.
pub(crate) async fn follow(shell: Rc<Shell>, names: Vec<PeerName>, mut known: Vec<SocketAddr>) {
    if names.iter().all(|name| name.host.parse::<IpAddr>().is_ok()) {
        return;
    }
    loop {
        tokio::time::sleep(LOOK_UP_AGAIN).await;
        if shell.reaches_all(&known) && known.len() >= names.len() {
            continue;
        }
        let looked_up = look_up(&names).await;
        shell.unresolved.replace(looked_up.unresolved());
        let Found { addresses: mut found, unresolved } = looked_up;
        if !unresolved.is_empty() {
            // A name server that is away takes no peer from us.
            found.extend(known.iter().copied());
            found.sort_unstable();
            found.dedup();
        }
        if found != known {
            tracing::info!(addresses = ?found, "peers have other addresses");
            shell.input(Input::StaticPeers(found.clone()));
            known = found;
        }
    }
}

const EXPECTED: &str = "HOST:PORT is expected, e.g. registrar2.example.com:9901, 192.0.2.2:9901 or [2001:db8::2]:9901";
const LOOK_UP_FIRST: Duration = Duration::from_millis(250);
const LOOK_UP_AGAIN: Duration = Duration::from_secs(10);
const LOOK_UP_PATIENCE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_needs_no_port() {
        for (text, shown) in [
            ("r2", "r2:9901"),
            ("r2.example.com:7", "r2.example.com:7"),
            ("192.0.2.2", "192.0.2.2:9901"),
            ("192.0.2.2:7", "192.0.2.2:7"),
            ("::1", "[::1]:9901"),
            ("[::1]", "[::1]:9901"),
            ("[::1]:7", "[::1]:7"),
        ] {
            let peer: PeerName = text.parse().unwrap();
            assert_eq!(peer.to_string(), shown);
            assert_eq!(shown.parse(), Ok(peer));
        }
    }

    #[test]
    fn what_is_no_peer_is_refused() {
        for text in ["", ":1", "r2:", "r2:x", "r2:0", "r2:99999", "tcp://r2:1", "a b"] {
            assert!(text.parse::<PeerName>().is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn names_and_addresses_are_looked_up_and_each_address_comes_once() {
        let names =
            ["127.0.0.1:7", "127.0.0.1:7", "localhost:7", "no.such.name.invalid:7"].map(|it| it.parse().unwrap());
        let found = look_up(&names).await;
        assert_eq!(found.unresolved(), ["no.such.name.invalid:7"]);
        let found = found.addresses;
        assert!(found.contains(&"127.0.0.1:7".parse().unwrap()), "{found:?}");
        assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), found.len());
    }
}
