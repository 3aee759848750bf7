// SPDX-License-Identifier: MIT OR Apache-2.0
//! The task that drives the machine of one session: its associations, what the application asks and what the endpoint answers.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use machine::association::Request;
use machine::{Machine, Output};
use net::{Associations, Clock};
use rsp_core::endpoint::{Pool, ResolveError};
use rsp_core::offer::Offer;
use rsp_core::session::{
    FromEndpoint, Outcome as CoreOutcome, PuEffect, PuInput, PuItem, PuSession, SelectFailure, SendId, SessionError,
    SessionEvent, ToEndpoint,
};
use rsp_wire::parameter::PoolElement;
use rsp_wire::{PoolHandle, asap};
use smallvec::SmallVec;
use tokio::sync::oneshot;

use super::builder::Callback;
use super::{Failover, Inbound, PuCommand, Shared, log};
use crate::control::Entered;
use crate::endpoint_task::{Ask, EndpointHandle};
use crate::handle::{Command, Done, Handle};
use crate::mailbox::{Receiver, Sender};
use crate::message::Notice;
use crate::pool_user::{GreetedPools, PeHandle};
use crate::task::{Turns, Wake, wake};
use crate::{BusinessCard, Error, Features, Result};

/// Drives the machine of one session.
pub(super) struct Task {
    pub(super) machine: PuSession,
    pub(super) associations: Associations,
    pub(super) clock: Clock,
    pub(super) turns: Turns,
    pub(super) endpoint: EndpointHandle,
    pub(super) greeted: Arc<GreetedPools>,
    pub(super) offers: SmallVec<[Offer; 3]>,
    pub(super) commands: Sender<Command<PuCommand>>,
    pub(super) items: Sender<Inbound>,
    pub(super) callback: Option<Callback>,
    pub(super) handle: std::sync::Weak<Handle<PuCommand>>,
    pub(super) shared: Arc<Shared>,
    pub(super) outcomes: HashMap<SendId, Done>,
    /// Told the first server.
    pub(super) connected: Option<oneshot::Sender<Result<PeHandle>>>,
    pub(super) closed: Vec<oneshot::Sender<()>>,
    /// As the application sees them.
    pub(super) cookie: Option<Bytes>,
    pub(super) features: Features,
    /// Seen on the control socket as long as it runs.
    pub(super) _entered: Option<Entered>,
    /// The one place this session goes to, if it is not a pool.
    pub(super) only: Option<Box<PoolElement>>,
}

impl Task {
    pub(super) async fn run(&mut self, mut commands: Receiver<Command<PuCommand>>) {
        self.machine.handle_input(PuInput::Start, self.clock.now());
        while let Some(deadline) = self.perform() {
            match wake(&mut self.associations, &mut commands, deadline, self.clock, &mut self.turns).await {
                Wake::Association(id, event) => self.input(PuInput::Association(id, event)),
                Wake::Command(command) => self.command(command),
                Wake::Abandoned => self.input(PuInput::Abandon),
                Wake::Timeout => self.machine.handle_timeout(self.clock.now()),
            }
        }
        // What was sent while the session ended has its outcome too.
        commands.close();
        while let Some(command) = commands.try_recv() {
            self.command(command);
        }
        self.perform();
        for done in self.closed.drain(..) {
            let _ = done.send(());
        }
    }

    fn command(&mut self, command: Command<PuCommand>) {
        match command {
            Command::Send { send, outgoing, done } => {
                self.outcomes.insert(send, done);
                self.input(PuInput::Send(send, outgoing));
            }
            Command::Taken(receipt) => self.input(PuInput::Taken(receipt)),
            Command::Acknowledge(receipt) => self.input(PuInput::Acknowledge(receipt)),
            Command::Own(PuCommand::CallbackSend { number, send, outgoing, done }) => {
                self.outcomes.insert(send, done);
                self.input(PuInput::CallbackSend(number, send, outgoing));
            }
            Command::Own(PuCommand::FailoverDone(number)) => self.input(PuInput::FailoverDone(number)),
            Command::Own(PuCommand::ForceFailover { report }) => self.input(PuInput::ForceFailover { report }),
            Command::Own(PuCommand::Close(done)) => {
                self.closed.push(done);
                self.input(PuInput::Close);
            }
            Command::Own(PuCommand::SetBusinessCard(card)) => self.input(PuInput::SetBusinessCard(card)),
            Command::Own(PuCommand::Abandon) => self.input(PuInput::Abandon),
            Command::Own(PuCommand::Endpoint(news)) => self.input(PuInput::Endpoint(news)),
            Command::Own(PuCommand::Selected(pool, result)) => {
                if result.is_ok() {
                    self.shared.lock().found_in = pool.clone();
                    self.watch(pool);
                }
                self.input(PuInput::Endpoint(FromEndpoint::Selected(result)));
            }
            Command::Own(PuCommand::Card { shown, from, prefer }) => {
                // The card of a server that was left for another is of no use any more.
                if self.machine.target().is_none_or(|target| Some(target.pe) == from) {
                    //= https://www.rfc-editor.org/rfc/rfc5352#section-3.9
                    //# BC2)  Unpack the message and populate a preferred list for failover
                    //# order.
                    self.input(PuInput::Prefer(from, prefer));
                    self.keep_card(shown, true);
                }
            }
            Command::Own(PuCommand::Paths(answer)) => {
                let paths = self.machine.association().and_then(|id| self.associations.get(id));
                let paths = paths.map_or(Err(Error::Closed), |association| association.paths().map_err(Error::from));
                // Whoever asked may have gone.
                let _ = answer.send(paths);
            }
        }
    }

