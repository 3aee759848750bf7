// SPDX-License-Identifier: MIT OR Apache-2.0
//! What was said, by whom and when: printed when a seed fails.

use std::fmt::Display;
use std::net::SocketAddr;

use bytes::Bytes;
use machine::Time;
use machine::association::Event;
use rsp_core::{PPID_ASAP, PPID_ENRP};
use rsp_wire::describe::{self, Protocol};
use rsp_wire::{asap, enrp};

use super::Host;
use crate::network::{Datagram, Group};

/// Lines of a run; none are kept unless asked for, since a run that holds is not looked at.
#[derive(Debug, Default)]
pub struct Dialogue {
    on: bool,
    /// Presences, keep-alives and announcements are kept, too.
    all: bool,
    speaker: String,
    lines: Vec<String>,
}

impl Dialogue {
    /// One that keeps what is said. What is said all the time is left out unless the environment has `SIM_ALL`.
    pub fn kept() -> Self {
        Dialogue { on: true, all: std::env::var_os("SIM_ALL").is_some(), ..Dialogue::default() }
    }

    pub(crate) fn speaker(&mut self, name: impl Display) {
        if self.on {
            self.speaker = name.to_string();
        }
    }

    pub(crate) fn say(&mut self, now: Time, what: impl FnOnce() -> String) {
        if self.on {
            self.lines.push(format!("{now} {:4} {}", self.speaker, what()));
        }
    }

    pub(crate) fn heard(&mut self, now: Time, peer: SocketAddr, event: &Event) {
        if !self.on || matches!(event, Event::Delivered(_)) || !self.all && is_routine(event) {
            return;
        }
        let peer = Peer(peer);
        self.say(now, || match event {
            Event::Message { ppid: PPID_ASAP, data, .. } => format!("<- {peer} {}", told(data, Protocol::Asap)),
            Event::Message { ppid: PPID_ENRP, data, .. } => format!("<- {peer} {}", told(data, Protocol::Enrp)),
            Event::Message { ppid, data, .. } => format!("<- {peer} {} bytes, PPID {ppid:#x}", data.len()),
            Event::Up(_) => format!("<- {peer} up"),
            other => format!("<- {peer} {other:?}"),
        });
    }

    pub(crate) fn announced(&mut self, now: Time, datagram: &Datagram) {
        if !self.all {
            return;
        }
        let protocol = match datagram.group {
            Group::Asap => Protocol::Asap,
            Group::Enrp => Protocol::Enrp,
        };
        self.say(now, || format!("<- {} to all: {}", Peer(datagram.from), told(&datagram.data, protocol)));
    }

    /// The last lines, oldest first.
    pub fn last(&self, most: usize) -> String {
        self.lines[self.lines.len().saturating_sub(most)..].join("\n")
    }
}

/// By its host's name and port.
struct Peer(SocketAddr);

impl Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match Host::at(self.0.ip()) {
            Some(host) => write!(f, "{host}:{}", self.0.port()),
            None => self.0.fmt(f),
        }
    }
}

/// What goes on all the time.
fn is_routine(event: &Event) -> bool {
    let Event::Message { ppid, data, .. } = event else { return false };
    match (*ppid, data.first().copied(), data.get(1).copied()) {
        (PPID_ASAP, Some(asap::message_type::ENDPOINT_KEEP_ALIVE), flags) => flags == Some(0),
        (PPID_ASAP, Some(asap::message_type::ENDPOINT_KEEP_ALIVE_ACK), _) => true,
        (PPID_ENRP, Some(enrp::message_type::PRESENCE), flags) => flags == Some(0),
        (PPID_ASAP | PPID_ENRP, ..) => false,
        // What sessions say among themselves.
        _ => true,
    }
}

/// A message on one line.
fn told(data: &Bytes, protocol: Protocol) -> String {
    describe::describe(data, protocol).to_string().replace('\n', ";")
}
