// SPDX-License-Identifier: MIT OR Apache-2.0
//! The pool user's end of a session.

mod task;

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use machine::Machine;
use net::{Associations, Transports};
use rsp_core::offer::Offer;
use rsp_core::session::{
    FromEndpoint, PuInput, PuOptions, PuSession, SelectFailure, SendId, SessionError, SessionEvent, Target,
};
use rsp_wire::parameter::PoolElement;
use rsp_wire::{PoolHandle, asap};
use smallvec::SmallVec;
use tokio::sync::oneshot;

use self::task::Task;
use crate::business_card::CardSlot;
use crate::handle::{Done, Handle, Unfinished};
use crate::mailbox::{Receiver, mailbox};
use crate::message::{Item, Message, Notice, Outgoing, Sent};
use crate::pool_user::{PeHandle, mapping_of};
use crate::task::session_options;
use crate::{BusinessCard, Cause, Config, Error, Features, Mapping, Path, PoolUser, Result, Transport};

/// Whether [`Session::force_failover`] reports the server as unreachable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// To the registrar: ENDPOINT_UNREACHABLE.
    Yes,
    /// The server is fine.
    No,
}

/// What is to be decided before a session is opened.
#[must_use = "call connect"]
pub struct SessionBuilder {
    user: PoolUser,
    pool: PoolHandle,
    config: Config,
    options: PuOptions,
    callback: Option<Callback>,
    cookie: Option<Bytes>,
    card: Option<BusinessCard>,
    first: First,
}

/// Which servers a session goes to first.
#[derive(Debug, Clone)]
enum First {
    /// Whom the pool's policy picks.
    Policy,
    /// These, in their order, then whom the policy picks.
    These(Vec<PeHandle>),
    /// This one, found in that pool, then whom the policy picks.
    Found(PoolHandle, Box<PoolElement>),
    /// Nobody else: a transport address is no member of a pool.
    Only(Box<PoolElement>),
}

type Callback = Box<dyn Fn(Failover) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

impl SessionBuilder {
    pub(crate) fn new(user: PoolUser, pool: PoolHandle) -> Self {
        let config = user.config().clone();
        SessionBuilder {
            user,
            pool,
            config,
            options: PuOptions { failover: true, hold_failover: false, separate: false },
            callback: None,
            cookie: None,
            card: None,
            first: First::Policy,
        }
    }

    /// To one transport address, whoever serves there: no pool, no failover, nobody is reported.
    pub(crate) fn pass_through(user: PoolUser, name: PoolHandle, element: PoolElement) -> Self {
        let mut builder = SessionBuilder::new(user, name).failover(false);
        builder.first = First::Only(Box::new(element));
        builder
    }

    /// To this server of the pool, which was found in that pool, first.
    pub(crate) fn found(mut self, found_in: PoolHandle, element: PoolElement) -> Self {
        self.first = First::Found(found_in, Box::new(element));
        self
    }

    /// Whether the session moves to another server when its own fails, and sends again what has no outcome (default: yes).
    pub fn failover(mut self, failover: bool) -> Self {
        self.options.failover = failover;
        self
    }

    /// Servers whose user data is apart from control will do, too: the session has an association for each (Transport Use 0), and the loss of
    /// either is the loss of both. Servers with one for both are used as ever.
    ///
    /// A pool of servers without mapping, which look the same, makes [`connect`](Self::connect) answer [`Error::NotAvailable`].
    pub fn separate_control(mut self) -> Self {
        self.options.separate = true;
        self
    }

    /// A failover shows up as [`Item::Failover`] in [`Session::recv`]; resends wait until it is dropped, at most `give_up`.
    pub fn hold_failover(mut self) -> Self {
        self.options.hold_failover = true;
        self
    }

