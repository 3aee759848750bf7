// SPDX-License-Identifier: MIT OR Apache-2.0
//! The script: each act is a stream of requests with one fault in the middle.

use std::time::Duration;

use anyhow::{Result, bail};

use super::picture::Picture;
use super::pu::{Counts, News, Say};
use super::stage::Stage;
use super::{Act, ActResult, registrar_fault, server_fault};

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
        picture.act_begins(*act);
        let (result, correct) = if act.is_about_registrars() {
            registrar_fault::play(*act, requests, stage, picture).await?
        } else {
            server_fault::play(*act, requests, stage, picture).await?
        };
        picture.act_ended(&result);
        right &= correct;
        results.push(result);
    }
    Ok((results, right))
}

/// The stream begins; when it is at full width, who serves it.
pub(super) async fn full_width(requests: u64, stage: &mut Stage, picture: &mut Picture) -> Result<u32> {
    stage.say(Say::Begin).await?;
    loop {
        if let News::Progress { pe: Some(pe), outstanding, counts, .. } = next(stage, picture).await?
            && counts.answered >= requests / 3
            && outstanding >= 32
        {
            return Ok(pe);
        }
    }
}

/// The stream ends.
pub(super) async fn finish(stage: &mut Stage, picture: &mut Picture) -> Result<Counts> {
    stage.say(Say::Finish).await?;
    loop {
        if let News::Finished { counts } = next(stage, picture).await? {
            return Ok(counts);
        }
    }
}

/// What the pool user says next; it goes on all the time, and must be listened to.
pub(super) async fn next(stage: &mut Stage, picture: &mut Picture) -> Result<News> {
    let news = stage.news(SILENCE).await?;
    picture.homes(&stage.registrars);
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
const SILENCE: Duration = Duration::from_secs(60);
