// SPDX-License-Identifier: MIT OR Apache-2.0
//! Associations come up, carry messages and go; what comes in finds its procedure here, and everything goes out here.

use bytes::Bytes;
use machine::Time;
use rsp_wire::Dialect;
use rsp_wire::asap::Message;
use rsp_wire::parameter::{ErrorCause, OperationError, Protocol, Transport};
use smallvec::smallvec;

use super::associations::{Sent, State, What};
use super::enrp::ppid_of;
use super::event::{EndReason, Event, IgnoreReason};
use super::timer::Timer;
use super::{Channel, Effect, Registrar};
use crate::PPID_ASAP;
use crate::association::{self, AssociationId, Heartbeat, LostReason, Mapping, Peer, Request};

impl Registrar {
    pub(super) fn association_event(&mut self, id: AssociationId, event: association::Event, now: Time) {
        match event {
            association::Event::Up(peer) => self.association_up(id, peer, now),
            association::Event::Message { sequence, ppid, data, stream: _, unordered: _ } => {
                if let Some(sender) = self.associations.get_mut(id) {
                    sender.last_heard = now;
                    // What a registrar receives it has dealt with when it goes to sleep.
                    self.request(id, Request::Taken { sequence });
                    self.message(id, ppid, data, now);
                }
            }
            association::Event::Delivered(token) => {
                let sent = Sent::from_token(token);
                self.no_longer_buffered(id, sent);
                if let What::Update(key) = sent.what {
                    self.update_delivered(id, key);
                }
            }
            association::Event::Undelivered(token) | association::Event::NotSent(token) => {
                let sent = Sent::from_token(token);
                self.no_longer_buffered(id, sent);
                if let What::KeepAlive(slot) = sent.what
                    && self.monitors.get(slot).is_some_and(|monitor| monitor.is_waiting_on(id))
                {
                    self.send_failed(slot, now);
                }
            }
            association::Event::RoundTripTime(measured) => self.round_trip_time(id, measured, now),
            association::Event::Paused => {
                if self.associations.get(id).is_some() {
                    self.paused(std::time::Duration::ZERO);
                }
            }
            association::Event::PathChange { address, state } => self.associations.path_changed(id, address, state),
            association::Event::Lost(reason) => self.association_lost(id, reason, now),
        }
    }

    fn association_up(&mut self, id: AssociationId, peer: Peer, now: Time) {
        if self.associations.get(id).is_none() {
            if id.0.is_multiple_of(2) {
                // Ours, and given up before it came up; the shell has been told to close it.
                return;
            }
            if self.is_full(self.channel_of(&peer)) {
                return self.refuse_association(id);
            }
        }
        let channel = self.associations.get(id).map_or_else(|| self.channel_of(&peer), |opened| opened.channel);
        self.event(Event::AssociationUp { association: id, peer: peer.clone() });
        match peer.mapping {
            // Whether a registrar lives is for ENRP to find out.
            Mapping::Tcp | Mapping::Sctp if channel == Channel::Enrp => {
                let enrp = &self.settings.enrp;
                let dead_after = (enrp.max_time_last_heard + enrp.max_time_no_response) * 2;
                self.request(id, Request::Heartbeat(Heartbeat { interval: enrp.max_time_last_heard, dead_after }));
            }
            // A pool user that is merely paused finds its subscriptions again: nothing hurries us to forget it.
            Mapping::Tcp | Mapping::Sctp => {
                let heartbeat =
                    Heartbeat { interval: self.settings.keep_alive_interval, dead_after: self.settings.give_up };
                self.request(id, Request::Heartbeat(heartbeat));
            }
            Mapping::PlainAsap => self.timers.set(Timer::Silence(id), now + self.settings.give_up),
        }
        self.associations.up(id, channel, peer, now);
        match channel {
            Channel::Asap => self.send_waiting_keep_alives(id),
            Channel::Enrp => self.enrp_up(id),
        }
    }

    /// Whether there is no room for one more. However many pool users there are, registrars come through.
    fn is_full(&self, channel: Channel) -> bool {
        match channel {
            Channel::Asap => self.associations.accepted() >= self.settings.limits.associations,
            Channel::Enrp => {
                let registrars = self.associations.iter().filter(|(_, it)| it.channel == Channel::Enrp);
                registrars.count() >= self.settings.limits.peers * 4
            }
        }
    }

    /// What an accepted association is for: the port that was connected to says so.
    fn channel_of(&self, peer: &Peer) -> Channel {
        let protocol = if peer.mapping == Mapping::Sctp { Protocol::Sctp } else { Protocol::Tcp };
        let is_this = |it: &Transport| it.protocol == protocol && it.port == peer.local.port();
        let is_enrp = self.enrp.transports.iter().any(is_this);
        if is_enrp && peer.mapping != Mapping::PlainAsap { Channel::Enrp } else { Channel::Asap }
    }

