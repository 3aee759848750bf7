// SPDX-License-Identifier: MIT OR Apache-2.0
//! The serving pool element is killed, again and again, under a pipelined load.

use std::collections::HashSet;
use std::time::Duration;

use rserpool::{Item, Notice, Outgoing};

use crate::stage::Stage;

const KILLS: u32 = 200;
const OUTSTANDING: u64 = 48;
/// Answers between two kills, so that each hits a stream at full width.
const BETWEEN: u64 = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_loses_and_repeats_nothing_while_its_server_is_killed_200_times() {
    let mut stage = Stage::set_up(3).await;
    let session = stage.session().await;
    let mut next = 0u64;
    let mut answered = HashSet::new();
    let (mut duplicated, mut resent) = (0, 0);
    let (mut kills, mut failovers, mut since) = (0, 0, 0);
    while kills < KILLS || answered.len() as u64 != next {
        let room = kills < KILLS && next - (answered.len() as u64) < OUTSTANDING;
        tokio::select! {
            item = session.recv() => match item.expect("the session goes on").expect("nobody says BYE") {
                Item::Data(answer) => {
                    let n = u64::from_be_bytes(answer[..8].try_into().expect("8 bytes"));
                    assert!(n < next, "an answer to nothing");
                    duplicated += u32::from(!answered.insert(n));
                    resent += u32::from(answer[16] == 1);
                    since += 1;
                }
                Item::Failover(_) => {
                    failovers += 1;
                    since = 0;
                }
                Item::Notice(Notice::Returned(_, reason)) => panic!("a request came back: {reason}"),
                _ => {}
            },
            sent = session.send(Outgoing::new(request(next)).ack()), if room => {
                drop(sent.expect("the session goes on"));
                next += 1;
            }
            () = tokio::time::sleep(Duration::from_secs(120)) => panic!("no answer for 2 minutes after {kills} kills: {} of {next} answered", answered.len()),
        }
        if kills < KILLS && failovers == kills && since >= BETWEEN {
            // Between the last answer and now the session may be moving; then the next answer will do.
            if let Some(pe) = session.pe() {
                stage.kill_server(pe.id);
                kills += 1;
                stage.add_server();
            }
        }
    }
    session.close().await.expect("an orderly end");
    println!("{kills} kills, {failovers} failovers, {next} requests, {resent} resent, {duplicated} duplicated");
    assert_eq!(duplicated, 0);
    assert_eq!(failovers, KILLS);
    assert!(resent > KILLS, "{resent} resent: the kills did not hit a stream at full width");
}

fn request(n: u64) -> Vec<u8> {
    let mut request = n.to_be_bytes().to_vec();
    request.resize(64, n as u8);
    request
}
