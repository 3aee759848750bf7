// SPDX-License-Identifier: MIT OR Apache-2.0
//! DataSendRequest, RFC 5352 §6.5: messages to pools, to servers and to transport addresses, over a session that is kept for each server, and what
//! comes back on these.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use rsp_core::session::Target;
use rsp_wire::parameter::PoolElement;
use rsp_wire::{PeId, PoolHandle};
use smallvec::SmallVec;
use tokio::sync::{OnceCell, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::message::{Item, Message, Outgoing, Sent};
use crate::pool_user::mapping_of;
use crate::session::{SessionBuilder, offers};
use crate::{Error, Items, Mapping, PeHandle, PoolUser, Result, Session};

/// Where a message goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// To a server of this pool: its policy picks one for each message.
    Pool(PoolHandle),
    /// To the server of this pool that got the message before (ASAP_SEND_TO_LAST); for the first one as [`Destination::Pool`].
    Last(PoolHandle),
    /// To this server; if it fails, to another of its pool, unless the message says [`Outgoing::no_failover`].
    Pe(PeHandle),
    /// To whoever serves at this transport address: no pool, no failover.
    Address(SocketAddr),
}

impl From<PoolHandle> for Destination {
    fn from(pool: PoolHandle) -> Self {
        Destination::Pool(pool)
    }
}

impl From<&str> for Destination {
    fn from(pool: &str) -> Self {
        Destination::Pool(pool.into())
    }
}

impl From<PeHandle> for Destination {
    fn from(pe: PeHandle) -> Self {
        Destination::Pe(pe)
    }
}

impl From<&PeHandle> for Destination {
    fn from(pe: &PeHandle) -> Self {
        Destination::Pe(pe.clone())
    }
}

impl From<SocketAddr> for Destination {
    fn from(address: SocketAddr) -> Self {
        Destination::Address(address)
    }
}

/// Who sent a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A server.
    Pe(PeHandle),
    /// Whoever serves at a transport address.
    Address(SocketAddr),
}

/// A message that came back on a session of [`PoolUser::send`], and who sent it (Data.Received Notification, RFC 5352 §6.6).
#[derive(Debug)]
pub struct Received {
    /// Who sent it.
    pub from: Source,
    /// The message.
    pub message: Message,
}

impl PoolUser {
    /// Sends a message; [`Sent::pe`] says which server was chosen. Ready when it is accepted into the window of the session with that server, which
    /// is opened if there is none, and closed when it was idle for `idle_session`. Dropped early it has sent nothing.
    ///
    /// With failover, which is the default, a message without outcome goes to another server of the pool when its own fails; with
    /// [`Outgoing::no_failover`] it comes back as [`Outcome::Returned`](crate::Outcome::Returned).
    ///
    /// # Errors
    /// [`Error::NoRegistrar`], [`Error::UnknownPool`], [`Error::NoServer`] if none, or without failover not this one, can be reached,
    /// [`Error::NotAvailable`] for a server with NO_MAPPING, [`Error::TooLong`], [`Error::BadMessage`].
    pub async fn send(&self, to: impl Into<Destination>, message: impl Into<Outgoing>) -> Result<Sent> {
        let message = message.into();
        match to.into() {
            Destination::Pool(pool) => self.send_to_pool(pool, message).await,
            Destination::Last(pool) => match self.kept().last(&pool) {
                Some(pe) => self.send_to_pe(&pe, message).await,
                None => self.send_to_pool(pool, message).await,
            },
            Destination::Pe(pe) => self.send_to_pe(&pe, message).await,
            Destination::Address(address) => self.send_to_address(address, message).await,
        }
    }

