// SPDX-License-Identifier: MIT OR Apache-2.0
//! DATA_SEND, DATA_RECEIVED and ULP_ACK, and the optional features of the transports (seed 001 §4.5, §4.6, §5.2; seed 004 §4.6).

use rserpool::{Error, Outcome, Outgoing, PeSession, Result, Transport};

use crate::stage::{Stage, ask, echo, on_each_transport};

on_each_transport![
    a_message_to_a_pool_handle_reaches_a_server_and_the_outcome_names_it,
    an_acknowledgement_is_the_word_of_the_application,
    without_a_wish_for_acknowledgement_the_transports_word_counts,
    stream_unordered_and_payload_protocol_identifier_arrive,
    order_is_kept_on_a_stream,
    the_largest_message_goes_and_a_larger_one_is_refused_before_it_is_sent,
    round_trip_time_and_path_mtu_are_told_where_the_transport_knows_them,
];

async fn a_message_to_a_pool_handle_reaches_a_server_and_the_outcome_names_it(stage: Stage) {
    let server = stage.server(|it| it, echo).await;
    let session = stage.user().await.session("echo").connect().await.expect("there is a server");
    let sent = session.send(Outgoing::new("hello").ack()).await.expect("the session runs");
    assert_eq!(session.recv_data().await.expect("it runs").expect("an answer").data().as_ref(), b"hello");
    assert_eq!(sent.await.expect("it has an outcome"), Outcome::Acknowledged(server.handle.id));
    assert_eq!(session.pe().expect("it has a server").id, server.handle.id);
    session.close().await.expect("it ends in order");
}

async fn an_acknowledgement_is_the_word_of_the_application(stage: Stage) {
    async fn acknowledge_every_second(session: PeSession) -> Result<()> {
        while let Some(message) = session.recv_data().await? {
            if message.ack_wanted() && message.data().as_ref() == b"second" {
                message.ack().await?;
                session.send("acknowledged").await?;
            }
        }
        Ok(())
    }
    let server = stage.server(|it| it, acknowledge_every_second).await;
    let session = stage.user().await.session("echo").connect().await.expect("there is a server");
    let first = session.send(Outgoing::new("first").ack()).await.expect("the session runs");
    let second = session.send(Outgoing::new("second").ack()).await.expect("the session runs");
    assert_eq!(second.await.expect("it has an outcome"), Outcome::Acknowledged(server.handle.id));
    session.recv_data().await.expect("it runs").expect("the word that it is acknowledged");
    // The server has both; the first has no outcome, since its application said nothing.
    let mut first = std::pin::pin!(first);
    assert!(ready(first.as_mut()).is_none());
}

async fn without_a_wish_for_acknowledgement_the_transports_word_counts(stage: Stage) {
    let server = stage.server(|it| it, echo).await;
    let session = stage.user().await.session("echo").connect().await.expect("there is a server");
    let sent = session.send("hello").await.expect("the session runs");
    assert_eq!(sent.await.expect("it has an outcome"), Outcome::Delivered(server.handle.id));
}

async fn stream_unordered_and_payload_protocol_identifier_arrive(stage: Stage) {
    async fn describe(session: PeSession) -> Result<()> {
        while let Some(message) = session.recv_data().await? {
            session.send(format!("{} {}", message.stream(), message.ppid())).await?;
        }
        Ok(())
    }
    let _server = stage.server(|it| it, describe).await;
    let session = stage.user().await.session("echo").connect().await.expect("there is a server");
    // Everything is on stream 0 until the server has said HELLO, which it has before it answers.
    ask(&session, "hello").await;
    let answer = ask(&session, Outgoing::new("x").stream(3).ppid(77)).await;
    assert_eq!(answer.data().as_ref(), b"3 77");
    let answer = ask(&session, Outgoing::new("x").stream(2).unordered().ppid(78)).await;
    assert_eq!(answer.data().as_ref(), b"2 78");
}

async fn order_is_kept_on_a_stream(stage: Stage) {
    let _server = stage.server(|it| it, echo).await;
    let session = stage.user().await.session("echo").connect().await.expect("there is a server");
    for number in 0..500_u32 {
        drop(session.send(number.to_be_bytes().to_vec()).await.expect("the session runs"));
    }
    for number in 0..500_u32 {
        let answer = session.recv_data().await.expect("it runs").expect("an answer");
        assert_eq!(answer.data().as_ref(), number.to_be_bytes());
    }
}

async fn the_largest_message_goes_and_a_larger_one_is_refused_before_it_is_sent(stage: Stage) {
    let _server = stage.server(|it| it, echo).await;
    let session = stage.user().await.session("echo").connect().await.expect("there is a server");
    ask(&session, "hello").await;
    let larger = session.send(vec![1; 64 << 20]).await;
    let Err(Error::TooLong { max, .. }) = larger else { panic!("{larger:?}") };
    let data: Vec<u8> = (0..max).map(|n| (n % 251) as u8).collect();
    assert!(ask(&session, data.clone()).await.data().as_ref() == data, "{max} bytes differ");
}

async fn round_trip_time_and_path_mtu_are_told_where_the_transport_knows_them(stage: Stage) {
    let _server = stage.server(|it| it, echo).await;
    let session = stage.user().await.session("echo").connect().await.expect("there is a server");
    ask(&session, "hello").await;
    match (stage.transport, session.paths().await) {
        (Transport::Tcp, Err(Error::NotAvailable { mapping: "TCP", .. })) => {}
        (Transport::Sctp, Ok(paths)) => {
            assert!(paths.iter().any(|it| it.rto.is_some() && it.pmtu.is_some()), "{paths:?}")
        }
        (Transport::SctpUdp, Ok(paths)) => assert!(!paths.is_empty()),
        (transport, other) => panic!("{transport:?}: {other:?}"),
    }
}

/// Its output, if it is ready.
fn ready<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.poll(&mut context) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}
