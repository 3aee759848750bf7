// SPDX-License-Identifier: MIT OR Apache-2.0
//! Data on an association of its own beside that for control (Transport Use 0), `docs/session-wire.md` §8.

use machine::Time;

use rsp_wire::session::Features;

use super::SessionEvent;
use super::link::Link;
use super::pu_session::{PuSession, State, Timer};
use crate::association::{AssociationId, Peer, Request, Token};

/// The second association of a link.
#[derive(Debug, Default)]
pub(super) enum DataAssociation {
    /// There is none: everything goes over the first.
    #[default]
    Shared,
    /// It is to come, with this identifier if it is being opened.
    Awaited(Option<AssociationId>),
    /// It is up, and the peer does not have our HELLO on it yet.
    Joining(AssociationId, Token),
    /// User data flows on it.
    Open(AssociationId),
}

impl DataAssociation {
    /// Its identifier, once it is being opened.
    pub(super) fn id(&self) -> Option<AssociationId> {
        match self {
            DataAssociation::Shared | DataAssociation::Awaited(None) => None,
            DataAssociation::Awaited(Some(id)) | DataAssociation::Joining(id, _) | DataAssociation::Open(id) => {
                Some(*id)
            }
        }
    }

    /// User data has a way of its own, now or later.
    pub(super) fn is_separate(&self) -> bool {
        !matches!(self, DataAssociation::Shared)
    }

    /// User data has a way, be it a shared one.
    pub(super) fn is_ready(&self) -> bool {
        matches!(self, DataAssociation::Shared | DataAssociation::Open(_))
    }
}

impl PuSession {
    /// The PE said HELLO, and has to have said that it takes a second association.
    pub(super) fn open_data_association(&mut self, now: Time) {
        let State::Greeting(_, link, target) = &mut self.state else { return };
        if !link.has(Features::SEPARATE_DATA) {
            return self.not_separate(now);
        }
        if link.data.id().is_some() {
            return;
        }
        // Connecting has a time limit of its own.
        self.timers.stop(Timer::HelloWait);
        self.next_association += 2;
        let id = AssociationId(self.next_association);
        link.data = DataAssociation::Awaited(Some(id));
        link.request_data(Request::Connect { protocol: target.protocol, to: target.addresses.clone() });
    }

    /// The second association is up: its first word says whose it is.
    pub(super) fn data_up(&mut self, peer: &Peer, now: Time) {
        let (session_id, count, wait) = (self.session_id, self.greetings.saturating_sub(1), self.settings.hello_wait);
        let Some(link) = self.link() else { return };
        link.join(peer, session_id, count);
        self.timers.set(Timer::HelloWait, now + wait);
    }

    /// This PE has its data elsewhere and no control channel that knows us: NO_MAPPING, which is no fault to report.
    pub(super) fn not_separate(&mut self, now: Time) {
        if let Some(link) = self.link() {
            link.request(Request::Abort);
        }
        self.flush();
        let State::Greeting(mut journey, _, target) = std::mem::take(&mut self.state) else { return };
        self.event(SessionEvent::Ignored("a server without a control channel"));
        journey.not_separate = true;
        self.onwards(journey, target.pe, now);
    }
}

impl Link {
    /// HELLO on the data association, before anything else.
    fn join(&mut self, peer: &Peer, session_id: u64, failover_count: u32) {
        let Some(id) = self.data.id() else { return };
        self.data_up(peer);
        let token = self.data_hello(session_id, failover_count);
        self.data = DataAssociation::Joining(id, token);
    }

    /// Data came on it: the peer has our HELLO there, whether or not the transport has said so yet.
    pub(super) fn joined_by_data(&mut self) -> bool {
        match self.data {
            DataAssociation::Joining(id, _) => {
                self.data = DataAssociation::Open(id);
                true
            }
            _ => false,
        }
    }

    /// Whether the peer has it now, so that data may follow.
    pub(super) fn joined(&mut self, token: Token) -> bool {
        match self.data {
            DataAssociation::Joining(id, hello) if hello == token => {
                self.data = DataAssociation::Open(id);
                true
            }
            _ => false,
        }
    }
}
