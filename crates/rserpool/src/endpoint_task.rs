// SPDX-License-Identifier: MIT OR Apache-2.0
//! The task that drives the process's endpoint: one per [`PoolUser`](crate::PoolUser), shared by all its sessions and pool elements.

use std::collections::HashMap;
use std::sync::Arc;

use machine::association::{AssociationId, Event as AssociationEvent};
use machine::{Machine, Output};
use net::{Associations, Clock, Transports};
use rsp_core::endpoint::{
    Command, Effect, Endpoint, Event, Freshness, Home, Input, Pool, Register, RegisterError, RegistrationId, Reply,
    RequestId, Resolution, ResolveError,
};
use rsp_core::offer::Offer;
use rsp_wire::parameter::{OperationError, Policy, PoolElement, UserTransport};
use rsp_wire::{PeId, PoolHandle};
use smallvec::SmallVec;

use crate::discovery::{AnnouncementChannel, Discovery};
use crate::mailbox::{Receiver, Sender, mailbox};
use crate::task::{Turns, Wake, registrar_options, wake};
use crate::{Config, Items};

type Answer<T> = Box<dyn FnOnce(Result<T, ResolveError>) + Send>;
/// Called with the pool the element was found in.
type Selected = Box<dyn FnOnce(PoolHandle, Result<Arc<PoolElement>, ResolveError>) + Send>;
type News = Box<dyn FnMut(&Arc<Pool>, bool) -> bool + Send>;

/// What the process asks its endpoint. Answers come through closures, so that whoever asks need not have a task of its own.
pub(crate) enum Ask {
    Resolve {
        pool: PoolHandle,
        items: u32,
        freshness: Freshness,
        answer: Answer<Resolution>,
    },
    Select {
        pool: PoolHandle,
        avoid: SmallVec<[PeId; 4]>,
        offers: SmallVec<[Offer; 3]>,
        answer: Selected,
    },
    /// `news` is called with each news until it answers `false`.
    Watch {
        pool: PoolHandle,
        news: News,
    },
    Report {
        pool: PoolHandle,
        pe_id: PeId,
    },
    Purge(PoolHandle),
    /// Why there is no home registrar; nothing if there is one.
    Missing(tokio::sync::oneshot::Sender<Option<ResolveError>>),
    /// `news` hears what becomes of the registration.
    Register {
        register: Register,
        news: Sender<Registration>,
    },
    Update {
        registration: RegistrationId,
        policy: Option<Policy>,
        user_transport: Option<UserTransport>,
    },
    Deregister {
        registration: RegistrationId,
    },
    /// A registrar opened this association to our listener; its first events go along.
    Adopt {
        association: Box<net::Association>,
        first: Vec<AssociationEvent>,
    },
}

/// What becomes of a registration.
#[derive(Debug, Clone)]
pub(crate) enum Registration {
    Registered { home: Home, warning: Option<OperationError> },
    Failed { error: RegisterError, ended: bool },
    Deregistered,
}

/// The way to the endpoint's task, which ends with the last of them.
#[derive(Debug, Clone)]
pub(crate) struct EndpointHandle(Sender<Ask>);

impl Ask {
    /// Who is known to be in a pool, from the cache if it has it: nobody if no registrar says.
    pub(crate) fn known(pool: PoolHandle, answer: impl FnOnce(Vec<Arc<PoolElement>>) + Send + 'static) -> Ask {
        Ask::Resolve {
            pool,
            items: Items::All.number(),
            freshness: Freshness::Cached,
            answer: Box::new(move |result| answer(result.map_or_else(|_| Vec::new(), |it| it.pool.elements.clone()))),
        }
    }

    /// CachePopulateRequest: the cache learns of a pool.
    pub(crate) fn populate(
        pool: PoolHandle,
        freshness: Freshness,
        done: impl FnOnce(Result<(), ResolveError>) + Send + 'static,
    ) -> Ask {
        Ask::Resolve {
            pool,
            items: Items::All.number(),
            freshness,
            answer: Box::new(move |result| done(result.map(drop))),
        }
    }
}

impl std::fmt::Debug for Ask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ask")
    }
}

impl EndpointHandle {
    /// Starts the task.
    pub(crate) fn start(
        config: &Config,
        discovery: Discovery,
        transports: Transports,
        seed: u64,
        clock: Clock,
    ) -> Self {
        let (asks, from_process) = mailbox();
        let task = Task {
            machine: Endpoint::new(config.endpoint.clone(), discovery.registrars, seed),
            associations: Associations::new(transports, registrar_options(&config.endpoint)),
            announcements: discovery.channel,
            clock,
            turns: Turns::default(),
            next_request: 0,
            next_accepted: 1,
            resolves: HashMap::new(),
            selects: HashMap::new(),
            watches: HashMap::new(),
            registrations: HashMap::new(),
        };
        tokio::spawn(task.run(from_process));
        EndpointHandle(asks)
    }

    pub(crate) fn ask(&self, ask: Ask) {
        // The task lives as long as this handle; if its runtime is shutting down, answers are dropped with it.
        let _ = self.0.send(ask);
    }
}

struct Task {
    machine: Endpoint,
    associations: Associations,
    announcements: AnnouncementChannel,
    clock: Clock,
    turns: Turns,
    next_request: u64,
    next_accepted: u64,
    resolves: HashMap<RequestId, Answer<Resolution>>,
    selects: HashMap<RequestId, Selected>,
    watches: HashMap<PoolHandle, Vec<News>>,
    registrations: HashMap<RegistrationId, Sender<Registration>>,
}

