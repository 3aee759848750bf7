// SPDX-License-Identifier: MIT OR Apache-2.0
//! The pool user's end of a session: one PE at a time, and another when it fails.

mod associations;
mod liveness;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use machine::liveness::Liveness;
use machine::{Machine, Output, Queue, Time, Timers};
use smallvec::SmallVec;

use rsp_wire::parameter::PoolElement;
use rsp_wire::session::{ByeReason, Features, SessionParameter};
use rsp_wire::{PeId, asap};

use super::data_association::DataAssociation;
use super::failover::Journey;
use super::link::{Greeting, Link, sendable};
use super::outbox::{Outbox, Pending};
use super::{
    Cause, Message, Outcome, Outgoing, Receipt, ReturnReason, SelectFailure, SendId, SessionError, SessionEvent, Target,
};
use crate::association::{self, AssociationId, Request};
use crate::config::SessionSettings;

/// What the application chose when it opened the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PuOptions {
    /// Move to another PE when this one fails, and send again what has no outcome. `false`: the session ends instead.
    pub failover: bool,
    /// Resends wait until the application has answered [`PuItem::Failover`] with [`PuInput::FailoverDone`].
    pub hold_failover: bool,
    /// PEs whose data is apart from control will do, too.
    pub separate: bool,
}

/// What happens to a session.
#[derive(Debug)]
pub enum PuInput {
    /// Find a PE and connect: the first input.
    Start,
    /// Send a message.
    Send(SendId, Outgoing),
    /// The application took this message.
    Taken(Receipt),
    /// The application acknowledges this message.
    Acknowledge(Receipt),
    /// The callback of the failover with this number sends a message: ahead of every resend, if it is still its turn.
    CallbackSend(u32, SendId, Outgoing),
    /// The callback of the failover with this number is done.
    FailoverDone(u32),
    /// Leave this PE now.
    ForceFailover {
        /// Report it as unreachable.
        report: bool,
    },
    /// End the session: wait for outcomes up to `linger`, then BYE.
    Close,
    /// Set.BusinessCard.PE.List: we are a PE too, and this is our pool and who should go on if we fail. Sent now and on each further association.
    SetBusinessCard(asap::BusinessCard),
    /// Try these first when a PE is next looked for, in this order: the business card of the PE with this identifier, if it is one's.
    Prefer(Option<PeId>, Vec<PoolElement>),
    /// End it now: BYE, nothing is waited for.
    Abandon,
    /// From the process's endpoint.
    Endpoint(FromEndpoint),
    /// From an association.
    Association(AssociationId, association::Event),
}

/// What a session asks the process's endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToEndpoint {
    /// Pick a PE of the pool by its policy.
    Select {
        /// Not these while there is another.
        avoid: SmallVec<[PeId; 4]>,
    },
    /// This PE is unreachable: ENDPOINT_UNREACHABLE.
    Report(PeId),
    /// Say when the pool changes.
    Watch,
    /// No longer.
    Unwatch,
}

/// What the endpoint says to a session.
#[derive(Debug, Clone)]
pub enum FromEndpoint {
    /// The answer to [`ToEndpoint::Select`].
    Selected(Result<PoolElement, SelectFailure>),
    /// The registrar sent the pool anew; whether it still lists our PE. A pool it does not know at all is not told here.
    Listed(bool),
}

/// What a session wants done.
#[derive(Debug)]
pub enum PuEffect {
    /// For an association.
    Association(AssociationId, Request),
    /// For the process's endpoint.
    Endpoint(ToEndpoint),
    /// For the application, in this order.
    Deliver(PuItem),
    /// What became of a send.
    Outcome(SendId, Outcome),
    /// The session is over; nothing comes after it. `Ok` = closed by the application or by the peer's BYE.
    Ended(Result<(), SessionError>),
    /// A fact.
    Event(SessionEvent),
}

