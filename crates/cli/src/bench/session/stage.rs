// SPDX-License-Identifier: MIT OR Apache-2.0
//! A registrar and pool elements, in processes of their own.

use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Context, Result};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use rserpool::{Config, PoolUser, Profile, Session};

use super::Common;
use super::server::{POOL, Ready, config};
use crate::bench::server::Server;
use crate::demo::links::{self, Link};

/// What runs. It ends with this.
pub(super) struct Stage {
    registrar: Server,
    common: Common,
    profile: Profile,
    /// Of the pool users.
    pub(super) config: Config,
    pub(super) elements: Vec<Element>,
    next_id: u32,
}

/// A pool element.
pub(super) struct Element {
    pub(super) id: u32,
    pub(super) process: Server,
    /// Where the raw TCP server in the same process is.
    pub(super) raw: SocketAddr,
    /// Between it and its users, if that is to be cut.
    pub(super) link: Option<Link>,
}

impl Stage {
    /// A registrar and so many pool elements.
    pub(super) async fn start(common: &Common, profile: Profile, elements: u32) -> Result<Self> {
        let config = config(profile, &common.settings)?;
        let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
        setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
        // Nobody here is dead because a processor is busy.
        let patience = ["keep_alive_timeout=30s", "connect_timeout=30s"].map(str::to_owned);
        let (registrar, _) = Server::own_registrar(profile, &patience, &[], common.pin.cpus)?;
        let mut stage = Stage { registrar, common: common.clone(), profile, config, elements: Vec::new(), next_id: 1 };
        for _ in 0..elements {
            stage.add(false).await?;
        }
        Ok(stage)
    }

    /// One more pool element, registered; behind a link that can be cut if it is to be.
    pub(super) async fn add(&mut self, with_link: bool) -> Result<()> {
        let id = self.next_id;
        self.next_id += 1;
        let (transport, profile) = (self.common.transport, self.profile.to_string());
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["bench", "session-server", "--registrar", &self.registrar.address().to_string()]);
        command.args(["--transport", transport.name(), "--profile", &profile, "--id", &id.to_string()]);
        command.args(self.common.settings.iter().flat_map(|setting| ["--set", setting]));
        let mut link = None;
        if with_link {
            let front = links::front(transport, id).await?;
            command.args(["--listen", &front.listen.to_string(), "--advertise", &front.advertise.to_string()]);
            link = Some(front.link);
        }
        let (process, line) = Server::start(command, self.common.pin.cpus)?;
        let ready: Ready = serde_json::from_str(&line).context("the pool element ended; see its message above")?;
        self.elements.push(Element { id, process, raw: ready.raw, link });
        Ok(())
    }

    pub(super) async fn user(&self) -> Result<PoolUser> {
        let registrar = self.registrar.address().to_string();
        let user = PoolUser::builder().config(self.config.clone()).transport(self.common.transport);
        Ok(user.registrar(registrar).build().await?)
    }

    pub(super) async fn session(&self) -> Result<Session> {
        Ok(self.user().await?.session(POOL).connect().await?)
    }

    /// Takes the pool element out that has this id.
    pub(super) fn take(&mut self, id: u32) -> Result<Element> {
        let place = self.elements.iter().position(|element| element.id == id);
        Ok(self.elements.swap_remove(place.context("the session is with somebody else")?))
    }
}
