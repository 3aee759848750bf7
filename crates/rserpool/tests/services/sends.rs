// SPDX-License-Identifier: MIT OR Apache-2.0
//! DataSendRequest and Data.Received, RFC 5352 §6.5 and §6.6.

use std::collections::BTreeSet;
use std::time::Duration;

use rserpool::{
    Destination, Error, Mapping, Outcome, Outgoing, PeHandle, PeId, Policy, PoolElement, ReturnReason, Source,
};

use crate::stage::{Stage, Talker, on_each_transport, panics, until};

on_each_transport![
    a_message_to_a_pool_goes_to_the_server_the_policy_picks_and_its_handle_is_told,
    to_last_goes_where_the_message_before_went,
    to_all_is_a_copy_for_each_but_the_sender_unless_it_asks_for_one,
    to_a_server_that_is_gone_goes_to_another_unless_the_message_says_no_failover,
    a_message_that_may_not_fail_over_comes_back_whole_when_its_server_dies,
    one_that_waits_for_the_window_when_its_server_dies_comes_back_as_well,
    to_a_transport_address_passes_through_without_pool_and_failover,
    what_waits_is_from_the_server_that_sent_it_though_the_session_has_moved,
    a_server_without_control_channel_takes_no_messages,
    an_idle_session_is_closed_and_the_next_message_opens_another,
    users_that_are_separate_do_not_hear_each_others_answers,
];

async fn a_message_to_a_pool_goes_to_the_server_the_policy_picks_and_its_handle_is_told(stage: Stage) {
    let servers = [stage.talker("echo").await, stage.talker("echo").await, stage.talker("echo").await];
    let user = stage.user().await;
    let mut picked = BTreeSet::new();
    for round in 0..6 {
        let sent = user.send("echo", Outgoing::new(format!("{round}")).ack()).await.unwrap();
        let pe = sent.pe().expect("a pool has servers").clone();
        let answer = user.recv().await;
        assert_eq!(answer.from, Source::Pe(pe.clone()));
        let server = servers.iter().find(|server| server.handle == pe).expect("one of ours");
        assert_eq!(answer.message.data(), server.says(&round.to_string()).as_bytes());
        assert_eq!(sent.await.unwrap(), Outcome::Acknowledged(pe.id));
        picked.insert(pe.id);
    }
    // Round robin: each of the three, twice.
    assert_eq!(picked.len(), 3);
}

async fn to_last_goes_where_the_message_before_went(stage: Stage) {
    let _servers = [stage.talker("echo").await, stage.talker("echo").await];
    let user = stage.user().await;
    let first = user.send("echo", "one").await.unwrap().pe().cloned();
    for _ in 0..3 {
        let sent = user.send(Destination::Last("echo".into()), "again").await.unwrap();
        assert_eq!(sent.pe().cloned(), first);
    }
}

async fn to_all_is_a_copy_for_each_but_the_sender_unless_it_asks_for_one(stage: Stage) {
    let servers = [stage.talker("echo").await, stage.talker("echo").await];
    let user = stage.user().await;
    let own = stage.member("echo", &user).register().await.unwrap();
    let own = Talker::of(own);
    let others: BTreeSet<PeId> = servers.iter().map(|server| server.handle.id).collect();
    for and_self in [false, true] {
        user.cache_populate("echo").await.unwrap();
        let copies = user.send_to_all("echo", "all", and_self).await.unwrap();
        let mut expected = others.clone();
        expected.extend(and_self.then_some(own.handle.id));
        let mut answered = BTreeSet::new();
        for (pe, sent) in copies {
            sent.unwrap();
            assert!(expected.contains(&pe.id));
            let Source::Pe(from) = user.recv().await.from else { panic!("they are servers of a pool") };
            answered.insert(from.id);
        }
        assert_eq!(answered, expected, "and_self: {and_self}");
    }
}

async fn to_a_server_that_is_gone_goes_to_another_unless_the_message_says_no_failover(stage: Stage) {
    let there = stage.talker("echo").await;
    let user = stage.user().await;
    // Nobody listens there any more.
    let gone = {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let addrs = vec![socket.local_addr().unwrap()];
        PeHandle { id: PeId(7), addrs, ..there.handle.clone() }
    };
    let refused = user.send(&gone, Outgoing::new("one").no_failover()).await;
    assert!(matches!(refused, Err(Error::NoServer { .. })), "{refused:?}");
    let sent = user.send(&gone, Outgoing::new("two").ack()).await.unwrap();
    assert_eq!(sent.pe(), Some(&there.handle));
    assert_eq!(sent.await.unwrap(), Outcome::Acknowledged(there.handle.id));
    assert_eq!(user.recv().await.message.data(), there.says("two").as_bytes());
}

async fn a_message_that_may_not_fail_over_comes_back_whole_when_its_server_dies(stage: Stage) {
    // Each takes messages and never acknowledges them.
    let user = stage.user().await;
    let first = stage.member("echo", &user).register().await.unwrap();
    let second = stage.member("echo", &user).register().await.unwrap();
    let message = Outgoing::new("keep me").ack().no_failover();
    let sent = user.send(first.handle().clone(), message.clone()).await.unwrap();
    let session = first.accept().await.expect("a session");
    assert_eq!(&session.recv_data().await.unwrap().expect("the message")[..], b"keep me");
    panics(session).await;
    match sent.await.unwrap() {
        Outcome::Returned(returned, _) => assert_eq!(returned, message),
        other => panic!("{other:?}"),
    }
    drop(second);
}

