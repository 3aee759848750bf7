// SPDX-License-Identifier: MIT OR Apache-2.0
//! A link that can be cut: forwards TCP connections, and on command passes no byte while every connection stays open.
//!
//! This is what a network that swallows packets looks like to both ends. The demo and the tests put it before a PE.

mod udp;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

pub use udp::UdpShim;

/// A forwarder from an address of its own to another. Ends with all its connections when it is dropped.
#[derive(Debug)]
pub struct Shim {
    local: SocketAddr,
    blocked: watch::Sender<bool>,
    forwarder: AbortHandle,
}

impl Shim {
    /// Listens on `listen` (port 0 = any free one) and forwards to `target`.
    pub async fn start(listen: SocketAddr, target: SocketAddr) -> io::Result<Shim> {
        let listener = TcpListener::bind(listen).await?;
        let local = listener.local_addr()?;
        let (blocked, watch) = watch::channel(false);
        let forwarder = tokio::spawn(forward(listener, target, watch)).abort_handle();
        Ok(Shim { local, blocked, forwarder })
    }

    /// Where to connect to.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// From now on no byte, no end and no reset passes in either direction. New connections are accepted and silent.
    pub fn block(&self) {
        self.blocked.send_replace(true);
    }

    /// Lets everything pass again, first what was held back.
    pub fn unblock(&self) {
        self.blocked.send_replace(false);
    }
}

impl Drop for Shim {
    fn drop(&mut self) {
        self.forwarder.abort();
    }
}

async fn forward(listener: TcpListener, target: SocketAddr, blocked: watch::Receiver<bool>) {
    // Dropped with this task, and all connections with it.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((near, _)) => {
                    let blocked = blocked.clone();
                    connections.spawn(async move { link(near, target, blocked).await });
                }
                // Out of descriptors: it keeps its place in the queue.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Passes bytes between `near` and `target` until both directions have ended or one has failed.
async fn link(near: TcpStream, target: SocketAddr, mut blocked: watch::Receiver<bool>) -> io::Result<()> {
    open(&mut blocked).await?;
    let far = TcpStream::connect(target).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    let back = blocked.clone();
    tokio::try_join!(pass(near_read, far_write, blocked), pass(far_read, near_write, back))?;
    Ok(())
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut blocked: watch::Receiver<bool>) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = from.read(&mut buffer).await;
        open(&mut blocked).await?;
        match read? {
            0 => return to.shutdown().await,
            count => to.write_all(&buffer[..count]).await?,
        }
    }
}

/// Waits until the link is open. An error means the shim is gone.
async fn open(blocked: &mut watch::Receiver<bool>) -> io::Result<()> {
    blocked.wait_for(|blocked| !blocked).await.map(|_| ()).map_err(|_| io::ErrorKind::ConnectionAborted.into())
}

const BUFFER: usize = 64 << 10;
