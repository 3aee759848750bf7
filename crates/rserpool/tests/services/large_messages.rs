// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages larger than the mapping carries, and messages with a lifetime (`docs/session-wire.md` §7).

use std::time::Duration;

use rserpool::{Error, Outcome, Outgoing, PeSession, Result, ReturnReason};

use crate::stage::{Stage, ask, echo, on_each_transport};

on_each_transport![
    many_large_messages_flow_in_order_through_a_window_smaller_than_one,
    a_large_message_without_an_answer_goes_to_the_next_server_whole_and_marked,
    a_plain_peer_gets_the_largest_message_the_mapping_carries,
    a_message_whose_lifetime_is_over_comes_back_and_is_not_sent_again,
];

async fn many_large_messages_flow_in_order_through_a_window_smaller_than_one(stage: Stage) {
    let _server = stage.server(|it| it, echo).await;
    let session = stage.user().await.session("echo").connect().await.expect("there is a server");
    let settings = stage.config().session;
    let size = settings.max_message_size;
    assert!(size > 2 * settings.receive_window as usize);
    let lengths = [size, 70_000, 1, size, 65_456, 65_455, size, size];
    let send = async {
        for (number, length) in (0..).zip(lengths) {
            let message = Outgoing::new(filled(number, length)).stream(u16::from(number) % 3).ack();
            drop(session.send(message).await.expect("the session runs"));
        }
    };
    let receive = async {
        let mut answers = Vec::new();
        for _ in lengths {
            answers.push(session.recv_data().await.expect("it runs").expect("an answer").data().clone());
        }
        answers
    };
    // Together: a server whose answers nobody takes takes no requests either.
    let ((), mut answers) = tokio::join!(send, receive);
    // Streams are independent of each other.
    answers.sort_by_key(|answer| answer[0]);
    for ((number, length), answer) in (0..).zip(lengths).zip(answers) {
        assert!(answer == filled(number, length), "{number}: {length} bytes are not the {} sent", answer.len());
    }
}

async fn a_large_message_without_an_answer_goes_to_the_next_server_whole_and_marked(stage: Stage) {
    async fn keep_quiet(session: PeSession) -> Result<()> {
        session.set_cookie("I have it")?;
        while session.recv_data().await?.is_some() {
            session.send("received").await?;
        }
        Ok(())
    }
    async fn describe(session: PeSession) -> Result<()> {
        while let Some(message) = session.recv_data().await? {
            let answer = format!("{} {} {}", message.data().len(), message.data()[0], message.resent());
            message.reply(answer).await?;
        }
        Ok(())
    }
    let mut first = stage.server(|it| it, keep_quiet).await;
    let session = stage.user().await.session("echo").connect().await.expect("there is a server");
    let sent = session.send(Outgoing::new(filled(7, 1_000_000)).ack()).await.expect("the session runs");
    assert_eq!(session.recv_data().await.expect("it runs").expect("its word").data().as_ref(), b"received");
    let second = stage.server(|it| it, describe).await;
    first.die();
    let answer = session.recv_data().await.expect("it runs").expect("an answer");
    assert_eq!(answer.data().as_ref(), b"1000000 7 true");
    assert_eq!(sent.await.expect("it has an outcome"), Outcome::Acknowledged(second.handle.id));
}

async fn a_plain_peer_gets_the_largest_message_the_mapping_carries(stage: Stage) {
    let _server = stage.server(|it| it, echo).await;
    let user = stage.user_with(|config| config.session.extensions = false).await;
    let session = user.session("echo").connect().await.expect("there is a server");
    assert_eq!(session.largest_message(), 65_455);
    let answer = ask(&session, filled(7, 65_455)).await;
    assert!(answer.data()[..] == filled(7, 65_455)[..], "{} bytes", answer.len());
    let refused = session.send(filled(7, 65_456)).await;
    assert!(matches!(refused, Err(Error::TooLong { len: 65_456, max: 65_455 })), "{refused:?}");
}

async fn a_message_whose_lifetime_is_over_comes_back_and_is_not_sent_again(stage: Stage) {
    async fn keep_quiet(session: PeSession) -> Result<()> {
        while session.recv_data().await?.is_some() {
            session.send("received").await?;
        }
        Ok(())
    }
    let mut first = stage.server(|it| it, keep_quiet).await;
    let session = stage.user().await.session("echo").connect().await.expect("there is a server");
    let timely = ask(&session, Outgoing::new("in time").lifetime(Duration::from_secs(600))).await;
    assert_eq!(timely.data().as_ref(), b"received");
    let never = session.send(Outgoing::new("never").lifetime(Duration::ZERO)).await.expect("the session runs");
    let Outcome::Returned(message, ReturnReason::Expired) = never.await.expect("it has an outcome") else {
        panic!("it was sent")
    };
    assert_eq!(message.data.as_ref(), b"never");
    // Received and not acknowledged when its server dies: by then its time is over.
    let lifetime = Duration::from_secs(2);
    let late = session.send(Outgoing::new("late").ack().lifetime(lifetime)).await.expect("the session runs");
    let sent_at = tokio::time::Instant::now();
    assert_eq!(session.recv_data().await.expect("it runs").expect("its word").data().as_ref(), b"received");
    tokio::time::sleep_until(sent_at + lifetime).await;
    let _second = stage.server(|it| it, echo).await;
    first.die();
    let Outcome::Returned(_, ReturnReason::Expired) = late.await.expect("it has an outcome") else {
        panic!("it was sent again")
    };
    assert_eq!(ask(&session, "again").await.data().as_ref(), b"again");
}

fn filled(with: u8, length: usize) -> Vec<u8> {
    vec![with; length]
}
