// SPDX-License-Identifier: MIT OR Apache-2.0
//! Drives the registrar over sockets: events of associations in, requests out, and the clock.
//!
//! A task per association, all on one thread. A task handles everything its socket has, answers on its own association at
//! once, and lets the answers go in one write; only what concerns another association wakes another task.

mod alarm;
mod link;
mod log;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use machine::association::{AssociationId, Event, Request};
use machine::{Machine, Output};
use net::{Association, Clock, Listener, Options, Transports};
use rsp_core::config::Limits;
use rsp_core::registrar::{Effect, Event as Happened, Input, Registrar};
use rsp_wire::ServerId;
use tokio::sync::{Notify, mpsc};

use crate::admin::{News, Question};
use crate::multicast::Announcers;
use alarm::Alarm;
use link::Link;

/// The registrar and its associations.
#[derive(Debug)]
pub(crate) struct Shell {
    registrar: RefCell<Registrar>,
    links: RefCell<HashMap<AssociationId, Rc<Link>>>,
    transports: Transports,
    options: Options,
    clock: Clock,
    alarm: Alarm,
    next_accepted: Cell<u64>,
    /// Accepted and not yet refused or known to the registrar: nobody can fill the memory before the registrar counts.
    most_links: usize,
    news: News,
    announcers: Announcers,
    /// Named peers that have no address.
    pub(crate) unresolved: RefCell<Vec<String>>,
    /// Initialization is complete.
    pub(crate) started: Notify,
    /// The pool elements are handed over.
    pub(crate) left: Notify,
}

impl Shell {
    /// A registrar that runs, with no associations yet.
    pub(crate) fn start(
        registrar: Registrar,
        transports: Transports,
        options: Options,
        announcers: Announcers,
    ) -> Rc<Self> {
        let most_links = most_links(&registrar.settings().limits);
        let shell = Rc::new(Shell {
            registrar: RefCell::new(registrar),
            links: RefCell::default(),
            transports,
            options,
            clock: Clock::new(),
            alarm: Alarm::default(),
            next_accepted: Cell::new(FIRST_ACCEPTED),
            most_links,
            news: News::new(),
            announcers,
            unresolved: RefCell::default(),
            started: Notify::new(),
            left: Notify::new(),
        });
        shell.settle(&mut shell.registrar.borrow_mut(), None);
        tokio::task::spawn_local(Rc::clone(&shell).keep_time());
        shell
    }

    /// Accepts associations for as long as it is awaited.
    pub(crate) async fn accept(self: Rc<Self>, listener: Listener) {
        loop {
            let association = listener.accept().await;
            if self.links.borrow().len() >= self.most_links {
                tracing::warn!(peer = %association.peer_addr(), "too many connections: one was closed");
                continue;
            }
            let id = AssociationId(self.next_accepted.get());
            self.next_accepted.set(id.0 + 2);
            self.open(id, association);
        }
    }

    /// Where to read what happens.
    pub(crate) fn news(&self) -> News {
        self.news.clone()
    }

    /// The registrar's identifier.
    pub(crate) fn id(&self) -> ServerId {
        self.registrar.borrow().id()
    }

    /// Hands the registrar something that did not come over an association.
    pub(crate) fn input(self: &Rc<Self>, input: Input) {
        let mut registrar = self.registrar.borrow_mut();
        registrar.handle_input(input, self.clock.now());
        self.settle(&mut registrar, None);
    }

    /// Whether there is a registrar at each of these addresses that is connected.
    pub(crate) fn reaches_all(&self, addresses: &[SocketAddr]) -> bool {
        let registrar = self.registrar.borrow();
        let reached: Vec<_> = registrar
            .peers(self.clock.now())
            .filter(|peer| peer.connected)
            .filter_map(|peer| peer.reached)
            .flat_map(|(_, addresses)| addresses)
            .collect();
        addresses.iter().all(|address| reached.contains(address))
    }

    /// Answers what admin HTTP asks.
    pub(crate) async fn answer(self: Rc<Self>, mut questions: mpsc::Receiver<Question>) {
        while let Some(question) = questions.recv().await {
            question.answer(&self.registrar.borrow(), &self.unresolved.borrow(), self.clock.now());
        }
    }

    /// Ends all associations; what was sent may still leave within `patience`.
    pub(crate) async fn close(&self, patience: Duration) {
        for link in self.links.borrow().values() {
            link.close();
        }
        let all_gone = async {
            while !self.links.borrow().is_empty() {
                tokio::time::sleep(CLOSE_POLL).await;
            }
        };
        if tokio::time::timeout(patience, all_gone).await.is_err() {
            tracing::info!(associations = self.links.borrow().len(), "some peers did not take all that was sent");
        }
    }

