// SPDX-License-Identifier: MIT OR Apache-2.0
//! The built-in services.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::bail;
use clap::ValueEnum;
use rserpool::{Message, Outgoing, PeItem, PeSession};

use crate::ping_pong::{self, Ping};

/// What a pool element of ours can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Service {
    /// Send back what comes
    Echo,
    /// Take what comes
    Discard,
    /// Say date and time, and end
    Daytime,
    /// Number what comes, go on numbering at the next server
    #[value(name = "pingpong")]
    PingPong,
}

impl Service {
    /// Serves a session to its end; `requests` counts.
    pub(super) async fn serve(self, session: &PeSession, work: Work, requests: &mut u64) -> anyhow::Result<()> {
        match self {
            Service::Echo => {
                while let Some(message) = session.recv_data().await? {
                    *requests += 1;
                    work.done().await;
                    message.reply(copy(&message)).await?;
                }
            }
            Service::Discard => {
                while let Some(message) = session.recv_data().await? {
                    *requests += 1;
                    work.done().await;
                    message.ack().await?;
                }
            }
            Service::Daytime => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                session.send(daytime(now)).await?;
                session.close().await?;
            }
            Service::PingPong => ping_pong(session, work, requests).await?,
        }
        Ok(())
    }
}

/// What answering a request takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Work(pub(super) Duration);

impl Work {
    async fn done(self) {
        if !self.0.is_zero() {
            tokio::time::sleep(self.0).await;
        }
    }
}

async fn ping_pong(session: &PeSession, work: Work, requests: &mut u64) -> anyhow::Result<()> {
    let mut next_reply = 1;
    while let Some(item) = session.recv().await? {
        match item {
            PeItem::Cookie(cookie) => match ping_pong::next_reply(&cookie) {
                Some(number) => next_reply = number,
                None => bail!("the session came with a cookie of another service"),
            },
            PeItem::Data(message) => {
                *requests += 1;
                let Some(ping) = Ping::decode(message.data()) else {
                    session.close().await?;
                    bail!("the pool user sent what is no ping");
                };
                work.done().await;
                // The cookie first: what has been answered is never numbered again.
                session.set_cookie(ping_pong::cookie(next_reply + 1))?;
                let pong = Outgoing::new(ping.pong(next_reply)).stream(message.stream()).ppid(ping_pong::PPID);
                message.reply(pong).await?;
                next_reply += 1;
            }
            _ => {}
        }
    }
    Ok(())
}

fn copy(message: &Message) -> Outgoing {
    Outgoing::new(message.data().clone()).stream(message.stream()).ppid(message.ppid())
}

/// RFC 867, in the form it proposes: `Tuesday, February 22, 1982 17:37:43-UTC`.
fn daytime(since_1970: Duration) -> String {
    let (days, seconds) = (since_1970.as_secs() / 86_400, since_1970.as_secs() % 86_400);
    let (year, month, day) = date(days);
    let weekday = WEEKDAYS[(days % 7) as usize];
    let month = MONTHS[month];
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{weekday}, {month} {day}, {year} {hours:02}:{minutes:02}:{seconds:02}-UTC\r\n")
}

/// Year, month from 0 and day from 1 of the Gregorian calendar.
fn date(mut days: u64) -> (u64, usize, u64) {
    let mut year = 1970;
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    loop {
        let length = if is_leap(year) { 366 } else { 365 };
        if days < length {
            break;
        }
        days -= length;
        year += 1;
    }
    for (month, length) in
        [31, if is_leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31].into_iter().enumerate()
    {
        if days < length {
            return (year, month, days + 1);
        }
        days -= length;
    }
    unreachable!("the months of a year have as many days as the year")
}

/// The first of January 1970 was a Thursday.
const WEEKDAYS: [&str; 7] = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right_around_leap_days() {
        for (seconds, text) in [
            (0, "Thursday, January 1, 1970 00:00:00-UTC\r\n"),
            (951_782_400, "Tuesday, February 29, 2000 00:00:00-UTC\r\n"),
            (951_868_799, "Tuesday, February 29, 2000 23:59:59-UTC\r\n"),
            (4_107_542_400, "Monday, March 1, 2100 00:00:00-UTC\r\n"),
            (1_798_761_599, "Thursday, December 31, 2026 23:59:59-UTC\r\n"),
        ] {
            assert_eq!(daytime(Duration::from_secs(seconds)), text);
        }
    }
}