/// What the application receives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PuItem {
    /// The session is open for the first time.
    Connected(Target),
    /// A message from the PE.
    Data(Message),
    /// The session goes on at another PE; comes before anything from it and before any resend.
    Failover {
        /// Which failover of this session, from 1.
        number: u32,
        /// The PE left.
        from: PeId,
        /// The new one.
        to: Target,
        /// Why.
        cause: Cause,
        /// A cookie has gone ahead.
        cookie_sent: bool,
    },
    /// The PE is leaving its pool; the session will move when what is outstanding is done.
    Drain,
    /// The PE's pool, and whom it prefers to go on if it fails. At most `business_card_elements` of them.
    BusinessCard(asap::BusinessCard),
}

/// The pool user's end of a session.
#[derive(Debug)]
pub struct PuSession {
    pub(super) settings: Arc<SessionSettings>,
    pub(super) options: PuOptions,
    pub(super) session_id: u64,
    /// Associations on which HELLO was sent.
    pub(super) greetings: u32,
    pub(super) state: State,
    /// How the present PE was reached, until it has lasted for `retry_interval_max`: if it does not, the search goes on.
    pub(super) way: Option<Box<Journey>>,
    /// Times the session has arrived at another PE.
    pub(super) failovers: u32,
    /// The heartbeat interval both ends agreed on.
    pub(super) interval: Duration,
    pub(super) outbox: Outbox,
    pub(super) callback_sends: usize,
    pub(super) cookie: Option<Bytes>,
    /// Our own, if we are a PE too.
    pub(super) own_card: Option<Box<asap::BusinessCard>>,
    /// Tried before the endpoint is asked for a PE, until one is found.
    pub(super) prefer: Vec<PoolElement>,
    /// Whose preference it is.
    pub(super) prefer_of: Option<PeId>,
    /// PEs that asked us to leave.
    pub(super) drained: SmallVec<[PeId; 4]>,
    /// A PE of this pool spoke HELLO, so silence means failure.
    pub(super) pool_speaks_hello: bool,
    /// This PE asked us to leave: it gets no new requests.
    pub(super) draining: bool,
    pub(super) watching: bool,
    /// Where the transport does not watch the PE itself.
    pub(super) watchdog: Option<Liveness>,
    pub(super) closing: bool,
    pub(super) timers: Timers<Timer>,
    pub(super) effects: Queue<PuEffect>,
    pub(super) next_association: u64,
}

/// Where a session is.
#[derive(Debug, Default)]
pub(super) enum State {
    /// Before [`PuInput::Start`], and while one state is exchanged for another.
    #[default]
    New,
    /// The endpoint is picking a PE.
    Selecting(Box<Journey>),
    /// All were tried; waiting for the next round.
    Pausing(Box<Journey>),
    /// An association is being established.
    Connecting(Box<Journey>, Link, Target),
    /// HELLO is on its way.
    Greeting(Box<Journey>, Link, Target),
    /// The application's failover callback has the word.
    Holding(Link, Target),
    /// Everything flows, unless the PE drains.
    Open(Link, Target),
    /// Over.
    Ended,
}

/// A session's timers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Timer {
    /// `hello_wait`: silence after HELLO means a plain peer.
    HelloWait,
    /// The session layer's heartbeat, where the transport has none that the PE's process answers.
    Watchdog,
    /// A PE the registrar no longer lists has not answered within a heartbeat interval.
    Probe,
    /// The next round over the pool's PEs.
    Retry,
    /// `give_up`: no PE was found for so long, or none that lasted.
    GiveUp,
    /// `retry_interval_max`: the present PE has lasted.
    Settled,
    /// `give_up` for the failover callback.
    Hold,
    /// The PE's drain time is over.
    Drain,
    /// The transport gave up messages and goes on.
    GivenUp,
    /// The lifetime of a message that waits is over.
    Lifetime,
    /// `linger`: outcomes are no longer waited for.
    Linger,
}

impl PuSession {
    /// A PE of this pool answered HELLO before this session began: one that does not is hung, not plain (ruling 11).
    pub fn set_pool_speaks_hello(&mut self) {
        self.pool_speaks_hello = true;
    }

