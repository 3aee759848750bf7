// SPDX-License-Identifier: MIT OR Apache-2.0
//! The acts about registrars: they die under the pool elements they watch, and come back.

use anyhow::{Context, Result, ensure};

use super::acts::{finish, full_width, next};
use super::picture::Picture;
use super::pu::News;
use super::resolver::Resolvers;
use super::stage::Stage;
use super::{Act, ActResult, Fault, clock};

pub(super) async fn play(
    act: Act,
    requests: u64,
    stage: &mut Stage,
    picture: &mut Picture,
) -> Result<(ActResult, bool)> {
    prepare(act, stage, picture).await?;
    let mut resolvers = stage.registrars.resolvers(stage.servers.len());
    let serving = full_width(requests, stage, picture).await?;
    while !resolvers.have_begun() {
        next(stage, picture).await?;
    }
    let fault = clock::now();
    strike(act, serving, stage, &mut resolvers, picture).await?;
    let struck = clock::now();

    // On until every pool element has a home again and the stream has flowed as long as before.
    let servers = stage.server_ids();
    let mut settled = None;
    let mut has_moved = false;
    let mut since = None;
    loop {
        match next(stage, picture).await? {
            News::Leaving { .. } | News::Failover { .. } => has_moved = true,
            News::Progress { counts, .. } => {
                let since = *since.get_or_insert(counts.answered);
                if settled.is_some() && counts.sent >= requests && counts.answered >= since + requests / 3 {
                    break;
                }
            }
            _ => {}
        }
        let view = stage.registrars.view();
        if settled.is_none() && view.asked >= struck && view.is_settled(&servers) {
            settled = Some(view.answered);
            picture.note("every pool element has a living home".to_owned());
        }
        ensure!(settled.is_some() || clock::ms(fault, clock::now()) < LONGEST, "not every pool element has a home");
    }
    let counts = finish(stage, picture).await?;
    let tally = resolvers.tally();
    if let Some(why) = tally.first_failure {
        picture.note(format!("a resolution failed: {why}"));
    }
    let fault = Fault::Registrar {
        rehome_ms: settled.map_or(f64::NAN, |at| clock::ms(fault, at)),
        resolutions: tally.resolutions,
        failed_resolutions: tally.failed,
        sessions_noticed: u32::from(has_moved || counts.gap > STALLED),
    };
    Ok((ActResult::of(act, &counts, fault), counts.is_right()))
}

/// Before the fault all registrars live, or, for one to come back, at least one does not; and every pool element has a home.
async fn prepare(act: Act, stage: &mut Stage, picture: &mut Picture) -> Result<()> {
    settle(stage, picture).await?;
    let numbers = || stage.registrars.numbers();
    let dead: Vec<_> = numbers().filter(|number| !stage.registrars.is_alive(*number)).collect();
    if act == Act::RegistrarReturn {
        if dead.is_empty() {
            let last = numbers().last().context("there are registrars")?;
            stage.registrars.kill(last).await?;
            picture.note(format!("registrar {last} is killed, to come back"));
            settle(stage, picture).await?;
        }
        return Ok(());
    }
    for number in dead {
        stage.registrars.bring_back(number).await?;
        picture.note(format!("registrar {number} is back"));
        settle(stage, picture).await?;
    }
    Ok(())
}

async fn settle(stage: &mut Stage, picture: &mut Picture) -> Result<()> {
    let (servers, begun) = (stage.server_ids(), clock::now());
    loop {
        next(stage, picture).await?;
        let view = stage.registrars.view();
        if view.asked >= begun && view.is_settled(&servers) {
            return Ok(());
        }
        ensure!(clock::ms(begun, clock::now()) < LONGEST, "not every pool element has a home");
    }
}

/// What is killed is the home of the pool element that serves the session, and one more in the second act.
async fn strike(
    act: Act,
    serving: u32,
    stage: &mut Stage,
    resolvers: &mut Resolvers,
    picture: &mut Picture,
) -> Result<()> {
    if act == Act::RegistrarReturn {
        let dead = stage.registrars.numbers().find(|number| !stage.registrars.is_alive(*number));
        let dead = dead.context("one of the registrars is dead")?;
        stage.registrars.bring_back(dead).await?;
        resolvers.add(dead, stage.registrars.asap_of(dead));
        picture.note(format!("registrar {dead} is back"));
        return Ok(());
    }
    let home = stage.registrars.view().home_of(serving).context("the pool element that serves has no home")?;
    let mut victims = vec![home];
    if act == Act::TwoOfThree {
        victims.extend(stage.registrars.numbers().find(|number| *number != home));
    }
    for victim in &victims {
        resolvers.remove(*victim);
    }
    for victim in victims {
        stage.registrars.kill(victim).await?;
        picture.registrar_killed(victim);
    }
    Ok(())
}

/// A stream of answers 1 ms apart that pauses for so many microseconds has noticed something.
const STALLED: u64 = 100_000;
/// How many milliseconds it may take until every pool element has a home: far more than it does.
const LONGEST: f64 = 120_000.0;
