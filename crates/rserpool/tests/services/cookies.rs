// SPDX-License-Identifier: MIT OR Apache-2.0
//! SET_COOKIE and COOKIE_INDICATION where the PEs of a pool share a key (`docs/session-wire.md` §7), and cookies sent again and again (seed 004 §4.5.1).

use rserpool::{CookieKey, CookieRefused, Error, Notice, Outgoing, PeItem, PeSession, PoolElementBuilder, Result};

use crate::stage::{Stage, ask, count, on_each_transport};

on_each_transport![a_sealed_cookie_goes_on_at_a_server_that_knows_the_key, a_cookie_that_does_not_verify_is_not_shown,];

fn old_key(element: PoolElementBuilder) -> PoolElementBuilder {
    element.cookie_key(CookieKey::new(1, [1; 32]))
}

fn new_key(element: PoolElementBuilder) -> PoolElementBuilder {
    old_key(element.cookie_key(CookieKey::new(2, [2; 32])))
}

async fn a_sealed_cookie_goes_on_at_a_server_that_knows_the_key(stage: Stage) {
    let mut first = stage.server(old_key, count).await;
    let session = stage.user().await.session("echo").connect().await.expect("there is a server");
    assert_eq!(ask(&session, Outgoing::new("x").ack()).await.data().as_ref(), b"1");
    assert_eq!(ask(&session, Outgoing::new("x").ack()).await.data().as_ref(), b"2");
    // Without a wish for acknowledgement, SCTP of a server that has just died may still take one, and nobody reads it.
    let mut second = stage.server(new_key, count).await;
    first.die();
    assert_eq!(ask(&session, Outgoing::new("x").ack()).await.data().as_ref(), b"3");
    let _third = stage.server(new_key, count).await;
    second.die();
    assert_eq!(ask(&session, Outgoing::new("x").ack()).await.data().as_ref(), b"4");
}

async fn a_cookie_that_does_not_verify_is_not_shown(stage: Stage) {
    async fn describe(session: PeSession) -> Result<()> {
        let Err(Error::TooLong { max, .. }) = session.set_cookie(vec![0; 65_508]) else {
            panic!("it leaves no room for the seal")
        };
        session.set_cookie(vec![0; max])?;
        while let Some(item) = session.recv().await? {
            match item {
                PeItem::Cookie(_) => panic!("it was shown"),
                PeItem::Notice(Notice::CookieRefused(CookieRefused::NotSealed)) => {
                    session.send("refused").await.map(drop)?
                }
                _ => {}
            }
        }
        Ok(())
    }
    // It knows no seals, as one that was forgotten when the pool got its key.
    let mut first = stage.server(|it| it, count).await;
    let session = stage.user().await.session("echo").connect().await.expect("there is a server");
    assert_eq!(ask(&session, "x").await.data().as_ref(), b"1");
    let _second = stage.server(new_key, describe).await;
    first.die();
    assert_eq!(session.recv_data().await.expect("it runs").expect("its word").data().as_ref(), b"refused");
}