    /// A session with this random identifier. Feed it [`PuInput::Start`].
    pub fn new(settings: impl Into<Arc<SessionSettings>>, options: PuOptions, session_id: u64) -> Self {
        let settings = settings.into();
        PuSession {
            interval: settings.heartbeat_interval,
            failovers: 0,
            settings,
            options,
            session_id,
            greetings: 0,
            state: State::New,
            way: None,
            outbox: Outbox::new(),
            callback_sends: 0,
            cookie: None,
            own_card: None,
            prefer: Vec::new(),
            prefer_of: None,
            drained: SmallVec::new(),
            pool_speaks_hello: false,
            draining: false,
            watching: false,
            watchdog: None,
            closing: false,
            timers: Timers::new(),
            effects: Queue::new(),
            next_association: 0,
        }
    }

    /// The PE that serves now.
    pub fn target(&self) -> Option<&Target> {
        match &self.state {
            State::Holding(_, target) | State::Open(_, target) => Some(target),
            _ => None,
        }
    }

    /// The association it is served over, that of user data if there are two.
    pub fn association(&self) -> Option<AssociationId> {
        match &self.state {
            State::Holding(link, _) | State::Open(link, _) => Some(link.data.id().unwrap_or(link.association)),
            _ => None,
        }
    }

    /// Whether the PE offers upper layer acknowledgements; without them `ack` degrades to the transport's word.
    pub fn has_acks(&self) -> bool {
        matches!(&self.state, State::Holding(link, _) | State::Open(link, _) if link.has(Features::ACKS))
    }

    /// The newest cookie a PE has set.
    pub fn cookie(&self) -> Option<&Bytes> {
        self.cookie.as_ref()
    }

    /// It begins with the cookie of another session, which the first PE is given. Before [`PuInput::Start`].
    pub fn set_cookie(&mut self, cookie: Bytes) {
        self.cookie = Some(cookie);
    }

    /// What both ends offer (docs/session-wire.md §2); nothing towards a plain PE, and during a failover.
    pub fn features(&self) -> Features {
        match &self.state {
            State::Holding(link, _) | State::Open(link, _) => link.in_force(),
            _ => Features::default(),
        }
    }

    /// The session's random identifier.
    pub fn session_id(&self) -> u64 {
        self.session_id
    }

    fn send(&mut self, send: SendId, outgoing: Outgoing, callback: Option<u32>, now: Time) {
        if matches!(self.state, State::Ended) || self.closing {
            return self.outcome(send, Outcome::Returned(outgoing, ReturnReason::SessionEnded));
        }
        if !sendable(&outgoing) {
            return self.outcome(send, Outcome::Returned(outgoing, ReturnReason::NotSendable));
        }
        if outgoing.only.is_some_and(|pe| self.current_pe() != Some(pe)) {
            return self.outcome(send, Outcome::Returned(outgoing, ReturnReason::NoFailover));
        }
        // What the failover callback sends goes ahead of every resend.
        let first = (self.is_held() && callback == Some(self.failovers)).then_some(self.callback_sends);
        self.callback_sends += usize::from(first.is_some());
        self.outbox.push(send, outgoing, first, now);
    }

    //= https://www.rfc-editor.org/rfc/rfc5352#section-3.9
    //# After communication has been established between a PE and PU, a new
    //# ASAP_BUSINESS_CARD message may be sent at any time by either entity
    //# to update its failover order.
    fn set_business_card(&mut self, card: asap::BusinessCard) {
        if let State::Greeting(_, link, _) | State::Holding(link, _) | State::Open(link, _) = &mut self.state {
            link.control(&asap::Message::BusinessCard(card.clone()));
        }
        self.own_card = Some(Box::new(card));
    }

    pub(super) fn broken(&mut self, what: String, now: Time) {
        self.event(SessionEvent::ProtocolError(what));
        if let Some(link) = self.link() {
            link.request(Request::Abort);
        }
        self.flush();
        self.lost(Cause::TransportLost, now);
    }

