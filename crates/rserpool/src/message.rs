// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages and what becomes of them.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use machine::association::PathState;
use rsp_core::session::{CookieRefused, Outcome as CoreOutcome, Receipt};
use rsp_wire::PeId;
use tokio::sync::oneshot;

use crate::handle::{Command, Handle};
use crate::pe_session::PeCommand;
use crate::session::{Failover, PuCommand};
use crate::{BusinessCard, Cause, Error, PeHandle, Result, ReturnReason};

/// A message to send; made from `&str`, `String`, `Vec<u8>`, `Bytes`, or a received [`Message`], whose stream and PPID it keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "give it to send"]
pub struct Outgoing {
    /// User data, at least one byte.
    pub data: Bytes,
    pub(crate) stream: u16,
    pub(crate) unordered: bool,
    pub(crate) ppid: u32,
    pub(crate) ack: bool,
    pub(crate) failover: Option<bool>,
    pub(crate) only: Option<PeId>,
    pub(crate) lifetime: Option<Duration>,
}

impl Outgoing {
    /// A message on stream 0, ordered, PPID 0, without acknowledgement.
    pub fn new(data: impl Into<Bytes>) -> Self {
        Outgoing {
            data: data.into(),
            stream: 0,
            unordered: false,
            ppid: 0,
            ack: false,
            failover: None,
            only: None,
            lifetime: None,
        }
    }

    /// Its outcome is to be the word of the peer's application, [`Outcome::Acknowledged`].
    pub fn ack(mut self) -> Self {
        self.ack = true;
        self
    }

    /// It comes back as [`Outcome::Returned`] when its server fails, instead of going to another.
    pub fn no_failover(mut self) -> Self {
        self.failover = Some(false);
        self
    }

    /// It goes to another server when its server fails, even in a session without failover.
    pub fn failover(mut self) -> Self {
        self.failover = Some(true);
        self
    }

    /// The stream it keeps its order on.
    pub fn stream(mut self, stream: u16) -> Self {
        self.stream = stream;
        self
    }

    /// It need not keep its place.
    pub fn unordered(mut self) -> Self {
        self.unordered = true;
        self
    }

    /// The application's payload protocol identifier.
    pub fn ppid(mut self, ppid: u32) -> Self {
        self.ppid = ppid;
        self
    }

    /// It is neither sent nor sent again later than so long after now; it comes back as [`Outcome::Returned`] with
    /// [`ReturnReason::Expired`] then. On SCTP the transport gives it up, too.
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }

    pub(crate) fn into_core(self, answers: Option<Receipt>) -> rsp_core::session::Outgoing {
        rsp_core::session::Outgoing {
            data: self.data,
            stream: self.stream,
            unordered: self.unordered,
            ppid: self.ppid,
            ack: self.ack,
            failover: self.failover,
            only: self.only,
            lifetime: self.lifetime,
            answers,
        }
    }

    fn from_core(outgoing: rsp_core::session::Outgoing) -> Self {
        let rsp_core::session::Outgoing { data, stream, unordered, ppid, ack, failover, lifetime, .. } = outgoing;
        // Whom it was for was not the application's word.
        Outgoing { data, stream, unordered, ppid, ack, failover, only: None, lifetime }
    }
}

impl From<Bytes> for Outgoing {
    fn from(data: Bytes) -> Self {
        Outgoing::new(data)
    }
}

impl From<Vec<u8>> for Outgoing {
    fn from(data: Vec<u8>) -> Self {
        Outgoing::new(data)
    }
}

impl From<String> for Outgoing {
    fn from(text: String) -> Self {
        Outgoing::new(text)
    }
}

