// SPDX-License-Identifier: MIT OR Apache-2.0
//! The pool element's end of a session: it lives as long as one association.

mod cookies;
mod from_peer;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use machine::liveness::{Liveness, Verdict};
use machine::{Machine, Output, Queue, Time, Timers};

use rsp_wire::asap;
use rsp_wire::session::{ByeReason, Features, SessionParameter};

use super::cookie::{CookieSeal, MAX_COOKIE, MAX_SEALED_COOKIE, Opened};
use super::data_association::DataAssociation;
use super::link::{Greeting, Link, sendable};
use super::outbox::{Outbox, Pending};
use super::{Message, Outcome, Outgoing, Receipt, ReturnReason, SendId, SessionEvent};
use crate::association::{AssociationId, Event, LostReason, Peer, Request};
use crate::config::SessionSettings;
use rsp_wire::PeId;

/// What happens to a PE session.
#[derive(Debug)]
pub enum PeInput {
    /// Send a message.
    Send(SendId, Outgoing),
    /// The application took this message.
    Taken(Receipt),
    /// The application acknowledges this message.
    Acknowledge(Receipt),
    /// SET_COOKIE: the PU keeps it and gives it to the next PE.
    SetCookie(Bytes),
    /// Set.BusinessCard.PE.List: our pool and who should go on if we fail. Sent as soon as the PU is known, and now if it is.
    SetBusinessCard(asap::BusinessCard),
    /// We are leaving the pool: the PU is asked to finish and move within this time.
    Drain(Duration),
    /// A newer association carries this session.
    Supersede,
    /// End it when everything sent has its outcome, at most after `linger`.
    Close,
    /// End it now with this reason.
    Abandon(ByeReason),
    /// From the association.
    Association(Event),
    /// The association for user data is up, and said whose it is with this message, its first.
    Joined(Peer, u64),
    /// From the association for user data.
    Data(Event),
}

/// What a PE session wants done.
#[derive(Debug)]
pub enum PeEffect {
    /// For its association.
    Association(Request),
    /// For that of user data, once there is one.
    Data(Request),
    /// For the application, in this order.
    Deliver(PeItem),
    /// What became of a send.
    Outcome(SendId, Outcome),
    /// The PU named its session: any other association with this identifier is to be superseded.
    Greeted {
        /// Drawn by the PU.
        session_id: u64,
        /// Associations the session had before this one.
        failover_count: u32,
    },
    /// Over; nothing comes after it.
    Ended(PeEnd),
    /// A fact.
    Event(SessionEvent),
}

/// What the application of a PE receives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeItem {
    /// COOKIE_INDICATION: the PU comes from another PE, which left this. Always before any data.
    Cookie(Bytes),
    /// A message.
    Data(Message),
    /// The PU is a PE too: its pool, and whom it prefers to go on if it fails. At most `business_card_elements` of them.
    BusinessCard(asap::BusinessCard),
}

/// How a PE session ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeEnd {
    /// The PU said BYE.
    #[error("the pool user ended the session")]
    Bye,
    /// We did.
    #[error("closed")]
    Closed,
    /// A newer association carries this session.
    #[error("superseded by a newer association of the same session")]
    Superseded,
    /// The association broke; the PU may come back to this PE or another.
    #[error("the pool user is gone: {0}")]
    Lost(LostReason),
    /// Our own application did not come back to messages that waited (`watchdog`).
    #[error("the application did not come back to receive")]
    ApplicationHangs,
}

