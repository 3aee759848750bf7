// SPDX-License-Identifier: MIT OR Apache-2.0
//! One association: dcSCTP's machine, what its owner hears and sends, and how it is known to be alive.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use machine::Time;
use machine::association::{Event, LostReason, Token};
use machine::liveness::Liveness;

use super::connect::Connecting;
use super::unordered::Unordered;
use super::window::{MOST_WAITING, Window};
use super::{ListenerId, PortId};
use crate::Options;
use crate::sctp::udp::sctp::{Broken, Manner, Outgoing, Sctp, outgoing};
use crate::sctp::udp::tokens::{Sent, Tokens};

/// Between which ports packets of an association travel. The peer's UDP port is part of it: on a host without SCTP in its
/// kernel each process has UDP ports of its own, and two may use the same SCTP port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Path {
    pub(super) port: PortId,
    pub(super) peer: SocketAddr,
    pub(super) peer_port: u16,
    pub(super) local_port: u16,
}

#[derive(Debug)]
pub(super) struct Association {
    /// Never 0, never given again. What an association is called in cookies made while it stood.
    pub(super) serial: u64,
    pub(super) options: Options,
    pub(super) path: Path,
    /// Our own address, once a packet has told.
    pub(super) local: Option<IpAddr>,
    /// `None` once it is lost.
    pub(super) sctp: Option<Sctp>,
    pub(super) connecting: Option<Box<Connecting>>,
    /// Whether the peer opened it, and it counts among its host's.
    pub(super) is_counted: bool,
    /// Where it was accepted, until its owner has it.
    pub(super) backlog_of: Option<ListenerId>,
    pub(super) is_up: bool,
    /// The tag in packets to us, under which it can be found, and that in packets to the peer.
    pub(super) local_tag: u32,
    pub(super) peer_tag: u32,
    pub(super) liveness: Option<Liveness>,
    /// An orderly end was asked for, and will not be waited for beyond this.
    pub(super) close_until: Option<Time>,
    pub(super) events: VecDeque<Event>,
    pub(super) waker: Option<Waker>,
    pub(super) outbound: Outbound,
    pub(super) inbound: Inbound,
    /// Streams to the peer, once it has said how many it takes.
    pub(super) streams: Option<u16>,
    /// When the clock will next be looked at for it.
    pub(super) alarm: Option<Time>,
    pub(super) rtt: Option<Duration>,
    /// When the last HEARTBEAT left.
    pub(super) asked: Option<Time>,
    pub(super) window: Window,
}

/// Messages on their way out.
#[derive(Debug, Default)]
pub(super) struct Outbound {
    unsent: Vec<Unsent>,
    unsent_bytes: usize,
    next_number: u64,
    pub(super) tokens: Tokens,
}

#[derive(Debug)]
struct Unsent {
    number: u64,
    token: Option<Token>,
    unordered: bool,
    lifetime: Option<Duration>,
    message: Outgoing,
}

/// Messages on their way up.
#[derive(Debug, Default)]
pub(super) struct Inbound {
    next_sequence: u64,
    /// Handed up or waiting for it, and not taken, in order; 0 is taken.
    untaken: VecDeque<(u64, usize)>,
    bytes: usize,
}

impl Association {
    pub(super) fn new(serial: u64, path: Path, sctp: Sctp, options: Options) -> Self {
        Association {
            serial,
            options,
            path,
            local: None,
            sctp: Some(sctp),
            connecting: None,
            is_counted: false,
            backlog_of: None,
            is_up: false,
            local_tag: 0,
            peer_tag: 0,
            liveness: None,
            close_until: None,
            events: VecDeque::new(),
            waker: None,
            outbound: Outbound::default(),
            inbound: Inbound::default(),
            alarm: None,
            rtt: None,
            asked: None,
            streams: None,
            window: Window::default(),
        }
    }

    /// The peer's SCTP address.
    pub(super) fn peer_addr(&self) -> SocketAddr {
        with_port(self.path.peer, self.path.peer_port)
    }