    /// ASAP_SEND_TO_ALL: a copy to each server of the pool, `and_self` (ASAP_SEND_TO_SELF) also to those of this process; answers for each what
    /// became of it. A copy does not fail over unless the message says [`Outgoing::failover`].
    ///
    /// # Errors
    /// As [`PoolUser::resolve`].
    //= https://www.rfc-editor.org/rfc/rfc5352#section-6.5.5
    //# When sending by Pool Handle, this option
    //# directs the sender's ASAP endpoint to send a copy of the message
    //# to all the PEs, except for the sender itself if the sender is a PE
    //# in that pool.
    pub async fn send_to_all(
        &self,
        pool: impl Into<PoolHandle>,
        message: impl Into<Outgoing>,
        and_self: bool,
    ) -> Result<Vec<(PeHandle, Result<Sent>)>> {
        let mut message = message.into();
        message.failover = message.failover.or(Some(false));
        let pool = self.resolve(pool, Items::All).await?;
        let mut sends = JoinSet::new();
        let at_once = Arc::new(Semaphore::new(AT_ONCE));
        for element in pool.elements.iter().filter(|pe| and_self || !self.is_own(&pool.handle, pe.id)) {
            let (user, message, pe) = (self.clone(), message.clone(), PeHandle::of_element(&pool.handle, element));
            let at_once = Arc::clone(&at_once);
            sends.spawn(async move {
                let _turn = at_once.acquire().await;
                let sent = user.send_to_pe(&pe, message).await;
                (pe, sent)
            });
        }
        Ok(sends.join_all().await)
    }

    /// The next message that comes back on a session of [`PoolUser::send`], skipping everything else. Cancel-safe.
    pub async fn recv(&self) -> Received {
        loop {
            if let (from, Item::Data(message)) = self.recv_item().await {
                return Received { from, message };
            }
        }
    }

    /// The next item of any session of [`PoolUser::send`], and who it is from, or about. Cancel-safe.
    pub async fn recv_item(&self) -> (Source, Item) {
        let (from, mut item) = self.kept().arrivals.lock().await.recv().await.expect("`kept` has a sender itself");
        // Only now, so that who sends faster than is received here waits for its window.
        if let Item::Data(message) = &mut item {
            message.taken();
        }
        (from, item)
    }

    /// Closes the sessions of [`PoolUser::send`]: waits for the outcomes of all messages, at most `linger`. Dropping the pool user waits for nothing.
    pub async fn close(&self) {
        let mut closing: JoinSet<()> = JoinSet::new();
        for session in self.kept().take_all() {
            closing.spawn(async move { drop(session.close().await) });
        }
        closing.join_all().await;
    }

    async fn send_to_pool(&self, pool: PoolHandle, message: Outgoing) -> Result<Sent> {
        let (found_in, element) = self.select_offering(pool.clone(), SmallVec::new(), offers(self.config())).await?;
        self.send_over(Key::Pool(pool), found_in, (*element).clone(), message).await
    }

    async fn send_to_pe(&self, pe: &PeHandle, message: Outgoing) -> Result<Sent> {
        self.send_over(Key::Pool(pe.pool.clone()), pe.pool.clone(), pe.element()?, message).await
    }

    //= https://www.rfc-editor.org/rfc/rfc5352#section-6.5.4
    //# No endpoint failover is supported when this form of send request is
    //# used.
    async fn send_to_address(&self, address: SocketAddr, message: Outgoing) -> Result<Sent> {
        let protocol = self.config().endpoint.protocols.first().copied().unwrap_or(machine::association::Protocol::Tcp);
        let mapping = mapping_of(protocol);
        let protocol = match mapping {
            Mapping::Sctp => rsp_wire::parameter::Protocol::Sctp,
            _ => rsp_wire::parameter::Protocol::Tcp,
        };
        let name = PoolHandle::from(address.to_string().as_str());
        let pe = PeHandle { pool: name.clone(), id: PeId(0), mapping, protocol: Some(protocol), addrs: vec![address] };
        self.send_over(Key::Address(address), name, pe.element()?, message).await
    }