/// The pool element's end of a session.
#[derive(Debug)]
pub struct PeSession {
    settings: Arc<SessionSettings>,
    pe: PeId,
    state: State,
    link: Link,
    /// Drawn by the PU; `None` until HELLO.
    session_id: Option<u64>,
    outbox: Outbox,
    /// Neither a cookie nor HELLO nor user data has come.
    may_bring_cookie: bool,
    /// Our own, until the PU has been shown it.
    own_card: Option<Box<asap::BusinessCard>>,
    /// How long messages may wait for an application that does not come back.
    application: Option<Duration>,
    /// It verified; whether it was made for this session is known with HELLO.
    opened: Option<Opened>,
    seal: Option<CookieSeal>,
    /// The latest that the application set.
    cookie: Option<Bytes>,
    /// It is to be sent as soon as it is known which session it is for.
    cookie_pending: bool,
    /// The PU has been asked to leave.
    draining: bool,
    closing: bool,
    /// Where the transport does not watch the PU itself.
    watchdog: Option<Liveness>,
    timers: Timers<Timer>,
    effects: Queue<PeEffect>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Neither HELLO nor data has come.
    Undecided,
    Open,
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Timer {
    /// `hello_wait`: a PU that stays silent is plain, if we have something to say.
    HelloWait,
    /// The session layer's heartbeat, where the transport has none that the PU's process answers.
    Watchdog,
    /// `drain_timeout`: we leave.
    Drain,
    /// `cookie_interval`: the latest cookie goes out again.
    Cookie,
    /// `give_up`: no association for user data came.
    Join,
    /// The transport gave up messages and goes on.
    GivenUp,
    /// The lifetime of a message that waits is over.
    Lifetime,
    /// `linger`: outcomes are no longer waited for.
    Linger,
    /// The application has not come back to messages that wait.
    Application,
}

impl PeSession {
    /// A session on an association a PU opened to this PE. `acks`: the application acknowledges.
    pub fn new(
        settings: impl Into<Arc<SessionSettings>>,
        pe: PeId,
        acks: bool,
        association: AssociationId,
        peer: &Peer,
        now: Time,
    ) -> Self {
        let settings = settings.into();
        let offered = Features::HEARTBEAT | Features::DRAIN | Features::FRAGMENTS;
        let features = if acks { offered | Features::ACKS } else { offered };
        let mut link = Link::new(association, &settings, features);
        link.up(peer);
        let mut timers = Timers::new();
        timers.set(Timer::HelloWait, now + settings.hello_wait);
        PeSession {
            settings,
            pe,
            state: State::Undecided,
            link,
            session_id: None,
            outbox: Outbox::new(),
            may_bring_cookie: true,
            own_card: None,
            application: None,
            opened: None,
            seal: None,
            cookie: None,
            cookie_pending: false,
            draining: false,
            closing: false,
            watchdog: None,
            timers,
            effects: Queue::new(),
        }
    }

    /// Ends the association, without BYE, when messages have waited so long and the application has not come for any.
    pub fn watch_application(&mut self, time: Duration) {
        self.application = Some(time);
    }

    /// Takes user data on an association of its own from a PU that can do so. To be called before the first input.
    pub fn offer_separate_data(&mut self) {
        self.link.offer_separate_data();
    }

    /// An association for user data is to come: [`PeInput::Joined`].
    pub fn awaits_data(&self) -> bool {
        self.state != State::Ended && matches!(self.link.data, DataAssociation::Awaited(None))
    }

    /// Seals the cookies the application sets, and shows it only those that verify. To be called before the first input.
    pub fn seal_cookies(&mut self, seal: CookieSeal) {
        self.seal = Some(seal);
    }

    /// The longest cookie the application may set.
    pub fn max_cookie(&self) -> usize {
        if self.seal.is_some() { MAX_SEALED_COOKIE } else { MAX_COOKIE }
    }

    /// The PU's identifier of this session, once it said HELLO.
    pub fn session_id(&self) -> Option<u64> {
        self.session_id
    }

    fn watchdog_due(&mut self, now: Time) {
        let Some(watchdog) = &mut self.watchdog else { return };
        let verdict = watchdog.check(now);
        self.timers.set(Timer::Watchdog, watchdog.deadline());
        match verdict {
            Verdict::Fine => return,
            Verdict::Ask => {}
            Verdict::Paused(_) => self.event(SessionEvent::Paused),
            Verdict::Dead(_) => {
                self.link.request(Request::Abort);
                return self.ended(PeEnd::Lost(LostReason::HeartbeatMissed));
            }
        }
        self.link.session(SessionParameter::Heartbeat(now.as_micros()));
    }

    /// The kind of peer is decided; not for good without a word from it: HELLO may come late.
    fn open(&mut self, it_spoke: bool, now: Time) {
        self.timers.stop(Timer::HelloWait);
        if self.state == State::Undecided {
            self.state = State::Open;
            if self.link.greeting == Greeting::Undecided {
                self.link.greeting = Greeting::Plain;
            }
            self.event(SessionEvent::Established { pe: self.pe, plain: self.link.greeting == Greeting::Plain });
        }
        self.send_card();
        self.show_cookie(it_spoke);
        if self.cookie_pending {
            self.send_cookie(now);
        }
        self.ask_to_leave(now);
    }