    /// Our own, as far as it is known.
    pub(super) fn local_addr(&self) -> SocketAddr {
        let any = match self.path.peer {
            SocketAddr::V4(_) => IpAddr::from([0u8; 4]),
            SocketAddr::V6(_) => IpAddr::from([0u16; 8]),
        };
        SocketAddr::new(self.local.unwrap_or(any), self.path.local_port)
    }

    /// When something must be done even if nothing comes.
    pub(super) fn deadline(&self) -> Option<Time> {
        let sctp = self.sctp.as_ref()?;
        let liveness = self.liveness.as_ref().map(Liveness::deadline);
        let connecting = self.connecting.as_ref().map(|connecting| connecting.deadline());
        // Optimised, a comparison of options looks at what is in them before it knows whether they are any, of which valgrind would complain to
        // everybody whose program uses the C library.
        let times = [sctp.deadline(), liveness, connecting, self.close_until].map(|time| time.unwrap_or(NEVER));
        times.into_iter().min().filter(|time| *time != NEVER)
    }

    /// Takes messages from dcSCTP, whose window is the smaller the more wait there.
    pub(super) fn drain(&mut self, unordered: &mut Unordered<'_>) {
        self.drain_up_to(self.options.max_untaken_bytes, unordered);
    }

    /// Takes what waits at dcSCTP, which may be about to end. Nobody else decides whether it does: no more than it may keep.
    pub(super) fn drain_all(&mut self, receive_window: u32) {
        let most = self.options.max_untaken_bytes + receive_window as usize + MOST_WAITING * MESSAGE_OVERHEAD;
        self.drain_up_to(most, &mut Unordered::default());
    }

    fn drain_up_to(&mut self, most: usize, unordered: &mut Unordered<'_>) {
        let Some(sctp) = &mut self.sctp else { return };
        while self.inbound.bytes < most || self.close_until.is_some() {
            let Some(message) = sctp.next_message() else { return self.window.drained_all() };
            let (stream, ppid) = (message.stream_id.0, message.ppid.0);
            self.window.drained(message.payload.len());
            if self.close_until.is_some() {
                continue;
            }
            let unordered = unordered.has(stream, ppid, &message.payload);
            let data = Bytes::from(message.payload);
            let sequence = self.inbound.add(data.len());
            self.events.push_back(Event::Message { sequence, stream, ppid, unordered, data });
        }
    }

    /// The peer takes this many streams. What waits for others is not sent.
    pub(super) fn limit_streams(&mut self, streams: u16) {
        if self.streams.replace(streams).is_some() {
            return;
        }
        let refused = self.outbound.refuse_from(streams);
        self.events.extend(refused.into_iter().map(Event::NotSent));
    }

    /// Nothing more happens but what is in `events` already.
    pub(super) fn lose(&mut self, reason: LostReason) {
        self.sctp = None;
        self.connecting = None;
        self.liveness = None;
        self.close_until = None;
        let undelivered = self.outbound.take();
        self.events.extend(undelivered.into_iter().map(Event::Undelivered));
        tracing::debug!(local = %self.local_addr(), peer = %self.peer_addr(), %reason, "association lost");
        self.events.push_back(Event::Lost(reason));
    }
}

impl Outbound {
    pub(super) fn push(
        &mut self,
        token: Option<Token>,
        (stream, ppid, unordered): (u16, u32, bool),
        lifetime: Option<Duration>,
        data: Vec<u8>,
    ) {
        let number = self.next_number;
        self.next_number += 1;
        self.unsent_bytes += data.len();
        self.unsent.push(Unsent { number, token, unordered, lifetime, message: outgoing(stream, ppid, data) });
    }