impl From<&str> for Outgoing {
    fn from(text: &str) -> Self {
        Outgoing::new(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<Message> for Outgoing {
    fn from(message: Message) -> Self {
        let m = message.inner;
        Outgoing { stream: m.stream, unordered: m.unordered, ppid: m.ppid, ..Outgoing::new(m.data) }
    }
}

/// What became of a send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The application of this PE acknowledged it, or answered it.
    Acknowledged(PeId),
    /// The transport of this PE has it; over TCP that means that its application took it. SCTP of a PE that has just died may still take one, which nobody
    /// reads: whoever must know asks for [`Outgoing::ack`].
    Delivered(PeId),
    /// It was not delivered as far as is known, and is not sent again.
    Returned(Outgoing, ReturnReason),
}

impl From<CoreOutcome> for Outcome {
    fn from(outcome: CoreOutcome) -> Self {
        match outcome {
            CoreOutcome::Acknowledged(pe) => Outcome::Acknowledged(pe),
            CoreOutcome::Delivered(pe) => Outcome::Delivered(pe),
            CoreOutcome::Returned(outgoing, reason) => Outcome::Returned(Outgoing::from_core(outgoing), reason),
        }
    }
}

/// A message accepted into the window; `.await` gives its [`Outcome`]. Dropping it is fine: what comes back then shows up as [`Notice::Returned`].
#[derive(Debug)]
pub struct Sent {
    pub(crate) outcome: oneshot::Receiver<CoreOutcome>,
    pub(crate) pe: Option<PeHandle>,
}

impl Sent {
    /// The server [`PoolUser::send`](crate::PoolUser::send) chose; `None` for a transport address, and for what a session sent: its
    /// [`pe`](crate::Session::pe) says who serves. After a failover the [`Outcome`] names the server that got it in the end.
    pub fn pe(&self) -> Option<&PeHandle> {
        self.pe.as_ref()
    }
}

impl Future for Sent {
    type Output = Result<Outcome>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.outcome).poll(cx).map(|result| result.map(Outcome::from).map_err(|_| Error::Closed))
    }
}

/// A received message. Dereferences to its bytes.
pub struct Message {
    inner: rsp_core::session::Message,
    session: Way,
    is_taken: bool,
}

#[derive(Clone)]
enum Way {
    Pu(Arc<Handle<PuCommand>>),
    Pe(Arc<Handle<PeCommand>>),
}

impl Message {
    pub(crate) fn at_pu(inner: rsp_core::session::Message, session: &Arc<Handle<PuCommand>>) -> Self {
        Message { inner, session: Way::Pu(Arc::clone(session)), is_taken: false }
    }

    pub(crate) fn at_pe(inner: rsp_core::session::Message, session: &Arc<Handle<PeCommand>>) -> Self {
        Message { inner, session: Way::Pe(Arc::clone(session)), is_taken: false }
    }

    /// The bytes.
    pub fn data(&self) -> &Bytes {
        &self.inner.data
    }

    /// Message id: with the session id the key for exactly-once.
    pub fn id(&self) -> u64 {
        self.inner.id
    }

    /// The peer sent it before, to a server that failed.
    pub fn resent(&self) -> bool {
        self.inner.resent
    }

    /// Its stream.
    pub fn stream(&self) -> u16 {
        self.inner.stream
    }

    /// The application's payload protocol identifier.
    pub fn ppid(&self) -> u32 {
        self.inner.ppid
    }

    /// The sender waits for [`Message::ack`] or [`Message::reply`].
    pub fn ack_wanted(&self) -> bool {
        self.inner.ack_wanted
    }

    /// That it has reached whom it is for: its sender may be told, and send as much again. Only a message of
    /// [`Session::recv_untaken`](crate::Session::recv_untaken) has not been taken yet.
    pub fn taken(&mut self) {
        if !std::mem::replace(&mut self.is_taken, true) {
            match &self.session {
                Way::Pu(handle) => handle.taken(self.inner.receipt),
                Way::Pe(handle) => handle.taken(self.inner.receipt),
            }
        }
    }

    /// Its bytes, and the way to answer it later without them.
    pub fn into_parts(self) -> (Bytes, Answer) {
        let receipt = self.inner.ack_wanted.then_some(self.inner.receipt);
        (self.inner.data, Answer { receipt, session: self.session })
    }