    fn open(self: &Rc<Self>, id: AssociationId, association: Association) {
        let link = Rc::new(Link::new(association));
        self.links.borrow_mut().insert(id, Rc::clone(&link));
        let shell = Rc::clone(self);
        tokio::task::spawn_local(async move {
            std::future::poll_fn(|cx| shell.poll_link(id, &link, cx)).await;
            shell.links.borrow_mut().remove(&id);
        });
    }

    /// Hands the registrar all that has happened on an association, until nothing is left or it is gone.
    fn poll_link(self: &Rc<Self>, id: AssociationId, link: &Link, cx: &mut Context<'_>) -> Poll<()> {
        let mut at_once = |now, ppid, message: &[u8], answer: &mut BytesMut| {
            !link.is_closed() && self.registrar.borrow_mut().answer_at_once(id, ppid, message, now, answer)
        };
        loop {
            let event = ready!(link.poll_turn(cx, &mut at_once));
            let over = matches!(event, Event::Lost(_));
            if !link.is_closed() {
                let mut registrar = self.registrar.borrow_mut();
                registrar.handle_input(Input::Association(id, event), self.clock.now());
                self.settle(&mut registrar, Some((id, link)));
            }
            if over {
                return Poll::Ready(());
            }
        }
    }

    /// Does all the registrar wants. `current` is the association whose task runs.
    fn settle(self: &Rc<Self>, registrar: &mut Registrar, current: Option<(AssociationId, &Link)>) {
        loop {
            match registrar.poll_output() {
                Output::Effect(Effect::Association(id, request)) => match current {
                    Some((current, link)) if current == id => self.perform(registrar, id, link, request),
                    _ => self.perform_elsewhere(registrar, id, request),
                },
                Output::Effect(Effect::Event(event)) => {
                    log::event(&event);
                    match event {
                        Happened::Started { .. } => self.started.notify_one(),
                        Happened::Left { .. } => self.left.notify_one(),
                        _ => {}
                    }
                    self.news.tell(event);
                }
                Output::Effect(Effect::Announce(channel, data)) => self.announcers.announce(channel, data),
                Output::Wait(deadline) => return self.alarm.set(deadline),
            }
        }
    }

    fn perform(self: &Rc<Self>, registrar: &mut Registrar, id: AssociationId, link: &Link, request: Request) {
        if let Some(event) = link.perform(request) {
            registrar.handle_input(Input::Association(id, event), self.clock.now());
        }
    }

    fn perform_elsewhere(self: &Rc<Self>, registrar: &mut Registrar, id: AssociationId, request: Request) {
        if let Request::Connect { protocol, to } = request {
            return self.open(id, self.transports.connect(protocol, to.into_vec(), self.options));
        }
        let link = self.links.borrow().get(&id).cloned();
        if let Some(link) = link {
            self.perform(registrar, id, &link, request);
            link.wake();
        }
    }

    /// Tells the registrar when its deadline has passed.
    async fn keep_time(self: Rc<Self>) {
        let mut earliest = self.clock.now();
        loop {
            self.alarm.ring(&self.clock).await;
            // One deadline is met when it comes; many share a wake-up, and keep-alives over one association a write.
            if self.clock.now() < earliest {
                tokio::time::sleep_until(self.clock.instant(earliest)).await;
            }
            // Everything readable is read first: our own delay must not make a peer look dead. After the first yield the
            // system has been asked what is readable and those tasks are in line, after the second they have run.
            for _ in 0..2 {
                tokio::task::yield_now().await;
            }
            let mut registrar = self.registrar.borrow_mut();
            let now = self.clock.now();
            registrar.handle_timeout(now);
            self.settle(&mut registrar, None);
            earliest = now + TIMEOUT_REST;
        }
    }
}

/// Connections that have not said anything yet, beyond the limit of associations.
const UNKNOWN_ASSOCIATIONS: usize = 1024;

/// All the registrar may have, and some it does not know yet.
fn most_links(limits: &Limits) -> usize {
    let registrars = limits.peers.saturating_mul(4);
    [limits.connections_opened, registrars, UNKNOWN_ASSOCIATIONS]
        .into_iter()
        .fold(limits.associations, usize::saturating_add)
}

/// Identifiers of accepted associations are odd.
const FIRST_ACCEPTED: u64 = 1;

/// Between two looks at the deadlines of a hundred thousand pool elements, which come up all the time.
const TIMEOUT_REST: Duration = Duration::from_millis(20);

/// How often a stop looks whether all are gone.
const CLOSE_POLL: Duration = Duration::from_millis(5);
