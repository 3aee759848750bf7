// SPDX-License-Identifier: MIT OR Apache-2.0
//! The servers, in a process of their own: a pool element, and beside it a TCP server that does the same with bare bytes.

use std::io::Read;
use std::net::SocketAddr;

use anyhow::Result;
use bytes::Bytes;
use rserpool::{Config, Outgoing, PeId, PeSession, PoolElement, PoolUser, Profile, Transport};
use serde::{Deserialize, Serialize};

use super::raw;
use crate::settings;

/// A pool element for `rsp bench session`
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    registrar: String,
    #[arg(long)]
    transport: Transport,
    #[arg(long)]
    profile: Profile,
    #[arg(long)]
    id: u32,
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: String,
    #[arg(long)]
    advertise: Option<SocketAddr>,
    #[arg(long = "set")]
    settings: Vec<String>,
}

/// What it prints when it is registered.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Ready {
    /// Where the raw server listens.
    pub(super) raw: SocketAddr,
}

pub(super) async fn serve(args: &Args) -> Result<()> {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let raw = raw::serve().await?;
    let user = PoolUser::builder().config(config(args.profile, &args.settings)?);
    let user = user.transport(args.transport).registrar(&args.registrar).build().await?;
    let mut element = PoolElement::builder(POOL).user(&user).id(PeId(args.id)).listen(&args.listen).acks();
    if let Some(address) = args.advertise {
        element = element.advertise([address]);
    }
    let element = element.register().await?;
    crate::output::print(&serde_json::to_string(&Ready { raw })?)?;
    element.serve(attend).await?;
    Ok(())
}

/// Does with each message what its first byte says.
async fn attend(session: PeSession) -> rserpool::Result<()> {
    while let Some(message) = session.recv_data().await? {
        match message.data().first() {
            Some(&ECHO) => drop(session.send(message.data().clone()).await?),
            Some(&REPLY) => {
                let mut answer = message.data().to_vec();
                if let Some(mark) = answer.get_mut(RESENT) {
                    *mark = u8::from(message.resent());
                }
                drop(message.reply(Outgoing::new(answer)).await?);
            }
            Some(&LAST) => drop(session.send(Bytes::from_static(b"all")).await?),
            _ => {}
        }
    }
    Ok(())
}

/// The profile's settings and those asked for, and registrars that may take their time: what is measured is not theirs.
pub(super) fn config(profile: Profile, settings: &[String]) -> Result<Config> {
    let mut config = Config::of(profile);
    settings::set(&mut config, settings)?;
    config.endpoint.t1_request = PATIENCE;
    config.endpoint.t2_registration = PATIENCE;
    config.endpoint.connect_timeout = PATIENCE;
    Ok(config)
}

pub(super) const POOL: &str = "bench";

/// The first byte of messages: back it comes; back it comes with its acknowledgement; nothing; an answer to this last one.
pub(super) const ECHO: u8 = b'e';
pub(super) const REPLY: u8 = b'r';
pub(super) const TAKE: u8 = b't';
pub(super) const LAST: u8 = b'l';

/// Where an answer to `REPLY` says whether its request had been sent before.
pub(super) const RESENT: usize = 9;

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);
