// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rsp ping`: numbered pings to a ping-pong pool, ours or RSPLIB's, and the numbered answers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::anyhow;
use rserpool::{Item, Outgoing, PoolUrl, Session};
use serde_json::json;
use tokio::time::{Instant, MissedTickBehavior};

use crate::access::{Access, within};
use crate::connect::screen::Screen;
use crate::duration;
use crate::exit::Exit;
use crate::output::{Output, print, print_json};
use crate::ping_pong::{self, Ping};
use crate::stop::Stop;

/// Ping a pool of ping-pong servers
///
/// Each server numbers its replies, and the next one goes on numbering: `rsp pe run pingpong`, or RSPLIB's `rspserver -pingpong`.
/// It fails if a ping was not answered.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The pool: HANDLE or pool://REGISTRAR/HANDLE
    #[arg(value_name = "HANDLE")]
    pool: PoolUrl,
    #[command(flatten)]
    access: Access,
    /// How many pings [default: until it is interrupted]
    #[arg(short, long, value_name = "N")]
    count: Option<u64>,
    /// Time between two pings
    #[arg(short, long, value_name = "DURATION", value_parser = duration::parse, default_value = "1s")]
    interval: Duration,
    /// Give up connecting after this time, and waiting for answers after the last ping
    #[arg(long, value_parser = duration::parse, default_value = "10s")]
    timeout: Duration,
    /// How to print: with json, what happens to the session are objects, too
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

/// When the pings went that are not answered yet.
type Outstanding = Arc<Mutex<BTreeMap<u64, Instant>>>;

pub(crate) async fn run(args: &Args) -> anyhow::Result<()> {
    let user = args.access.serving_user(&args.pool).await?;
    let what = format!("connecting to pool \"{}\"", args.pool.pool);
    let session = Arc::new(within(args.timeout, &what, &user, user.session(args.pool.pool.clone()).connect()).await?);
    let mut screen = Screen::new(args.output);
    screen.connected(&args.pool.pool, &session)?;
    let outstanding = Outstanding::default();
    let mut answered = 0;
    listen(args, &session, &outstanding, &mut screen, &mut answered).await?;
    let _ = tokio::time::timeout(BYE, session.close()).await;
    let lost = lock(&outstanding).len();
    match args.output {
        Output::Table => {
            print(&format!("{answered} answered, {lost} not answered, {} failovers", session.failovers()))?;
        }
        Output::Json | Output::Jsonl => {
            print_json(
                &json!({"event": "ended", "answered": answered, "lost": lost, "failovers": session.failovers()}),
            )?;
        }
    }
    if lost > 0 { Err(anyhow!("{lost} pings were not answered").context(Exit::Failed)) } else { Ok(()) }
}

async fn listen(
    args: &Args,
    session: &Arc<Session>,
    outstanding: &Outstanding,
    screen: &mut Screen,
    answered: &mut u64,
) -> anyhow::Result<()> {
    let mut stop = Stop::catch()?;
    let mut sending = tokio::spawn(send(args.count, args.interval, Arc::clone(session), Arc::clone(outstanding)));
    let mut give_up = None;
    loop {
        tokio::select! {
            item = session.recv() => match item? {
                Some(Item::Data(pong)) => {
                    let Some((ping, reply)) = ping_pong::decode_pong(pong.data()) else {
                        return Err(anyhow!("the server does not speak ping-pong"));
                    };
                    let took = lock(outstanding).remove(&ping).map(|went| went.elapsed());
                    *answered += u64::from(took.is_some());
                    show(args.output, session, ping, reply, took)?;
                }
                Some(other) => screen.item(other)?,
                None => return screen.ended_by_server(),
            },
            result = &mut sending, if give_up.is_none() => {
                result??;
                give_up = Some(Instant::now() + args.timeout);
            }
            () = tokio::time::sleep_until(give_up.unwrap_or_else(Instant::now)), if give_up.is_some() => return Ok(()),
            _ = stop.asked() => break,
        }
        if give_up.is_some() && lock(outstanding).is_empty() {
            return Ok(());
        }
    }
    sending.abort();
    Ok(())
}

/// Waits where the session cannot take more.
async fn send(
    count: Option<u64>,
    interval: Duration,
    session: Arc<Session>,
    outstanding: Outstanding,
) -> anyhow::Result<()> {
    let mut due = tokio::time::interval(interval.max(Duration::from_millis(1)));
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 1..=count.unwrap_or(u64::MAX) {
        due.tick().await;
        lock(&outstanding).insert(number, Instant::now());
        let ping = Outgoing::new(Ping::encode(number, DATA)).ppid(ping_pong::PPID).ack();
        // What becomes of it the answer says.
        drop(session.send(ping).await?);
    }
    Ok(())
}

fn show(output: Output, session: &Session, ping: u64, reply: u64, took: Option<Duration>) -> anyhow::Result<()> {
    let pe = session.pe().map_or_else(|| "?".to_owned(), |pe| pe.id.to_string());
    let ms = took.map(|took| took.as_secs_f64() * 1_000.0);
    match output {
        Output::Table => {
            let took = ms.map_or_else(|| "again".to_owned(), |ms| format!("{ms:.2} ms"));
            print(&format!("ping {ping}: reply {reply} from PE {pe}, {took}"))
        }
        Output::Json | Output::Jsonl => {
            print_json(&json!({"event": "pong", "ping": ping, "reply": reply, "pe": pe, "ms": ms}))
        }
    }
}

fn lock(outstanding: &Outstanding) -> std::sync::MutexGuard<'_, BTreeMap<u64, Instant>> {
    outstanding.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a ping carries besides its number.
const DATA: &[u8] = b"rsp ping";

/// How long the end may take to be said.
const BYE: Duration = Duration::from_millis(500);
