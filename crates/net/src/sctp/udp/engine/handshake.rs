// SPDX-License-Identifier: MIT OR Apache-2.0
//! Associations are opened (RFC 9260 §5): nothing is kept for an INIT; a peer that shows a cookie we made for it gets its
//! association. A peer that does so while one stands has restarted (§5.2.4).

use std::net::SocketAddr;
use std::time::Duration;

use machine::Time;
use machine::association::{Event, LostReason};

use super::admit::Contents;
use super::out_of_the_blue::{InitFields, back};
use super::{Arrival, Binding, Engine, ListenerId, Packet, Path, PortId, Sctp, kind, packet};
use crate::sctp::udp::cookie::{INIT_FIXED, STATE_COOKIE, Verified, with_inner_cookie};
use crate::sctp::udp::packet::{CHUNK_HEADER, HEADER, cause, error_cause, parameters};

impl Engine {
    /// An INIT where no association is, or where the one with serial number `tie` is up.
    pub(super) fn init(&mut self, path: Path, arrival: &Arrival, packet: &Packet<'_>, tie: u64, now: Time) {
        //= https://www.rfc-editor.org/rfc/rfc9260#section-3.3.2
        //# If the value of the Initiate Tag in a received INIT chunk is found
        //# to be 0, the receiver MUST silently discard the packet.
        let Some(fields) = InitFields::of(packet).filter(|fields| fields.tag != 0) else {
            return self.counters.malformed += 1;
        };
        if !self.by_port.contains_key(&(path.port, path.local_port)) {
            return self.abort_init(arrival, packet, None);
        }
        if !fields.are_valid() {
            return self.abort_init(arrival, packet, Some(cause::INVALID_MANDATORY_PARAMETER));
        }
        //= https://www.rfc-editor.org/rfc/rfc9260#section-5.1.3
        //# This way, if the TCB is removed after the State Cookie is sent, no resources are kept
        let random = self.cookies.random();
        let mut greeter = Sctp::new(path.local_port, path.peer_port, &self.settings, random, now);
        if greeter.input(packet.bytes()).is_err() {
            return self.counters.malformed += 1;
        }
        while let Some(event) = greeter.poll_event() {
            if let dcsctp::api::SocketEvent::SendPacket(answer) = event {
                self.send_init_ack(&answer, arrival, tie, now);
            }
        }
    }

    /// An INIT from the peer of an association.
    pub(super) fn init_of_known(&mut self, index: usize, arrival: &Arrival, packet: &Packet<'_>, now: Time) {
        if packet.header().tag != 0 || !packet.is_single() {
            return self.counters.wrong_tag += 1;
        }
        let association = &self.associations[index];
        let Some(sctp) = &association.sctp else { return };
        if sctp.is_connected() {
            // The peer has restarted, or somebody wants us to believe it: nothing happens before it shows the cookie.
            return self.init(association.path, arrival, packet, association.serial, now);
        }
        //= https://www.rfc-editor.org/rfc/rfc9260#section-5.2.1
        //# Upon receipt of an INIT chunk in the COOKIE-WAIT state, an endpoint
        //# MUST respond with an INIT ACK chunk using the same parameters it sent
        //# in its original INIT chunk (including its Initiate Tag, unchanged).
        if InitFields::of(packet).is_some_and(|fields| fields.tag != 0 && fields.are_valid()) {
            self.feed(index, packet, arrival, now);
        }
    }

    /// A COOKIE ECHO where no association is.
    pub(super) fn cookie_echo(&mut self, path: Path, arrival: &Arrival, packet: &Packet<'_>, now: Time) {
        let binding = Binding { peer: path.peer, peer_port: path.peer_port, local_port: path.local_port };
        //= https://www.rfc-editor.org/rfc/rfc9260#section-5.1.5
        //# Authenticate the State Cookie as one that it previously generated
        let Some(verified) = self.cookies.verify(packet.first().value, &binding, now) else {
            return self.counters.forged_cookies += 1;
        };
        if let Some(over) = self.cookies.staleness(&verified) {
            return self.stale(arrival, packet, over);
        }
        self.establish(path, arrival, packet, &verified, now);
    }