async fn one_that_waits_for_the_window_when_its_server_dies_comes_back_as_well(stage: Stage) {
    // The first takes messages and never acknowledges them, the second answers all.
    let server = stage.user().await;
    let first = stage.member("echo", &server).register().await.unwrap();
    let _second = stage.talker("echo").await;
    // One message fills the window.
    let user = stage.user_with(|config| config.session.send_window = 64).await;
    let sent = user.send(first.handle().clone(), Outgoing::new("one").ack().no_failover()).await.unwrap();
    let session = first.accept().await.expect("a session");
    assert_eq!(&session.recv_data().await.unwrap().expect("the message")[..], b"one");
    let mut waiting = Box::pin(user.send(first.handle().clone(), Outgoing::new("two").ack().no_failover()));
    std::future::poll_fn(|cx| {
        assert!(waiting.as_mut().poll(cx).is_pending(), "there is no room");
        std::task::Poll::Ready(())
    })
    .await;
    panics(session).await;
    for sent in [sent, waiting.await.unwrap()] {
        let outcome = sent.await.unwrap();
        assert!(matches!(outcome, Outcome::Returned(_, ReturnReason::NoFailover)), "{outcome:?}");
    }
}

async fn to_a_transport_address_passes_through_without_pool_and_failover(stage: Stage) {
    let servers = [stage.talker("echo").await, stage.talker("echo").await];
    let address = servers[0].handle.addrs[0];
    // There is no registrar, and none is needed.
    let user = stage.user_with(|config| config.registrars = vec!["127.0.0.1:1".to_owned()]).await;
    let sent = user.send(address, Outgoing::new("hello").ack()).await.unwrap();
    assert_eq!(sent.pe(), None);
    let answer = user.recv().await;
    assert_eq!(answer.from, Source::Address(address));
    assert_eq!(answer.message.data(), servers[0].says("hello").as_bytes());
    assert!(matches!(sent.await.unwrap(), Outcome::Acknowledged(_)));
    let nobody: std::net::SocketAddr = "127.0.0.1:1".parse().unwrap();
    let refused = user.send(nobody, "hello").await;
    assert!(matches!(refused, Err(Error::NoServer { .. })), "{refused:?}");
}

async fn what_waits_is_from_the_server_that_sent_it_though_the_session_has_moved(stage: Stage) {
    let own = stage.user().await;
    let first = stage.member("echo", &own).register().await.unwrap();
    let second = stage.talker("echo").await;
    let user = stage.user().await;
    let sent = user.send(first.handle().clone(), Outgoing::new("hello").ack()).await.unwrap();
    let session = first.accept().await.expect("a session");
    assert_eq!(&session.recv_data().await.unwrap().expect("the message")[..], b"hello");
    // More than are read ahead of whoever receives, and then it leaves with the request unanswered.
    for number in 0..MANY {
        drop(session.send(number.to_string()).await.unwrap());
    }
    first.drain(Duration::from_millis(50)).await.unwrap();
    assert_eq!(sent.await.unwrap(), Outcome::Acknowledged(second.handle.id));
    for number in 0..MANY {
        let answer = user.recv().await;
        assert_eq!(answer.message.data(), number.to_string().as_bytes());
        assert_eq!(answer.from, Source::Pe(first.handle().clone()), "{number}");
    }
    let answer = user.recv().await;
    assert_eq!(answer.message.data(), second.says("hello").as_bytes());
    assert_eq!(answer.from, Source::Pe(second.handle));
}

/// Messages nobody receives yet.
const MANY: usize = 200;

async fn a_server_without_control_channel_takes_no_messages(stage: Stage) {
    let user = stage.user().await;
    let web = PoolElement::builder("web")
        .user(&user)
        .mapping(Mapping::None)
        .advertise(["127.0.0.1:8080".parse().unwrap()])
        .policy(Policy::Random)
        .register()
        .await
        .unwrap();
    let refused = user.send(web.handle(), "hello").await;
    assert!(matches!(refused, Err(Error::NotAvailable { .. })), "{refused:?}");
}

async fn an_idle_session_is_closed_and_the_next_message_opens_another(stage: Stage) {
    let own = stage.user().await;
    let pe = stage.member("echo", &own).register().await.unwrap();
    let user = stage.user_with(|config| config.session.idle_session = Duration::from_millis(50)).await;
    for _ in 0..2 {
        user.send("echo", "hello").await.unwrap();
        let session = pe.accept().await.expect("a session for each message");
        assert_eq!(&session.recv_data().await.unwrap().expect("the message")[..], b"hello");
        // BYE, and nothing before.
        assert!(session.recv_data().await.unwrap().is_none());
        drop(session);
        until(async || pe.sessions() == 0).await;
    }
}

async fn users_that_are_separate_do_not_hear_each_others_answers(stage: Stage) {
    let server = stage.talker("echo").await;
    let one = stage.user().await;
    let other = one.separate();
    one.send("echo", "one").await.unwrap();
    other.send("echo", "other").await.unwrap();
    assert_eq!(other.recv().await.message.data(), server.says("other").as_bytes());
    assert_eq!(one.recv().await.message.data(), server.says("one").as_bytes());
    one.close().await;
    other.close().await;
}
