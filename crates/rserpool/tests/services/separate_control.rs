// SPDX-License-Identifier: MIT OR Apache-2.0
//! Control and data on an association each (Transport Use 0, `docs/session-wire.md` §8).

use rserpool::{Error, Mapping, Outcome, Outgoing, PoolElement, PoolElementBuilder};

use crate::stage::{Stage, ask, count, echo, on_each_transport};

on_each_transport![
    a_session_on_two_associations_carries_data_cookies_and_acknowledgements_from_server_to_server,
    large_messages_go_over_the_association_for_data,
    a_server_without_mapping_has_no_control_channel,
];

fn apart(element: PoolElementBuilder) -> PoolElementBuilder {
    element.separate_control()
}

async fn a_session_on_two_associations_carries_data_cookies_and_acknowledgements_from_server_to_server(stage: Stage) {
    let mut first = stage.server(apart, count).await;
    let session = stage.user().await.session("echo").separate_control().connect().await.expect("there is a server");
    let at = session.pe().expect("it has a server");
    assert_eq!((at.id, &at.addrs), (first.handle.id, &first.handle.addrs), "where data goes");
    assert_eq!(ask(&session, Outgoing::new("x").ack()).await.data().as_ref(), b"1");
    assert_eq!(ask(&session, "x").await.data().as_ref(), b"2");
    let second = stage.server(apart, count).await;
    first.die();
    let sent = session.send(Outgoing::new("x").ack()).await.expect("the session runs");
    assert_eq!(session.recv_data().await.expect("it runs").expect("an answer").data().as_ref(), b"3");
    assert_eq!(sent.await.expect("it has an outcome"), Outcome::Acknowledged(second.handle.id));
    session.close().await.expect("it ends in order");
}

async fn large_messages_go_over_the_association_for_data(stage: Stage) {
    let _server = stage.server(apart, echo).await;
    let session = stage.user().await.session("echo").separate_control().connect().await.expect("there is a server");
    for length in [1, 70_000, 1 << 20] {
        assert!(ask(&session, Outgoing::new(vec![7; length]).stream(2)).await.data().as_ref() == vec![7; length]);
    }
}

async fn a_server_without_mapping_has_no_control_channel(stage: Stage) {
    let user = stage.user().await;
    let here = "127.0.0.1:9".parse().expect("an address");
    let element = stage.element(&user).mapping(Mapping::None).advertise([here]);
    let _server = element.register().await.expect("the registrar takes it");
    let refused = user.session("echo").separate_control().connect().await;
    let Err(Error::NotAvailable { mapping: "NO_MAPPING", .. }) = refused else { panic!("{refused:?}") };
    // And without the wish for it a server with control and data apart is one.
    let apart = PoolElement::builder("apart").user(&user).listen("127.0.0.1:0").separate_control();
    let _apart = apart.register().await.expect("the registrar takes it");
    let refused = user.session("apart").connect().await;
    let Err(Error::NotAvailable { mapping: "NO_MAPPING", .. }) = refused else { panic!("{refused:?}") };
}