    /// Sends what may be sent, and moves or closes when what was waited for is done.
    fn pump(&mut self, now: Time) {
        self.expire(now);
        if self.closing && self.outbox.is_empty() && !matches!(self.state, State::New) {
            return self.end(Ok(()), ByeReason::Closed);
        }
        if self.draining && matches!(self.state, State::Open(..)) {
            return self.drained_yet(now);
        }
        let first_association = self.greetings <= 1;
        let (link, limit) = match &mut self.state {
            State::Greeting(_, link, _) | State::Open(link, _) => (link, usize::MAX),
            State::Holding(link, _) => (link, self.callback_sends),
            _ => return,
        };
        let mut too_long = Vec::new();
        let mut sent = 0;
        while sent < limit
            && let Some((id, pending)) = self.outbox.front()
        {
            if pending.outgoing.data.len() > link.largest() {
                too_long.extend(self.outbox.take_front());
            } else if link.transmit(id, pending, first_association, now) {
                self.outbox.advance();
            } else {
                break;
            }
            sent += 1;
        }
        let largest = link.largest();
        self.callback_sends = self.callback_sends.saturating_sub(sent);
        for Pending { send, outgoing, .. } in too_long {
            self.outcome(send, Outcome::Returned(outgoing, ReturnReason::TooLong(largest)));
        }
    }

    /// What has waited longer than its lifetime comes back.
    pub(super) fn expire(&mut self, now: Time) {
        while let Some((place, Pending { send, outgoing, .. })) = self.outbox.expire(now) {
            // The callback's are the first of all: one resend less may go in the place of this one.
            self.callback_sends -= usize::from(place.is_some_and(|place| place < self.callback_sends));
            self.outcome(send, Outcome::Returned(outgoing, ReturnReason::Expired));
        }
        match self.outbox.next_expiry() {
            Some(at) => self.timers.set(Timer::Lifetime, at),
            None => drop(self.timers.stop(Timer::Lifetime)),
        }
    }

    /// Ends the session: BYE if there is a peer, everything without an outcome comes back.
    pub(super) fn end(&mut self, result: Result<(), SessionError>, reason: ByeReason) {
        if matches!(self.state, State::Ended) {
            return;
        }
        if let Some(link) = self.link() {
            if matches!(link.greeting, Greeting::Spoken(_)) {
                link.session(SessionParameter::Bye(reason));
            }
            link.request(Request::Close);
        }
        self.flush();
        self.state = State::Ended;
        for Pending { send, outgoing, .. } in self.outbox.drain() {
            self.effects.push(PuEffect::Outcome(send, Outcome::Returned(outgoing, ReturnReason::SessionEnded)));
        }
        if self.watching {
            self.effects.push(PuEffect::Endpoint(ToEndpoint::Unwatch));
        }
        self.timers = Timers::new();
        self.effects.push(PuEffect::Ended(result));
    }

    pub(super) fn link(&mut self) -> Option<&mut Link> {
        match &mut self.state {
            State::Connecting(_, link, _)
            | State::Greeting(_, link, _)
            | State::Holding(link, _)
            | State::Open(link, _) => Some(link),
            State::New | State::Selecting(_) | State::Pausing(_) | State::Ended => None,
        }
    }

    fn is_held(&self) -> bool {
        matches!(self.state, State::Holding(..))
    }

    /// The PE at the other end, from the attempt to connect on.
    pub fn current_pe(&self) -> Option<PeId> {
        match &self.state {
            State::Connecting(_, _, target)
            | State::Greeting(_, _, target)
            | State::Holding(_, target)
            | State::Open(_, target) => Some(target.pe),
            _ => None,
        }
    }

    pub(super) fn connect(&mut self, journey: Box<Journey>, target: Target) {
        self.next_association += 2;
        let features = Features::ACKS | Features::HEARTBEAT | Features::DRAIN | Features::FRAGMENTS;
        self.draining = false;
        self.watchdog = None;
        self.timers.stop(Timer::Watchdog);
        let mut link = Link::new(AssociationId(self.next_association), &self.settings, features);
        let (protocol, to) = target.control.clone().unwrap_or_else(|| (target.protocol, target.addresses.clone()));
        if target.control.is_some() {
            link.offer_separate_data();
            link.data = DataAssociation::Awaited(None);
        }
        link.request(Request::Connect { protocol, to });
        self.state = State::Connecting(journey, link, target);
    }

