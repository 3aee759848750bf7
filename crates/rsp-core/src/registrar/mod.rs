// SPDX-License-Identifier: MIT OR Apache-2.0
//! A registrar (ENRP server): the server's side of ASAP (RFC 5352 §3) here, a file per procedure, and towards other registrars ENRP in `enrp/`.
//!
//! Events of associations come in, requests to associations go out; what happened is told as [`Event`]s and counted in
//! [`Metrics`]. Nothing grows with what a peer sends beyond the [`Limits`](crate::config::Limits).

mod address_filter;
mod admission;
mod associations;
mod conflict;
mod deadlines;
mod deregistration;
mod distance;
mod enrp;
mod error;
mod event;
mod expiry;
mod handle_resolution;
mod keep_alive;
mod metrics;
mod monitors;
mod registration;
mod server_announce;
mod subscribers;
mod subscription;
mod timer;
mod transport;
mod unreachable;
mod view;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use bytes::{Bytes, BytesMut};
use machine::{Machine, Output, Rng, Time, Timers};
use rsp_wire::ServerId;
use rsp_wire::parameter::Transport;

pub use admission::{Action, may};
pub use enrp::{PeerState, PeerStatus, RegistrarStatus, Unreached};
pub use event::{Change, EndReason, Event, IgnoreReason, Refusal, Removal};
pub use metrics::Metrics;
pub use view::{ElementStatus, PoolPage, PoolStatus, Reached};

use crate::association::{self, AssociationId};
use crate::config::RegistrarSettings;
use crate::handlespace::Handlespace;
use associations::Associations;
use conflict::Contenders;
use enrp::Enrp;
use monitors::Monitors;
use server_announce::Announcements;
use subscribers::Subscribers;
use timer::Timer;

/// The state machine.
#[derive(Debug)]
pub struct Registrar {
    id: ServerId,
    settings: RegistrarSettings,
    local_addresses: Vec<IpAddr>,
    handlespace: Handlespace,
    monitors: Monitors,
    associations: Associations,
    subscribers: Subscribers,
    contenders: Contenders,
    announcements: Announcements,
    enrp: Enrp,
    /// Associations to be ended before the registrar goes to sleep.
    to_end: Vec<(AssociationId, EndReason)>,
    timers: Timers<Timer>,
    rng: Rng,
    metrics: Metrics,
    effects: VecDeque<Effect>,
    /// Messages are written here and then copied into memory of their exact size: one that is never read keeps no more.
    buffer: BytesMut,
    now: Time,
    /// When it was last noted that the registrar had been asleep.
    pause_noted: Option<Time>,
}

/// What a registrar hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Something happened to an association. The shell draws odd identifiers for those it accepts.
    Association(AssociationId, association::Event),
    /// A message came on a multicast channel.
    Announcement {
        /// Which channel.
        channel: Channel,
        /// Its sender.
        from: SocketAddr,
        /// The message.
        data: Bytes,
    },
    /// The host's addresses have changed: what a peer on this host may register.
    LocalAddresses(Vec<IpAddr>),
    /// Where ASAP is spoken here: what announcements say.
    AsapTransports(Vec<Transport>),
    /// Where ENRP is spoken here: what presences say. An accepted association with one of these ports as its own is a registrar's, all others are
    /// PEs' and PUs'.
    EnrpTransports(Vec<Transport>),
    /// The registrars an administrator names. To be given before the first timeout, and again when names have other addresses.
    StaticPeers(Vec<SocketAddr>),
    /// Give the PEs to other registrars and stop; [`Event::Left`] says when.
    Leave,
}

/// What is spoken on an association or a multicast channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// With PEs and PUs; ASAP_SERVER_ANNOUNCE by multicast.
    Asap,
    /// With registrars; ENRP_PRESENCE by multicast.
    Enrp,
}

/// What a registrar wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Do this to an association. The registrar draws even identifiers for those it opens.
    Association(AssociationId, association::Request),
    /// Send this to a multicast channel.
    Announce(Channel, Bytes),
    /// Something happened.
    Event(Event),
}

impl Registrar {
    /// A registrar with an empty handlespace. `local_addresses` are the host's; `seed` is random and secret.
    pub fn new(id: ServerId, settings: RegistrarSettings, local_addresses: Vec<IpAddr>, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let mut timers = Timers::new();
        timers.set(Timer::Startup, Time::ZERO);
        Registrar {
            id,
            handlespace: Handlespace::new(settings.limits, settings.wire.max_pool_handle, rng.next_u64()),
            settings,
            local_addresses,
            monitors: Monitors::default(),
            associations: Associations::default(),
            subscribers: Subscribers::default(),
            contenders: Contenders::default(),
            announcements: Announcements::default(),
            enrp: Enrp::default(),
            to_end: Vec::new(),
            timers,
            rng,
            metrics: Metrics::default(),
            effects: VecDeque::new(),
            buffer: BytesMut::new(),
            now: Time::ZERO,
            pause_noted: None,
        }
    }

    /// Its Server Identifier.
    pub fn id(&self) -> ServerId {
        self.id
    }

    /// Its settings.
    pub fn settings(&self) -> &RegistrarSettings {
        &self.settings
    }

    /// Counters.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    fn event(&mut self, event: Event) {
        self.effects.push_back(Effect::Event(event));
    }
}

impl Machine for Registrar {
    type Input<'a> = Input;
    type Effect = Effect;

    fn handle_input(&mut self, input: Input, now: Time) {
        self.now = self.now.max(now);
        match input {
            Input::Association(id, event) => self.association_event(id, event, now),
            Input::Announcement { channel: Channel::Asap, from: _, data } => self.announcement(data, now),
            Input::Announcement { channel: Channel::Enrp, from, data } => self.enrp_announcement(from, &data, now),
            Input::LocalAddresses(addresses) => self.local_addresses = addresses,
            Input::AsapTransports(transports) => self.announcements.transports = transports.into(),
            Input::EnrpTransports(transports) => self.enrp.transports = transports,
            Input::StaticPeers(addresses) => self.set_static_peers(addresses, now),
            Input::Leave => self.leave(now),
        }
        self.end_associations(now);
    }

    fn handle_timeout(&mut self, now: Time) {
        self.now = self.now.max(now);
        while let Some(slot) = self.monitors.pop_due(now) {
            self.pool_element_due(slot, now);
        }
        while let Some((due, timer)) = self.timers.pop_due(now) {
            match timer {
                Timer::ServerAnnounce => self.announce(now),
                Timer::LoadUpdate(key) => self.subscribers.mark_changed(key),
                Timer::ConflictProbe(slot) => self.probe_expired(slot, due, now),
                Timer::Silence(association) => self.silence(association, now),
                Timer::Startup => self.startup_due(now),
                Timer::Heartbeat => self.heartbeat(now),
                Timer::NamedPeers => self.connect_named_peers(now),
                Timer::Peer(peer) => self.peer_due(peer, now),
                Timer::Session(peer) => self.session_expired(peer),
                Timer::Download(peer) => self.download_expired(peer, now),
                Timer::Claims => self.claims_due(now),
                Timer::Contest(slot) => self.end_contest(slot),
                Timer::Leave => self.left(),
            }
        }
        self.end_associations(now);
    }

    fn poll_output(&mut self) -> Output<Effect> {
        if self.effects.is_empty() {
            self.push_updates();
            self.end_associations(self.now);
        }
        match self.effects.pop_front() {
            Some(effect) => Output::Effect(effect),
            None => Output::Wait(self.monitors.deadlines.next().into_iter().chain(self.timers.next()).min()),
        }
    }
}