impl Task {
    async fn run(mut self, mut asks: Receiver<Ask>) {
        loop {
            let deadline = self.perform();
            let wake = tokio::select! {
                wake = wake(&mut self.associations, &mut asks, deadline, self.clock, &mut self.turns) => wake,
                (from, data) = self.announcements.next() => {
                    self.input(Input::Announcement { from, data });
                    continue;
                }
            };
            match wake {
                Wake::Association(id, event) => self.input(Input::Association(id, event)),
                Wake::Command(ask) => self.asked(ask),
                Wake::Abandoned => break,
                Wake::Timeout => self.machine.handle_timeout(self.clock.now()),
            }
        }
        self.associations.close_all();
    }

    fn input(&mut self, input: Input) {
        self.machine.handle_input(input, self.clock.now());
    }

    fn command(&mut self, command: Command) {
        self.input(Input::Command(command));
    }

    fn request(&mut self) -> RequestId {
        self.next_request += 1;
        RequestId(self.next_request)
    }

    fn asked(&mut self, ask: Ask) {
        match ask {
            Ask::Resolve { pool, items, freshness, answer } => {
                let request = self.request();
                self.resolves.insert(request, answer);
                self.command(Command::Resolve { request, pool, items, freshness });
            }
            Ask::Select { pool, avoid, offers, answer } => {
                let request = self.request();
                self.selects.insert(request, answer);
                self.command(Command::Select { request, pool, avoid, offers });
            }
            Ask::Watch { pool, news } => {
                self.watches.entry(pool.clone()).or_default().push(news);
                self.command(Command::Watch { pool });
            }
            Ask::Missing(asker) => drop(asker.send(self.machine.missing_home())),
            Ask::Report { pool, pe_id } => self.command(Command::Report { pool, pe_id }),
            Ask::Purge(pool) => self.command(Command::Purge { pool }),
            Ask::Register { register, news } => {
                self.registrations.insert(register.registration, news);
                self.command(Command::Register(register));
            }
            Ask::Update { registration, policy, user_transport } => {
                self.command(Command::Update { registration, policy, user_transport });
            }
            Ask::Deregister { registration } => self.command(Command::Deregister { registration }),
            Ask::Adopt { association, first } => {
                let id = AssociationId(self.next_accepted);
                self.next_accepted += 2;
                self.associations.adopt(id, *association);
                for event in first {
                    self.input(Input::Association(id, event));
                }
            }
        }
    }

    /// Does what the machine wants, and answers its deadline.
    fn perform(&mut self) -> Option<machine::Time> {
        loop {
            match self.machine.poll_output() {
                Output::Wait(deadline) => return deadline,
                Output::Effect(Effect::Association(id, request)) => self.associations.perform(id, request),
                Output::Effect(Effect::Reply(reply)) => self.reply(reply),
                Output::Effect(Effect::Event(event)) => log(&event),
            }
        }
    }

    fn reply(&mut self, reply: Reply) {
        match reply {
            Reply::Resolved { request, result } => {
                if let Some(answer) = self.resolves.remove(&request) {
                    answer(result);
                }
            }
            Reply::Selected { request, pool, result } => {
                if let Some(answer) = self.selects.remove(&request) {
                    answer(pool, result);
                }
            }
            Reply::PoolChanged { pool, gone } => {
                let Some(watches) = self.watches.get_mut(&pool.handle) else { return };
                let before = watches.len();
                watches.retain_mut(|news| news(&pool, gone));
                let ended = before - watches.len();
                if watches.is_empty() {
                    self.watches.remove(&pool.handle);
                }
                for _ in 0..ended {
                    self.command(Command::Unwatch { pool: pool.handle.clone() });
                }
            }
            Reply::Registered { registration, home, warning, .. } => {
                self.tell(registration, Registration::Registered { home, warning })
            }
            Reply::RegistrationFailed { registration, error, ended } => {
                self.tell(registration, Registration::Failed { error, ended });
                if ended {
                    self.registrations.remove(&registration);
                }
            }
            Reply::Unregistered { .. } => {}
            Reply::Deregistered { registration, .. } => {
                self.tell(registration, Registration::Deregistered);
                self.registrations.remove(&registration);
            }
        }
    }

    fn tell(&self, registration: RegistrationId, news: Registration) {
        if let Some(listener) = self.registrations.get(&registration) {
            // A pool element that was dropped does not listen any more; its deregistration goes on.
            let _ = listener.send(news);
        }
    }
}

/// One line per fact.
fn log(event: &Event) {
    match event {
        Event::HomeAdopted { home, cause } => tracing::info!(registrar = %home.address, ?cause, "home registrar"),
        Event::HomeLost { home, reason } => {
            tracing::warn!(registrar = %home.address, %reason, "lost the home registrar")
        }
        Event::HuntFailed { tried, next } => tracing::warn!(tried, ?next, "no registrar answers"),
        Event::Unregistered { pool, pe_id } => {
            tracing::warn!(%pool, %pe_id, "the registrar removed this pool element; registering anew")
        }
        Event::ErrorReceived { from, error } => tracing::warn!(%from, ?error, "the registrar did not understand us"),
        Event::BadMessage { from, reason } => tracing::warn!(%from, reason, "bad message from the registrar"),
        other => tracing::debug!(event = ?other, "endpoint"),
    }
}
