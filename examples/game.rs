// SPDX-License-Identifier: MIT OR Apache-2.0
//! A game server of the pool `games`. Its players are a pool, too: when the one it plays with dies, it goes on with another of them.

use rserpool::{PeSession, PoolElement, PoolUser, Result, Session};

#[tokio::main]
async fn main() -> Result<()> {
    let user = PoolUser::new().await?;
    let pe = PoolElement::builder("games").user(&user).register().await?;
    println!("{}", pe.handle().id);
    pe.serve(|session| play(session, user.clone())).await
}

async fn play(session: PeSession, user: PoolUser) -> Result<()> {
    let mut last = String::new();
    loop {
        match session.recv_data().await {
            Ok(Some(message)) => {
                last = String::from_utf8_lossy(&message).into_owned();
                session.send(format!("saw {last}")).await?;
            }
            // It said goodbye.
            Ok(None) => return Ok(()),
            // It is gone without a word: its business card says whom to ask.
            Err(error) => {
                println!("{error}");
                break;
            }
        }
    }
    let other = session.rendezvous(&user).await?;
    println!("goes on with {}", other.pe().map(|pe| pe.id.to_string()).unwrap_or_default());
    go_on(&other, last).await
}

/// From here on the server is the pool user, and outlives every player but the last.
async fn go_on(player: &Session, last: String) -> Result<()> {
    player.send(format!("go on after {last}")).await?;
    while let Some(message) = player.recv_data().await? {
        player.send(format!("saw {}", String::from_utf8_lossy(&message))).await?;
    }
    Ok(())
}
