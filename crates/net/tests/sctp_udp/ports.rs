// SPDX-License-Identifier: MIT OR Apache-2.0
//! Several processes on one host, each with UDP ports of its own.

use std::net::{SocketAddr, UdpSocket};

use machine::association::{Event, LostReason, Protocol};
use net::sctp::udp::own_udp_port;
use net::{BindError, Transports};

use crate::common::{accept, connect, listen, options, process, up, with_encapsulation_port, within};

fn bind_again(process: &Transports, address: SocketAddr) -> BindError {
    process.bind(Protocol::Sctp, &[address], options()).expect_err("it is in use")
}

#[tokio::test]
async fn a_second_process_hears_that_the_port_is_in_use_and_what_to_do() {
    let (first, second) = (process(), process());
    let listener = listen(&first, "127.0.0.1:0");
    for process in [&first, &second] {
        let text = bind_again(process, listener.local_addr()).to_string();
        let udp = own_udp_port(listener.local_addr().port()).to_string();
        assert!(text.contains(&udp) && text.contains("choose another port"), "{text}");
    }
    let address = listener.local_addr();
    drop(listener);
    assert!(second.bind(Protocol::Sctp, &[address], options()).is_ok(), "it is free at once");
}

#[tokio::test]
async fn a_udp_port_that_another_program_has_is_named() {
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = udp.local_addr().unwrap().port() - 10_000;
    let error = bind_again(&process(), SocketAddr::from(([127, 0, 0, 1], port)));
    assert!(matches!(error, BindError::SctpInUse { .. }), "{error}");
}

#[tokio::test]
async fn an_address_of_another_host_is_refused_by_name() {
    let error = process().bind(Protocol::Sctp, &["192.0.2.1:0".parse().unwrap()], options()).unwrap_err();
    assert!(matches!(error, BindError::NotOurs(_)), "{error}");
}

#[tokio::test]
async fn two_processes_share_a_host_although_one_has_the_encapsulation_port() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    drop(taken);
    let (first, second) = (with_encapsulation_port(port), with_encapsulation_port(port));
    let listeners = [listen(&first, "127.0.0.1:0"), listen(&second, "127.0.0.1:0")];
    assert!(UdpSocket::bind(("127.0.0.1", port)).is_err(), "the first has it");
    let client = with_encapsulation_port(port);
    for listener in &listeners {
        let mut association = connect(&client, listener.local_addr());
        up(&mut association).await;
        accept(listener).await;
    }
}

#[tokio::test]
async fn a_reserved_port_refuses_associations_until_it_is_listened_on() {
    let reserved = process().reserve(Protocol::Sctp, &["127.0.0.1:0".parse().unwrap()], options()).unwrap();
    let address = reserved.local_addr();
    let mut early = connect(&process(), address);
    assert_eq!(within(early.next()).await, Event::Lost(LostReason::Refused));
    let listener = reserved.listen().unwrap();
    let mut client = connect(&process(), address);
    up(&mut client).await;
    accept(&listener).await;
}

#[tokio::test]
async fn where_nobody_is_the_connection_is_refused_at_once() {
    let listener = listen(&process(), "127.0.0.1:0");
    let address = listener.local_addr();
    drop(listener);
    let mut client = connect(&process(), address);
    assert_eq!(within(client.next()).await, Event::Lost(LostReason::Refused));
}
