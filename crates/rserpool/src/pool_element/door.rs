// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where associations to a pool element come in: who opened each, a registrar or a pool user.

use std::sync::Arc;
use std::time::Duration;

use rsp_core::config::SessionSettings;
use rsp_core::session::CookieKey;
use rsp_wire::{PeId, PoolHandle};
use tokio::sync::{Semaphore, mpsc, watch};

use crate::endpoint_task::Ask;
use crate::greeter::{Role, Services};
use crate::pe_session::{PeSession, Sessions};
use crate::{BusinessCard, PoolUser, Transport, cookie, greeter};

/// Accepts associations and finds out who they are from.
pub(super) struct Door {
    pub(super) listener: net::Listener,
    pub(super) accepted: mpsc::Sender<PeSession>,
    pub(super) user: PoolUser,
    pub(super) options: net::Options,
    pub(super) pool: PoolHandle,
    pub(super) pe: PeId,
    pub(super) acks: bool,
    pub(super) cookie_keys: Vec<CookieKey>,
    pub(super) transport: Transport,
    pub(super) settings: Arc<SessionSettings>,
    pub(super) card: Arc<BusinessCard>,
    pub(super) watchdog: Option<Duration>,
    pub(super) sessions: Arc<Sessions>,
    /// For pool users, too; otherwise only registrars come this way, and the user data of sessions that are there already.
    pub(super) serves: bool,
    pub(super) separate: bool,
}

impl Door {
    pub(super) async fn open(self, mut stop: watch::Receiver<bool>) {
        let door = Arc::new(self);
        let greeting = Arc::new(Semaphore::new(MAX_GREETING));
        loop {
            let accept = async {
                let permit = Arc::clone(&greeting).acquire_owned().await.expect("never closed");
                (door.listener.accept().await, permit)
            };
            let (association, permit) = tokio::select! {
                accepted = accept => accepted,
                _ = stop.wait_for(|stopped| *stopped) => return,
            };
            let door = Arc::clone(&door);
            tokio::spawn(async move {
                door.greet(association).await;
                drop(permit);
            });
        }
    }

    async fn greet(&self, association: net::Association) {
        let settings = &self.settings;
        let clock = self.user.clock();
        let transports = self.user.transports();
        let seal = cookie::seal(&self.cookie_keys, settings, clock);
        let services = Services { acks: self.acks, seal, separate: self.separate };
        match greeter::greet(association, Arc::clone(settings), self.options, self.pe, clock, transports, services)
            .await
        {
            Role::Registrar { association, first } => self.user.endpoint().ask(Ask::Adopt { association, first }),
            Role::PoolUser { machine, associations, peer }
                if self.serves && self.sessions.len() < settings.max_sessions =>
            {
                let Some(address) = peer.addresses.first().copied() else { return };
                let pool = self.pool.clone();
                let sessions = Arc::clone(&self.sessions);
                let (mut machine, associations) = (*machine, *associations);
                if let Some(time) = self.watchdog {
                    machine.watch_application(time);
                }
                let session = crate::pe_session::start(
                    machine,
                    associations,
                    (address, self.transport),
                    pool,
                    &self.user,
                    sessions,
                    Arc::clone(&self.card),
                );
                // A session nobody takes is dropped, and goes on at another server. Never wait here: registrars come through this door too.
                let _ = self.accepted.try_send(session);
            }
            // One that no session waits for is dropped.
            Role::Data { session_id, joining } if self.separate => self.sessions.join(session_id, joining),
            Role::PoolUser { .. } | Role::Data { .. } | Role::Nobody => {}
        }
    }
}

/// Associations that have not said who they are.
const MAX_GREETING: usize = 1024;
