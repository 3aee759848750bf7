// SPDX-License-Identifier: MIT OR Apache-2.0
//! SCTP over UDP without sockets or a clock: datagrams and the time go in, datagrams and events come out.

mod admit;
mod alarms;
mod association;
mod connect;
mod handshake;
mod out_of_the_blue;
mod owner;
mod receive;
#[cfg(test)]
mod tests;
mod timeout;
mod unordered;
mod unreachable;
mod window;

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::task::Waker;

use machine::Time;
use machine::association::{Event, LostReason, Mapping, Peer, PeerIdentity};
use machine::liveness::Liveness;
use slab::Slab;
use smallvec::{SmallVec, smallvec};

use self::alarms::Alarms;
use self::association::{Association, Path};
pub use self::connect::Attempt;
use self::unordered::Unordered;
use super::Settings;
use super::cookie::{Binding, Cookies};
use super::packet::{self, Packet, T_BIT, bundle, kind};
use super::sctp::Sctp;
use crate::{MAX_MESSAGE, Options};

/// All associations that share a set of UDP ports.
pub struct Engine {
    settings: Settings,
    cookies: Cookies,
    associations: Slab<Association>,
    by_path: HashMap<Path, usize>,
    /// How many each host has.
    hosts: HashMap<IpAddr, usize>,
    /// For those that are up, by the tag the peer sends.
    by_tag: HashMap<u32, usize>,
    listeners: Slab<Listener>,
    by_port: HashMap<(PortId, u16), usize>,
    alarms: Alarms,
    transmits: Vec<Transmit>,
    wakers: Vec<Waker>,
    next_serial: u64,
    counters: Counters,
}

/// A UDP port of ours; the shell numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortId(pub u32);

/// An association, for as long as it is not released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Id {
    index: usize,
    serial: u64,
}

/// An SCTP port on which associations are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ListenerId(usize);

/// Where a datagram came from, and which way it came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Our UDP port.
    pub port: PortId,
    /// The sender's address and UDP port.
    pub from: SocketAddr,
    /// Our address it was sent to, where the system tells.
    pub to: Option<IpAddr>,
}

/// A datagram to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    /// From this UDP port.
    pub port: PortId,
    /// To this address and UDP port.
    pub to: SocketAddr,
    /// From this address of ours; if none, the system chooses.
    pub from: Option<IpAddr>,
    /// The SCTP packet.
    pub packet: Vec<u8>,
}

/// What was thrown away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Datagrams whose checksum was wrong.
    pub wrong_checksum: u64,
    /// Datagrams that are no SCTP packet, or such as no association has.
    pub malformed: u64,
    /// Packets with a verification tag other than that of the association.
    pub wrong_tag: u64,
    /// Packets of associations from an address of the peer's that is not used.
    pub other_address: u64,
    /// Packets that belong to no association.
    pub out_of_the_blue: u64,
    /// Cookies that we did not make for whom they came from.
    pub forged_cookies: u64,
    /// Cookies that were made too long ago.
    pub stale_cookies: u64,
    /// Associations not accepted, because there are too many.
    pub refused: u64,
    /// Packets with data for an association whose messages nobody takes.
    pub not_taken: u64,
    /// Reports of unreachable ports that fit no association.
    pub forged_reports: u64,
}

#[derive(Debug)]
struct Listener {
    ports: SmallVec<[PortId; 2]>,
    sctp_port: u16,
    options: Options,
    backlog: VecDeque<Id>,
    waker: Option<Waker>,
}

impl Engine {
    /// An engine without associations. `seed` is drawn from the system's generator: nobody may know it.
    pub fn new(settings: Settings, seed: [u8; 32], now: Time) -> Self {
        Engine {
            settings,
            cookies: Cookies::new(seed, settings.cookie_life, now),
            associations: Slab::new(),
            by_path: HashMap::new(),
            hosts: HashMap::new(),
            by_tag: HashMap::new(),
            listeners: Slab::new(),
            by_port: HashMap::new(),
            alarms: Alarms::default(),
            transmits: Vec::new(),
            wakers: Vec::new(),
            next_serial: 1,
            counters: Counters::default(),
        }
    }

