// SPDX-License-Identifier: MIT OR Apache-2.0
//! Failover: automatic, by callback, by hand, and not at all; cookies (seed 001 §4.3, §4.4; seed 004 §4.4, §4.5; RFC 5352 §3.8).

use std::io::Write as _;
use std::time::Duration;

use rserpool::{Error, Item, Outcome, Outgoing, PeHandle, PeId, PeItem, PeSession, Report, Result};

use crate::stage::{Server, Stage, ask, count, on_each_transport, text};

on_each_transport![
    the_next_server_has_the_cookie_before_any_data_and_goes_on_where_the_dead_one_was,
    the_callbacks_message_goes_after_the_cookie_and_before_what_is_sent_again,
    a_message_that_may_not_fail_over_comes_back,
    a_session_without_failover_ends_with_its_server,
    a_failover_can_be_forced,
    a_server_that_drains_is_left_without_a_loss,
    a_session_can_begin_with_the_cookie_of_another,
    a_silent_server_of_a_pool_that_greets_is_hung_for_new_sessions_too,
];

/// The server that serves dies, of two.
fn kill(session: &rserpool::Session, servers: &mut [Server]) {
    let serving = session.pe().expect("it has a server").id;
    servers.iter_mut().find(|it| it.handle.id == serving).expect("it is one of them").die();
}

async fn the_next_server_has_the_cookie_before_any_data_and_goes_on_where_the_dead_one_was(stage: Stage) {
    let mut servers = [stage.server(|it| it, count).await, stage.server(|it| it, count).await];
    let session = stage.user().await.session("echo").connect().await.expect("there is a server");
    for number in 1..=3 {
        assert_eq!(text(ask(&session, Outgoing::new("x").ack()).await.data()), number.to_string());
    }
    kill(&session, &mut servers);
    for number in 4..=6 {
        assert_eq!(text(ask(&session, Outgoing::new("x").ack()).await.data()), number.to_string());
    }
    assert_eq!(session.failovers(), 1);
}

/// Says what comes, and answers nothing else; what is named `wait` is never acknowledged.
async fn tell(session: PeSession) -> Result<()> {
    session.set_cookie("a cookie")?;
    while let Some(item) = session.recv().await? {
        match item {
            PeItem::Cookie(_) => drop(session.send("cookie").await?),
            PeItem::Data(message) => {
                let again = if message.resent() { " again" } else { "" };
                drop(session.send(format!("{}{again}", text(message.data()))).await?);
            }
            _ => {}
        }
    }
    Ok(())
}

async fn the_callbacks_message_goes_after_the_cookie_and_before_what_is_sent_again(stage: Stage) {
    let mut servers = [stage.server(|it| it, tell).await, stage.server(|it| it, tell).await];
    let session = stage.user().await.session("echo");
    let callback = |failover: rserpool::Failover| async move {
        assert!(failover.cookie_sent);
        drop(failover.send("callback").await.expect("the session runs"));
    };
    let session = session.on_failover(callback).connect().await.expect("there is a server");
    assert_eq!(text(ask(&session, Outgoing::new("wait").ack()).await.data()), "wait");
    kill(&session, &mut servers);
    let mut heard = Vec::new();
    for _ in 0..3 {
        let message = session.recv_data().await.expect("it runs").expect("it goes on");
        heard.push(text(message.data()).to_owned());
    }
    assert_eq!(heard, ["cookie", "callback", "wait again"]);
}

async fn a_message_that_may_not_fail_over_comes_back(stage: Stage) {
    let mut servers = [stage.server(|it| it, tell).await, stage.server(|it| it, tell).await];
    let session = stage.user().await.session("echo").connect().await.expect("there is a server");
    let sent = session.send(Outgoing::new("wait").ack().no_failover()).await.expect("the session runs");
    assert_eq!(text(session.recv_data().await.expect("it runs").expect("an answer").data()), "wait");
    kill(&session, &mut servers);
    let outcome = sent.await.expect("it has an outcome");
    assert!(matches!(&outcome, Outcome::Returned(message, _) if message.data.as_ref() == b"wait"), "{outcome:?}");
}

