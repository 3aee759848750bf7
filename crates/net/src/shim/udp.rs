// SPDX-License-Identifier: MIT OR Apache-2.0
//! The same for datagrams: what SCTP over UDP sees of a network that swallows packets.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};

/// A forwarder of datagrams from UDP ports of one address to the same ports of another. Peers learn ports from packets (RFC 6951 §5.4), so
/// neither end notices it.
///
/// A port that is closed at the target is closed here too: whoever sends hears it from ICMP, as from the target itself.
#[derive(Debug)]
pub struct UdpShim {
    blocked: watch::Sender<bool>,
    ports: Vec<AbortHandle>,
}

impl UdpShim {
    /// Forwards `ports` of `listen` to `target`. A port that another program has is left out, unless it is all of them.
    pub async fn start(listen: IpAddr, target: IpAddr, ports: &[u16]) -> io::Result<UdpShim> {
        let (blocked, watch) = watch::channel(false);
        let mut shim = UdpShim { blocked, ports: Vec::new() };
        let mut failed = io::Error::from(io::ErrorKind::InvalidInput);
        for port in ports {
            match UdpSocket::bind((listen, *port)).await {
                Ok(front) => {
                    let target = SocketAddr::new(target, *port);
                    shim.ports.push(tokio::spawn(forward(front, target, watch.clone())).abort_handle());
                }
                Err(error) => failed = error,
            }
        }
        if shim.ports.is_empty() { Err(failed) } else { Ok(shim) }
    }

    /// From now on every datagram is swallowed.
    pub fn block(&self) {
        self.blocked.send_replace(true);
    }

    /// Lets datagrams pass again. What was swallowed is gone.
    pub fn unblock(&self) {
        self.blocked.send_replace(false);
    }
}

impl Drop for UdpShim {
    fn drop(&mut self) {
        self.ports.iter().for_each(AbortHandle::abort);
    }
}

/// Until the target refuses. Each sender gets a socket of its own towards the target.
async fn forward(front: UdpSocket, target: SocketAddr, blocked: watch::Receiver<bool>) {
    let Ok(listening) = front.local_addr() else { return };
    let front = Arc::new(front);
    let (refuse, mut refused) = mpsc::channel(1);
    let mut senders: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
    // Dropped with this task, and all the way back with it.
    let mut ways_back = JoinSet::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        let received = tokio::select! {
            received = front.recv_from(&mut buffer) => received,
            _ = refused.recv() => return,
        };
        // An error tells of a datagram sent before.
        let Ok((length, from)) = received else { continue };
        if *blocked.borrow() || senders.len() >= MOST_SENDERS && !senders.contains_key(&from) {
            continue;
        }
        let back = match senders.get(&from) {
            Some(back) => Arc::clone(back),
            None => {
                let Ok(back) = towards(listening.ip(), target).await else { continue };
                let back = Arc::new(back);
                senders.insert(from, Arc::clone(&back));
                let (front, blocked, refuse) = (Arc::clone(&front), blocked.clone(), refuse.clone());
                let way = Arc::clone(&back);
                ways_back.spawn(async move { pass_back(&way, &front, from, &blocked, &refuse).await });
                back
            }
        };
        if back.send(&buffer[..length]).await.is_err_and(|error| is_refusal(&error)) {
            return;
        }
    }
}

async fn towards(from: IpAddr, target: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((from, 0)).await?;
    socket.connect(target).await?;
    Ok(socket)
}

async fn pass_back(
    back: &UdpSocket,
    front: &UdpSocket,
    to: SocketAddr,
    blocked: &watch::Receiver<bool>,
    refuse: &mpsc::Sender<()>,
) {
    let mut buffer = vec![0; BUFFER];
    loop {
        match back.recv(&mut buffer).await {
            Ok(length) if !*blocked.borrow() => drop(front.send_to(&buffer[..length], to).await),
            Err(error) if is_refusal(&error) && !*blocked.borrow() => {
                // Full means that it has been said.
                let _ = refuse.try_send(());
            }
            Ok(_) | Err(_) => {}
        }
    }
}

fn is_refusal(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionRefused
}

const BUFFER: usize = 64 << 10;
const MOST_SENDERS: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    async fn echo(ip: IpAddr) -> (UdpSocket, u16) {
        let socket = UdpSocket::bind((ip, 0)).await.unwrap();
        let port = socket.local_addr().unwrap().port();
        (socket, port)
    }

    async fn received(socket: &UdpSocket, within: Duration) -> Option<Vec<u8>> {
        let mut buffer = [0; 100];
        let length = tokio::time::timeout(within, socket.recv(&mut buffer)).await.ok()?.ok()?;
        Some(buffer[..length].to_vec())
    }

    const LONG: Duration = Duration::from_secs(30);
    const SHORT: Duration = Duration::from_millis(200);

    #[tokio::test]
    async fn datagrams_pass_both_ways_until_the_link_is_cut_and_a_closed_port_is_told() {
        let (target, front) = (IpAddr::from([127, 4, 0, 1]), IpAddr::from([127, 4, 0, 2]));
        let (server, port) = echo(target).await;
        let shim = UdpShim::start(front, target, &[port]).await.unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        client.connect((front, port)).await.unwrap();
        client.send(b"there").await.unwrap();
        let mut buffer = [0; 100];
        let (length, from) = server.recv_from(&mut buffer).await.unwrap();
        assert_eq!((&buffer[..length], from.ip()), (&b"there"[..], front));
        server.send_to(b"back", from).await.unwrap();
        assert_eq!(received(&client, LONG).await.as_deref(), Some(&b"back"[..]));
        shim.block();
        client.send(b"swallowed").await.unwrap();
        assert_eq!(received(&server, SHORT).await, None);
        shim.unblock();
        client.send(b"again").await.unwrap();
        assert_eq!(received(&server, LONG).await.as_deref(), Some(&b"again"[..]));
        drop(server);
        // The second one hears what became of the first, or the third of the second.
        let refused = async {
            while client.send(b"nobody").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        assert!(tokio::time::timeout(LONG, refused).await.is_ok());
    }
}
