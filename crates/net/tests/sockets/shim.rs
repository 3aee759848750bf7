// SPDX-License-Identifier: MIT OR Apache-2.0
//! A link that is cut: what both ends of an association see.

use std::time::Duration;

use crate::common::{ANY_V4, mapping, options, up, within};
use bytes::Bytes;
use machine::association::{Event, Heartbeat, LostReason, Mapping, Token};
use net::shim::Shim;
use net::{Association, Listener, Options};

#[tokio::test]
async fn a_black_hole_is_noticed_by_heartbeat_and_gives_back_what_was_not_taken() {
    let (listener, shim) = behind_shim().await;
    let mut client = Association::connect(vec![shim.local_addr()], options());
    let (event, mut server) = within(async { tokio::join!(client.next(), up(&listener)) }).await;
    assert_eq!(mapping(event), Mapping::Tcp);
    client.send(0, 0, false, Token(1), Bytes::from_static(b"before")).unwrap();
    let taking = async {
        let Event::Message { sequence, .. } = server.next().await else { panic!() };
        server.taken(sequence);
        server.flush();
    };
    let (delivered, _) = within(async { tokio::join!(client.next(), taking) }).await;
    assert_eq!(delivered, Event::Delivered(Token(1)));

    shim.block();
    client.send(0, 0, false, Token(2), Bytes::from_static(b"into the hole")).unwrap();
    client.set_heartbeat(Heartbeat { interval: Duration::from_millis(100), dead_after: Duration::from_millis(300) });
    let events = within(async {
        let mut events = Vec::new();
        while !matches!(events.last(), Some(Event::Lost(_))) {
            let event = client.next().await;
            if !matches!(event, Event::Paused) {
                events.push(event);
            }
        }
        events
    })
    .await;
    assert_eq!(events[0], Event::Undelivered(Token(2)));
    assert!(matches!(events[1..], [Event::Lost(LostReason::HeartbeatMissed)]), "{events:?}");
}

#[tokio::test]
async fn what_was_held_back_passes_when_the_link_is_whole_again() {
    let (listener, shim) = behind_shim().await;
    let mut client = Association::connect(vec![shim.local_addr()], options());
    let (_, mut server) = within(async { tokio::join!(client.next(), up(&listener)) }).await;
    shim.block();
    client.send(0, 0, false, Token(1), Bytes::from_static(b"late")).unwrap();
    client.flush();
    let silence = tokio::time::timeout(Duration::from_millis(100), server.next()).await;
    assert!(silence.is_err(), "{silence:?}");
    shim.unblock();
    assert!(matches!(within(server.next()).await, Event::Message { .. }));
    drop(client);
    assert_eq!(within(server.next()).await, Event::Lost(LostReason::PeerClosed));
}

#[tokio::test]
async fn a_new_connection_into_a_black_hole_connects_and_then_times_out() {
    let (_listener, shim) = behind_shim().await;
    shim.block();
    let options = Options { connect_timeout: Duration::from_millis(100), ..options() };
    let mut client = Association::connect(vec![shim.local_addr()], options);
    let event = within(async {
        loop {
            match client.next().await {
                Event::Paused => {}
                event => return event,
            }
        }
    })
    .await;
    assert_eq!(event, Event::Lost(LostReason::ConnectTimeout));
}

async fn behind_shim() -> (Listener, Shim) {
    let listener = Listener::bind(ANY_V4, options()).unwrap();
    let shim = Shim::start(ANY_V4, listener.local_addr()).await.unwrap();
    (listener, shim)
}
