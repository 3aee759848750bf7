// SPDX-License-Identifier: MIT OR Apache-2.0
//! Fetches a file from the pool `mirror` to standard output. When its mirror dies it asks the next one from the first byte it lacks.

use std::io::{Write, stdout};

use mirror::{NO_FILE, Portion, Request};
use rserpool::{Error, Item, Outgoing, PoolUser, Result};

#[tokio::main]
async fn main() -> Result<()> {
    let Some(name) = std::env::args().nth(1) else {
        return Err(Error::Config("usage: file_pu FILE > COPY".to_owned()));
    };
    // A request the old mirror had is not sent again as it was: what is lacking by then is asked for.
    let request = |offset| Outgoing::new(Request { name: name.clone(), offset }.encode()).no_failover();
    let session = PoolUser::new().await?.session("mirror").hold_failover().connect().await?;
    eprintln!("from {}", session.pe().map(|pe| pe.id.to_string()).unwrap_or_default());
    session.send(request(0)).await?;

    let mut have = 0;
    while let Some(item) = session.recv().await? {
        match item {
            Item::Data(message) => {
                let portion = Portion::decode(&message).ok_or(Error::BadMessage)?;
                if portion.total == NO_FILE {
                    return Err(Error::Io {
                        os: None,
                        text: format!("{name}: {}", String::from_utf8_lossy(portion.data)),
                    });
                }
                if portion.offset == have {
                    stdout().write_all(portion.data)?;
                    have += portion.data.len() as u64;
                }
                if have >= portion.total {
                    stdout().flush()?;
                    return session.close().await;
                }
            }
            Item::Failover(failover) => {
                eprintln!("from {}, byte {have} on", failover.to.id);
                failover.send(request(have)).await?;
            }
            _ => {}
        }
    }
    Err(Error::Closed)
}