    /// One too many. It is told why; nothing is kept of it.
    fn refuse_association(&mut self, id: AssociationId) {
        self.metrics.associations_refused += 1;
        self.event(Event::AssociationRefused { association: id });
        let error = OperationError(smallvec![ErrorCause::LackOfResources]);
        let message = Message::Error(rsp_wire::asap::Error { error, unknown: Vec::new() });
        if let Some(data) = self.encode(&message) {
            let token = Sent { length: data.len(), what: What::Answer }.token();
            self.request(
                id,
                Request::Send { stream: 0, ppid: PPID_ASAP, unordered: false, lifetime: None, token, data },
            );
        }
        self.request(id, Request::Close);
    }

    fn message(&mut self, id: AssociationId, ppid: u32, data: Bytes, now: Time) {
        self.metrics.messages_received += 1;
        let is_within_rate = self.is_within_rate(id, now);
        if self.associations.get(id).is_some_and(|sender| sender.channel == Channel::Enrp) {
            self.metrics.enrp_received += 1;
            if !is_within_rate {
                // What a flood loses is found by the next audit.
                self.metrics.requests_over_rate += 1;
                self.ignore(id, IgnoreReason::RateLimit);
                return;
            }
            return self.enrp_message(id, ppid, &data, now);
        }
        if ppid != PPID_ASAP {
            self.ignore(id, IgnoreReason::PayloadProtocol(ppid));
            return;
        }
        let decoded = match Message::decode(&data) {
            Ok(decoded) => decoded,
            Err(error) => return self.undecodable(id, &error),
        };
        let unrecognized = decoded.unrecognized();
        if is_within_rate || self.is_awaited(id, &decoded.message) {
            self.process(id, decoded.message, now);
        } else {
            self.over_rate(id, decoded.message);
        }
        if let Some(error) = unrecognized {
            self.report_unrecognized(id, error);
        }
    }

    /// An answer to a keep-alive of ours: there are as many as we ask for.
    fn is_awaited(&self, id: AssociationId, message: &Message) -> bool {
        let Message::EndpointKeepAliveAck(ack) = message else { return false };
        let slot = self.handlespace.find(&ack.pool_handle, ack.pe_id);
        slot.and_then(|slot| self.monitors.get(slot)).is_some_and(|monitor| monitor.is_waiting_on(id))
    }

    /// Every message is counted, also one that cannot be read: reading it is work.
    fn is_within_rate(&mut self, id: AssociationId, now: Time) -> bool {
        let rate = self.settings.limits.requests_per_second;
        self.associations.get_mut(id).is_some_and(|sender| sender.requests.take(rate, rate.saturating_mul(2), now))
    }

    /// Finds the procedure of a message.
    fn process(&mut self, id: AssociationId, message: Message, now: Time) {
        match message {
            Message::HandleResolution(request) => self.handle_resolution(id, request),
            Message::Registration(request) => self.registration(id, request, now),
            Message::Deregistration(request) => self.deregistration(id, request, now),
            Message::EndpointKeepAliveAck(ack) => self.keep_alive_ack(id, ack, now),
            Message::EndpointUnreachable(report) => self.endpoint_unreachable(id, report, now),
            Message::Error(error) => self.error_received(id, &error.error),
            Message::RegistrationResponse(_)
            | Message::DeregistrationResponse(_)
            | Message::HandleResolutionResponse(_)
            | Message::EndpointKeepAlive(_)
            | Message::ServerAnnounce(_)
            | Message::Cookie(_)
            | Message::CookieEcho(_)
            | Message::BusinessCard(_)
            | Message::Session(_) => {
                self.ignore(id, IgnoreReason::NotForRegistrars);
            }
        }
    }

    /// A request too many in this second: it is answered, so that nobody waits for nothing, but not processed.
    fn over_rate(&mut self, id: AssociationId, message: Message) {
        self.metrics.requests_over_rate += 1;
        let cause = ErrorCause::LackOfResources;
        match message {
            Message::HandleResolution(request) => self.reject_resolution(id, request.pool_handle, cause),
            Message::Registration(request) => {
                self.reject_registration(id, request.pool_handle, request.pool_element.id, cause);
            }
            Message::Deregistration(request) => {
                self.reject_deregistration(id, request.pool_handle, request.pe_id, cause);
            }
            _ => {
                self.ignore(id, IgnoreReason::RateLimit);
            }
        }
    }

    fn association_lost(&mut self, id: AssociationId, reason: LostReason, now: Time) {
        if let Some(association) = self.associations.get(id) {
            let was_up = !matches!(association.state, State::Connecting);
            self.named_peer_failed(id, &reason);
            if was_up {
                self.event(Event::AssociationLost { association: id, reason });
            }
            self.forget_association(id, now);
        }
    }

    /// An association is no more. Its pool elements are asked for elsewhere, unless they were being asked here.
    fn forget_association(&mut self, id: AssociationId, now: Time) {
        let Some(association) = self.associations.remove(id) else { return };
        self.timers.stop(Timer::Silence(id));
        for key in association.subscriptions {
            self.end_subscription(id, key);
        }
        self.forget_contenders_of(id);
        if association.channel == Channel::Enrp {
            return self.enrp_lost(id, association.registrar, now);
        }
        for slot in association.pool_elements {
            self.accept_contender(slot, now);
            // Unless it has moved, or gone and left its slot to another.
            if self.monitors.get(slot).is_some_and(|monitor| monitor.association == id) {
                self.send_failed(slot, now);
            }
        }
    }

