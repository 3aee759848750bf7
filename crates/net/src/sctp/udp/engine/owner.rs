// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the owner of an association asks.

use std::collections::hash_map::Entry;
use std::net::SocketAddr;
use std::task::Waker;
use std::time::Duration;

use machine::Time;
use machine::association::{Event, Heartbeat, LostReason};
use machine::liveness::Liveness;

use super::association::Association;
use super::connect::Connecting;
use super::{Attempt, Engine, Id, Path, Sctp};
use crate::tcp::UNSPECIFIED;
use crate::{MAX_PAYLOAD, Message, Options, SendError};

/// The one path of an association.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathInfo {
    /// The smoothed round-trip time, as far as it has been measured.
    pub rtt: Option<Duration>,
    /// The congestion window, in bytes.
    pub cwnd: Option<usize>,
    /// The largest packet sent.
    pub mtu: usize,
    /// Whether the association is up.
    pub is_up: bool,
}

impl Engine {
    /// Begins to open an association. The attempts are made one after the other; from `local_port` if it is given, else from a port
    /// that nobody uses.
    pub fn connect(&mut self, attempts: Vec<Attempt>, local_port: Option<u16>, options: Options, now: Time) -> Id {
        let mut attempts: Vec<_> = attempts.into_iter().filter(|attempt| !attempt.to.is_empty()).collect();
        let share = options.connect_timeout / u32::try_from(attempts.len()).unwrap_or(u32::MAX).max(1);
        let first = if attempts.is_empty() { None } else { Some(attempts.remove(0)) };
        let (candidates, peer_port) = first.map_or((Vec::new(), 0), |attempt| (attempt.to, attempt.peer_port));
        let free = local_port.or_else(|| self.unused_port(&candidates, peer_port));
        let (port, peer) = candidates.first().copied().unwrap_or((super::PortId(0), UNSPECIFIED));
        let path = Path { port, peer, peer_port, local_port: free.unwrap_or(0) };
        let missing = match candidates.first() {
            _ if free.is_none() => Some("all SCTP ports go there already"),
            None => Some("there is no address to connect to"),
            Some(_) => None,
        };
        let random = self.cookies.random();
        let mut sctp = Sctp::new(path.local_port, peer_port, &self.settings, random, now);
        if missing.is_none() {
            sctp.connect();
        }
        let serial = self.next_serial;
        self.next_serial += 1;
        let mut association = Association::new(serial, path, sctp, options);
        association.local_tag = association.sctp.as_ref().map_or(0, Sctp::tag);
        association.connecting = Some(Box::new(Connecting {
            candidates: if missing.is_none() { candidates.clone() } else { Vec::new() },
            rest: attempts,
            share_until: now + share,
            share,
            until: now + options.connect_timeout,
            is_answered: false,
            began: now,
        }));
        let index = self.associations.insert(association);
        if let Some(missing) = missing {
            self.lose(index, LostReason::Io(missing.to_owned()));
        } else {
            for (port, peer) in candidates {
                self.by_path.insert(Path { port, peer, ..path }, index);
            }
        }
        self.pump(index, None, now);
        self.id_of(index)
    }

    /// Queues a message. It leaves with the others at the next [`flush`](Self::flush).
    pub fn send(&mut self, id: Id, message: Message) -> Result<(), SendError> {
        let Message { stream, ppid, unordered, lifetime, token, data } = message;
        let most = self.settings.max_send_bytes;
        let streams = self.settings.max_streams;
        let association = self.get_mut(id).ok_or(tcp_mapping::SendError::NotUp)?;
        if association.sctp.is_none() || association.close_until.is_some() {
            return Err(tcp_mapping::SendError::NotUp.into());
        }
        match data.len() {
            0 => return Err(tcp_mapping::SendError::Empty.into()),
            len if len > MAX_PAYLOAD => {
                return Err(tcp_mapping::SendError::TooLong { len, max: MAX_PAYLOAD }.into());
            }
            len if association.outbound.bytes() + len > most => {
                return Err(SendError::Full(association.outbound.bytes()));
            }
            _ if stream >= association.streams.unwrap_or(streams) => {
                return Err(tcp_mapping::SendError::FieldNotCarried.into());
            }
            _ => {}
        }
        association.outbound.push(Some(token), (stream, ppid, unordered), lifetime, data.into());
        Ok(())
    }

    /// Bytes of answers that a peer may still get: one that does not read them gets no more.
    pub fn room_for_answers(&self, id: Id) -> usize {
        self.get(id).map_or(0, |association| MOST_ANSWERS.saturating_sub(association.outbound.bytes()))
    }

    /// Queues a message, in order on stream 0, of whose fate nobody waits to hear. It is not asked whether there is
    /// [room](Self::room_for_answers). `false` if the association is over, or ending.
    pub fn answer(&mut self, id: Id, ppid: u32, data: &[u8]) -> bool {
        let Some(association) = self.get_mut(id) else { return false };
        let may =
            association.sctp.is_some() && association.close_until.is_none() && (1..=MAX_PAYLOAD).contains(&data.len());
        if may {
            association.outbound.push(None, (0, ppid, false), None, data.to_vec());
        }
        may
    }

    /// Sends what was queued, as far as the peer's window and the network allow.
    pub fn flush(&mut self, id: Id, now: Time) {
        let Some(association) = self.get_mut(id) else { return };
        let Association { sctp: Some(sctp), outbound, connecting, .. } = association else { return };
        // Before INIT ACK another address may still be tried, with nothing handed over.
        if !outbound.has_unsent() || connecting.as_ref().is_some_and(|connecting| !connecting.is_answered) {
            return;
        }
        if sctp.advance(now).and_then(|()| outbound.hand_over(sctp)).is_err() {
            return self.broken(id.index);
        }
        self.pump(id.index, None, now);
    }

