// SPDX-License-Identifier: MIT OR Apache-2.0
//! GET_PRIMARY_SERVER and GET_NEXT_SERVER (seed 001 §4.4, seed 004 §4.3).

use std::net::SocketAddr;

use rserpool::{Error, Mapping, PoolElement};

use crate::stage::{Stage, on_each_transport};

on_each_transport![
    the_next_server_is_another_than_the_failed_one,
    who_is_reported_often_enough_is_gone,
    a_session_to_a_pool_without_a_control_channel_is_not_available,
];

async fn the_next_server_is_another_than_the_failed_one(stage: Stage) {
    let user = stage.user().await;
    let addresses: [SocketAddr; 2] = ["127.0.0.1:81", "127.0.0.1:82"].map(|it| it.parse().expect("an address"));
    let mut elements = Vec::new();
    for address in addresses {
        let builder = PoolElement::builder("web").user(&user).mapping(Mapping::None).advertise([address]);
        elements.push(builder.register().await.expect("it is taken"));
    }
    let mut server = user.get_primary_server("web").await.expect("there is one");
    for _ in 0..4 {
        assert_eq!(server.mapping, Mapping::None);
        assert!(addresses.contains(&server.addrs[0]), "{server:?}");
        let next = user.get_next_server(&server).await.expect("there is another");
        assert_ne!(next.id, server.id);
        server = next;
    }
}

/// Reports of one user count once in `bad_report_window`, so a registrar takes the word of three hosts only; here the element is dead, too.
async fn who_is_reported_often_enough_is_gone(stage: Stage) {
    let mut server = stage.server(|it| it, crate::stage::echo).await;
    let user = stage.user().await;
    let primary = user.get_primary_server("echo").await.expect("there is one");
    assert_eq!(primary.id, server.handle.id);
    server.die();
    // The report makes the registrar ask the server, and it does not answer (RFC 5352 §3.5).
    user.report_failure(&primary).await;
    loop {
        match user.resolve_fresh("echo", rserpool::Items::All).await {
            Err(Error::UnknownPool { .. }) => break,
            other => assert!(other.is_ok(), "{other:?}"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

async fn a_session_to_a_pool_without_a_control_channel_is_not_available(stage: Stage) {
    let user = stage.user().await;
    let address: SocketAddr = "127.0.0.1:80".parse().expect("an address");
    let builder = PoolElement::builder("web").user(&user).mapping(Mapping::None).advertise([address]);
    let _element = builder.register().await.expect("it is taken");
    let refused = user.session("web").connect().await.map(drop);
    assert!(matches!(refused, Err(Error::NotAvailable { mapping: "NO_MAPPING", .. })), "{refused:?}");
}
