// SPDX-License-Identifier: MIT OR Apache-2.0
//! The acts about pool elements: something happens to the one that serves the session.

use anyhow::{Result, ensure};
use nix::sys::signal::Signal;

use super::acts::{finish, full_width, next};
use super::picture::Picture;
use super::pu::{Counts, News};
use super::stage::Stage;
use super::{Act, ActResult, Fault, clock};

pub(super) async fn play(
    act: Act,
    requests: u64,
    stage: &mut Stage,
    picture: &mut Picture,
) -> Result<(ActResult, bool)> {
    let victim = full_width(requests, stage, picture).await?;
    let fault = clock::now();
    strike(act, victim, stage)?;
    picture.server_fault(act, victim);
    if act == Act::Drain {
        let id = stage.add_server(picture).await?;
        picture.note(format!("pool element {id} has joined the pool"));
    }

    // On until the session has moved and the stream has flowed as long as before.
    let mut decided = None;
    let mut moved_at = None;
    loop {
        match next(stage, picture).await? {
            News::Leaving { at, pe, .. } if pe == victim && decided.is_none() => decided = Some(at),
            News::Failover { from, to, .. } if from == victim => {
                ensure!(to != victim, "the session came back to the victim");
                moved_at = Some(0);
            }
            News::Progress { counts, .. } => {
                let since = *match &mut moved_at {
                    Some(0) => moved_at.insert(counts.answered.max(1)),
                    Some(answered) => answered,
                    None => continue,
                };
                if counts.sent >= requests && counts.answered >= since + requests / 3 {
                    break;
                }
            }
            _ => {}
        }
    }
    let counts = finish(stage, picture).await?;
    recover(act, victim, stage, picture).await?;
    Ok((result(act, fault, decided, &counts), counts.is_right()))
}

fn result(act: Act, fault: u64, decided: Option<u64>, counts: &Counts) -> ActResult {
    let detect_ms = decided.map_or(f64::NAN, |at| clock::ms(fault, at));
    ActResult::of(act, counts, Fault::Server { detect_ms })
}

fn strike(act: Act, victim: u32, stage: &mut Stage) -> Result<()> {
    let server = stage.server(victim)?;
    match act {
        Act::Kill => server.signal(Signal::SIGKILL),
        Act::Hang => server.signal(Signal::SIGSTOP),
        Act::Drain => server.signal(Signal::SIGTERM),
        _ => {
            server.cut_off();
            Ok(())
        }
    }
}

/// After the act: what was cut off or stopped comes back; in the place of what was killed another is started, so that every act finds a full pool.
async fn recover(act: Act, victim: u32, stage: &mut Stage, picture: &mut Picture) -> Result<()> {
    match act {
        Act::Hang => stage.server(victim)?.signal(Signal::SIGCONT)?,
        Act::Kill | Act::Drain => {
            stage.server(victim)?.ended().await?;
            stage.servers.retain(|server| server.id != victim);
            if act == Act::Kill {
                stage.add_server(picture).await?;
            }
            picture.servers(&stage.servers);
        }
        _ => stage.server(victim)?.reconnect(),
    }
    picture.recovered(act, victim);
    Ok(())
}