    /// Calls `callback` at each failover, after the new connection and the cookie, before any resend.
    pub fn on_failover<F, R>(mut self, callback: F) -> Self
    where
        F: Fn(Failover) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        self.options.hold_failover = true;
        self.callback = Some(Box::new(move |failover| Box::pin(callback(failover))));
        self
    }

    /// Goes on where another session ended: its server gets this [cookie](Session::cookie) before anything else.
    pub fn cookie(mut self, cookie: impl Into<Bytes>) -> Self {
        self.cookie = Some(cookie.into());
        self
    }

    /// Bytes in the window: sent, or waiting to be sent, without outcome.
    pub fn window(mut self, bytes: usize) -> Self {
        self.config.session.send_window = bytes;
        self
    }

    /// Session heartbeat interval; the server may ask for a longer one.
    pub fn heartbeat(mut self, interval: std::time::Duration) -> Self {
        self.config.session.heartbeat_interval = interval;
        self
    }

    /// How long a session looks for a server before it gives up.
    pub fn give_up(mut self, after: std::time::Duration) -> Self {
        self.config.session.give_up = after;
        self
    }

    /// How long [`Session::close`] waits for outcomes.
    pub fn linger(mut self, time: std::time::Duration) -> Self {
        self.config.session.linger = time;
        self
    }

    /// This pool user is a pool element too: its servers are told its pool, and who should go on if it fails.
    pub fn business_card(mut self, card: BusinessCard) -> Self {
        self.card = Some(card);
        self
    }

    /// Tries these first, in this order, then those the pool's policy picks.
    pub fn prefer(mut self, servers: impl IntoIterator<Item = PeHandle>) -> Self {
        self.first = First::These(servers.into_iter().collect());
        self
    }

    /// The mappings this session may use, in the order they are preferred where the pool's servers offer several; without a word those of the configuration.
    pub fn mappings(mut self, mappings: impl IntoIterator<Item = Mapping>) -> Self {
        self.config.mappings = mappings.into_iter().collect();
        self
    }

    /// Connects to a server of the pool. Dropped early it undoes what it began.
    ///
    /// # Errors
    /// [`Error::NoRegistrar`], [`Error::UnknownPool`], [`Error::NoServer`] after each server was tried once.
    pub async fn connect(self) -> Result<Session> {
        let SessionBuilder { user, pool, config, options, callback, cookie, card, first } = self;
        let mut offers = offers(&config);
        if offers.is_empty() {
            let mapping = config.mappings.first().map_or("TCP", |mapping| mapping.name());
            return Err(Error::NotAvailable { feature: "a session of this process", mapping });
        }
        if options.separate {
            // In the pool they look the same.
            offers.push(Offer::None);
        }
        let card = card.as_ref().map(BusinessCard::wire).transpose()?;
        let (found_in, prefer, only) = match first {
            First::Policy => (pool.clone(), Vec::new(), None),
            First::These(servers) => {
                (pool.clone(), servers.iter().map(PeHandle::element).collect::<Result<_>>()?, None)
            }
            First::Found(found_in, element) => (found_in, vec![*element], None),
            First::Only(element) => (pool.clone(), Vec::new(), Some(*element)),
        };
        let (commands, from_application) = mailbox();
        let (to_application, items) = mailbox();
        let (connected, is_connected) = oneshot::channel();
        let shared = Arc::new(Shared {
            pool: pool.clone(),
            state: Mutex::new(State {
                target: None,
                found_in,
                watched: Vec::new(),
                is_connected: false,
                failovers: 0,
                cookie: None,
                features: Features::default(),
                end: None,
            }),
            card: CardSlot::default(),
        });
        let session_id = user.random();
        let mut machine = PuSession::new(user.shared(&config.session), options, session_id);
        if let Some(cookie) = cookie {
            machine.set_cookie(cookie);
        }
        if let Some(card) = card {
            machine.handle_input(PuInput::SetBusinessCard(card), user.clock().now());
        }
        machine.handle_input(PuInput::Prefer(None, prefer), user.clock().now());
        let handle = Handle::new(commands.clone(), &config.session);
        let session = Session {
            handle: Arc::clone(&handle),
            items: tokio::sync::Mutex::new(items),
            shared: Arc::clone(&shared),
            session_id,
            user: user.clone(),
        };
        let entered = user.registry().map(|registry| {
            let (shared, handle, transports) = (Arc::clone(&shared), Arc::downgrade(&handle), user.transports());
            let since = tokio::time::Instant::now();
            registry.enter_session(move || {
                Some(describe(session_id, &shared, handle.upgrade()?.unfinished(), &transports, since))
            })
        });
        let mut task = Task {
            machine,
            associations: Associations::new(user.transports(), session_options(&config.session)),
            clock: user.clock(),
            streak: 0,
            endpoint: user.endpoint().clone(),
            offers,
            commands,
            items: to_application,
            callback,
            handle: Arc::downgrade(&handle),
            shared,
            outcomes: HashMap::new(),
            connected: Some(connected),
            only,
            closed: Vec::new(),
            cookie: None,
            _entered: entered,
        };
        // In a block, since the arguments of an async function are kept twice.
        tokio::spawn(async move { task.run(from_application).await });
        match is_connected.await {
            Ok(Ok(())) => Ok(session),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(Error::Closed),
        }
    }
}