    async fn send_over(
        &self,
        key: Key,
        found_in: PoolHandle,
        element: PoolElement,
        mut message: Outgoing,
    ) -> Result<Sent> {
        let no_mapping = Error::NotAvailable { feature: "sending a message", mapping: Mapping::None.name() };
        let target = Target::of(&element).ok_or(no_mapping)?;
        let stays = message.failover == Some(false);
        // The session may move while the message waits for the window.
        message.only = stays.then_some(target.pe);
        for _ in 0..ATTEMPTS {
            // Held until the message is sent: an idle session that somebody is about to use is not closed.
            let cell = self.kept().enter(&key, target.pe, stays);
            let opened = cell.get_or_try_init(|| self.open(&key, &found_in, &element, &cell)).await;
            let session = match opened {
                Ok(session) => session,
                Err(error) => {
                    self.kept().forget(&key, &cell);
                    return Err(error);
                }
            };
            let pe = session.pe();
            if stays && pe.as_ref().is_none_or(|pe| pe.id != target.pe) {
                // It was opened, and its server could not be reached, or has just failed.
                return Err(Error::NoServer { pool: found_in, tried: 1 });
            }
            match session.send(message.clone()).await {
                Err(Error::Closed) => self.kept().forget(&key, &cell),
                Err(error) => return Err(error),
                Ok(sent) => {
                    let Key::Pool(pool) = &key else { return Ok(sent) };
                    let chosen = pe.unwrap_or_else(|| PeHandle::of_target(&found_in, &target));
                    self.kept().sent(pool, &cell, &chosen);
                    return Ok(Sent { pe: Some(chosen), ..sent });
                }
            }
        }
        Err(Error::Closed)
    }

    /// A session that goes to this server first, and the task that reads it.
    async fn open(
        &self,
        key: &Key,
        found_in: &PoolHandle,
        element: &PoolElement,
        cell: &Arc<OnceCell<Arc<Session>>>,
    ) -> Result<Arc<Session>> {
        // The session must not keep alive what keeps the session.
        let user = self.separate();
        let builder = match key {
            Key::Pool(pool) => user.session(pool.clone()).found(found_in.clone(), element.clone()),
            Key::Address(_) => SessionBuilder::pass_through(user, found_in.clone(), element.clone()),
        };
        let (session, first) = builder.connect_to_first().await?;
        let session = Arc::new(session);
        let source = match key {
            Key::Pool(_) => Source::Pe(first),
            Key::Address(address) => Source::Address(*address),
        };
        let reader = Reader {
            session: Arc::clone(&session),
            source,
            key: key.clone(),
            cell: Arc::downgrade(cell),
            kept: Arc::downgrade(self.kept()),
            arrived: self.kept().arrived.clone(),
            idle: self.config().session.idle_session,
        };
        tokio::spawn(reader.read());
        Ok(session)
    }
}

/// What a session is kept for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Pool(PoolHandle),
    Address(SocketAddr),
}

type Cell = Arc<OnceCell<Arc<Session>>>;

/// The sessions of [`PoolUser::send`].
#[derive(Debug)]
pub(crate) struct Kept {
    state: Mutex<State>,
    arrivals: tokio::sync::Mutex<mpsc::Receiver<(Source, Item)>>,
    arrived: mpsc::Sender<(Source, Item)>,
}

#[derive(Debug, Default)]
struct State {
    sessions: HashMap<Key, Vec<Entry>>,
    last: HashMap<PoolHandle, PeHandle>,
}

/// A session with one server, or the attempt to open it.
#[derive(Debug)]
struct Entry {
    /// Whom it was opened for.
    wanted: PeId,
    cell: Cell,
    used: Instant,
}

impl Default for Kept {
    fn default() -> Self {
        let (arrived, arrivals) = mpsc::channel(ARRIVALS);
        Kept { state: Mutex::default(), arrivals: tokio::sync::Mutex::new(arrivals), arrived }
    }
}

impl Kept {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session with this server, or a place for it.
    fn enter(&self, key: &Key, pe: PeId, stays: bool) -> Cell {
        let mut state = self.lock();
        let entries = state.sessions.entry(key.clone()).or_default();
        entries.retain(|entry| !entry.cell.get().is_some_and(|session| session.is_over()));
        let fits = |entry: &&mut Entry| match entry.cell.get() {
            // It may have moved to another server.
            Some(session) => match session.pe_id() {
                Some(at) => at == pe,
                None => entry.wanted == pe && !stays,
            },
            None => entry.wanted == pe,
        };
        if let Some(entry) = entries.iter_mut().find(fits) {
            entry.used = Instant::now();
            return Arc::clone(&entry.cell);
        }
        let cell = Cell::default();
        entries.push(Entry { wanted: pe, cell: Arc::clone(&cell), used: Instant::now() });
        cell
    }

