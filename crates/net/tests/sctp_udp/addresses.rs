// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which addresses packets come from.

use bytes::Bytes;
use machine::association::Token;

use crate::common::{accept, connect, listen, message, pair, process, up};

#[tokio::test]
async fn a_message_goes_there_and_another_back_over_ipv4_and_ipv6() {
    for address in ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0", "[::]:0"] {
        let (mut client, mut server) = pair(address).await;
        assert_eq!(client.peer_addr(), server.local_addr(), "{address}");
        assert_eq!(client.local_addr(), server.peer_addr(), "{address}");
        client.send(0, 11, false, Token(1), Bytes::from_static(b"question")).unwrap();
        client.flush();
        assert_eq!(message(&mut server).await, b"question", "{address}");
        server.send(0, 11, false, Token(2), Bytes::from_static(b"answer")).unwrap();
        server.flush();
        assert_eq!(message(&mut client).await, b"answer", "{address}");
    }
}

#[tokio::test]
async fn a_listener_answers_from_the_address_that_was_asked() {
    // 127.0.0.1 would be the system's choice for what is sent there.
    for address in ["127.0.0.2:0", "0.0.0.0:0", "[::]:0"] {
        let listener = listen(&process(), address);
        let to = format!("127.0.0.2:{}", listener.local_addr().port()).parse().unwrap();
        let mut client = connect(&process(), to);
        up(&mut client).await;
        let server = accept(&listener).await;
        assert_eq!((client.peer_addr(), server.local_addr()), (to, to), "{address}");
    }
}

#[tokio::test]
async fn an_ipv4_address_and_an_ipv6_address_can_have_the_same_port() {
    let process = process();
    let addresses = ["127.0.0.1:0".parse().unwrap(), "[::1]:0".parse().unwrap()];
    let protocol = machine::association::Protocol::Sctp;
    let listener = process.bind(protocol, &addresses, crate::common::options()).unwrap();
    let [v4, v6] = *listener.local_addrs() else { panic!() };
    assert_eq!(v4.port(), v6.port());
    for to in [v4, v6] {
        let mut client = connect(&process, to);
        up(&mut client).await;
        assert_eq!(client.peer_addr(), to);
    }
}
