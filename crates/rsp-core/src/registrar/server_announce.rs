// SPDX-License-Identifier: MIT OR Apache-2.0
//! Server announcements, RFC 5352 §3.6: how PEs and PUs find a registrar without being told.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use machine::Time;
use rsp_wire::ServerId;
use rsp_wire::asap::{Message, ServerAnnounce};
use rsp_wire::parameter::Transport;
use smallvec::SmallVec;

use super::timer::Timer;
use super::{Channel, Effect, Registrar};

/// What is announced, and who else announces.
#[derive(Debug, Default)]
pub(super) struct Announcements {
    /// Where ASAP is spoken here.
    pub(super) transports: SmallVec<[Transport; 1]>,
    /// The other registrars, and when they were heard last.
    heard: HashMap<ServerId, Time>,
}

impl Registrar {
    /// T6-Serverannounce expired.
    //= https://www.rfc-editor.org/rfc/rfc5352#section-3.6
    //# If multicast capabilities are used within the operational scope, an
    //# ENRP server MUST send periodically every (N+1)*T6-Serverannounce an
    //# ASAP_SERVER_ANNOUNCE message (Section 2.2.10), which includes all the
    //# transport addresses available for ASAP communication on the multicast
    //# ENRP client channel, where N is the number of ENRP servers the server
    //# has found via receiving ASAP_SERVER_ANNOUNCE messages.
    pub(super) fn announce(&mut self, now: Time) {
        if !self.settings.multicast || self.is_leaving() {
            return;
        }
        let transports = self.announcements.transports.clone();
        let announce = ServerAnnounce { server_id: self.id, transports, unknown: Vec::new() };
        if let Some(message) = self.encode(&Message::ServerAnnounce(announce)) {
            self.metrics.announcements += 1;
            self.effects.push_back(Effect::Announce(Channel::Asap, message));
        }
        let outdated = self.announce_interval().saturating_mul(OUTDATED_AFTER);
        self.announcements.heard.retain(|_, heard| now.since(*heard) <= outdated);
        self.timers.set(Timer::ServerAnnounce, now + self.announce_interval());
    }

    /// Something came on the announcement channel.
    pub(super) fn announcement(&mut self, data: Bytes, now: Time) {
        let Ok(decoded) = Message::decode(&data) else { return };
        let Message::ServerAnnounce(announce) = decoded.message else { return };
        let heard = &mut self.announcements.heard;
        let known = heard.contains_key(&announce.server_id);
        if announce.server_id != self.id && announce.server_id != ServerId::NONE && (known || heard.len() < MOST_HEARD)
        {
            heard.insert(announce.server_id, now);
        }
    }

    fn announce_interval(&self) -> Duration {
        let registrars = self.announcements.heard.len() as u32 + 1;
        self.settings.server_announce.saturating_mul(registrars).max(SHORTEST_INTERVAL)
    }
}

/// A registrar that missed so many of its announcements is not counted any more.
const OUTDATED_AFTER: u32 = 3;

/// A setting of 0 must not keep the registrar busy with nothing else.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(1);

/// Whoever invents registrars must not be able to silence this one: a scope has a handful of them.
const MOST_HEARD: usize = 32;
