// SPDX-License-Identifier: MIT OR Apache-2.0
//! The registrars of the demo: started, killed, brought back where they were, and asked who is whose home.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use rserpool::Transport;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::homes::{self, View};
use super::links;
use super::resolver::Resolvers;
use crate::cluster::{Places, Registrar};

/// All of them, dead or alive.
pub(crate) struct Registrars {
    transport: Transport,
    list: Vec<One>,
    /// Who is to be asked.
    living: watch::Sender<Vec<homes::Asked>>,
    view: watch::Receiver<View>,
    /// Ends with this.
    _observer: JoinSet<()>,
}

/// One of them; its number counts from 1.
struct One {
    places: Places,
    running: Option<Registrar>,
}

/// What a person sees of one.
pub(crate) struct Shown {
    pub(crate) number: usize,
    pub(crate) asap: SocketAddr,
    pub(crate) pid: Option<u32>,
    /// Pool elements whose home it is.
    pub(crate) owned: usize,
}

impl Registrars {
    pub(crate) async fn start(transport: Transport, count: usize) -> Result<Self> {
        let (living, asked) = watch::channel(Vec::new());
        let (seen, view) = watch::channel(View::default());
        let mut observer = JoinSet::new();
        observer.spawn(homes::observe(asked, seen));
        let mut registrars = Registrars { transport, list: Vec::new(), living, view, _observer: observer };
        for number in 1..=count {
            registrars.list.push(One { places: links::registrar(transport, number), running: None });
            registrars.bring_back(registrars.list.len()).await?;
        }
        Ok(registrars)
    }

    /// Starts it where it was, with the others as its peers. It serves when this returns.
    pub(crate) async fn bring_back(&mut self, number: usize) -> Result<()> {
        let places = self.one(number)?.places;
        let started = self.list.iter().filter(|one| one.places.admin.port() != 0);
        let others = started.map(|one| one.places.enrp);
        let peers: Vec<_> = others.filter(|enrp| *enrp != places.enrp).collect();
        // A server that has to wait for a processor is not dead, and resolutions that miss it would count as failed.
        let patience = ["--set", "keep_alive_timeout=5s", "--set", "connect_timeout=5s"];
        let flags = ["--profile", "fast", "--transport", self.transport.name()];
        let flags: Vec<_> = flags.into_iter().chain(patience).map(str::to_owned).collect();
        let registrar = Registrar::start(places, &peers, &flags, LOG).await;
        let registrar = registrar.with_context(|| format!("starting registrar {number}"))?;
        let one = self.one(number)?;
        one.places = registrar.places;
        one.running = Some(registrar);
        self.living_changed();
        Ok(())
    }

    /// `kill -9`.
    pub(crate) async fn kill(&mut self, number: usize) -> Result<()> {
        let registrar = self.one(number)?.running.take().with_context(|| format!("registrar {number} is dead"))?;
        self.living_changed();
        registrar.kill().await
    }

    pub(crate) fn numbers(&self) -> impl Iterator<Item = usize> + use<> {
        1..=self.list.len()
    }

    pub(crate) fn is_alive(&self, number: usize) -> bool {
        self.list[number - 1].running.is_some()
    }

    /// Where each of them serves, or did.
    pub(crate) fn asap(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.list.iter().map(|one| one.places.asap)
    }

    pub(crate) fn asap_of(&self, number: usize) -> SocketAddr {
        self.list[number - 1].places.asap
    }

    /// What the living ones said last.
    pub(crate) fn view(&self) -> View {
        self.view.borrow().clone()
    }

    pub(crate) fn shown(&self, view: &View) -> Vec<Shown> {
        let show = |(index, one): (usize, &One)| Shown {
            number: index + 1,
            asap: one.places.asap,
            pid: one.running.as_ref().map(|running| running.pid),
            owned: view.owned(index + 1),
        };
        self.list.iter().enumerate().map(show).collect()
    }

    /// A loop of resolutions at each that lives.
    pub(crate) fn resolvers(&self, elements: usize) -> Resolvers {
        let mut resolvers = Resolvers::new(self.transport, elements);
        for number in self.numbers().filter(|number| self.is_alive(*number)) {
            resolvers.add(number, self.asap_of(number));
        }
        resolvers
    }

    pub(crate) async fn stop(self) {
        let running = self.list.into_iter().filter_map(|one| one.running);
        running.map(Registrar::stop).collect::<JoinSet<()>>().join_all().await;
    }

    fn one(&mut self, number: usize) -> Result<&mut One> {
        self.list.get_mut(number - 1).with_context(|| format!("there is no registrar {number}"))
    }

    fn living_changed(&self) {
        let living = self.list.iter().enumerate().filter(|(_, one)| one.running.is_some());
        let asked = living.map(|(index, one)| homes::Asked { number: index + 1, admin: one.places.admin_url() });
        self.living.send_replace(asked.collect());
    }
}

/// They die all the time here: what the others say to that is not worth a line.
const LOG: &str = "error";