/// A session with a pool: one server at a time, and another when it fails. Everything takes `&self`, so a session can live in an [`Arc`].
///
/// Dropping it says BYE and waits for nothing; [`Session::close`] waits for outcomes.
#[derive(Debug)]
pub struct Session {
    handle: Arc<Handle<PuCommand>>,
    items: tokio::sync::Mutex<Receiver<Inbound>>,
    shared: Arc<Shared>,
    session_id: u64,
    user: PoolUser,
}

impl Session {
    /// Sends a message. Ready when it is accepted into the window; then await [`Sent`] for its outcome, or drop it.
    /// Cancel-safe: dropped early it has sent nothing.
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

    /// The next item; `None` = the server ended the session with BYE. Cancel-safe: nothing is lost.
    ///
    /// # Errors
    /// Why the session was given up.
    pub async fn recv(&self) -> Result<Option<Item>> {
        let mut item = self.recv_untaken().await;
        if let Ok(Some(Item::Data(message))) = &mut item {
            message.taken();
        }
        item
    }

    /// As [`recv`](Self::recv), for whoever keeps a queue of its own: a message counts as taken, and its sender may send as much again, only after
    /// [`Message::taken`].
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub async fn recv_untaken(&self) -> Result<Option<Item>> {
        let mut items = self.items.lock().await;
        match items.recv().await {
            Some(Inbound::Data(message)) => Ok(Some(Item::Data(Message::at_pu(message, &self.handle)))),
            Some(Inbound::Failover(failover)) => Ok(Some(Item::Failover(failover))),
            Some(Inbound::Notice(notice)) => Ok(Some(Item::Notice(notice))),
            Some(Inbound::Card) => Ok(self.shared.card.notice().map(|card| Item::Notice(Notice::BusinessCard(card)))),
            None => match self.shared.lock().end.clone() {
                Some(Err(error)) => Err(Error::session(error, &self.shared.pool)),
                _ => Ok(None),
            },
        }
    }

    /// The next message, skipping everything else. Cancel-safe.
    ///
    /// # Errors
    /// As [`Session::recv`].
    pub async fn recv_data(&self) -> Result<Option<Message>> {
        loop {
            match self.recv().await? {
                Some(Item::Data(message)) => return Ok(Some(message)),
                Some(_) => {}
                None => return Ok(None),
            }
        }
    }

    /// The server that serves now; `None` during a failover.
    pub fn pe(&self) -> Option<PeHandle> {
        self.shared.lock().target.as_ref().map(|target| PeHandle::of_target(&self.shared.pool, target))
    }

    /// What carries the session now: `sctp`, `sctp-udp` or `tcp`; `None` during a failover.
    pub fn transport(&self) -> Option<Transport> {
        let protocol = self.shared.lock().target.as_ref()?.protocol;
        Some(self.user.transports().carrier(protocol))
    }

    /// How often the session has moved.
    pub fn failovers(&self) -> u32 {
        self.shared.lock().failovers
    }

    /// Whether the server acknowledges messages itself; without it [`Outgoing::ack`] gives [`Outcome::Delivered`](crate::Outcome::Delivered).
    pub fn has_acks(&self) -> bool {
        self.features().contains(Features::ACKS)
    }

    /// What both ends offer: acknowledgements, heartbeat, drain (docs/session-wire.md §2). Nothing towards a plain server, and during a failover.
    pub fn features(&self) -> Features {
        self.shared.lock().features
    }

