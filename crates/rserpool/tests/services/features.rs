// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a session says of its transport and its peer, and the application that does not come back.

use std::time::Duration;

use rserpool::Features;

use crate::stage::{Stage, on_each_transport, until};

on_each_transport![
    a_session_says_what_both_ends_offer,
    a_session_whose_application_hangs_goes_on_at_another_server,
    close_waits_no_longer_than_linger,
];

async fn a_session_says_what_both_ends_offer(stage: Stage) {
    let _server = stage.talker("echo").await;
    let session = stage.user().await.session("echo").connect().await.unwrap();
    for feature in [Features::ACKS, Features::HEARTBEAT, Features::DRAIN] {
        assert!(session.features().contains(feature));
    }
}

async fn a_session_whose_application_hangs_goes_on_at_another_server(stage: Stage) {
    let own = stage.user().await;
    let hangs = stage.member("echo", &own);
    let hangs = hangs.watchdog(Duration::from_millis(100)).register().await.unwrap();
    let server = stage.talker("echo").await;
    let user = stage.user().await;
    let session = user.session("echo").prefer([hangs.handle().clone()]).connect().await.unwrap();
    assert_eq!(session.pe().map(|pe| pe.id), Some(hangs.handle().id));
    let _accepted = hangs.accept().await.unwrap();
    session.send(rserpool::Outgoing::new("hello").ack()).await.unwrap();
    assert_eq!(session.recv_data().await.unwrap().unwrap().data(), server.says("hello").as_bytes());
    assert_eq!(session.failovers(), 1);
}

async fn close_waits_no_longer_than_linger(stage: Stage) {
    let own = stage.user().await;
    let silent = stage.member("echo", &own).register().await.unwrap();
    let session = stage.user().await.session("echo").linger(Duration::ZERO).connect().await.unwrap();
    let sent = session.send(rserpool::Outgoing::new("never acknowledged").ack()).await.unwrap();
    assert_eq!(session.unacked(), 1);
    session.close().await.unwrap();
    assert!(matches!(sent.await.unwrap(), rserpool::Outcome::Returned(..)));
    until(async || silent.sessions() == 0).await;
}