async fn a_session_without_failover_ends_with_its_server(stage: Stage) {
    let mut servers = [stage.server(|it| it, tell).await, stage.server(|it| it, tell).await];
    let session = stage.user().await.session("echo").failover(false).connect().await.expect("there is a server");
    ask(&session, "hello").await;
    kill(&session, &mut servers);
    let end = loop {
        match session.recv().await {
            Ok(Some(_)) => {}
            other => break other.map(drop),
        }
    };
    assert!(matches!(end, Err(Error::Lost(_))), "{end:?}");
}

async fn a_failover_can_be_forced(stage: Stage) {
    let _servers = [stage.server(|it| it, count).await, stage.server(|it| it, count).await];
    let session = stage.user().await.session("echo").hold_failover().connect().await.expect("there is a server");
    assert_eq!(text(ask(&session, "x").await.data()), "1");
    let first = session.pe().expect("it has a server").id;
    session.force_failover(Report::No).await.expect("the session runs");
    let failover = loop {
        if let Item::Failover(failover) = session.recv().await.expect("it runs").expect("it goes on") {
            break failover;
        }
    };
    assert_eq!((failover.from, failover.cause), (first, rserpool::Cause::Application));
    assert_ne!(failover.to.id, first);
    drop(failover);
    assert_eq!(text(ask(&session, "x").await.data()), "2");
}

async fn a_server_that_drains_is_left_without_a_loss(stage: Stage) {
    let user = stage.user().await;
    let draining = stage.element(&user).register().await.expect("it is taken");
    let session = stage.user().await.session("echo").connect().await.expect("there is a server");
    let first = draining.accept().await.expect("a session");
    let served = tokio::spawn(count(first));
    assert_eq!(text(ask(&session, Outgoing::new("x").ack()).await.data()), "1");
    let _next = stage.server(|it| it, count).await;
    draining.drain(std::time::Duration::from_secs(30)).await.expect("it leaves");
    served.await.expect("the service does not panic").expect("its session ended in order");
    assert_eq!(text(ask(&session, Outgoing::new("x").ack()).await.data()), "2");
    assert_eq!(session.failovers(), 1);
}

async fn a_session_can_begin_with_the_cookie_of_another(stage: Stage) {
    let _server = stage.server(|it| it, count).await;
    let user = stage.user().await;
    let first = user.session("echo").connect().await.expect("there is a server");
    assert_eq!(first.cookie(), None);
    assert_eq!(text(ask(&first, "x").await.data()), "1");
    assert_eq!(first.cookie().as_deref(), Some(&b"1"[..]));
    first.close().await.expect("it runs");
    let cookie = first.cookie().expect("it is known after the end");
    let second = user.session("echo").cookie(cookie).connect().await.expect("there is a server");
    assert_eq!(text(ask(&second, "x").await.data()), "2");
}

async fn a_silent_server_of_a_pool_that_greets_is_hung_for_new_sessions_too(stage: Stage) {
    let there = stage.talker("echo").await;
    let user = stage.user_with(|config| config.session.hello_wait = Duration::from_millis(300)).await;
    user.session("echo").connect().await.expect("there is a server").close().await.expect("it was up");
    // What carries it answers, over SCTP the kernel, and its process says nothing.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let hung = PeHandle { id: PeId(7), addrs: vec![listener.local_addr().unwrap()], ..there.handle.clone() };
    std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        socket.write_all(INIT_OF_THE_TCP_MAPPING).unwrap();
        std::io::copy(&mut socket, &mut std::io::sink())
    });
    let session = user.session("echo").prefer([hung]).connect().await.expect("the other one answers");
    assert_eq!(session.pe(), Some(there.handle.clone()));
}

const INIT_OF_THE_TCP_MAPPING: &[u8] = &[1, 0, 0, 4];