    /// Hands all that waits to dcSCTP, those that may in one call, so that they share packets. The order on each stream is
    /// kept among ordered messages, and among unordered ones.
    pub(super) fn hand_over(&mut self, sctp: &mut Sctp) -> Result<(), Broken> {
        let mut rest = std::mem::take(&mut self.unsent);
        self.unsent_bytes = 0;
        while !rest.is_empty() {
            let limited = rest.iter().position(|unsent| unsent.lifetime.is_some()).unwrap_or(rest.len());
            let mut tail = rest.split_off(limited);
            self.hand_over_unlimited(rest, sctp)?;
            rest = tail.split_off(tail.len().min(1));
            for Unsent { number, token, unordered, lifetime, message } in tail {
                let sent = Sent { number, token, len: message.payload.len() as u32 };
                let id = self.tokens.limited_handed_over(sent);
                sctp.send(vec![message], Manner { unordered, id, lifetime })?;
            }
        }
        Ok(())
    }

    fn hand_over_unlimited(&mut self, mut rest: Vec<Unsent>, sctp: &mut Sctp) -> Result<(), Broken> {
        let kind = |unsent: &Unsent| (unsent.message.stream_id, unsent.unordered);
        while let Some(first) = rest.first() {
            let of = kind(first);
            let alike = if rest.iter().all(|unsent| kind(unsent) == of) {
                std::mem::take(&mut rest)
            } else {
                let (alike, others) = rest.into_iter().partition(|unsent| kind(unsent) == of);
                rest = others;
                alike
            };
            let mut id = 0;
            let mut messages = Vec::with_capacity(alike.len());
            for Unsent { number, token, message, .. } in alike {
                let sent = Sent { number, token, len: message.payload.len() as u32 };
                id = self.tokens.handed_over(message.stream_id.0, sent);
                messages.push(message);
            }
            sctp.send(messages, Manner { unordered: of.1, id, lifetime: None })?;
        }
        Ok(())
    }

    /// The messages on streams from this one on, which are queued no longer.
    fn refuse_from(&mut self, stream: u16) -> Vec<Token> {
        let (refused, unsent): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.unsent).into_iter().partition(|unsent| unsent.message.stream_id.0 >= stream);
        self.unsent = unsent;
        self.unsent_bytes -= refused.iter().map(|unsent| unsent.message.payload.len()).sum::<usize>();
        refused.into_iter().filter_map(|unsent| unsent.token).collect()
    }

    /// Everything that was not delivered, in the order it was sent.
    fn take(&mut self) -> Vec<Token> {
        let unsent = std::mem::take(&mut self.unsent);
        self.unsent_bytes = 0;
        let unsent = unsent.into_iter().filter_map(|unsent| Some((unsent.number, unsent.token?)));
        let mut all: Vec<(u64, Token)> =
            self.tokens.take().into_iter().filter_map(|sent| Some((sent.number, sent.token?))).chain(unsent).collect();
        all.sort_unstable_by_key(|(number, _)| *number);
        all.into_iter().map(|(_, token)| token).collect()
    }

    pub(super) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Messages whose fate is not known.
    pub(super) fn len(&self) -> usize {
        self.tokens.len() + self.unsent.len()
    }

    /// Bytes of messages not handed over or not acknowledged.
    pub(super) fn bytes(&self) -> usize {
        self.unsent_bytes + self.tokens.bytes()
    }

    pub(super) fn unsent_bytes(&self) -> usize {
        self.unsent_bytes
    }
}

impl Inbound {
    fn add(&mut self, len: usize) -> u64 {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        self.untaken.push_back((sequence, len));
        self.bytes += len + MESSAGE_OVERHEAD;
        sequence
    }

    /// Whether there was something to take.
    pub(super) fn taken(&mut self, sequence: u64) -> bool {
        let Ok(at) = self.untaken.binary_search_by_key(&sequence, |(sequence, _)| *sequence) else { return false };
        let Some((_, len)) = self.untaken.remove(at) else { return false };
        self.bytes -= len + MESSAGE_OVERHEAD;
        true
    }
}

pub(super) fn with_port(address: SocketAddr, port: u16) -> SocketAddr {
    let mut address = address;
    address.set_port(port);
    address
}

/// What a waiting message counts beside its data, as on the TCP mapping.
const MESSAGE_OVERHEAD: usize = tcp_mapping::Config::MESSAGE_OVERHEAD;

/// The deadline where there is none.
const NEVER: Time = Time::from_micros(u64::MAX);
