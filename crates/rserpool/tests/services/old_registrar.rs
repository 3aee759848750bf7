// SPDX-License-Identifier: MIT OR Apache-2.0
//! A registrar from before the handle resolution option (seed 002): it goes by the action bits of what it does not know.

use bytes::Bytes;
use machine::association::{Event, Token};
use net::{Listener, Options};
use rserpool::{Config, Items, PeId, PoolHandle, PoolUser, Profile, Transport};
use rsp_wire::asap::{HandleResolutionResponse, Message};
use rsp_wire::parameter::{
    self, Policy, PoolElement, RegistrationLife, Transport as Parameter, TransportUse, UserTransport,
};
use rsp_wire::{Dialect, ServerId};

#[tokio::test]
async fn a_registrar_that_does_not_know_the_option_skips_it_and_answers_as_it_likes() {
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), Options::default()).unwrap();
    let mut config = Config::of(Profile::Standard);
    config.registrars = vec![listener.local_addr().to_string()];
    config.transport = Transport::Tcp;
    let (saw, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let registrar = tokio::spawn(async move {
        let mut association = listener.accept().await;
        loop {
            match association.next().await {
                Event::Message { sequence, data, .. } => {
                    association.taken(sequence);
                    saw.send(skipped(&data)).unwrap();
                    association.send(0, 11, false, Token(1), answer()).unwrap();
                }
                Event::Lost(_) => return,
                _ => {}
            }
        }
    });
    let user = PoolUser::builder().config(config).build().await.unwrap();
    // It has two, whatever is asked for: one is picked here, and of the others it is not known whether there are more.
    for (items, number, asked) in [
        (Items::Default, 2, [0, 0, 0, 0]),
        (Items::AtMost(1), 1, [0, 0, 0, 1]),
        (Items::AtMost(7), 2, [0, 0, 0, 7]),
        (Items::All, 2, [0xff; 4]),
    ] {
        let pool = user.resolve_fresh("echo", items).await.unwrap();
        assert_eq!(pool.elements.len(), number, "{items:?}");
        assert_eq!(seen.recv().await.unwrap(), [(0x803f, asked.to_vec())], "{items:?}");
    }
    assert_eq!(user.get_primary_server("echo").await.unwrap().pool, PoolHandle::from("echo"));
    registrar.abort();
}

/// The parameters of a handle resolution other than the pool handle, which this registrar skips as their action bits say.
fn skipped(message: &Bytes) -> Vec<(u16, Vec<u8>)> {
    assert_eq!(message[0], 0x05, "ASAP_HANDLE_RESOLUTION");
    let mut unknown = Vec::new();
    let mut rest = &message[4..];
    while let [t1, t0, l1, l0, ..] = *rest {
        let (kind, length) = (u16::from_be_bytes([t1, t0]), usize::from(u16::from_be_bytes([l1, l0])));
        if kind != 0x0009 {
            // RFC 5354 §4: 10 = "skip this parameter and continue processing".
            assert_eq!(kind >> 14, 0b10, "{kind:#06x} would make it drop the message");
            unknown.push((kind, rest[4..length].to_vec()));
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    unknown
}

fn answer() -> Bytes {
    let element = |id| PoolElement {
        id: PeId(id),
        home: ServerId(1),
        life: RegistrationLife(30),
        user_transport: UserTransport::Ip(Parameter {
            protocol: parameter::Protocol::Tcp,
            port: 7000,
            transport_use: TransportUse::DATA_PLUS_CONTROL,
            addresses: [std::net::IpAddr::from([192, 0, 2, 1])].into_iter().collect(),
        }),
        policy: Policy::RoundRobin,
        asap_transport: None,
        unknown: Vec::new(),
    };
    let response = HandleResolutionResponse {
        accept_updates: false,
        pool_handle: "echo".into(),
        policy: Some(Policy::RoundRobin),
        pool_elements: vec![element(1), element(2)],
        error: None,
        unknown: Vec::new(),
    };
    Message::HandleResolutionResponse(response).to_bytes(Dialect::STANDARD).unwrap()
}
