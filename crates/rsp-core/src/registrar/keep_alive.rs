// SPDX-License-Identifier: MIT OR Apache-2.0
//! Endpoint keep-alive, RFC 5352 §3.4 and §3.5: is the pool element still there, and is it still ours?

use machine::Time;
use rsp_wire::asap::{EndpointKeepAlive, EndpointKeepAliveAck, Message};
use rsp_wire::parameter::{Protocol, Transport};

use super::associations::{Addresses, What};
use super::enrp::claim::NOWHERE;
use super::event::{Event, IgnoreReason, Removal};
use super::monitors::KeepAlive;
use super::view::decoded;
use super::{Channel, Registrar};
use crate::association::{self, AssociationId, Request};
use crate::handlespace::Slot;

impl Registrar {
    /// Asks a pool element whether it is there, unless a question is already on its way.
    pub(super) fn check(&mut self, slot: Slot, now: Time) {
        let Some(monitor) = self.monitors.get_mut(slot) else { return };
        if matches!(monitor.keep_alive, KeepAlive::Waiting { .. }) {
            return;
        }
        monitor.keep_alive = KeepAlive::Waiting { until: now + self.settings.keep_alive_timeout };
        let association = monitor.association;
        self.monitors.reschedule(slot);
        if self.associations.is_up(association) {
            self.send_keep_alive(association, slot);
        }
    }

    /// Asks once more, and forgets a question from before we were asleep.
    pub(super) fn check_again(&mut self, slot: Slot, now: Time) {
        let asked_now = KeepAlive::Waiting { until: now + self.settings.keep_alive_timeout };
        if let Some(monitor) = self.monitors.get_mut(slot).filter(|monitor| monitor.keep_alive != asked_now) {
            monitor.keep_alive = KeepAlive::Idle { next: now };
            self.check(slot, now);
        }
    }

    /// A PE that cannot be asked over its association is asked over a new one to its ASAP transport; it is removed
    /// if that is refused, or not answered in time.
    //= https://www.rfc-editor.org/rfc/rfc5352#section-3.5
    //# If the sending of ASAP_ENDPOINT_KEEP_ALIVE to a
    //# PE fails, the ENRP server MUST consider the PE as unreachable and
    //# MUST remove the PE from its handlespace.
    fn cut_off(&mut self, slot: Slot, now: Time) {
        let Some(element) = self.handlespace.element(slot) else { return };
        let (pool, pe) = (element.pool().handle(), element.id());
        self.event(Event::PeCutOff { pool, pe });
        if !self.reach(slot, now) {
            self.remove_pool_element(slot, Removal::SendFailed, now);
        }
    }

    /// Asks a pool element over a new association to its ASAP transport. Answers no if there is no room for one more.
    pub(super) fn reach(&mut self, slot: Slot, now: Time) -> bool {
        let Some(element) = self.handlespace.element(slot) else { return true };
        let asap_transport = decoded(element).and_then(|element| element.asap_transport);
        let Some((protocol, to)) = asap_transport.as_ref().and_then(destination) else {
            self.unreachable_place(slot, now);
            return true;
        };
        let failed = self.monitors.get(slot).map(|monitor| monitor.association);
        let usable = |opened: &AssociationId| {
            let asap = self.associations.get(*opened).is_some_and(|it| it.channel == Channel::Asap);
            Some(*opened) != failed && asap
        };
        let opened = self.associations.opened_to(protocol, to[0]).filter(usable);
        if opened.is_none() && !self.associations.may_open(to[0].ip(), self.settings.limits.connections_opened) {
            return false;
        }
        let association = opened.unwrap_or_else(|| {
            let association = self.associations.open(Channel::Asap, protocol, to[0], now);
            self.request(association, Request::Connect { protocol, to });
            association
        });
        self.move_to(slot, association);
        if let Some(monitor) = self.monitors.get_mut(slot) {
            monitor.answered = false;
            monitor.adopted = false;
            monitor.keep_alive = KeepAlive::Idle { next: now };
        }
        self.check(slot, now);
        true
    }

    /// A pool element has told no place where it can be asked. One that has just been taken over gets the time to register by itself, as its
    /// association with its home has ended, too.
    fn unreachable_place(&mut self, slot: Slot, now: Time) {
        let claimed = self.monitors.get(slot).filter(|monitor| monitor.claimed);
        let Some((association, place)) = claimed.map(|monitor| (monitor.association, monitor.place)) else {
            return self.remove_pool_element(slot, Removal::SendFailed, now);
        };
        self.detach(association, place);
        if let Some(monitor) = self.monitors.get_mut(slot) {
            monitor.association = NOWHERE;
            monitor.keep_alive = KeepAlive::Waiting { until: now + self.settings.enrp.max_time_last_heard };
            self.monitors.reschedule(slot);
        }
    }