    fn data(&mut self, message: Message, acknowledges: Option<u64>, now: Time) {
        self.may_bring_cookie = false;
        if let Some(id) = acknowledges
            && !self.acknowledged(id)
        {
            return self.link.taken(message.receipt);
        }
        self.open(true, now);
        self.effects.push(PeEffect::Deliver(PeItem::Data(message)));
        if let Some(time) = self.application
            && self.timers.deadline_of(Timer::Application).is_none()
        {
            self.timers.set(Timer::Application, now + time);
        }
    }

    /// The application is back at `recv`.
    fn taken(&mut self, receipt: Receipt, now: Time) {
        self.link.taken(receipt);
        match self.application {
            Some(time) if self.link.has_untaken() => self.timers.set(Timer::Application, now + time),
            _ => drop(self.timers.stop(Timer::Application)),
        }
    }

    /// Messages wait and the application does not come: the PU is better off elsewhere. No BYE, so that it fails over.
    fn application_hangs(&mut self, due: Time, time: Duration, now: Time) {
        if now.since(due) > time {
            // Seen so late, it was we who slept.
            self.event(SessionEvent::Paused);
            return self.timers.set(Timer::Application, now + time);
        }
        self.event(SessionEvent::ApplicationHangs);
        self.link.request(Request::Abort);
        self.ended(PeEnd::ApplicationHangs);
    }

    //= https://www.rfc-editor.org/rfc/rfc5352#section-3.9
    //# When communication begins between a PU and a PE, either of which
    //# could be part of a PU/PE combination (i.e., a message is sent between
    //# the entities), a PE should always send an ASAP_BUSINESS_CARD message
    //# to a PU.
    fn send_card(&mut self) {
        // A plain PU learns nothing from one that prefers nobody, and might not expect it.
        let plain = self.link.greeting == Greeting::Plain;
        if let Some(card) = self.own_card.take_if(|card| !plain || !card.pool_elements.is_empty()) {
            self.link.control(&asap::Message::BusinessCard(*card));
        }
    }

    fn acknowledged(&mut self, id: u64) -> bool {
        let retired = self.retire(id, Outcome::Acknowledged);
        if !retired {
            self.event(SessionEvent::StrayAcknowledgement(id));
        }
        retired
    }

    fn retire(&mut self, id: u64, outcome: impl FnOnce(PeId) -> Outcome) -> bool {
        let Some(pending) = self.outbox.retire(id) else { return false };
        self.effects.push(PeEffect::Outcome(pending.send, outcome(self.pe)));
        true
    }

    fn send(&mut self, send: SendId, outgoing: Outgoing, now: Time) {
        if self.state == State::Ended || self.closing {
            let returned = Outcome::Returned(outgoing, ReturnReason::SessionEnded);
            return self.effects.push(PeEffect::Outcome(send, returned));
        }
        if !sendable(&outgoing) {
            let returned = Outcome::Returned(outgoing, ReturnReason::NotSendable);
            return self.effects.push(PeEffect::Outcome(send, returned));
        }
        self.outbox.push(send, outgoing, None, now);
    }

    /// DRAIN goes out once, as soon as the PU is known to understand it.
    fn ask_to_leave(&mut self, now: Time) {
        if let Some(at) = self.timers.deadline_of(Timer::Drain)
            && !self.draining
            && self.link.has(Features::DRAIN)
        {
            self.draining = true;
            let milliseconds = u32::try_from(at.since(now).as_millis()).unwrap_or(u32::MAX);
            self.link.session(SessionParameter::Drain { milliseconds });
        }
    }

    fn broken(&mut self, what: String) {
        self.event(SessionEvent::ProtocolError(what.clone()));
        self.link.request(Request::Abort);
        self.ended(PeEnd::Lost(LostReason::Protocol(what)));
    }

    fn bye(&mut self, reason: ByeReason, end: PeEnd) {
        if self.state != State::Ended {
            if matches!(self.link.greeting, Greeting::Spoken(_)) {
                self.link.session(SessionParameter::Bye(reason));
            }
            self.link.request(Request::Close);
            self.ended(end);
        }
    }

    fn ended(&mut self, end: PeEnd) {
        if self.state == State::Ended {
            return;
        }
        self.flush();
        self.state = State::Ended;
        for Pending { send, outgoing, .. } in self.outbox.drain() {
            self.effects.push(PeEffect::Outcome(send, Outcome::Returned(outgoing, ReturnReason::SessionEnded)));
        }
        self.timers = Timers::new();
        self.effects.push(PeEffect::Ended(end));
    }

