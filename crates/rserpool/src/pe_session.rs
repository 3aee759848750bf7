// SPDX-License-Identifier: MIT OR Apache-2.0
//! The pool element's end of a session.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use machine::{Machine, Output};
use net::{Associations, Clock};
use rsp_core::endpoint::Freshness;
use rsp_core::session::{
    Outcome as CoreOutcome, PeEffect, PeEnd, PeInput, PeItem as CoreItem, PeSession as Core, SendId, SessionEvent,
};
use rsp_wire::session::ByeReason;
use rsp_wire::{PoolHandle, asap};
use tokio::sync::oneshot;

use crate::business_card::CardSlot;
use crate::endpoint_task::{Ask, EndpointHandle};
use crate::greeter::{ACCEPTED, DATA, Joining};
use crate::handle::{Command, Done, Handle};
use crate::mailbox::{Receiver, Sender, mailbox};
use crate::message::{Message, Notice, Outgoing, PeItem, Sent};
use crate::task::{Turns, Wake, wake};
use crate::{BusinessCard, Error, Path, PeHandle, PoolUser, Result, Session, Transport};

/// A session as its server sees it: it lives as long as one association. Everything takes `&self`.
///
/// Dropping it says BYE.
#[derive(Debug)]
pub struct PeSession {
    handle: Arc<Handle<PeCommand>>,
    items: tokio::sync::Mutex<Receiver<Inbound>>,
    shared: Arc<Shared>,
    is_accepted: bool,
}

impl PeSession {
    /// Sends a message. Ready when it is accepted into the window. Cancel-safe: dropped early it has sent nothing.
    ///
    /// # Errors
    /// [`Error::TooLong`], [`Error::BadMessage`]; [`Error::Closed`] once the session is over.
    pub async fn send(&self, message: impl Into<Outgoing>) -> Result<Sent> {
        self.handle.send(message.into(), None).await
    }

    /// Ready when a message of this many bytes would not have to wait for the window. Cancel-safe.
    pub async fn room_for(&self, bytes: usize) {
        self.handle.room_for(bytes).await;
    }

    /// The largest message that can be sent; more is [`Error::TooLong`].
    pub fn largest_message(&self) -> usize {
        self.handle.max_message()
    }

    /// Bytes the window has room for now.
    pub fn room(&self) -> usize {
        self.handle.room()
    }

    /// The next item; `None` = the session ended in order. Cancel-safe: nothing is lost.
    ///
    /// # Errors
    /// [`Error::Lost`] if the pool user is gone without a word.
    pub async fn recv(&self) -> Result<Option<PeItem>> {
        let mut item = self.recv_untaken().await;
        if let Ok(Some(PeItem::Data(message))) = &mut item {
            message.taken();
        }
        item
    }

    /// As [`recv`](Self::recv), for whoever keeps a queue of its own: a message counts as taken, and its sender may send as much again, only after
    /// [`Message::taken`].
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub async fn recv_untaken(&self) -> Result<Option<PeItem>> {
        let mut items = self.items.lock().await;
        match items.recv().await {
            Some(Inbound::Data(message)) => Ok(Some(PeItem::Data(Message::at_pe(message, &self.handle)))),
            Some(Inbound::Cookie(cookie)) => Ok(Some(PeItem::Cookie(cookie))),
            Some(Inbound::Notice(notice)) => Ok(Some(PeItem::Notice(notice))),
            Some(Inbound::Card) => Ok(self.shared.card.notice().map(|card| PeItem::Notice(Notice::BusinessCard(card)))),
            None => match self.shared.end.get() {
                Some(end @ (PeEnd::Lost(_) | PeEnd::ApplicationHangs)) => Err(Error::Lost(end.to_string())),
                _ => Ok(None),
            },
        }
    }

    /// The next message, skipping everything else. Cancel-safe.
    ///
    /// # Errors
    /// As [`PeSession::recv`].
    pub async fn recv_data(&self) -> Result<Option<Message>> {
        loop {
            match self.recv().await? {
                Some(PeItem::Data(message)) => return Ok(Some(message)),
                Some(_) => {}
                None => return Ok(None),
            }
        }
    }

