// SPDX-License-Identifier: MIT OR Apache-2.0
//! Connecting to the first address that answers.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;

/// Tries `addresses` in turn. The time is shared out, so that one that swallows packets does not use up all of it.
pub(super) async fn connect(addresses: Vec<SocketAddr>, patience: Duration) -> io::Result<TcpStream> {
    let mut error = io::Error::from(io::ErrorKind::AddrNotAvailable);
    let share = patience / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let last = addresses.len().wrapping_sub(1);
    for (index, address) in addresses.into_iter().enumerate() {
        // The machine's own deadline bounds the last one, and knows a pause of ours when it sees one.
        let patience = if index == last { Duration::MAX } else { share };
        match tokio::time::timeout(patience, connect_to(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(failed)) => error = failed,
            Err(_) => error = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(error)
}

async fn connect_to(address: SocketAddr) -> io::Result<TcpStream> {
    refuse_itself(TcpStream::connect(address).await?)
}

fn refuse_itself(stream: TcpStream) -> io::Result<TcpStream> {
    if stream.local_addr()? == stream.peer_addr()? {
        // Where nobody listens on a port of the ephemeral range, TCP can connect a socket to itself.
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_dead_address_is_passed_over_for_a_live_one() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let live = listener.local_addr().unwrap();
        let dead = dead_address().await;
        let stream = connect(vec![dead, live], Duration::from_secs(60)).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), live);
        let error = connect(vec![dead], Duration::from_secs(60)).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let error = connect(vec![], Duration::from_secs(60)).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
    }

    #[tokio::test]
    async fn a_socket_connected_to_itself_is_nobody() {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let own = socket.local_addr().unwrap();
        let stream = socket.connect(own).await.unwrap();
        assert_eq!(refuse_itself(stream).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }

    async fn dead_address() -> SocketAddr {
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        socket.local_addr().unwrap()
    }
}