    /// Messages sent, or waiting to be sent, that have no outcome yet.
    pub fn unacked(&self) -> usize {
        self.handle.unfinished().messages
    }

    /// The server's pool, and whom it prefers to go on if it fails. The session does so by itself.
    pub fn peer_card(&self) -> Option<BusinessCard> {
        self.shared.card.newest()
    }

    /// Set.BusinessCard.PE.List: shows the server who should go on if this process, which is a pool element too, fails.
    ///
    /// # Errors
    /// [`Error::TooLong`] if it does not fit a message, [`Error::Config`] for a handle without address, [`Error::Closed`] once the session is over.
    pub fn set_business_card(&self, card: &BusinessCard) -> Result<()> {
        self.handle.own(PuCommand::SetBusinessCard(card.wire()?))
    }

    /// Whether it is over.
    pub(crate) fn is_over(&self) -> bool {
        self.shared.lock().end.is_some()
    }

    /// Which server serves now.
    pub(crate) fn pe_id(&self) -> Option<rsp_wire::PeId> {
        self.shared.lock().target.as_ref().map(|target| target.pe)
    }

    /// The newest cookie a server has set, also after the session's end.
    pub fn cookie(&self) -> Option<Bytes> {
        self.shared.lock().cookie.clone()
    }

    /// Random, the same over all failovers.
    pub fn session_id(&self) -> u64 {
        self.session_id
    }

    /// The pool user it belongs to.
    pub fn user(&self) -> &PoolUser {
        &self.user
    }

    /// The paths to the server, and what is known of each: round-trip time, retransmission timeout, path MTU.
    ///
    /// # Errors
    /// [`Error::NotAvailable`] where the mapping does not say (seed 004 §5.2.3); [`Error::Closed`] during a failover, and once the session is over.
    pub async fn paths(&self) -> Result<Vec<Path>> {
        let (answer, is_answered) = oneshot::channel();
        self.handle.own(PuCommand::Paths(answer))?;
        is_answered.await.map_err(|_| Error::Closed)?
    }

    /// Leaves the server now and goes on with another.
    ///
    /// # Errors
    /// [`Error::Closed`] once the session is over.
    pub async fn force_failover(&self, report: Report) -> Result<()> {
        self.handle.own(PuCommand::ForceFailover { report: report == Report::Yes })
    }

