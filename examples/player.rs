// SPDX-License-Identifier: MIT OR Apache-2.0
//! A player of the pool `players`: with the argument `begin` it begins a game with the pool `games`, otherwise it waits until a game server needs it
//! because another player has died. Moves come from standard input.

use rserpool::{BusinessCard, PeSession, PoolElement, PoolUser, Result, Session};
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin, stdin};

#[tokio::main]
async fn main() -> Result<()> {
    let user = PoolUser::new().await?;
    let pe = PoolElement::builder("players").user(&user).register().await?;
    println!("{}", pe.handle().id);
    let moves = BufReader::new(stdin()).lines();
    if std::env::args().nth(1).as_deref() == Some("begin") {
        // The card tells the server which pool to go to when this process dies.
        let card = BusinessCard::new("players");
        return begin(user.session("games").business_card(card).connect().await?, moves).await;
    }
    match pe.accept().await {
        Some(game) => go_on(game, moves).await,
        None => Ok(()),
    }
}

async fn begin(game: Session, mut moves: Lines<BufReader<Stdin>>) -> Result<()> {
    loop {
        tokio::select! {
            answer = game.recv_data() => match answer? {
                Some(answer) => println!("{}", String::from_utf8_lossy(&answer)),
                None => return Ok(()),
            },
            line = moves.next_line() => match line? {
                Some(line) => drop(game.send(line).await?),
                None => return game.close().await,
            },
        }
    }
}

async fn go_on(game: PeSession, mut moves: Lines<BufReader<Stdin>>) -> Result<()> {
    loop {
        tokio::select! {
            answer = game.recv_data() => match answer? {
                Some(answer) => println!("{}", String::from_utf8_lossy(&answer)),
                None => return Ok(()),
            },
            line = moves.next_line() => match line? {
                Some(line) => drop(game.send(line).await?),
                None => return game.close().await,
            },
        }
    }
}