    /// Ends what is to be ended. It waits until here so that no procedure loses its association in the middle.
    pub(super) fn end_associations(&mut self, now: Time) {
        while let Some((id, reason)) = self.to_end.pop() {
            let Some(association) = self.associations.get(id) else { continue };
            let request = match reason {
                EndReason::NoLongerNeeded => {
                    if !association.pool_elements.is_empty() || !association.subscriptions.is_empty() {
                        continue;
                    }
                    Request::Close
                }
                EndReason::Silent | EndReason::NotAPeer | EndReason::Leaving => Request::Close,
                EndReason::PeerDead => Request::Abort,
                EndReason::PeerDoesNotRead => {
                    self.metrics.associations_aborted += 1;
                    Request::Abort
                }
            };
            self.request(id, request);
            self.event(Event::AssociationEnded { association: id, reason });
            self.forget_association(id, now);
        }
    }

    /// An association opened by us is kept while it has pool elements or subscriptions, and to the end by a registrar that leaves: its PEs
    /// are to hear of their new home before they miss the old one.
    pub(super) fn end_if_idle(&mut self, id: AssociationId) {
        if !self.is_leaving()
            && self.associations.is_ours(id)
            && self.associations.get(id).is_some_and(|it| {
                it.channel == Channel::Asap && it.pool_elements.is_empty() && it.subscriptions.is_empty()
            })
        {
            self.to_end.push((id, EndReason::NoLongerNeeded));
        }
    }

    /// `give_up` on a connection without heartbeat: a silent peer goes, unless it waits for updates.
    pub(super) fn silence(&mut self, id: AssociationId, now: Time) {
        let Some(association) = self.associations.get(id) else { return };
        let give_up = self.settings.give_up.max(SHORTEST_GIVE_UP);
        let due = association.last_heard + give_up;
        if !association.subscriptions.is_empty() {
            self.timers.set(Timer::Silence(id), now + give_up);
        } else if due > now {
            self.timers.set(Timer::Silence(id), due);
        } else {
            self.to_end.push((id, EndReason::Silent));
        }
    }

    /// The peer of an association that is up.
    pub(super) fn peer(&self, id: AssociationId) -> Option<&Peer> {
        self.associations.get(id)?.peer()
    }

    /// Encodes and sends a message. A handle that just fits into a request may not fit into the answer that repeats it.
    pub(super) fn send(&mut self, id: AssociationId, what: What, message: &Message) {
        match self.encode(message) {
            Some(data) => self.send_encoded(id, Sent { length: data.len(), what }, data),
            None => self.answer_too_long(id),
        }
    }

    /// Sends an encoded message in the protocol of the association.
    pub(super) fn send_encoded(&mut self, id: AssociationId, sent: Sent, data: Bytes) {
        if let Some(channel) = self.associations.get(id).map(|association| association.channel) {
            self.send_as(ppid_of(channel), id, sent, data);
        }
    }

    /// Sends an encoded message. A peer that lets more than the limit pile up is not reading: it is cut off.
    pub(super) fn send_as(&mut self, ppid: u32, id: AssociationId, sent: Sent, data: Bytes) {
        let limits = &self.settings.limits;
        let (asap, enrp) = (limits.buffered_bytes, limits.peer_buffered_bytes);
        let Some(association) = self.associations.get_mut(id) else { return };
        let most = if association.channel == Channel::Asap { asap } else { enrp };
        let Some(max_message) = association.peer().map(|peer| peer.max_message) else { return };
        if data.len() > max_message {
            return self.answer_too_long(id);
        }
        if association.buffered_bytes > most {
            return;
        }
        association.buffered_bytes += sent.length;
        if association.buffered_bytes > most {
            self.to_end.push((id, EndReason::PeerDoesNotRead));
            return;
        }
        self.metrics.messages_sent += 1;
        let token = sent.token();
        self.request(id, Request::Send { stream: 0, ppid, unordered: false, lifetime: None, token, data });
    }

    /// A message as bytes, if it has a form on the wire.
    pub(super) fn encode(&mut self, message: &Message) -> Option<Bytes> {
        let dialect = Dialect { length_includes_padding: self.settings.wire.length_includes_padding };
        self.buffer.clear();
        message.encode(dialect, &mut self.buffer).ok()?;
        Some(Bytes::copy_from_slice(&self.buffer))
    }

    pub(super) fn request(&mut self, id: AssociationId, request: Request) {
        self.effects.push_back(Effect::Association(id, request));
    }

    fn no_longer_buffered(&mut self, id: AssociationId, sent: Sent) {
        if let Some(association) = self.associations.get_mut(id) {
            association.buffered_bytes = association.buffered_bytes.saturating_sub(sent.length);
        }
    }
}

/// A setting of 0 must not keep the registrar busy with nothing else.
const SHORTEST_GIVE_UP: std::time::Duration = std::time::Duration::from_millis(1);