    fn input(&mut self, input: PuInput) {
        self.machine.handle_input(input, self.clock.now());
    }

    /// Does what the machine wants and answers its deadline; `None` once it is over.
    fn perform(&mut self) -> Option<Option<machine::Time>> {
        if let Some(cookie) = self.machine.cookie()
            && self.cookie.as_ref() != Some(cookie)
        {
            self.cookie = Some(cookie.clone());
            self.shared.lock().cookie = self.cookie.clone();
        }
        // A HELLO that comes late upgrades a session that is open.
        if self.features != self.machine.features() {
            self.features = self.machine.features();
            self.shared.lock().features = self.features;
        }
        loop {
            match self.machine.poll_output() {
                Output::Wait(deadline) => return Some(deadline),
                Output::Effect(PuEffect::Association(id, request)) => {
                    if matches!(request, Request::Close | Request::Abort) {
                        self.shared.lock().target = None;
                    }
                    self.associations.perform(id, request);
                }
                Output::Effect(PuEffect::Endpoint(request)) => self.ask_endpoint(request),
                Output::Effect(PuEffect::Deliver(item)) => self.deliver(item),
                Output::Effect(PuEffect::Outcome(send, outcome)) => self.outcome(send, outcome),
                Output::Effect(PuEffect::Event(event)) => self.event(&event),
                Output::Effect(PuEffect::Ended(result)) => {
                    self.ended(result);
                    return None;
                }
            }
        }
    }

    fn ask_endpoint(&mut self, request: ToEndpoint) {
        if let Some(element) = &self.only {
            match request {
                // The same one again says that there is no other.
                ToEndpoint::Select { .. } if self.connected.is_some() => {
                    let selected = FromEndpoint::Selected(Ok((**element).clone()));
                    self.input(PuInput::Endpoint(selected));
                }
                // It asked us to leave, and there is nowhere to go.
                ToEndpoint::Select { .. } => self.input(PuInput::Abandon),
                ToEndpoint::Report(_) | ToEndpoint::Watch | ToEndpoint::Unwatch => {}
            }
            return;
        }
        let pool = self.shared.pool.clone();
        let commands = self.commands.clone();
        match request {
            ToEndpoint::Select { avoid } => self.endpoint.ask(Ask::Select {
                pool,
                avoid,
                offers: self.offers.clone(),
                answer: Box::new(move |found_in, result| {
                    let result = result.map(|element| (*element).clone()).map_err(|error| {
                        let text = error.to_string();
                        match error {
                            ResolveError::NoMapping { offered, .. } => SelectFailure::NoMapping(offered, text),
                            error => match Error::resolve(error) {
                                Error::NoRegistrar(_) => SelectFailure::NoRegistrar(text),
                                Error::UnknownPool { .. } => SelectFailure::UnknownPool(text),
                                _ => SelectFailure::Other(text),
                            },
                        }
                    });
                    // An error means that the session is over.
                    let _ = commands.send(Command::Own(PuCommand::Selected(found_in, result)));
                }),
            }),
            ToEndpoint::Report(pe_id) => {
                let pool = self.shared.lock().found_in.clone();
                self.endpoint.ask(Ask::Report { pool, pe_id });
            }
            ToEndpoint::Watch => {
                let found_in = self.shared.lock().found_in.clone();
                self.watch(pool.clone());
                self.watch(found_in);
            }
            // The watch ends when its receiver is gone.
            ToEndpoint::Unwatch => {}
        }
    }

