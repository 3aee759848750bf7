// SPDX-License-Identifier: MIT OR Apache-2.0
//! How associations end.

use bytes::Bytes;
use machine::association::{Event, LostReason, Token};

use crate::common::{accept, connect, listen, message, pair, process, up, within};

#[tokio::test]
async fn closing_in_order_delivers_everything_first() {
    let (mut client, mut server) = pair("127.0.0.1:0").await;
    for token in 0..50 {
        client.send(0, 0, false, Token(token), Bytes::from(vec![token as u8; 2000])).unwrap();
    }
    let received = async {
        for token in 0..50u8 {
            assert_eq!(message(&mut server).await, [token; 2000]);
        }
        within(server.next()).await
    };
    let (end, reason) = tokio::join!(received, within(client.finish()));
    assert_eq!((end, reason), (Event::Lost(LostReason::PeerClosed), LostReason::Closed));
}

#[tokio::test]
async fn an_association_that_is_dropped_is_lost_for_the_peer_at_once() {
    let (client, mut server) = pair("127.0.0.1:0").await;
    drop(client);
    assert_eq!(within(server.next()).await, Event::Lost(LostReason::Reset));
}

/// The peer's process is killed: its socket is gone, and nothing was said. Its stack is dropped in a runtime that never runs again.
#[tokio::test]
async fn a_killed_process_is_noticed_by_what_icmp_says_and_all_that_was_sent_comes_back() {
    let (to, from) = std::sync::mpsc::channel();
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let killed = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = listen(&process(), "127.0.0.1:0");
            to.send(listener.local_addr()).unwrap();
            let server = accept(&listener).await;
            ended.recv().unwrap();
            // Neither the association nor the stack says good-bye; the descriptor is closed under them.
            close_sockets_of(listener.local_addr().port());
            std::mem::forget((server, listener));
        });
        std::mem::forget(runtime);
    });
    let mut client = connect(&process(), from.recv().unwrap());
    up(&mut client).await;
    end.send(()).unwrap();
    killed.join().unwrap();
    for token in 0..5 {
        client.send(0, 0, false, Token(token), Bytes::from_static(b"to nobody")).unwrap();
    }
    for token in 0..5 {
        assert_eq!(within(client.next()).await, Event::Undelivered(Token(token)));
    }
    assert_eq!(within(client.next()).await, Event::Lost(LostReason::Reset));
}

/// Puts something else in the place of the UDP sockets of a listener, which frees their ports.
fn close_sockets_of(sctp_port: u16) {
    let nothing = std::fs::File::open("/dev/null").unwrap();
    let udp = net::sctp::udp::own_udp_port(sctp_port);
    let mut closed = 0;
    for entry in std::fs::read_dir("/proc/self/fd").unwrap() {
        let Some(fd) = entry.ok().and_then(|entry| entry.file_name().to_str()?.parse::<i32>().ok()) else { continue };
        // SAFETY: zero is a valid value of each of its fields.
        let mut name: libc::sockaddr_in = unsafe { std::mem::zeroed() };
        let mut length = size_of::<libc::sockaddr_in>() as u32;
        // SAFETY: the name is written for as many bytes as it has; of the descriptors only that of our own port is replaced.
        unsafe {
            let is_socket = libc::getsockname(fd, (&raw mut name).cast(), &mut length) == 0;
            if is_socket && i32::from(name.sin_family) == libc::AF_INET && u16::from_be(name.sin_port) == udp {
                libc::dup2(std::os::fd::AsRawFd::as_raw_fd(&nothing), fd);
                closed += 1;
            }
        }
    }
    assert_eq!(closed, 1);
}