    /// SET_COOKIE: the pool user keeps it, and gives it to the next server before anything else. The newest one counts. An acknowledgement or reply
    /// given later never overtakes it: set the cookie with the last id done, then reply.
    ///
    /// # Errors
    /// [`Error::TooLong`] above 65,508 bytes, 65,448 where cookies are sealed; [`Error::Closed`] once the session is over.
    pub fn set_cookie(&self, cookie: impl Into<Bytes>) -> Result<()> {
        let cookie = cookie.into();
        let max = self.shared.max_cookie;
        if cookie.len() > max {
            return Err(Error::TooLong { len: cookie.len(), max });
        }
        self.handle.own(PeCommand::SetCookie(cookie))
    }

    /// The paths to the pool user, as [`Session::paths`].
    ///
    /// # Errors
    /// [`Error::NotAvailable`] where the mapping does not say; [`Error::Closed`] once the session is over.
    pub async fn paths(&self) -> Result<Vec<Path>> {
        let (answer, is_answered) = oneshot::channel();
        self.handle.own(PeCommand::Paths(answer))?;
        is_answered.await.map_err(|_| Error::Closed)?
    }

    /// The pool user is a pool element too: its pool, and whom it prefers to go on if it fails.
    pub fn peer_card(&self) -> Option<BusinessCard> {
        self.shared.card.newest()
    }

    /// Set.BusinessCard.PE.List: shows the pool user who should go on if this server fails.
    ///
    /// # Errors
    /// [`Error::TooLong`] if it does not fit a message, [`Error::Config`] for a handle without address, [`Error::Closed`] once the session is over.
    pub fn set_business_card(&self, card: BusinessCard) -> Result<()> {
        let wire = card.wire()?;
        *self.shared.own_card.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(card);
        self.handle.own(PeCommand::SetBusinessCard(wire))
    }

    /// The pool user died, and it was a pool element too: goes on with another of its pool, those its card prefers first, and shows it our own card.
    ///
    /// # Errors
    /// [`Error::NotAvailable`] if the pool user has shown no card; what [`SessionBuilder::connect`](crate::SessionBuilder::connect) answers.
    pub async fn rendezvous(&self, user: &PoolUser) -> Result<Session> {
        let card = self
            .peer_card()
            .ok_or(Error::NotAvailable { feature: "rendezvous", mapping: "session of a peer without business card" })?;
        let own = self.shared.own_card.lock().unwrap_or_else(PoisonError::into_inner).as_ref().clone();
        let (answer, is_answered) = oneshot::channel();
        user.endpoint().ask(Ask::known(card.pool.clone(), move |known| drop(answer.send(known))));
        let registered = card.registered(&is_answered.await.map_err(|_| Error::Closed)?);
        let prefer = registered.iter().map(|element| PeHandle::of_element(&card.pool, element));
        user.session(card.pool.clone()).prefer(prefer).business_card(own).connect().await
    }

    /// The session's identifier; `None` before the pool user has named it, and for plain peers.
    pub fn session_id(&self) -> Option<u64> {
        self.shared.session_id.get().copied()
    }

    /// The pool user's address.
    pub fn peer_addr(&self) -> std::net::SocketAddr {
        self.shared.peer
    }

    /// What carries it: `sctp`, `sctp-udp` or `tcp`.
    pub fn transport(&self) -> Transport {
        self.shared.transport
    }

    /// Waits for the outcomes of all sends, at most `linger`, then says BYE.
    ///
    /// # Errors
    /// None today; the result leaves room.
    pub async fn close(&self) -> Result<()> {
        let (done, is_done) = oneshot::channel();
        if self.handle.own(PeCommand::Close(done)).is_ok() {
            // An error means that the task is over, which is what we wait for.
            let _ = is_done.await;
        }
        Ok(())
    }
}

impl PeSession {
    /// The application has it now.
    pub(crate) fn accepted(mut self) -> Self {
        self.is_accepted = true;
        self
    }
}

impl Drop for PeSession {
    fn drop(&mut self) {
        // A session nobody accepted, or whose service panicked, goes on at another server.
        let closed = self.is_accepted && !std::thread::panicking();
        let _ = self.handle.own(PeCommand::Abandon(if closed { ByeReason::Closed } else { ByeReason::Drained }));
    }
}

#[derive(Debug)]
pub(crate) enum PeCommand {
    SetCookie(Bytes),
    Join(Box<Joining>),
    SetBusinessCard(asap::BusinessCard),
    Paths(oneshot::Sender<Result<Vec<Path>>>),
    /// The sender is dropped once DRAIN is on its way.
    Drain(Duration, Option<oneshot::Sender<()>>),
    Supersede,
    Close(oneshot::Sender<()>),
    Abandon(ByeReason),
}