    fn pump(&mut self, now: Time) {
        self.expire(now);
        if self.state != State::Open {
            return;
        }
        while let Some((id, pending)) = self.outbox.front() {
            if pending.outgoing.data.len() > self.link.largest() {
                let largest = self.link.largest();
                let Some(Pending { send, outgoing, .. }) = self.outbox.take_front() else { break };
                self.effects.push(PeEffect::Outcome(send, Outcome::Returned(outgoing, ReturnReason::TooLong(largest))));
            } else if self.link.transmit(id, pending, true, now) {
                self.outbox.advance();
            } else {
                break;
            }
        }
        if self.closing && self.outbox.is_empty() {
            self.bye(ByeReason::Closed, PeEnd::Closed);
        }
    }

    /// What has waited longer than its lifetime comes back.
    fn expire(&mut self, now: Time) {
        while let Some((_, Pending { send, outgoing, .. })) = self.outbox.expire(now) {
            self.effects.push(PeEffect::Outcome(send, Outcome::Returned(outgoing, ReturnReason::Expired)));
        }
        match self.outbox.next_expiry() {
            Some(at) => self.timers.set(Timer::Lifetime, at),
            None => drop(self.timers.stop(Timer::Lifetime)),
        }
    }

    fn flush(&mut self) {
        if self.state != State::Ended {
            self.effects.extend(self.link.take_requests().into_iter().map(PeEffect::Association));
            if self.link.data.id().is_some() {
                self.effects.extend(self.link.take_data_requests().into_iter().map(PeEffect::Data));
            }
        }
    }

    fn event(&mut self, event: SessionEvent) {
        self.effects.push(PeEffect::Event(event));
    }
}

impl Machine for PeSession {
    type Input<'a> = PeInput;
    type Effect = PeEffect;

    fn handle_input(&mut self, input: PeInput, now: Time) {
        if self.state == State::Ended && !matches!(input, PeInput::Send(..)) {
            return;
        }
        match input {
            PeInput::Send(send, outgoing) => self.send(send, outgoing, now),
            PeInput::Taken(receipt) => self.taken(receipt, now),
            PeInput::Acknowledge(receipt) => self.link.acknowledge(receipt),
            PeInput::SetCookie(cookie) => self.set_cookie(cookie, now),
            PeInput::SetBusinessCard(card) => {
                self.own_card = Some(Box::new(card));
                if self.state == State::Open {
                    self.send_card();
                }
            }
            PeInput::Drain(time) => {
                self.timers.set(Timer::Drain, now + time);
                self.ask_to_leave(now);
            }
            PeInput::Supersede => self.bye(ByeReason::Superseded, PeEnd::Superseded),
            PeInput::Close => {
                self.closing = true;
                self.timers.set(Timer::Linger, now + self.settings.linger);
                if self.outbox.is_empty() {
                    self.bye(ByeReason::Closed, PeEnd::Closed);
                }
            }
            PeInput::Abandon(reason) => self.bye(reason, PeEnd::Closed),
            PeInput::Association(event) => self.association_event(event, false, now),
            PeInput::Joined(peer, sequence) => self.joined(&peer, sequence),
            PeInput::Data(event) => self.association_event(event, true, now),
        }
        self.pump(now);
        self.flush();
    }

    fn handle_timeout(&mut self, now: Time) {
        while let Some((due, timer)) = self.timers.pop_due(now) {
            match timer {
                Timer::Application => {
                    if let Some(time) = self.application {
                        self.application_hangs(due, time, now);
                    }
                }
                Timer::Watchdog => self.watchdog_due(now),
                Timer::HelloWait => self.open(false, now),
                Timer::Cookie => self.cookie_due(now),
                Timer::Join => self.broken("it did not open the association for data".into()),
                Timer::Drain => self.bye(ByeReason::Drained, PeEnd::Closed),
                Timer::GivenUp => {
                    for id in self.link.take_given_up() {
                        self.outbox.given_up(id);
                    }
                }
                // Seen to when it is looked what may be sent.
                Timer::Lifetime => {}
                Timer::Linger => self.bye(ByeReason::Closed, PeEnd::Closed),
            }
        }
        self.pump(now);
        self.flush();
    }

    fn poll_output(&mut self) -> Output<PeEffect> {
        match self.effects.pop() {
            Some(effect) => Output::Effect(effect),
            None => Output::Wait(self.timers.next()),
        }
    }
}

/// The association for user data, as our own link knows it.
const DATA: AssociationId = AssociationId(3);

/// The session of a PU that names none, in sealed cookies.
const PLAIN: u64 = 0;