    /// Accepts associations to `sctp_port` that come over any of these UDP ports. `None` if one of them has it already.
    pub fn listen(&mut self, ports: &[PortId], sctp_port: u16, options: Options) -> Option<ListenerId> {
        if ports.iter().any(|port| self.by_port.contains_key(&(*port, sctp_port))) {
            return None;
        }
        let ports = SmallVec::from_slice(ports);
        let listener = Listener { ports, sctp_port, options, backlog: VecDeque::new(), waker: None };
        let index = self.listeners.insert(listener);
        for port in &self.listeners[index].ports {
            self.by_port.insert((*port, sctp_port), index);
        }
        Some(ListenerId(index))
    }

    /// Accepts no more. Those that nobody has accepted are aborted.
    pub fn unlisten(&mut self, id: ListenerId, now: Time) {
        let Some(listener) = self.listeners.try_remove(id.0) else { return };
        for port in &listener.ports {
            self.by_port.remove(&(*port, listener.sctp_port));
        }
        for id in listener.backlog {
            self.release(id, now);
        }
    }

    /// The next association accepted there, or `waker` is woken when there is one.
    pub fn accept(&mut self, id: ListenerId, waker: &Waker) -> Option<Id> {
        let listener = self.listeners.get_mut(id.0)?;
        let Some(accepted) = listener.backlog.pop_front() else {
            listener.waker = Some(waker.clone());
            return None;
        };
        if let Some(association) = self.associations.get_mut(accepted.index) {
            association.backlog_of = None;
        }
        Some(accepted)
    }

    /// The datagrams to send now.
    pub fn take_transmits(&mut self) -> Vec<Transmit> {
        std::mem::take(&mut self.transmits)
    }

    /// Whom to wake: something has happened for them.
    pub fn take_wakers(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.wakers)
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn deadline(&self) -> Option<Time> {
        self.alarms.next()
    }

    /// What was thrown away so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Associations there are.
    pub fn len(&self) -> usize {
        self.associations.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.associations.is_empty()
    }

    fn insert(&mut self, path: Path, sctp: Sctp, options: Options) -> usize {
        let serial = self.next_serial;
        self.next_serial += 1;
        let index = self.associations.insert(Association::new(serial, path, sctp, options));
        self.by_path.insert(path, index);
        *self.hosts.entry(path.peer.ip()).or_default() += 1;
        index
    }

    fn get(&self, id: Id) -> Option<&Association> {
        self.associations.get(id.index).filter(|association| association.serial == id.serial)
    }

    fn get_mut(&mut self, id: Id) -> Option<&mut Association> {
        self.associations.get_mut(id.index).filter(|association| association.serial == id.serial)
    }

    fn id_of(&self, index: usize) -> Id {
        Id { index, serial: self.associations[index].serial }
    }