#[derive(Debug)]
enum Inbound {
    Cookie(Bytes),
    Data(rsp_core::session::Message),
    Notice(Notice),
    /// There is a card in the slot.
    Card,
}

#[derive(Debug)]
struct Shared {
    peer: std::net::SocketAddr,
    transport: Transport,
    max_cookie: usize,
    session_id: OnceLock<u64>,
    end: OnceLock<PeEnd>,
    card: CardSlot,
    own_card: Mutex<Arc<BusinessCard>>,
}

/// The sessions of one pool element: who is asked to leave, and whose association is superseded.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    state: Mutex<SessionsState>,
    changed: tokio::sync::Notify,
    cookies_refused: AtomicU64,
}

#[derive(Debug, Default)]
struct SessionsState {
    next: u64,
    all: HashMap<u64, Member>,
    by_session: HashMap<u64, u64>,
    drain_until: Option<tokio::time::Instant>,
}

/// One of them.
#[derive(Debug)]
struct Member {
    commands: Sender<Command<PeCommand>>,
    shared: Arc<Shared>,
    handle: Weak<Handle<PeCommand>>,
    since: tokio::time::Instant,
}

impl Member {
    /// As the control socket shows it.
    fn describe(&self) -> serde_json::Value {
        let unfinished = self.handle.upgrade().map(|handle| handle.unfinished());
        serde_json::json!({
            "session": self.shared.session_id.get().map(|id| format!("{id:#018x}")),
            "peer": self.shared.peer.to_string(),
            "transport": self.shared.transport.name(),
            "unacked": unfinished.map(|it| it.messages),
            "window_bytes": unfinished.map(|it| it.bytes),
            "age_seconds": self.since.elapsed().as_secs(),
        })
    }
}