    /// What has happened, if anything has.
    pub fn next_event(&mut self, id: Id) -> Option<Event> {
        self.get_mut(id)?.events.pop_front()
    }

    /// Moves all that has happened to `events`.
    pub fn take_events(&mut self, id: Id, events: &mut std::collections::VecDeque<Event>) {
        if let Some(association) = self.get_mut(id) {
            events.append(&mut association.events);
        }
    }

    /// Wakes `waker` when something has happened.
    pub fn wake(&mut self, id: Id, waker: &Waker) {
        let Some(association) = self.get_mut(id) else { return };
        match &mut association.waker {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }

    /// The message with this number has been taken by whom it was for.
    pub fn taken(&mut self, id: Id, sequence: u64, now: Time) {
        let Some(association) = self.get_mut(id) else { return };
        let waits = association.sctp.as_ref().is_some_and(|sctp| sctp.messages_waiting() > 0);
        if association.inbound.taken(sequence) && waits {
            self.pump(id.index, None, now);
        }
    }

    /// Uses this heartbeat from now on.
    pub fn set_heartbeat(&mut self, id: Id, heartbeat: Heartbeat, now: Time) {
        let Some(association) = self.get_mut(id) else { return };
        association.options.heartbeat = heartbeat;
        if association.liveness.is_some() {
            association.liveness = Some(Liveness::new(heartbeat, now));
        }
        self.settle(id.index);
    }

    /// Asks the peer for a sign of life, which must come within a heartbeat interval.
    pub fn probe(&mut self, id: Id, now: Time) {
        let Some(Association { liveness: Some(liveness), .. }) = self.get_mut(id) else { return };
        liveness.probe(now);
        self.ask(id.index, now);
        self.settle(id.index);
    }

    /// Ends it in order when all that was sent is delivered, but within `close_timeout`.
    pub fn close(&mut self, id: Id, now: Time) {
        let Some(association) = self.get_mut(id) else { return };
        if association.sctp.is_none() || association.close_until.is_some() {
            return;
        }
        association.close_until = Some(now + association.options.close_timeout);
        association.events.retain(|event| !matches!(event, Event::Message { .. }));
        if !association.is_up && association.outbound.len() == 0 {
            self.lose(id.index, LostReason::Closed);
        }
        self.flush(id, now);
        if self.get(id).is_some() {
            self.pump(id.index, None, now);
        }
    }

    /// Ends it now.
    pub fn abort(&mut self, id: Id, now: Time) {
        let Some(association) = self.get_mut(id) else { return };
        let Some(sctp) = &mut association.sctp else { return };
        association.events.retain(|event| !matches!(event, Event::Message { .. }));
        association.close_until = Some(now);
        sctp.abort();
        self.pump(id.index, None, now);
        if self.associations[id.index].sctp.is_some() {
            self.lose(id.index, LostReason::Closed);
            self.settle(id.index);
        }
    }

    /// Its owner is gone; what is not over is aborted.
    pub fn release(&mut self, id: Id, now: Time) {
        self.abort(id, now);
        if self.get(id).is_none() {
            return;
        }
        let association = self.associations.remove(id.index);
        // Its peer may have another UDP port by now, and has the same address.
        if let Entry::Occupied(mut of) = self.hosts.entry(association.path.peer.ip())
            && association.is_counted
        {
            *of.get_mut() -= 1;
            if *of.get() == 0 {
                of.remove();
            }
        }
    }

    /// The peer's address with its SCTP port.
    pub fn peer_addr(&self, id: Id) -> Option<SocketAddr> {
        self.get(id).map(Association::peer_addr)
    }

    /// Our own; unspecified until a packet has come.
    pub fn local_addr(&self, id: Id) -> Option<SocketAddr> {
        self.get(id).map(Association::local_addr)
    }

    /// Bytes that no packet has carried yet.
    pub fn buffered(&self, id: Id) -> usize {
        let Some(association) = self.get(id) else { return 0 };
        let handed_over = association
            .sctp
            .as_ref()
            .map_or(0, |sctp| association.outbound.tokens.streams().map(|stream| sctp.buffered(stream)).sum::<usize>());
        handed_over + association.outbound.unsent_bytes()
    }

    /// Messages sent and not delivered.
    pub fn outstanding(&self, id: Id) -> usize {
        self.get(id).map_or(0, |association| association.outbound.len())
    }

    /// What is known of its path.
    pub fn path(&self, id: Id) -> Option<PathInfo> {
        let association = self.get(id)?;
        let known = association.sctp.as_ref().and_then(|sctp| sctp.path());
        Some(PathInfo {
            rtt: association.rtt,
            cwnd: known.map(|(_, cwnd)| cwnd),
            mtu: self.settings.mtu,
            is_up: association.is_up && association.sctp.is_some(),
        })
    }

    /// An SCTP port from which no association goes there.
    fn unused_port(&mut self, candidates: &[(super::PortId, SocketAddr)], peer_port: u16) -> Option<u16> {
        (0..TRIES).find_map(|_| {
            let port = FIRST_EPHEMERAL + (self.cookies.random() % u64::from(u16::MAX - FIRST_EPHEMERAL)) as u16;
            let is_used = candidates.iter().any(|(of, peer)| {
                let path = Path { port: *of, peer: *peer, peer_port, local_port: port };
                self.by_path.contains_key(&path) || self.by_port.contains_key(&(*of, port))
            });
            (!is_used).then_some(port)
        })
    }
}

/// Ports from here on are for those who did not ask for one.
const FIRST_EPHEMERAL: u16 = 32_768;

/// A peer that reads no answers gets none but by way of events.
const MOST_ANSWERS: usize = 256 << 10;

/// Ports drawn before it is said that all are used.
const TRIES: usize = 256;
