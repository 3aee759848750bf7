// SPDX-License-Identifier: MIT OR Apache-2.0
//! A server that seems to be plain, and then says HELLO after all (docs/session-wire.md §5).

use bytes::Bytes;
use machine::association::{Event, Token};
use net::{Association, Listener, Options};
use rserpool::{Config, Features, Mapping, PeHandle, PeId, PoolUser, Profile, Transport};
use rsp_wire::Dialect;
use rsp_wire::asap::{Message, Session};
use rsp_wire::parameter::Protocol;
use rsp_wire::session::{Hello, SessionParameter};

use crate::stage::until;

#[tokio::test]
async fn a_session_whose_server_says_hello_late_has_its_features_from_then_on() {
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), Options::default()).unwrap();
    let mut config = Config::of(Profile::Standard);
    config.registrars = vec!["127.0.0.1:1".to_owned()];
    config.transport = Transport::Tcp;
    let server = PeHandle {
        pool: "echo".into(),
        id: PeId(7),
        mapping: Mapping::Tcp,
        protocol: Some(Protocol::Tcp),
        addrs: vec![listener.local_addr()],
    };
    let (say_hello, may_say_hello) = tokio::sync::oneshot::channel::<()>();
    let server_task = tokio::spawn(async move {
        let mut association = listener.accept().await;
        let asked = hello_of(&mut association).await;
        // User data before the answer: it is taken for plain.
        association.send(0, 5, false, Token(1), Bytes::from_static(b"220 daytime")).unwrap();
        tokio::select! {
            _ = may_say_hello => {}
            () = drive(&mut association) => {}
        }
        let hello = SessionParameter::Hello(Hello { answer: true, ..asked });
        let answer = Message::Session(Session { parameters: [hello].into_iter().collect(), unknown: Vec::new() });
        association.send(0, 11, false, Token(2), answer.to_bytes(Dialect::STANDARD).unwrap()).unwrap();
        drive(&mut association).await;
    });
    let user = PoolUser::builder().config(config).build().await.unwrap();
    let session = user.session("echo").prefer([server]).connect().await.unwrap();
    assert_eq!(session.recv_data().await.unwrap().unwrap().data(), &b"220 daytime"[..]);
    assert_eq!(session.features(), Features::default());
    say_hello.send(()).unwrap();
    let is_upgraded = tokio::time::timeout(crate::stage::LIMIT, until(async || session.has_acks()));
    is_upgraded.await.expect("HELLO has come");
    assert!(session.features().contains(Features::HEARTBEAT));
    server_task.abort();
}

/// The HELLO of the pool user, which comes first.
async fn hello_of(association: &mut Association) -> Hello {
    loop {
        if let Event::Message { sequence, data, .. } = association.next().await {
            association.taken(sequence);
            let Message::Session(session) = Message::decode(&data).unwrap().message else { panic!("not HELLO") };
            let SessionParameter::Hello(hello) = &session.parameters[0] else { panic!("not HELLO") };
            return hello.clone();
        }
    }
}

/// Takes what comes, until the association ends.
async fn drive(association: &mut Association) {
    loop {
        match association.next().await {
            Event::Message { sequence, .. } => association.taken(sequence),
            Event::Lost(_) => return,
            _ => {}
        }
    }
}