    /// Hands what the link wants to the shell.
    pub(super) fn flush(&mut self) {
        let Some(link) = self.link() else { return };
        let id = link.association;
        let requests = link.take_requests();
        let data = link.data.id().map(|id| (id, link.take_data_requests()));
        self.effects.extend(requests.into_iter().map(|request| PuEffect::Association(id, request)));
        if let Some((id, requests)) = data {
            self.effects.extend(requests.into_iter().map(|request| PuEffect::Association(id, request)));
        }
    }

    pub(super) fn deliver(&mut self, item: PuItem) {
        self.effects.push(PuEffect::Deliver(item));
    }

    pub(super) fn outcome(&mut self, send: SendId, outcome: Outcome) {
        self.effects.push(PuEffect::Outcome(send, outcome));
    }

    pub(super) fn event(&mut self, event: SessionEvent) {
        self.effects.push(PuEffect::Event(event));
    }
}

impl Machine for PuSession {
    type Input<'a> = PuInput;
    type Effect = PuEffect;

    fn handle_input(&mut self, input: PuInput, now: Time) {
        match input {
            PuInput::Start => self.start(),
            PuInput::Send(send, outgoing) => self.send(send, outgoing, None, now),
            PuInput::CallbackSend(number, send, outgoing) => self.send(send, outgoing, Some(number), now),
            PuInput::Taken(receipt) => {
                if let Some(link) = self.link() {
                    link.taken(receipt);
                }
            }
            PuInput::Acknowledge(receipt) => {
                if let Some(link) = self.link() {
                    link.acknowledge(receipt);
                }
            }
            // The one of an earlier failover, whose callback took too long, decides nothing.
            PuInput::FailoverDone(number) if number == self.failovers => self.failover_done(),
            PuInput::FailoverDone(_) => {}
            PuInput::ForceFailover { report } => self.force_failover(report, now),
            PuInput::Close if !self.closing && !matches!(self.state, State::Ended) => {
                self.closing = true;
                self.timers.set(Timer::Linger, now + self.settings.linger);
                if matches!(self.state, State::New) || self.outbox.is_empty() {
                    self.end(Ok(()), ByeReason::Closed);
                }
            }
            PuInput::Close => {}
            PuInput::SetBusinessCard(card) => self.set_business_card(card),
            PuInput::Prefer(from, elements) => (self.prefer_of, self.prefer) = (from, elements),
            PuInput::Abandon => self.end(Ok(()), ByeReason::Closed),
            PuInput::Endpoint(FromEndpoint::Selected(result)) => self.selected(result, now),
            PuInput::Endpoint(FromEndpoint::Listed(listed)) => self.listed(listed, now),
            PuInput::Association(id, event) => self.association_event(id, event, now),
        }
        self.pump(now);
        self.flush();
    }

    fn handle_timeout(&mut self, now: Time) {
        while let Some((due, timer)) = self.timers.pop_due(now) {
            match timer {
                // A deadline seen so late says that we were asleep, not that the peer is silent: it is given its time again.
                Timer::HelloWait if now.since(due) > self.settings.hello_wait => {
                    self.overslept(timer, self.settings.hello_wait, now)
                }
                Timer::Probe if now.since(due) > self.interval => self.overslept(timer, self.interval, now),
                Timer::Watchdog => self.watchdog_due(now),
                Timer::HelloWait => self.hello_unanswered(now),
                Timer::Probe => self.unlisted_and_silent(now),
                Timer::Retry => self.next_round(),
                Timer::GiveUp => self.give_up(),
                Timer::Settled => self.settled(),
                Timer::Hold => self.failover_done(),
                Timer::Drain => self.leave(Cause::Drain, now),
                Timer::GivenUp => {
                    for id in self.link().map(Link::take_given_up).unwrap_or_default() {
                        self.outbox.given_up(id);
                    }
                }
                // Seen to when it is looked what may be sent.
                Timer::Lifetime => {}
                Timer::Linger => self.end(Ok(()), ByeReason::Closed),
            }
        }
        self.pump(now);
        self.flush();
    }

    fn poll_output(&mut self) -> Output<PuEffect> {
        match self.effects.pop() {
            Some(effect) => Output::Effect(effect),
            None => Output::Wait(self.timers.next()),
        }
    }
}