    /// Waits for the outcomes of all sends, at most `linger`, then says BYE. What is undelivered then comes back as returned.
    ///
    /// # Errors
    /// Why the session had been given up before.
    pub async fn close(&self) -> Result<()> {
        let (done, is_done) = oneshot::channel();
        if self.handle.own(PuCommand::Close(done)).is_ok() {
            // An error here means that the task is over, which is what we wait for.
            let _ = is_done.await;
        }
        match self.shared.lock().end.clone() {
            Some(Err(error)) => Err(Error::session(error, &self.shared.pool)),
            _ => Ok(()),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.handle.own(PuCommand::Abandon);
    }
}

/// A failover that has just happened: the new server has the cookie, and nothing else yet. Resends wait until this is dropped.
#[derive(Debug)]
pub struct Failover {
    /// The server that was left.
    pub from: rsp_wire::PeId,
    /// The new one.
    pub to: PeHandle,
    /// Why.
    pub cause: Cause,
    /// A cookie of the old server has gone to the new one.
    pub cookie_sent: bool,
    number: u32,
    release: Option<Arc<Handle<PuCommand>>>,
}

impl Failover {
    /// Sends a message ahead of every resend. Never waits for the window.
    ///
    /// # Errors
    /// As [`Session::send`].
    pub async fn send(&self, message: impl Into<Outgoing>) -> Result<Sent> {
        match &self.release {
            Some(handle) => {
                let (send, outgoing, done, sent) = handle.prepare(message.into())?;
                handle.own(PuCommand::CallbackSend { number: self.number, send, outgoing, done })?;
                Ok(sent)
            }
            None => Err(Error::Closed),
        }
    }
}

impl Drop for Failover {
    fn drop(&mut self) {
        if let Some(handle) = &self.release {
            let _ = handle.own(PuCommand::FailoverDone(self.number));
        }
    }
}

#[derive(Debug)]
pub(crate) enum PuCommand {
    /// Sends of the failover callback with this number.
    CallbackSend {
        number: u32,
        send: SendId,
        outgoing: rsp_core::session::Outgoing,
        done: Done,
    },
    FailoverDone(u32),
    ForceFailover {
        report: bool,
    },
    Close(oneshot::Sender<()>),
    Abandon,
    Endpoint(FromEndpoint),
    /// A server was selected, in this pool: the session's, or that of a further mapping.
    Selected(PoolHandle, Result<PoolElement, SelectFailure>),
    Paths(oneshot::Sender<Result<Vec<Path>>>),
    SetBusinessCard(asap::BusinessCard),
    /// The server `from` has shown this card, and of whom it prefers the registrar knows these.
    Card {
        shown: BusinessCard,
        from: Option<rsp_wire::PeId>,
        prefer: Vec<PoolElement>,
    },
}

#[derive(Debug)]
enum Inbound {
    Data(rsp_core::session::Message),
    Failover(Failover),
    Notice(Notice),
    /// There is a card in the slot.
    Card,
}

#[derive(Debug)]
struct Shared {
    pool: PoolHandle,
    state: Mutex<State>,
    card: CardSlot,
}

#[derive(Debug)]
struct State {
    target: Option<Target>,
    /// The pool its servers are looked up in: its own, or that of a further mapping they offer.
    found_in: PoolHandle,
    /// The pools whose changes are heard.
    watched: Vec<PoolHandle>,
    is_connected: bool,
    failovers: u32,
    cookie: Option<Bytes>,
    features: Features,
    end: Option<Result<(), SessionError>>,
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session as the control socket shows it.
fn describe(
    id: u64,
    shared: &Shared,
    unfinished: Unfinished,
    transports: &Transports,
    since: tokio::time::Instant,
) -> serde_json::Value {
    let state = shared.lock();
    let target = state.target.as_ref();
    let name = match (target, &state.end) {
        (_, Some(_)) => "ended",
        (Some(_), None) => "open",
        (None, None) if state.is_connected => "failover",
        (None, None) => "connecting",
    };
    serde_json::json!({
        "session": format!("{id:#018x}"),
        "pool": shared.pool.to_string(),
        "state": name,
        "pe": target.map(|target| target.pe.to_string()),
        "transport": target.map(|target| transports.carrier(target.protocol).name()),
        "addresses": target.map(|target| target.addresses.iter().map(ToString::to_string).collect::<Vec<_>>()),
        "acks": state.features.contains(Features::ACKS),
        "unacked": unfinished.messages,
        "window_bytes": unfinished.bytes,
        "failovers": state.failovers,
        "age_seconds": since.elapsed().as_secs(),
    })
}

/// The mappings a session may use: those allowed, as far as they are there.
pub(crate) fn offers(config: &Config) -> SmallVec<[Offer; 3]> {
    let available = config.endpoint.protocols.iter().map(|protocol| mapping_of(*protocol));
    match config.mappings.is_empty() {
        true => available.map(Mapping::offer).collect(),
        false => {
            let available: Vec<_> = available.collect();
            config.mappings.iter().filter(|mapping| available.contains(mapping)).map(|it| it.offer()).collect()
        }
    }
}

/// One line per fact.
pub(crate) fn log(event: &SessionEvent, pool: &PoolHandle, session_id: u64) {
    match event {
        SessionEvent::FailoverStarted { from, cause } => {
            tracing::warn!(%pool, session_id, %from, %cause, "failover started")
        }
        SessionEvent::FailedOver { from, to, cause, resending } => {
            tracing::info!(%pool, session_id, %from, %to, %cause, resending, "failed over");
        }
        SessionEvent::PathChange { address, state } => {
            tracing::info!(%pool, session_id, %address, ?state, "a path changed; the session goes on");
        }
        SessionEvent::ProtocolError(what) => {
            tracing::warn!(%pool, session_id, what, "the peer broke the session's rules")
        }
        other => tracing::debug!(%pool, session_id, event = ?other, "session"),
    }
}