    /// Tells the sender that this application has dealt with it. Without effect if the sender did not ask, or its association is gone.
    ///
    /// # Errors
    /// [`Error::Closed`] if the session is over.
    pub async fn ack(&self) -> Result<()> {
        self.session.acknowledge(self.inner.ack_wanted.then_some(self.inner.receipt))
    }

    /// Answers and acknowledges in one step: however many servers execute the request, its sender gets one answer.
    ///
    /// # Errors
    /// As [`Session::send`](crate::Session::send). Cancel-safe: dropped early it has sent nothing.
    pub async fn reply(&self, answer: impl Into<Outgoing>) -> Result<Sent> {
        self.session.reply(self.inner.ack_wanted.then_some(self.inner.receipt), answer.into()).await
    }
}

impl Way {
    fn acknowledge(&self, receipt: Option<Receipt>) -> Result<()> {
        let Some(receipt) = receipt else { return Ok(()) };
        match self {
            Way::Pu(handle) => handle.commands.send(Command::Acknowledge(receipt)).map_err(|_| Error::Closed),
            Way::Pe(handle) => handle.commands.send(Command::Acknowledge(receipt)).map_err(|_| Error::Closed),
        }
    }

    async fn reply(&self, answers: Option<Receipt>, answer: Outgoing) -> Result<Sent> {
        match self {
            Way::Pu(handle) => handle.send(answer, answers).await,
            Way::Pe(handle) => handle.send(answer, answers).await,
        }
    }
}

/// What is left of a [`Message`] once its bytes have gone their way: it can still be acknowledged, or answered.
#[derive(Clone)]
pub struct Answer {
    receipt: Option<Receipt>,
    session: Way,
}

impl Answer {
    /// As [`Message::ack`].
    ///
    /// # Errors
    /// [`Error::Closed`] if the session is over.
    pub async fn ack(&self) -> Result<()> {
        self.session.acknowledge(self.receipt)
    }

    /// As [`Message::reply`].
    ///
    /// # Errors
    /// As [`Session::send`](crate::Session::send). Cancel-safe: dropped early it has sent nothing.
    pub async fn reply(&self, answer: impl Into<Outgoing>) -> Result<Sent> {
        self.session.reply(self.receipt, answer.into()).await
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("receipt", &self.receipt).finish_non_exhaustive()
    }
}

impl Deref for Message {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.inner.data
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

/// What a [`Session`](crate::Session) receives, in order.
#[derive(Debug)]
#[non_exhaustive]
pub enum Item {
    /// A message.
    Data(Message),
    /// The session goes on at another server.
    Failover(Failover),
    /// Something worth knowing.
    Notice(Notice),
}

/// What a [`PeSession`](crate::PeSession) receives, in order.
#[derive(Debug)]
#[non_exhaustive]
pub enum PeItem {
    /// The pool user comes from another server, which left it this. Before any data.
    Cookie(Bytes),
    /// A message.
    Data(Message),
    /// Something worth knowing.
    Notice(Notice),
}

/// Something worth knowing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// The server is leaving its pool; the session finishes what is outstanding and moves.
    Drain,
    /// The session is leaving this server; an [`Item::Failover`] follows when it has found another.
    Leaving(PeId, Cause),
    /// No server of the pool could be reached; it is tried again until `give_up`.
    NoServer,
    /// A path to the server changed, at the end with this address; the session goes on over the others.
    Path(SocketAddr, PathState),
    /// The peer is a pool element too, or prefers somebody to go on if it fails. The newest card: however many come, one notice waits.
    BusinessCard(BusinessCard),
    /// The pool user brought a cookie that does not verify, or was made for another session; it is not shown.
    CookieRefused(CookieRefused),
    /// A message came back and nobody was waiting for its outcome.
    Returned(Outgoing, ReturnReason),
}
