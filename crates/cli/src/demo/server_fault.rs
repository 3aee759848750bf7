// SPDX-License-Identifier: MIT OR Apache-2.0
//! The script: each act is a stream of requests with one fault in the middle.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use nix::sys::signal::Signal;

use super::picture::Picture;
use super::pu::{Counts, News, Say};
use super::stage::Stage;
use super::{Act, ActResult, clock};

/// Plays the acts in order; the flag says whether every answer was right.
pub(crate) async fn play_all(
    acts: &[Act],
    requests: u64,
    stage: &mut Stage,
    picture: &mut Picture,
) -> Result<(Vec<ActResult>, bool)> {
    let mut results = Vec::new();
    let mut right = true;
    for act in acts {
        let (result, correct) = play(*act, requests, stage, picture).await?;
        picture.act_ended(&result);
        right &= correct;
        results.push(result);
    }
    Ok((results, right))
}

async fn play(act: Act, requests: u64, stage: &mut Stage, picture: &mut Picture) -> Result<(ActResult, bool)> {
    picture.act_begins(act);
    stage.say(Say::Begin).await?;
    // The fault comes when the stream is at full width.
    let victim = loop {
        if let News::Progress { pe: Some(pe), outstanding, counts, .. } = next(stage, picture).await?
            && counts.answered >= requests / 3
            && outstanding >= 32
        {
            break pe;
        }
    };
    let fault = clock::now();
    strike(act, victim, stage)?;
    picture.fault(act, victim);
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
    stage.say(Say::Finish).await?;
    let counts = loop {
        if let News::Finished { counts } = next(stage, picture).await? {
            break counts;
        }
    };
    recover(act, victim, stage, picture).await?;
    Ok((result(act, fault, decided, &counts), counts.wrong == 0 && counts.chain_ok))
}

fn result(act: Act, fault: u64, decided: Option<u64>, counts: &Counts) -> ActResult {
    ActResult {
        name: act,
        detect_ms: decided.map_or(f64::NAN, |at| clock::ms(fault, at)),
        interruption_ms: clock::ms(0, counts.gap),
        sent: counts.sent,
        answered: counts.answered,
        lost: counts.sent - counts.answered.min(counts.sent),
        duplicated: counts.duplicated,
        resent: counts.resent,
    }
}

fn strike(act: Act, victim: u32, stage: &mut Stage) -> Result<()> {
    let server = stage.server(victim)?;
    match act {
        Act::Kill => server.signal(Signal::SIGKILL),
        Act::Blackhole => {
            server.cut_off();
            Ok(())
        }
        Act::Hang => server.signal(Signal::SIGSTOP),
        Act::Drain => server.signal(Signal::SIGTERM),
    }
}

/// After the act: what was cut off or stopped comes back; in the place of what was killed another is started, so that every act finds a full pool.
async fn recover(act: Act, victim: u32, stage: &mut Stage, picture: &mut Picture) -> Result<()> {
    match act {
        Act::Blackhole => stage.server(victim)?.reconnect(),
        Act::Hang => stage.server(victim)?.signal(Signal::SIGCONT)?,
        Act::Kill | Act::Drain => {
            stage.server(victim)?.ended().await?;
            stage.servers.retain(|server| server.id != victim);
            if act == Act::Kill {
                stage.add_server(picture).await?;
            }
            picture.servers(&stage.servers);
        }
    }
    picture.recovered(act, victim);
    Ok(())
}

async fn next(stage: &mut Stage, picture: &mut Picture) -> Result<News> {
    let news = stage.news(SILENCE).await?;
    picture.news(&news)?;
    if let News::Wrong { what } = &news {
        picture.note(what.clone());
    }
    if picture.wants_to_quit()? {
        bail!("stopped");
    }
    Ok(news)
}

/// The pool user reports progress all the time; silence means that it is gone.
const SILENCE: Duration = Duration::from_secs(20);
