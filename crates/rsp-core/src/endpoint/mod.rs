// SPDX-License-Identifier: MIT OR Apache-2.0
//! The ASAP endpoint of a process towards registrars, RFC 5352 §3: server hunt, registrations, resolutions with a cache, reports, keep-alives.
//!
//! One per process. Pool elements and sessions of the process share its home registrar and its cache, and talk to it by [`Command`] and [`Reply`].
//! It has a home registrar while there is something to ask of one: the first registration, resolution, watch or report starts the hunt.

mod cache;
mod command;
mod deregistration;
mod elsewhere;
mod event;
mod home;
mod hunt;
mod keep_alive;
mod message;
mod registrars;
mod registration;
mod reply;
mod report;
mod resolution;
mod selection;
mod timer;
mod watch;

pub use command::{Command, Freshness, Input, Life, Register, RegistrarAddress, RegistrationId, RequestId};
pub use event::{AdoptCause, Event, HuntCause};
pub use reply::{Attempt, Effect, Home, Pool, RegisterError, Reply, Resolution, ResolveError};

use std::collections::{BTreeMap, VecDeque};

use machine::{Machine, Output, Rng, Time, Timers};
use rsp_wire::{PeId, PoolHandle};

use crate::association::{AssociationId, Request};
use crate::config::EndpointSettings;
use cache::Pools;
use elsewhere::Elsewhere;
use home::{Association, HomeLink};
use hunt::Hunt;
use registrars::Registrars;
use registration::Registration;
use report::Reports;
use resolution::{Waiter, Wanted};
use timer::Timer;

/// The ASAP endpoint of a process.
#[derive(Debug)]
pub struct Endpoint {
    settings: EndpointSettings,
    rng: Rng,
    timers: Timers<Timer>,
    output: VecDeque<Effect>,
    registrars: Registrars,
    hunt: Option<Hunt>,
    home: Option<HomeLink>,
    /// Those that are up.
    associations: BTreeMap<AssociationId, Association>,
    /// Associations with more answers than `max_control_bytes` on their way, to be ended.
    unread: Vec<AssociationId>,
    next_association: u64,
    next_token: u64,
    registrations: BTreeMap<RegistrationId, Registration>,
    by_pe: BTreeMap<(PoolHandle, PeId), RegistrationId>,
    pools: Pools,
    reports: Reports,
}

impl Endpoint {
    /// An endpoint that knows these registrars, and finds others by their announcements.
    pub fn new(settings: EndpointSettings, registrars: Vec<RegistrarAddress>, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        Endpoint {
            registrars: Registrars::new(registrars, &mut rng),
            settings,
            rng,
            timers: Timers::new(),
            output: VecDeque::new(),
            hunt: None,
            home: None,
            associations: BTreeMap::new(),
            unread: Vec::new(),
            next_association: 2,
            next_token: 1,
            registrations: BTreeMap::new(),
            by_pe: BTreeMap::new(),
            pools: Pools::default(),
            reports: Reports::default(),
        }
    }

    /// The registrar all requests go to, if there is one now.
    pub fn home(&self) -> Option<Home> {
        self.home.as_ref().map(|link| link.home)
    }

    fn command(&mut self, command: Command, now: Time) {
        match command {
            Command::Register(register) => self.register(register, now),
            Command::Update { registration, policy, user_transport } => {
                self.update(registration, policy, user_transport, now);
            }
            Command::Deregister { registration } => self.deregister(registration, now),
            Command::Resolve { request, pool, items, freshness } => {
                self.resolve(Waiter { request, wanted: Wanted::Items { items, freshness } }, &pool, now);
            }
            Command::Select { request, pool, avoid, offers } => {
                let wanted = Wanted::One { avoid, elsewhere: Elsewhere::new(pool.clone(), offers) };
                self.resolve(Waiter { request, wanted }, &pool, now);
            }
            Command::Watch { pool } => self.watch(&pool, now),
            Command::Unwatch { pool } => self.unwatch(&pool),
            Command::Report { pool, pe_id } => self.report(&pool, pe_id, now),
            Command::Purge { pool } => self.purge(&pool),
            Command::Cancel { request } => self.cancel(request),
        }
    }

    fn timeout(&mut self, timer: Timer, now: Time) {
        match timer {
            Timer::Outdate(key) => self.outdate(key),
            Timer::ServerHunt => self.server_hunt_expired(now),
            Timer::HeadStart => self.head_start_over(),
            Timer::Registration(id) => self.registration_expired(id, now),
            Timer::Deregistration(id) => self.deregistration_expired(id, now),
            Timer::Reregistration(id) => self.reregister(id, now),
            Timer::Update(id) => self.send_update(id, now),
            Timer::Request(key) => self.request_expired(key, now),
            Timer::Resubscribe(key) => self.resubscribe(key, now),
        }
    }

    /// Whether a registrar could know a pool of this name.
    fn is_pool_handle(&self, handle: &PoolHandle) -> bool {
        (1..=self.settings.wire.max_pool_handle).contains(&handle.len())
    }

    fn request(&mut self, id: AssociationId, request: Request) {
        self.output.push_back(Effect::Association(id, request));
    }

    fn reply(&mut self, reply: Reply) {
        self.output.push_back(Effect::Reply(reply));
    }

    fn event(&mut self, event: Event) {
        self.output.push_back(Effect::Event(event));
    }
}

impl Machine for Endpoint {
    type Input<'a> = Input;
    type Effect = Effect;

    fn handle_input(&mut self, input: Input, now: Time) {
        match input {
            Input::Command(command) => self.command(command, now),
            Input::Association(id, event) => self.association_event(id, event, now),
            Input::Announcement { from, data } => self.announcement(from, &data, now),
        }
        self.settle(now);
    }

    fn handle_timeout(&mut self, now: Time) {
        while let Some((_, timer)) = self.timers.pop_due(now) {
            self.timeout(timer, now);
        }
        self.settle(now);
    }

    fn poll_output(&mut self) -> Output<Effect> {
        match self.output.pop_front() {
            Some(effect) => Output::Effect(effect),
            None => Output::Wait(self.timers.next()),
        }
    }
}
