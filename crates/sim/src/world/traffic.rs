// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a registrar has said to its peers: counted, and for takeovers kept word by word.

use std::fmt;

use bytes::Bytes;
use machine::Time;
use rsp_wire::ServerId;
use rsp_wire::enrp::{Body, Message, message_type};

/// Messages and bytes by message type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traffic {
    counts: [Count; KINDS],
    /// What was said about takeovers.
    pub takeovers: Vec<Said>,
}

/// So many, and so large.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Messages.
    pub messages: u64,
    /// Their bytes, without what carries them.
    pub bytes: u64,
}

/// A message of a takeover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    /// When, by the network's time.
    pub at: Time,
    /// What.
    pub kind: Kind,
    /// To whom; [`ServerId::NONE`] = all.
    pub receiver: ServerId,
    /// Of whom.
    pub target: ServerId,
}

/// Which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// ENRP_INIT_TAKEOVER
    Init,
    /// ENRP_INIT_TAKEOVER_ACK
    Ack,
    /// ENRP_TAKEOVER_SERVER
    Enforce,
}

impl Traffic {
    /// Counts a message that leaves.
    pub(super) fn sent(&mut self, data: &Bytes, at: Time) {
        let message_type = data.first().copied().unwrap_or_default();
        let count = &mut self.counts[usize::from(message_type).min(KINDS - 1)];
        count.messages += 1;
        count.bytes += data.len() as u64;
        if let message_type::INIT_TAKEOVER | message_type::INIT_TAKEOVER_ACK | message_type::TAKEOVER_SERVER =
            message_type
            && let Some((receiver, kind, target)) = takeover(data)
        {
            self.takeovers.push(Said { at, kind, receiver, target });
        }
    }

    /// Messages of this type.
    pub fn of(&self, message_type: u8) -> Count {
        self.counts.get(usize::from(message_type)).copied().unwrap_or_default()
    }

    /// ENRP_PRESENCE messages.
    pub fn presences(&self) -> u64 {
        self.of(message_type::PRESENCE).messages
    }

    /// Adds what another has said, without its words about takeovers.
    pub(super) fn add(&mut self, other: &Traffic) {
        for (sum, count) in self.counts.iter_mut().zip(&other.counts) {
            sum.messages += count.messages;
            sum.bytes += count.bytes;
        }
    }

    /// All but ENRP_PRESENCE, which is sent for ever.
    pub fn without_presence(&self) -> Count {
        let others = self.counts.iter().enumerate().filter(|(kind, _)| *kind != usize::from(message_type::PRESENCE));
        others.map(|(_, count)| count).fold(Count::default(), |sum, count| Count {
            messages: sum.messages + count.messages,
            bytes: sum.bytes + count.bytes,
        })
    }
}

/// Every type with what was sent of it.
impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sent = (0u8..).zip(&self.counts).filter(|(_, count)| count.messages > 0);
        for (n, (message_type, count)) in sent.enumerate() {
            let name = message_type::name(message_type).unwrap_or("unknown");
            write!(f, "{}{name} {} ({} bytes)", if n == 0 { "" } else { ", " }, count.messages, count.bytes)?;
        }
        Ok(())
    }
}

/// What a message says of a takeover.
pub(super) fn takeover(data: &Bytes) -> Option<(ServerId, Kind, ServerId)> {
    let message = Message::decode(data).ok()?.message;
    let (kind, target) = match message.body {
        Body::InitTakeover(init) => (Kind::Init, init.target),
        Body::InitTakeoverAck(ack) => (Kind::Ack, ack.target),
        Body::TakeoverServer(enforce) => (Kind::Enforce, enforce.target),
        _ => return None,
    };
    Some((message.receiver, kind, target))
}

/// Types 0x00 to 0x0a, and one for all others.
const KINDS: usize = 12;