    /// A COOKIE ECHO from the peer of an association.
    pub(super) fn cookie_echo_of_known(&mut self, index: usize, arrival: &Arrival, packet: &Packet<'_>, now: Time) {
        let association = &mut self.associations[index];
        let path = Path { peer: arrival.from, port: arrival.port, ..association.path };
        let binding = Binding { peer: path.peer, peer_port: path.peer_port, local_port: path.local_port };
        let Some(verified) = self.cookies.verify(packet.first().value, &binding, now) else {
            return self.counters.forged_cookies += 1;
        };
        let stale = self.cookies.staleness(&verified);
        if packet.header().tag == association.local_tag {
            // The COOKIE ACK was lost, or both ends began at the same time.
            if let Some(over) = stale.filter(|_| !association.is_up) {
                return self.stale(arrival, packet, over);
            }
            if let Some(liveness) = &mut association.liveness {
                liveness.heard(now);
            }
            association.local = association.local.or(arrival.to);
            if !association.is_up {
                self.found(index, (arrival.port, arrival.from), now);
            }
            let bytes = with_inner_cookie(packet, verified.inner);
            let Some(packet) = Packet::own(&bytes) else { return };
            return self.feed(index, &packet, arrival, now);
        }
        if verified.tie != association.serial {
            return self.counters.wrong_tag += 1;
        }
        if let Some(over) = stale {
            return self.stale(arrival, packet, over);
        }
        //= https://www.rfc-editor.org/rfc/rfc9260#section-5.2.4
        //# In this case, the peer might have restarted.
        association.drain_all(self.settings.receive_window);
        self.lose(index, LostReason::Restarted);
        self.settle(index);
        self.establish(path, arrival, packet, &verified, now);
    }

    /// The peer has shown a cookie that we made for it.
    fn establish(&mut self, path: Path, arrival: &Arrival, packet: &Packet<'_>, verified: &Verified<'_>, now: Time) {
        let Some(listener) = self.by_port.get(&(path.port, path.local_port)).copied() else { return };
        let random = self.cookies.random();
        let mut sctp = Sctp::new(path.local_port, path.peer_port, &self.settings, random, now);
        let bytes = with_inner_cookie(packet, verified.inner);
        let Some(packet) = &Packet::own(&bytes) else { return };
        let Some(contents) = Contents::of(packet, self.settings.max_streams, None) else {
            return self.counters.malformed += 1;
        };
        let admitted = contents.admit(packet, true);
        let is_taken = admitted.bytes(packet).is_some_and(|bytes| sctp.input(bytes).is_ok());
        if !is_taken || !sctp.is_connected() {
            return self.counters.wrong_tag += 1;
        }
        let is_full = self.associations.len() >= self.settings.max_associations
            || self.hosts.get(&path.peer.ip()).is_some_and(|count| *count >= self.settings.max_associations_per_host)
            || self.listeners[listener].backlog.len() >= self.settings.max_backlog;
        if is_full {
            self.counters.refused += 1;
            return self.turn_away(sctp, arrival);
        }
        let options = self.listeners[listener].options;
        let index = self.insert(path, sctp, options);
        let association = &mut self.associations[index];
        association.is_counted = true;
        association.backlog_of = Some(ListenerId(listener));
        association.local = arrival.to;
        // So few fit into a packet that no more is asked.
        let _ = association.window.admits(contents.small, contents.is_next, 0);
        association.measured(verified.age);
        self.pump(index, Some((arrival, packet)), now);
    }

    /// There are too many: the peer is told.
    fn turn_away(&mut self, mut sctp: Sctp, arrival: &Arrival) {
        sctp.abort();
        while let Some(event) = sctp.poll_event() {
            if let dcsctp::api::SocketEvent::SendPacket(bytes) = event
                && Packet::own(&bytes).is_some_and(|packet| packet.first().kind == kind::ABORT)
                && let Some(header) = packet::header(&bytes)
            {
                let cause = error_cause(cause::OUT_OF_RESOURCE, &[]);
                return self.reply(arrival, packet::single(header, kind::ABORT, 0, &[&cause]));
            }
        }
    }

    fn stale(&mut self, arrival: &Arrival, packet: &Packet<'_>, over: Duration) {
        self.counters.stale_cookies += 1;
        //= https://www.rfc-editor.org/rfc/rfc9260#section-5.1.5
        //# the endpoint SHOULD transmit an ERROR chunk with a "Stale Cookie"
        //# error cause to the peer endpoint.
        let Some(verified_tag) = peer_tag(packet) else { return };
        let measure = u32::try_from(over.as_micros()).unwrap_or(u32::MAX).to_be_bytes();
        let error = error_cause(cause::STALE_COOKIE, &measure);
        self.reply(arrival, packet::single(back(packet, verified_tag), kind::ERROR, 0, &[&error]));
    }

    pub(super) fn waits_for_init_ack(&self, index: usize) -> bool {
        self.associations[index].connecting.as_ref().is_some_and(|connecting| !connecting.is_answered)
    }

