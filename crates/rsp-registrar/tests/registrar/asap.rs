// SPDX-License-Identifier: MIT OR Apache-2.0
//! Registering and resolving, by the TCP mapping and by plain ASAP, over IPv4 and IPv6.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};

use rsp_wire::PeId;
use rsp_wire::asap::{Deregistration, Message};
use rsp_wire::parameter::ErrorCause;

use crate::hostile::answer;
use crate::peer::{DIALECT, Peer, registration, resolution};
use crate::process::{Registrar, program};

#[test]
fn what_is_registered_is_resolved_over_ipv4_and_ipv6() {
    let args = ["--asap", "127.0.0.1:0", "--asap", "[::1]:0", "--admin", "off", "--announce-ready"];
    let registrar = Registrar::spawn(program(&args));
    let [v4, v6] = registrar.ready.asap[..] else { panic!("{:?}", registrar.ready) };
    assert!(v4.is_ipv4() && v6.is_ipv6());
    for (address, pool) in [(v4, "four"), (v6, "six")] {
        let mut pe = Peer::connect(address);
        let element = pe.element(1);
        pe.register(pool, element.clone());
        let mut pu = Peer::connect(v4);
        let found = pu.resolve(pool).pool_elements;
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].id, &found[0].user_transport), (PeId(1), &element.user_transport));
    }
}

#[test]
fn one_listener_on_all_addresses_serves_both_families() {
    let registrar = Registrar::spawn(program(&["--asap", "[::]:0", "--admin", "off", "--announce-ready"]));
    let port = registrar.asap().port();
    let mut pe = Peer::connect(SocketAddr::from(([127, 0, 0, 1], port)));
    let element = pe.element(1);
    pe.register("echo", element);
    let mut pu = Peer::connect(SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, port)));
    assert_eq!(pu.resolve("echo").pool_elements.len(), 1);
}

#[test]
fn plain_asap_resolves_on_the_same_port_and_may_not_register() {
    let registrar = Registrar::start(&[]);
    let mut pe = Peer::connect(registrar.asap());
    let element = pe.element(1);
    pe.register("echo", element.clone());

    let mut pu = TcpStream::connect(registrar.asap()).expect("it listens");
    pu.write_all(&resolution("echo", false).to_bytes(DIALECT).unwrap()).expect("it reads");
    let Message::HandleResolutionResponse(found) = answer(&mut pu) else { panic!("not a resolution") };
    assert_eq!(found.pool_elements.len(), 1);

    pu.write_all(&registration("echo", element).to_bytes(DIALECT).unwrap()).expect("it reads");
    let Message::RegistrationResponse(refused) = answer(&mut pu) else { panic!("not a registration response") };
    assert!(refused.reject);
}

#[test]
fn a_subscriber_is_told_of_everyone_who_comes_and_goes() {
    let registrar = Registrar::start(&[]);
    let mut first = Peer::connect(registrar.asap());
    let element = first.element(1);
    first.register("echo", element);
    let mut pu = Peer::connect(registrar.asap());
    pu.send(&resolution("echo", true));
    assert_eq!(elements(pu.receive()), [1]);
    let mut second = Peer::connect(registrar.asap());
    let element = second.element(2);
    second.register("echo", element);
    assert_eq!(elements(pu.receive()), [1, 2], "pushed without being asked for");
    second.send(&Message::Deregistration(Deregistration {
        pool_handle: "echo".into(),
        pe_id: PeId(2),
        unknown: Vec::new(),
    }));
    assert_eq!(elements(pu.receive()), [1]);
}

#[test]
fn a_pool_element_whose_process_dies_is_removed() {
    let registrar = Registrar::start(&[]);
    let mut pe = Peer::connect(registrar.asap());
    let element = pe.element(1);
    pe.register("echo", element);
    let mut pu = Peer::connect(registrar.asap());
    pu.send(&resolution("echo", true));
    assert_eq!(elements(pu.receive()), [1]);
    drop(pe);
    let Message::HandleResolutionResponse(update) = pu.receive() else { panic!("not an update") };
    assert_eq!(update.error.expect("the last one is gone").0[0], ErrorCause::UnknownPoolHandle);
}

#[test]
fn a_pool_element_is_asked_whether_it_lives_and_removed_if_it_does_not_answer() {
    let registrar = Registrar::start(&["--set", "keep_alive_interval=100ms", "--set", "keep_alive_timeout=10s"]);
    let mut pe = Peer::connect(registrar.asap());
    let element = pe.element(7);
    pe.register("echo", element);
    let mut pu = Peer::connect(registrar.asap());
    pu.send(&resolution("echo", true));
    assert_eq!(elements(pu.receive()), [7]);
    let Message::EndpointKeepAlive(question) = pe.receive_anything() else { panic!("not a keep-alive") };
    assert_eq!(question.pe_id, Some(PeId(7)));
    // It says nothing, though its association is up: a hung process.
    let Message::HandleResolutionResponse(update) = pu.receive() else { panic!("not an update") };
    assert!(update.pool_elements.is_empty());
}

fn elements(message: Message) -> Vec<u32> {
    let Message::HandleResolutionResponse(response) = message else { panic!("{message:?} is not a resolution") };
    let mut ids: Vec<_> = response.pool_elements.iter().map(|element| element.id.0).collect();
    ids.sort_unstable();
    ids
}
