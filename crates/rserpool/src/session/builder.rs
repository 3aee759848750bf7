// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is decided before a session is opened: INITIALIZE of the service drafts, for one session.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use machine::Machine;
use net::Associations;
use rsp_core::offer::Offer;
use rsp_core::session::{PuInput, PuOptions, PuSession};
use rsp_wire::PoolHandle;
use rsp_wire::parameter::PoolElement;
use smallvec::SmallVec;
use tokio::sync::oneshot;

use super::task::Task;
use super::{Failover, Session, Shared, State, describe, offers};
use crate::business_card::CardSlot;
use crate::handle::Handle;
use crate::mailbox::mailbox;
use crate::pool_user::PeHandle;
use crate::task::{Turns, session_options};
use crate::{BusinessCard, Config, Error, Features, Mapping, PoolUser, Result};

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

pub(super) type Callback = Box<dyn Fn(Failover) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

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

    /// A failover shows up as [`Item::Failover`](crate::Item::Failover) in [`Session::recv`]; resends wait until it is dropped, at most `give_up`.
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
        self.connect_to_first().await.map(|(session, _)| session)
    }

    /// As [`connect`](Self::connect), and the server it went to, which it may have left by now.
    pub(crate) async fn connect_to_first(self) -> Result<(Session, PeHandle)> {
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
            First::Only(element) => (pool.clone(), Vec::new(), Some(element)),
        };
        let (commands, from_application) = mailbox();
        let (to_application, items) = mailbox();
        let (connected, is_connected) = oneshot::channel();
        let shared = Arc::new(Shared {
            pool: pool.clone(),
            state: Mutex::new(State {
                target: None,
                found_in,
                watched: SmallVec::new(),
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
        if user.greeted().contains(&pool) {
            machine.set_pool_speaks_hello();
        }
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
            turns: Turns::default(),
            endpoint: user.endpoint().clone(),
            greeted: Arc::clone(user.greeted()),
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
            features: Features::default(),
            _entered: entered,
        };
        // In a block, since the arguments of an async function are kept twice.
        tokio::spawn(async move { task.run(from_application).await });
        match is_connected.await {
            Ok(Ok(first)) => Ok((session, first)),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(Error::Closed),
        }
    }
}