    /// An INIT ACK with our tag came.
    pub(super) fn init_ack(&mut self, index: usize, arrival: &Arrival, packet: &Packet<'_>, now: Time) {
        let is_valid = packet.is_single()
            && InitFields::of(packet).is_some_and(|fields| fields.tag != 0 && fields.are_valid())
            && parameters(&packet.first().value[INIT_FIXED..]).any(|(parameter, cookie)| {
                // It must fit into a packet again.
                parameter == STATE_COOKIE && HEADER + CHUNK_HEADER + cookie.len() + 4 <= self.settings.mtu
            });
        if !is_valid {
            return self.counters.malformed += 1;
        }
        if !self.waits_for_init_ack(index) {
            return;
        }
        self.found(index, (arrival.port, arrival.from), now);
        let association = &mut self.associations[index];
        if let Some(fields) = InitFields::of(packet) {
            association.limit_streams(fields.inbound.min(self.settings.max_streams));
        }
        // What waits leaves together with the COOKIE ECHO.
        if let Some(sctp) = &mut association.sctp
            && association.outbound.hand_over(sctp).is_err()
        {
            return self.broken(index);
        }
        self.feed(index, packet, arrival, now);
    }

    /// The peer answers from there.
    fn found(&mut self, index: usize, at: (PortId, SocketAddr), now: Time) {
        let association = &mut self.associations[index];
        let Some(connecting) = &mut association.connecting else { return };
        if connecting.is_answered {
            return;
        }
        connecting.is_answered = true;
        let began = connecting.began;
        let others: Vec<_> = std::mem::replace(&mut connecting.candidates, vec![at]);
        let path = Path { port: at.0, peer: at.1, ..association.path };
        association.path = path;
        association.measured(now.since(began));
        for (port, peer) in others.into_iter().filter(|other| *other != at) {
            self.forget_path(&Path { port, peer, ..path }, index);
        }
    }

    /// One of those that it may be is not it.
    pub(super) fn refused(&mut self, index: usize, from: (PortId, SocketAddr), now: Time) {
        let association = &mut self.associations[index];
        let path = association.path;
        let Some(connecting) = &mut association.connecting else { return };
        connecting.candidates.retain(|candidate| *candidate != from);
        let is_over = connecting.candidates.is_empty();
        self.forget_path(&Path { port: from.0, peer: from.1, ..path }, index);
        if is_over && !self.attempt_next(index, now) {
            self.lose(index, LostReason::Refused);
        }
        self.settle(index);
    }

    /// The time for these candidates, or for all, is over.
    pub(super) fn connecting_takes_long(&mut self, index: usize, now: Time) {
        let association = &mut self.associations[index];
        let Some(connecting) = &mut association.connecting else { return };
        let late = now.since(connecting.deadline());
        if late > association.options.heartbeat.interval {
            // This process was paused: the answer may be there already.
            tracing::info!(?late, "this process was paused while it was connecting");
            connecting.share_until = now + connecting.share;
            connecting.until = now + association.options.connect_timeout;
            association.events.push_back(Event::Paused);
        } else if now >= connecting.until || !self.attempt_next(index, now) {
            self.lose(index, LostReason::ConnectTimeout);
        }
    }

    /// Turns to the next addresses, if there are any.
    fn attempt_next(&mut self, index: usize, now: Time) -> bool {
        self.forget(index);
        let random = self.cookies.random();
        let settings = self.settings;
        let association = &mut self.associations[index];
        let Some(connecting) = &mut association.connecting else { return false };
        if connecting.rest.is_empty() {
            return false;
        }
        let next = connecting.rest.remove(0);
        connecting.candidates = next.to;
        connecting.share_until = now + connecting.share;
        connecting.began = now;
        let Some((port, peer)) = connecting.candidates.first().copied() else { return self.attempt_next(index, now) };
        association.path = Path { port, peer, peer_port: next.peer_port, ..association.path };
        let path = association.path;
        let mut sctp = Sctp::new(path.local_port, path.peer_port, &settings, random, now);
        sctp.connect();
        association.local_tag = sctp.tag();
        association.sctp = Some(sctp);
        for (port, peer) in &connecting.candidates {
            // The port was chosen for the first of them. Who has this one already keeps it.
            self.by_path.entry(Path { port: *port, peer: *peer, ..path }).or_insert(index);
        }
        self.pump(index, None, now);
        true
    }
}

/// The tag of the peer that a cookie of dcSCTP's names, which has been verified.
fn peer_tag(packet: &Packet<'_>) -> Option<u32> {
    let tag = packet.first().value.get(8..12)?;
    Some(u32::from_be_bytes([tag[0], tag[1], tag[2], tag[3]]))
}