    /// Does what dcSCTP wants for an association, after it was called. `cause` is the packet that it was called with.
    fn pump(&mut self, index: usize, cause: Option<(&Arrival, &Packet<'_>)>, now: Time) {
        let mut unordered = cause.map(|(_, packet)| Unordered::of(packet)).unwrap_or_default();
        loop {
            let Some(association) = self.associations.get_mut(index) else { return };
            let Some(sctp) = &mut association.sctp else { break };
            if let Some(event) = sctp.poll_event() {
                self.perform(index, event, cause.map(|(arrival, _)| arrival), now);
                continue;
            }
            association.drain(&mut unordered);
            if self.ask_for_sack(index) {
                continue;
            }
            let Some(association) = self.associations.get_mut(index) else { return };
            let Some(sctp) = &mut association.sctp else { break };
            // dcSCTP forgets what no packet has carried yet when it is told to end in order, so it is told later.
            let may_end = association.close_until.is_some() && association.outbound.len() == 0;
            if !(may_end && sctp.is_connected()) {
                break;
            }
            sctp.shutdown();
        }
        self.settle(index);
    }

    /// Wakes the owner if there is news, and sets the alarm.
    fn settle(&mut self, index: usize) {
        let Some(association) = self.associations.get_mut(index) else { return };
        if !association.events.is_empty()
            && let Some(waker) = association.waker.take()
        {
            self.wakers.push(waker);
        }
        if let Some(deadline) = association.deadline() {
            self.alarms.set(&mut association.alarm, deadline, index, association.serial);
        }
    }

    fn perform(&mut self, index: usize, event: dcsctp::api::SocketEvent, arrival: Option<&Arrival>, now: Time) {
        use dcsctp::api::SocketEvent::*;
        match event {
            SendPacket(packet) => self.send_packet(index, packet, arrival, now),
            OnConnected() => self.up(index, now),
            OnLifecycleMessageDelivered(id) => self.settled(index, id.value(), Event::Delivered),
            OnLifecycleMessageExpired(id) | OnLifecycleMessageMaybeExpired(id) => {
                self.settled(index, id.value(), Event::Undelivered);
            }
            OnClosed() => {
                let is_ours = self.associations[index].close_until.is_some();
                self.lose(index, if is_ours { LostReason::Closed } else { LostReason::PeerClosed });
            }
            OnAborted(error, text) => {
                let association = &self.associations[index];
                let reason = match error {
                    _ if association.close_until.is_some() => LostReason::Closed,
                    _ if !association.is_up => LostReason::Refused,
                    dcsctp::api::ErrorKind::PeerReported => LostReason::Reset,
                    _ => LostReason::Protocol(text),
                };
                self.lose(index, reason);
            }
            OnConnectionRestarted() => self.lose(index, LostReason::Reset),
            OnError(error, text) => {
                let peer = self.associations[index].peer_addr();
                tracing::debug!(%peer, ?error, text, "SCTP");
            }
            _ => {}
        }
    }

    fn settled(&mut self, index: usize, id: u64, fate: fn(machine::association::Token) -> Event) {
        let association = &mut self.associations[index];
        if let Some(token) = association.outbound.tokens.settled(id).and_then(|sent| sent.token) {
            association.events.push_back(fate(token));
        }
    }

    fn up(&mut self, index: usize, now: Time) {
        let id = self.id_of(index);
        let association = &mut self.associations[index];
        let Some(sctp) = &association.sctp else { return };
        let (tag, streams) = (sctp.tag(), sctp.outgoing_streams());
        if association.is_up {
            return;
        }
        association.limit_streams(streams.unwrap_or(self.settings.max_streams));
        (association.is_up, association.connecting, association.local_tag) = (true, None, tag);
        association.liveness = Some(Liveness::new(association.options.heartbeat, now));
        association.events.push_back(Event::Up(Peer {
            addresses: smallvec![association.peer_addr()],
            local: association.local_addr(),
            local_addresses: association.local.into_iter().collect(),
            own_heartbeat: true,
            mapping: Mapping::Sctp,
            max_message: MAX_MESSAGE,
            identity: PeerIdentity::Anonymous,
        }));
        let listener = association.backlog_of;
        self.by_tag.insert(tag, index);
        if let Some(listener) = listener.and_then(|listener| self.listeners.get_mut(listener.0)) {
            listener.backlog.push_back(id);
            self.wakers.extend(listener.waker.take());
        }
    }

    fn send_packet(&mut self, index: usize, mut bytes: Vec<u8>, arrival: Option<&Arrival>, now: Time) {
        let Some(packet) = Packet::own(&bytes) else { return };
        let (first, header) = (packet.first(), packet.header());
        let association = &mut self.associations[index];
        match first.kind {
            kind::INIT => {
                let candidates = association.connecting.as_ref().map_or(&[][..], |connecting| &connecting.candidates);
                for (port, to) in candidates {
                    self.transmits.push(Transmit { port: *port, to: *to, from: None, packet: bytes.clone() });
                }
                return;
            }
            kind::INIT_ACK => {
                if let Some(arrival) = arrival {
                    let tie = if association.is_up { association.serial } else { 0 };
                    self.send_init_ack(&bytes, arrival, tie, now);
                }
                return;
            }
            kind::COOKIE_ECHO | kind::COOKIE_ACK => association.peer_tag = header.tag,
            kind::SACK => self.tell_window(index, &mut bytes),
            _ => {}
        }
        self.transmit(index, bytes);
    }

    /// Sends a packet to an association's peer, together with the one before if that has room.
    fn transmit(&mut self, index: usize, packet: Vec<u8>) {
        let Association { path: Path { port, peer, .. }, local, .. } = self.associations[index];
        if let Some(last) = self.transmits.last_mut()
            && (last.port, last.to, last.from) == (port, peer, local)
            && bundle(&mut last.packet, &packet, self.settings.mtu)
        {
            return;
        }
        self.transmits.push(Transmit { port, to: peer, from: local, packet });
    }

    fn send_init_ack(&mut self, packet: &[u8], arrival: &Arrival, tie: u64, now: Time) {
        let Some(header) = packet::header(packet) else { return };
        let binding =
            Binding { peer: arrival.from, peer_port: header.destination_port, local_port: header.source_port };
        if let Some(packet) = self.cookies.sign(packet, &binding, tie, now) {
            self.reply(arrival, packet);
        }
    }

    /// Sends a packet back where one came from.
    fn reply(&mut self, arrival: &Arrival, packet: Vec<u8>) {
        self.transmits.push(Transmit { port: arrival.port, to: arrival.from, from: arrival.to, packet });
    }

    /// The association is gone, for this reason.
    fn lose(&mut self, index: usize, reason: LostReason) {
        self.forget(index);
        self.associations[index].lose(reason);
    }

    /// Ends an association for this reason, and tells the peer that it is over.
    fn give_up(&mut self, index: usize, reason: LostReason) {
        let Some(sctp) = &mut self.associations[index].sctp else { return };
        sctp.abort();
        let mut packets = Vec::new();
        while let Some(event) = sctp.poll_event() {
            if let dcsctp::api::SocketEvent::SendPacket(packet) = event
                && Packet::own(&packet).is_some_and(|packet| packet.find(kind::ABORT).is_some())
            {
                packets.push(packet);
            }
        }
        packets.into_iter().for_each(|packet| self.transmit(index, packet));
        self.lose(index, reason);
    }

    /// dcSCTP failed.
    fn broken(&mut self, index: usize) {
        let peer = self.associations[index].peer_addr();
        tracing::error!(%peer, "the SCTP machine of an association failed: please report it");
        self.lose(index, LostReason::Protocol("the SCTP machine failed".to_owned()));
        self.settle(index);
    }

    /// Packets of this path are an association's no longer, if they were.
    fn forget_path(&mut self, path: &Path, index: usize) {
        if self.by_path.get(path) == Some(&index) {
            self.by_path.remove(path);
        }
    }

    /// No packet finds it any more.
    fn forget(&mut self, index: usize) {
        let association = &self.associations[index];
        let of = |port, peer| Path { port, peer, ..association.path };
        let candidates = association.connecting.iter().flat_map(|connecting| &connecting.candidates);
        let paths: SmallVec<[Path; 4]> =
            candidates.map(|(port, peer)| of(*port, *peer)).chain([association.path]).collect();
        let tag = association.local_tag;
        for path in paths {
            self.forget_path(&path, index);
        }
        if self.by_tag.get(&tag) == Some(&index) {
            self.by_tag.remove(&tag);
        }
    }
}

impl Association {
    /// The header of packets to the peer.
    fn header(&self) -> packet::Header {
        packet::Header { source_port: self.path.local_port, destination_port: self.path.peer_port, tag: self.peer_tag }
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Engine { associations, listeners, counters, .. } = self;
        let (associations, listeners) = (associations.len(), listeners.len());
        f.debug_struct("Engine")
            .field("associations", &associations)
            .field("listeners", &listeners)
            .field("counters", counters)
            .finish_non_exhaustive()
    }
}