    fn forget(&self, key: &Key, cell: &Cell) {
        let mut state = self.lock();
        if let Some(entries) = state.sessions.get_mut(key) {
            entries.retain(|entry| !Arc::ptr_eq(&entry.cell, cell));
            if entries.is_empty() {
                state.sessions.remove(key);
            }
        }
    }

    /// A message has gone to this server of the pool.
    fn sent(&self, pool: &PoolHandle, cell: &Cell, pe: &PeHandle) {
        let mut state = self.lock();
        let entries = state.sessions.get_mut(&Key::Pool(pool.clone())).into_iter().flatten();
        for entry in entries.filter(|entry| Arc::ptr_eq(&entry.cell, cell)) {
            entry.used = Instant::now();
        }
        state.last.insert(pool.clone(), pe.clone());
    }

    fn last(&self, pool: &PoolHandle) -> Option<PeHandle> {
        self.lock().last.get(pool).cloned()
    }

    /// Takes a session out if nobody has used it for so long, nobody is about to, and it has nothing outstanding.
    fn take_idle(&self, key: &Key, cell: &Weak<OnceCell<Arc<Session>>>, idle: Duration) -> bool {
        let mut state = self.lock();
        let Some(entries) = state.sessions.get_mut(key) else { return true };
        let place = entries.iter().position(|entry| std::ptr::eq(Arc::as_ptr(&entry.cell), cell.as_ptr()));
        let Some(place) = place else { return true };
        let entry = &entries[place];
        // Whoever is about to send holds the cell, and took it under the lock we have.
        let used = Arc::strong_count(&entry.cell) > 1 || entry.used.elapsed() < idle;
        if used || entry.cell.get().is_some_and(|session| session.unacked() > 0) {
            return false;
        }
        entries.swap_remove(place);
        if entries.is_empty() {
            state.sessions.remove(key);
        }
        true
    }

    fn take_all(&self) -> Vec<Arc<Session>> {
        let entries = std::mem::take(&mut self.lock().sessions);
        entries.into_values().flatten().filter_map(|entry| entry.cell.get().cloned()).collect()
    }
}

/// Reads one session for everybody.
struct Reader {
    session: Arc<Session>,
    /// Whom the next item is from. Not the server of now: what waits to be read may be of one that was left.
    source: Source,
    key: Key,
    cell: Weak<OnceCell<Arc<Session>>>,
    kept: Weak<Kept>,
    arrived: mpsc::Sender<(Source, Item)>,
    idle: Duration,
}

impl Reader {
    async fn read(mut self) {
        loop {
            let item = tokio::select! {
                item = self.session.recv_untaken() => item,
                // The pool user is gone.
                () = self.arrived.closed() => break,
                () = tokio::time::sleep(self.idle) => {
                    let is_idle = self.kept.upgrade().is_none_or(|kept| kept.take_idle(&self.key, &self.cell, self.idle));
                    if is_idle {
                        // An error is its end, which is what is wanted.
                        let _ = self.session.close().await;
                        break;
                    }
                    continue;
                }
            };
            let Ok(Some(item)) = item else { break };
            // It comes before anything from the new server.
            if let Item::Failover(failover) = &item {
                self.source = Source::Pe(failover.to.clone());
            }
            if self.arrived.send((self.source.clone(), item)).await.is_err() {
                break;
            }
        }
        if let (Some(kept), Some(cell)) = (self.kept.upgrade(), self.cell.upgrade()) {
            kept.forget(&self.key, &cell);
        }
    }
}

/// Sessions tried for one message: one that is found may have ended a moment ago.
const ATTEMPTS: usize = 3;
/// Servers of a pool that are connected to at the same time for a message to all.
const AT_ONCE: usize = 64;
/// Items that wait for [`PoolUser::recv_item`].
const ARRIVALS: usize = 64;