impl Sessions {
    fn lock(&self) -> std::sync::MutexGuard<'_, SessionsState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, shared: &Arc<Shared>, handle: &Arc<Handle<PeCommand>>) -> u64 {
        let commands = &handle.commands;
        let mut state = self.lock();
        state.next += 1;
        let key = state.next;
        let member = Member {
            commands: commands.clone(),
            shared: Arc::clone(shared),
            handle: Arc::downgrade(handle),
            since: tokio::time::Instant::now(),
        };
        state.all.insert(key, member);
        if let Some(until) = state.drain_until {
            let left = until.saturating_duration_since(tokio::time::Instant::now());
            let _ = commands.send(Command::Own(PeCommand::Drain(left, None)));
        }
        key
    }

    /// The pool user named its session: an older association of the same session is superseded.
    fn named(&self, key: u64, session_id: u64) {
        let mut state = self.lock();
        if let Some(old) = state.by_session.insert(session_id, key)
            && old != key
            && let Some(Member { commands, .. }) = state.all.get(&old)
        {
            let _ = commands.send(Command::Own(PeCommand::Supersede));
        }
    }

    /// The association for user data of this session has come. It was announced on that for control, so the session is known.
    pub(crate) fn join(&self, session_id: u64, joining: Box<Joining>) {
        let state = self.lock();
        if let Some(Member { commands, .. }) = state.by_session.get(&session_id).and_then(|key| state.all.get(key)) {
            let _ = commands.send(Command::Own(PeCommand::Join(joining)));
        }
    }

    fn leave(&self, key: u64, session_id: Option<u64>) {
        let mut state = self.lock();
        state.all.remove(&key);
        if let Some(id) = session_id
            && state.by_session.get(&id) == Some(&key)
        {
            state.by_session.remove(&id);
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// Asks everyone, and everyone who comes later, to leave; ready when all have been told.
    pub(crate) async fn drain(&self, time: Duration) {
        let told: Vec<_> = {
            let mut state = self.lock();
            state.drain_until = Some(tokio::time::Instant::now() + time);
            let tell = |Member { commands, .. }: &Member| {
                let (tell, told) = oneshot::channel();
                let _ = commands.send(Command::Own(PeCommand::Drain(time, Some(tell))));
                told
            };
            state.all.values().map(tell).collect()
        };
        let all = async {
            for told in told {
                // An error is the answer: the sender has been dropped.
                let _ = told.await;
            }
        };
        let _ = tokio::time::timeout(time, all).await;
    }

    /// All of them as the control socket shows them, the oldest first.
    pub(crate) fn describe(&self) -> Vec<serde_json::Value> {
        let state = self.lock();
        let mut all: Vec<_> = state.all.iter().collect();
        all.sort_by_key(|(key, _)| **key);
        all.into_iter().map(|(_, member)| member.describe()).collect()
    }

    /// Cookies that did not verify.
    pub(crate) fn cookies_refused(&self) -> u64 {
        self.cookies_refused.load(Ordering::Relaxed)
    }

    /// Number of sessions.
    pub(crate) fn len(&self) -> usize {
        self.lock().all.len()
    }

    /// Ready when there is no session left.
    pub(crate) async fn empty(&self) {
        loop {
            let changed = self.changed.notified();
            if self.len() == 0 {
                return;
            }
            changed.await;
        }
    }
}

/// Takes over an association that a pool user opened; it is driven by a task from now on.
pub(crate) fn start(
    mut machine: Core,
    associations: Associations,
    (peer, transport): (std::net::SocketAddr, Transport),
    pool: PoolHandle,
    user: &PoolUser,
    sessions: Arc<Sessions>,
    card: Arc<BusinessCard>,
) -> PeSession {
    let (commands, from_application) = mailbox();
    let (to_application, items) = mailbox();
    // It was measured when the pool element was built.
    if let Ok(card) = card.wire() {
        machine.handle_input(PeInput::SetBusinessCard(card), user.clock().now());
    }
    let shared = Arc::new(Shared {
        peer,
        transport,
        max_cookie: machine.max_cookie(),
        session_id: OnceLock::new(),
        end: OnceLock::new(),
        card: CardSlot::default(),
        own_card: Mutex::new(card),
    });
    let handle = Handle::new(commands, &user.config().session);
    let key = sessions.enter(&shared, &handle);
    let mut task = Task {
        machine,
        associations,
        clock: user.clock(),
        turns: Turns::default(),
        pool,
        items: to_application,
        endpoint: user.endpoint().clone(),
        shared: Arc::clone(&shared),
        sessions,
        key,
        outcomes: HashMap::new(),
        closed: Vec::new(),
        told: Vec::new(),
    };
    // In a block, since the arguments of an async function are kept twice.
    tokio::spawn(async move { task.run(from_application).await });
    PeSession { handle, items: tokio::sync::Mutex::new(items), shared, is_accepted: false }
}

/// Drives the machine of one PE session.
struct Task {
    machine: Core,
    associations: Associations,
    clock: Clock,
    turns: Turns,
    pool: PoolHandle,
    items: Sender<Inbound>,
    endpoint: EndpointHandle,
    shared: Arc<Shared>,
    sessions: Arc<Sessions>,
    key: u64,
    outcomes: HashMap<SendId, Done>,
    closed: Vec<oneshot::Sender<()>>,
    /// Dropped once DRAIN is on its way.
    told: Vec<oneshot::Sender<()>>,
}

impl Task {
    async fn run(&mut self, mut commands: Receiver<Command<PeCommand>>) {
        while let Some(deadline) = self.perform() {
            if !self.told.is_empty() {
                self.associations.flush();
                self.told.clear();
            }
            match wake(&mut self.associations, &mut commands, deadline, self.clock, &mut self.turns).await {
                Wake::Association(DATA, event) => self.input(PeInput::Data(event)),
                Wake::Association(_, event) => self.input(PeInput::Association(event)),
                Wake::Command(command) => self.command(command),
                Wake::Abandoned => self.input(PeInput::Abandon(ByeReason::Closed)),
                Wake::Timeout => self.machine.handle_timeout(self.clock.now()),
            }
        }
        // What was sent while the session ended has its outcome too.
        commands.close();
        while let Some(command) = commands.try_recv() {
            self.command(command);
        }
        self.perform();
        self.sessions.leave(self.key, self.machine.session_id());
        for done in self.closed.drain(..) {
            let _ = done.send(());
        }
    }

    fn command(&mut self, command: Command<PeCommand>) {
        match command {
            Command::Send { send, outgoing, done } => {
                self.outcomes.insert(send, done);
                self.input(PeInput::Send(send, outgoing));
            }
            Command::Taken(receipt) => self.input(PeInput::Taken(receipt)),
            Command::Acknowledge(receipt) => self.input(PeInput::Acknowledge(receipt)),
            Command::Own(PeCommand::SetCookie(cookie)) => self.input(PeInput::SetCookie(cookie)),
            Command::Own(PeCommand::Paths(answer)) => {
                let paths =
                    self.associations.get(DATA).or_else(|| self.associations.get(ACCEPTED)).ok_or(Error::Closed);
                // Whoever asked may have gone.
                let _ = answer.send(paths.and_then(|association| association.paths().map_err(Error::from)));
            }
            Command::Own(PeCommand::Join(joining)) if self.machine.awaits_data() => {
                let Joining { association, peer, sequence } = *joining;
                self.associations.adopt(DATA, association);
                self.input(PeInput::Joined(peer, sequence));
            }
            // It has one, or wants none.
            Command::Own(PeCommand::Join(_)) => {}
            Command::Own(PeCommand::SetBusinessCard(card)) => self.input(PeInput::SetBusinessCard(card)),
            Command::Own(PeCommand::Drain(time, told)) => {
                self.told.extend(told);
                self.input(PeInput::Drain(time));
            }
            Command::Own(PeCommand::Supersede) => self.input(PeInput::Supersede),
            Command::Own(PeCommand::Close(done)) => {
                self.closed.push(done);
                self.input(PeInput::Close);
            }
            Command::Own(PeCommand::Abandon(reason)) => self.input(PeInput::Abandon(reason)),
        }
    }

    fn input(&mut self, input: PeInput) {
        self.machine.handle_input(input, self.clock.now());
    }

    /// Does what the machine wants and answers its deadline; `None` once it is over.
    fn perform(&mut self) -> Option<Option<machine::Time>> {
        loop {
            match self.machine.poll_output() {
                Output::Wait(deadline) => return Some(deadline),
                Output::Effect(PeEffect::Association(request)) => self.associations.perform(ACCEPTED, request),
                Output::Effect(PeEffect::Data(request)) => self.associations.perform(DATA, request),
                Output::Effect(PeEffect::Deliver(item)) => {
                    let inbound = match item {
                        CoreItem::Cookie(cookie) => Inbound::Cookie(cookie),
                        CoreItem::Data(message) => Inbound::Data(message),
                        CoreItem::BusinessCard(card) => match self.card(&card) {
                            true => Inbound::Card,
                            false => continue,
                        },
                    };
                    // Nobody receives any more: the session is being dropped.
                    let _ = self.items.send(inbound);
                }
                Output::Effect(PeEffect::Outcome(send, outcome)) => self.outcome(send, outcome),
                Output::Effect(PeEffect::Greeted { session_id, .. }) => {
                    let _ = self.shared.session_id.set(session_id);
                    self.sessions.named(self.key, session_id);
                }
                Output::Effect(PeEffect::Event(event)) => {
                    if let SessionEvent::CookieRefused(why) = event {
                        self.sessions.cookies_refused.fetch_add(1, Ordering::Relaxed);
                        let _ = self.items.send(Inbound::Notice(Notice::CookieRefused(why)));
                    }
                    crate::session::log(&event, &self.pool, self.machine.session_id().unwrap_or(0));
                }
                Output::Effect(PeEffect::Ended(end)) => {
                    let _ = self.shared.end.set(end);
                    return None;
                }
            }
        }
    }

    /// Keeps a card; answers whether the application is to be told.
    fn card(&self, card: &asap::BusinessCard) -> bool {
        let card = BusinessCard::of_wire(card);
        let pool = card.pool.clone();
        let (tell, first) = self.shared.card.put(card, true);
        if first {
            //= https://www.rfc-editor.org/rfc/rfc5352#section-3.9
            //# BC1)  Unpack the message, and if no entry exists in the translation
            //# cache of the receiving ASAP Endpoint for the pool handle listed
            //# within the ASAP_BUSINESS_CARD message, perform an
            //# ASAP_HANDLE_RESOLUTION for that pool handle.
            // Once: a peer that shows many pools does not make us ask for all of them.
            self.endpoint.ask(Ask::populate(pool, Freshness::Cached, |_| {}));
        }
        tell
    }

    fn outcome(&mut self, send: SendId, outcome: CoreOutcome) {
        let Some(done) = self.outcomes.remove(&send) else { return };
        if let Err(returned @ CoreOutcome::Returned(..)) = done.outcome.send(outcome)
            && let crate::Outcome::Returned(outgoing, reason) = returned.into()
        {
            let _ = self.items.send(Inbound::Notice(Notice::Returned(outgoing, reason)));
        }
    }
}