    /// Its association is gone, or took no keep-alive. Where it has answered it is worth one question elsewhere;
    /// where it never has, that was the question.
    pub(super) fn send_failed(&mut self, slot: Slot, now: Time) {
        if self.lost_to_claimant(slot, now) {
            return;
        }
        // Everything that has come is read before a deadline is looked at: who hears of it that late was asleep while the PE waited.
        let overslept = |keep_alive| matches!(keep_alive, KeepAlive::Waiting { until } if until < now);
        if self.monitors.get(slot).is_some_and(|monitor| monitor.answered || overslept(monitor.keep_alive)) {
            self.cut_off(slot, now);
        } else {
            self.remove_pool_element(slot, Removal::SendFailed, now);
        }
    }

    /// An association opened by us is up: now the question can be asked.
    pub(super) fn send_waiting_keep_alives(&mut self, association: AssociationId) {
        let waiting = |monitors: &super::monitors::Monitors, slot: Slot| {
            monitors.get(slot).is_some_and(|monitor| matches!(monitor.keep_alive, KeepAlive::Waiting { .. }))
        };
        let slots = self.associations.get(association).map(|association| association.pool_elements.clone());
        for slot in slots.unwrap_or_default() {
            if waiting(&self.monitors, slot) {
                self.send_keep_alive(association, slot);
            }
        }
    }

    /// ASAP_ENDPOINT_KEEP_ALIVE_ACK: only from where the question went, or anybody could keep a dead PE alive.
    pub(super) fn keep_alive_ack(&mut self, association: AssociationId, ack: EndpointKeepAliveAck, now: Time) {
        let from_there =
            |slot: &Slot| self.monitors.get(*slot).is_some_and(|monitor| monitor.association == association);
        let Some(slot) = self.handlespace.find(&ack.pool_handle, ack.pe_id).filter(from_there) else {
            self.ignore(association, IgnoreReason::UnknownPoolElement);
            return;
        };
        self.metrics.keep_alive_acks += 1;
        if let Some(monitor) = self.monitors.get_mut(slot).filter(|monitor| monitor.claimed) {
            monitor.claimed = false;
            monitor.adopted = true;
        }
        self.heard(slot, now);
        self.measure_again(slot, association);
        self.refuse_contender(slot);
        self.confirmed(slot, now);
    }

    /// The pool element showed that it is alive.
    pub(super) fn heard(&mut self, slot: Slot, now: Time) {
        let Some(monitor) = self.monitors.get_mut(slot) else { return };
        monitor.heard = now;
        monitor.answered = true;
        if matches!(monitor.keep_alive, KeepAlive::Waiting { .. }) {
            let next = now + self.rng.jitter(self.settings.keep_alive_interval, KEEP_ALIVE_JITTER);
            monitor.keep_alive = KeepAlive::Idle { next };
            self.monitors.reschedule(slot);
        }
    }

    /// When the first keep-alive of a new pool element goes out.
    //= https://www.rfc-editor.org/rfc/rfc5352#section-3.5
    //# This
    //# can be achieved by varying the time between two
    //# ASAP_ENDPOINT_KEEP_ALIVE messages to the same PE randomly by plus/
    //# minus 50 percent.
    pub(super) fn first_keep_alive(&mut self, now: Time) -> KeepAlive {
        KeepAlive::Idle { next: now + self.rng.jitter(self.settings.keep_alive_interval, KEEP_ALIVE_JITTER) }
    }

    /// A keep-alive was not answered in time. If the clock jumped it was ourselves who were not there: ask again.
    pub(super) fn keep_alive_timeout(&mut self, slot: Slot, until: Time, now: Time) {
        if self.was_asleep(until, now) {
            self.check_again(slot, now);
        } else if !self.lost_to_claimant(slot, now) {
            self.remove_and_tell(slot, Removal::KeepAliveTimeout, now);
        }
    }

    //= https://www.rfc-editor.org/rfc/rfc5352#section-3.5
    //# Optionally, an ENRP server may also periodically send point-to-point
    //# ASAP_ENDPOINT_KEEP_ALIVE (with the H flag set to '0') messages to
    //# each of the PEs owned by the ENRP server in order to check their
    //# reachability status.
    fn send_keep_alive(&mut self, association: AssociationId, slot: Slot) {
        let Some(element) = self.handlespace.element(slot) else { return };
        let message = Message::EndpointKeepAlive(EndpointKeepAlive {
            home: self.monitors.get(slot).is_some_and(|monitor| monitor.claimed),
            server_id: self.id,
            pool_handle: element.pool().handle(),
            pe_id: Some(element.id()),
            unknown: Vec::new(),
        });
        self.metrics.keep_alives += 1;
        self.send(association, What::KeepAlive(slot), &message);
    }
}

/// Where to connect to.
fn destination(transport: &Transport) -> Option<(association::Protocol, Addresses)> {
    let protocol = match transport.protocol {
        Protocol::Sctp => association::Protocol::Sctp,
        Protocol::Tcp => association::Protocol::Tcp,
        Protocol::Dccp { .. } | Protocol::Udp | Protocol::UdpLite => return None,
    };
    let to: Addresses = transport.addresses.iter().map(|address| (*address, transport.port).into()).collect();
    (!to.is_empty()).then_some((protocol, to))
}

const KEEP_ALIVE_JITTER: u32 = 50;
