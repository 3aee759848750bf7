// SPDX-License-Identifier: MIT OR Apache-2.0
//! The pool user's end of a session.

mod builder;
mod task;

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use net::Transports;
use rsp_core::offer::Offer;
use rsp_core::session::{FromEndpoint, SelectFailure, SendId, SessionError, SessionEvent, Target};
use rsp_wire::parameter::PoolElement;
use rsp_wire::{PoolHandle, asap};
use smallvec::SmallVec;
use tokio::sync::oneshot;

pub use self::builder::SessionBuilder;
use crate::business_card::CardSlot;
use crate::handle::{Done, Handle, Unfinished};
use crate::mailbox::Receiver;
use crate::message::{Item, Message, Notice, Outgoing, Sent};
use crate::pool_user::{PeHandle, mapping_of};
use crate::{BusinessCard, Cause, Config, Error, Features, Mapping, Path, PoolUser, Result, Transport};

/// Whether [`Session::force_failover`] reports the server as unreachable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// To the registrar: ENDPOINT_UNREACHABLE.
    Yes,
    /// The server is fine.
    No,
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
    watched: SmallVec<[PoolHandle; 1]>,
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
