// SPDX-License-Identifier: MIT OR Apache-2.0
//! The limit: the same messages as bare bytes over a TCP connection, in the same processes and the same kind of runtime.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::server::{ECHO, LAST, TAKE};

/// Serves from now on; answers where. The first four bytes of a connection tell how long its messages are.
pub(super) async fn serve() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(attend(stream));
        }
    });
    Ok(address)
}

async fn attend(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let length = stream.read_u32().await? as usize;
    let mut message = vec![0; length.min(LONGEST)];
    loop {
        stream.read_exact(&mut message).await?;
        match message.first() {
            Some(&ECHO) => stream.write_all(&message).await?,
            Some(&LAST) => stream.write_all(b"all").await?,
            _ => {}
        }
    }
}

/// A connection whose messages have this length.
pub(super) async fn connect(to: SocketAddr, length: usize) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    stream.write_u32(u32::try_from(length)?).await?;
    Ok(stream)
}

/// How long so many messages of this length take until the other end has them all.
pub(super) async fn send(to: SocketAddr, length: usize, count: u64) -> Result<Duration> {
    let mut stream = connect(to, length).await?;
    let mut message = vec![TAKE; length];
    let start = Instant::now();
    for _ in 1..count {
        stream.write_all(&message).await?;
    }
    message[0] = LAST;
    stream.write_all(&message).await?;
    stream.read_exact(&mut [0; 3]).await?;
    Ok(start.elapsed())
}

const LONGEST: usize = 64 << 20;
