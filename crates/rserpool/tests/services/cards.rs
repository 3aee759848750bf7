// SPDX-License-Identifier: MIT OR Apache-2.0
//! Business cards, RFC 5352 §3.9 and seed 004 §3.3. Two pools of processes: `examples/tests`, `a_game_goes_on_..`.

use rserpool::{BusinessCard, Error, Item, Notice, PeItem};

use crate::stage::{Stage, on_each_transport, panics, until};

on_each_transport![
    cards_are_exchanged_by_themselves_and_may_change,
    a_session_goes_to_whom_the_card_of_its_dead_server_prefers,
    rendezvous_goes_to_whom_the_card_of_the_dead_pool_user_prefers_and_shows_our_own,
    a_card_that_prefers_a_stranger_aims_nobody_at_it,
    without_a_card_there_is_no_rendezvous,
    a_card_that_fits_no_message_is_refused,
];

async fn cards_are_exchanged_by_themselves_and_may_change(stage: Stage) {
    let other = stage.talker("games").await;
    let own = stage.user().await;
    let card = BusinessCard::new("games").prefer([other.handle.clone()]);
    let pe = stage.member("calls", &own).business_card(card.clone());
    let pe = pe.register().await.unwrap();
    let user = stage.user().await;
    let session = user.session("calls").business_card(BusinessCard::new("players")).connect().await.unwrap();
    let accepted = pe.accept().await.unwrap();
    assert!(matches!(
        accepted.recv().await.unwrap(),
        Some(PeItem::Notice(Notice::BusinessCard(card))) if card == BusinessCard::new("players")
    ));
    assert!(matches!(
        session.recv().await.unwrap(), Some(Item::Notice(Notice::BusinessCard(shown))) if shown == card
    ));
    assert_eq!(session.peer_card(), Some(card));
    // Whom a card prefers is of the pool it names.
    let player = rserpool::PeHandle { pool: "players".into(), ..other.handle.clone() };
    let newer = BusinessCard::new("players").prefer([player]);
    session.set_business_card(&newer).unwrap();
    until(async || accepted.peer_card() == Some(newer.clone())).await;
}

async fn a_session_goes_to_whom_the_card_of_its_dead_server_prefers(stage: Stage) {
    // So many that round robin alone would hardly pick the one.
    let mut servers = Vec::new();
    for _ in 0..5 {
        servers.push(stage.talker("echo").await);
    }
    let own = stage.user().await;
    let preferred = servers[3].handle.clone();
    let pe = stage.member("echo", &own);
    let pe = pe.business_card(BusinessCard::new("echo").prefer([preferred.clone()])).register().await.unwrap();
    let user = stage.user().await;
    let session = user.session("echo").prefer([pe.handle().clone()]).connect().await.unwrap();
    assert_eq!(session.pe().map(|at| at.id), Some(pe.handle().id));
    until(async || session.peer_card().is_some_and(|card| !card.prefer.is_empty())).await;
    let accepted = pe.accept().await.unwrap();
    panics(accepted).await;
    until(async || session.failovers() == 1).await;
    assert_eq!(session.pe().map(|at| at.id), Some(preferred.id));
}

async fn rendezvous_goes_to_whom_the_card_of_the_dead_pool_user_prefers_and_shows_our_own(stage: Stage) {
    let (own, players) = (stage.user().await, stage.user().await);
    let game = stage.member("games", &own).register().await.unwrap();
    let player = |user| stage.member("players", user).register();
    let waiting = [player(&players).await.unwrap(), player(&players).await.unwrap(), player(&players).await.unwrap()];
    let user = stage.user().await;
    let card = BusinessCard::new("players").prefer([waiting[1].handle().clone()]);
    let session = user.session("games").business_card(card).connect().await.unwrap();
    let accepted = game.accept().await.unwrap();
    until(async || accepted.peer_card().is_some()).await;
    drop(session);
    assert!(accepted.recv_data().await.unwrap().is_none());
    let other = accepted.rendezvous(&own).await.unwrap();
    assert_eq!(other.pe().map(|pe| pe.id), Some(waiting[1].handle().id));
    let at_player = waiting[1].accept().await.unwrap();
    until(async || at_player.peer_card() == Some(BusinessCard::new("games"))).await;
}

async fn a_card_that_prefers_a_stranger_aims_nobody_at_it(stage: Stage) {
    let third_party = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    third_party.set_nonblocking(true).unwrap();
    let server = stage.talker("echo").await;
    let addrs = vec![third_party.local_addr().unwrap()];
    let stranger = rserpool::PeHandle { id: rserpool::PeId(99), addrs: addrs.clone(), ..server.handle.clone() };
    // Nor where it claims to be somebody who is known.
    let claimed = rserpool::PeHandle { addrs, ..server.handle.clone() };
    let own = stage.user().await;
    let card = BusinessCard::new("echo").prefer([stranger, claimed]);
    let pe = stage.member("echo", &own).business_card(card).register().await.unwrap();
    let session = stage.user().await.session("echo").prefer([pe.handle().clone()]).connect().await.unwrap();
    until(async || session.peer_card().is_some_and(|card| !card.prefer.is_empty())).await;
    panics(pe.accept().await.unwrap()).await;
    until(async || session.failovers() == 1).await;
    assert_eq!(session.pe(), Some(server.handle));
    assert_eq!(third_party.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

async fn without_a_card_there_is_no_rendezvous(stage: Stage) {
    let own = stage.user().await;
    let pe = stage.member("games", &own).register().await.unwrap();
    let _session = stage.user().await.session("games").connect().await.unwrap();
    let accepted = pe.accept().await.unwrap();
    assert!(matches!(accepted.rendezvous(&own).await, Err(Error::NotAvailable { .. })));
}

async fn a_card_that_fits_no_message_is_refused(stage: Stage) {
    let server = stage.talker("echo").await;
    let user = stage.user().await;
    let card = BusinessCard::new("players").prefer(std::iter::repeat_n(server.handle.clone(), 10_000));
    let refused = user.session("echo").business_card(card).connect().await;
    assert!(matches!(refused, Err(Error::TooLong { .. })), "{refused:?}");
}