    /// Hears of the pool's changes from now on.
    fn watch(&self, pool: PoolHandle) {
        let mut state = self.shared.lock();
        if state.watched.contains(&pool) {
            return;
        }
        state.watched.push(pool.clone());
        drop(state);
        let shared = Arc::clone(&self.shared);
        let commands = self.commands.clone();
        // That our server is still listed is news only after it was not: each change of a pool would wake all its sessions.
        let mut missed = false;
        let news = move |pool: &Arc<Pool>, gone: bool| {
            let state = shared.lock();
            let target = state.target.as_ref().filter(|_| state.found_in == pool.handle).map(|target| target.pe);
            let is_over = state.end.is_some();
            drop(state);
            match target {
                Some(pe) if !gone => {
                    let listed = !pool.complete || pool.elements.iter().any(|e| e.id == pe);
                    let was_missed = std::mem::replace(&mut missed, !listed);
                    if listed && !was_missed {
                        return !is_over;
                    }
                    commands.send(Command::Own(PuCommand::Endpoint(FromEndpoint::Listed(listed)))).is_ok()
                }
                _ => !is_over,
            }
        };
        self.endpoint.ask(Ask::Watch { pool, news: Box::new(news) });
    }

    fn deliver(&mut self, item: PuItem) {
        let inbound = match item {
            PuItem::Connected(target) => {
                let first = PeHandle::of_target(&self.shared.pool, &target);
                let mut state = self.shared.lock();
                state.target = Some(target);
                state.is_connected = true;
                drop(state);
                if let Some(connected) = self.connected.take() {
                    let _ = connected.send(Ok(first));
                }
                return;
            }
            PuItem::Data(message) => Inbound::Data(message),
            PuItem::Drain => Inbound::Notice(Notice::Drain),
            PuItem::BusinessCard(card) => return self.card(card),
            PuItem::Failover { number, from, to, cause, cookie_sent } => {
                let mut state = self.shared.lock();
                state.target = Some(to.clone());
                state.failovers += 1;
                drop(state);
                let to = PeHandle::of_target(&self.shared.pool, &to);
                let failover = Failover { from, to, cause, cookie_sent, number, release: self.handle.upgrade() };
                match &self.callback {
                    Some(callback) => {
                        tokio::spawn(callback(failover));
                        return;
                    }
                    None => Inbound::Failover(failover),
                }
            }
        };
        // Nobody receives any more: the session is being dropped.
        let _ = self.items.send(inbound);
    }

    /// Keeps a card, and follows it if it is of this pool: but only to servers the registrar knows, wherever the card says they are.
    fn card(&mut self, card: asap::BusinessCard) {
        let shown = BusinessCard::of_wire(&card);
        let state = self.shared.lock();
        let ours = card.pool_handle == self.shared.pool || card.pool_handle == state.found_in;
        drop(state);
        if !ours || shown.prefer.is_empty() {
            return self.keep_card(shown, !ours);
        }
        // Also of one that shows it before the session is open.
        let from = self.machine.current_pe();
        let commands = self.commands.clone();
        let pool = card.pool_handle;
        self.endpoint.ask(Ask::known(pool, move |known| {
            let prefer = shown.registered(&known);
            // An error means that the session is over.
            let _ = commands.send(Command::Own(PuCommand::Card { shown, from, prefer }));
        }));
    }

    fn keep_card(&self, card: BusinessCard, is_news: bool) {
        if self.shared.card.put(card, is_news).0 {
            // Nobody receives any more: the session is being dropped.
            let _ = self.items.send(Inbound::Card);
        }
    }

    fn outcome(&mut self, send: SendId, outcome: CoreOutcome) {
        let Some(done) = self.outcomes.remove(&send) else { return };
        if let Err(CoreOutcome::Returned(outgoing, reason)) = done.outcome.send(outcome) {
            let returned = crate::Outcome::from(CoreOutcome::Returned(outgoing, reason));
            if let crate::Outcome::Returned(outgoing, reason) = returned {
                let _ = self.items.send(Inbound::Notice(Notice::Returned(outgoing, reason)));
            }
        }
    }

    fn event(&self, event: &SessionEvent) {
        if let SessionEvent::FailoverStarted { from, cause } = event {
            self.shared.lock().target = None;
            let _ = self.items.send(Inbound::Notice(Notice::Leaving(*from, *cause)));
        }
        if let SessionEvent::Established { plain: false, .. } = event {
            self.greeted.insert(&self.shared.pool);
        }
        if let SessionEvent::NoServerYet = event {
            let _ = self.items.send(Inbound::Notice(Notice::NoServer));
        }
        if let SessionEvent::PathChange { address, state } = event {
            let _ = self.items.send(Inbound::Notice(Notice::Path(*address, *state)));
        }
        log(event, &self.shared.pool, self.machine.session_id());
    }

    fn ended(&mut self, result: Result<(), SessionError>) {
        let mut state = self.shared.lock();
        state.target = None;
        state.end = Some(result.clone());
        drop(state);
        if let (Some(connected), Err(error)) = (self.connected.take(), result) {
            let _ = connected.send(Err(Error::session(error, &self.shared.pool)));
        }
    }
}
