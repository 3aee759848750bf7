// SPDX-License-Identifier: MIT OR Apache-2.0
//! Registration, RFC 5352 §3.1.

use std::time::Duration;

use machine::Time;
use rsp_wire::asap::{Message, Registration, RegistrationResponse};
use rsp_wire::parameter::{
    ErrorCause, OperationError, PoolElement, Protocol, RegistrationLife, Transport, TransportUse, UserTransport,
};
use rsp_wire::{PeId, PoolHandle};
use smallvec::SmallVec;

use super::Registrar;
use super::address_filter::AddressFilter;
use super::admission::{Action, admit};
use super::associations::What;
use super::conflict::Contender;
use super::event::{Change, Event};
use super::monitors::{Monitor, NEVER};
use crate::association::{AssociationId, Mapping, Peer};
use crate::config::LifeUnit;
use crate::handlespace::{self, Slot};

/// What was left out of a registration, as the causes of a warning.
pub(super) type Warnings = SmallVec<[ErrorCause; 1]>;

impl Registrar {
    /// ASAP_REGISTRATION.
    pub(super) fn registration(&mut self, association: AssociationId, message: Registration, now: Time) {
        if self.is_leaving() {
            // No answer: it looks for another registrar.
            return;
        }
        let Registration { pool_handle, mut pool_element, .. } = message;
        // Registrars drop unknown parameters of a PE once their action bits have been obeyed.
        pool_element.unknown.clear();
        let Some(peer) = self.peer(association) else { return };
        let checked = admit(peer, Action::Register)
            .and_then(|()| self.check_handle(&pool_handle))
            .and_then(|()| self.check_values(&pool_element))
            .and_then(|()| self.keep_own_addresses(peer, &mut pool_element));
        let warnings = match checked {
            Ok(warnings) => warnings,
            Err(cause) => return self.reject_registration(association, pool_handle, pool_element.id, cause),
        };
        let contender = Contender { association, pool_handle, pool_element, warnings };
        match self.handlespace.find(&contender.pool_handle, contender.pool_element.id) {
            Some(slot) if !self.may_replace(slot, &contender) => self.probe(slot, contender, now),
            _ => self.register(contender, now),
        }
    }

    /// Enters the pool element in the handlespace, or says why not.
    //= https://www.rfc-editor.org/rfc/rfc5352#section-3.1
    //# In all above cases, the ENRP server MUST reply to the requesting PE
    //# with an ASAP_REGISTRATION_RESPONSE message.
    pub(super) fn register(&mut self, contender: Contender, now: Time) {
        let Contender { association, pool_handle, mut pool_element, warnings } = contender;
        self.measured_here(association, &mut pool_element);
        let pe = pool_element.id;
        //= https://www.rfc-editor.org/rfc/rfc5352#section-3.1
        //# After accepting the registration, the ENRP server MUST assign
        //# itself the owner of this PE.
        let registered = match self.handlespace.register(&pool_handle, &pool_element, self.id) {
            Ok(registered) => registered,
            Err(cause) => return self.reject_registration(association, pool_handle, pe, cause),
        };
        let change = match registered.change {
            handlespace::Change::New { .. } => {
                self.metrics.registrations += 1;
                Change::Added
            }
            handlespace::Change::Renewed(changes) => {
                self.metrics.reregistrations += 1;
                Change::Updated(changes)
            }
        };
        let expires = self.life_ends(pool_element.life, now);
        self.watch(registered.slot, association, expires, now);
        self.unmark(registered.slot);
        self.confirmed(registered.slot, now);
        self.refuse_contender(registered.slot);
        let error = (!warnings.is_empty()).then_some(OperationError(warnings));
        if error.is_some() {
            self.event(Event::RegistrationModified { pool: pool_handle.detach(), pe });
        }
        self.changed(&pool_handle, pe, change, now);
        self.announce_pool_element(registered.slot);
        if change == Change::Added {
            self.suggest_takeover(registered.slot, pe);
        }
        //= https://www.rfc-editor.org/rfc/rfc5352#section-3.1
        //# If the registration is
        //# accepted, the ENRP server MUST set the R flag in the
        //# ASAP_REGISTRATION_RESPONSE to '0'.
        self.answer_registration(association, false, pool_handle, pe, error);
    }

    /// Refuses a registration.
    pub(super) fn reject_registration(
        &mut self,
        association: AssociationId,
        pool_handle: PoolHandle,
        pe: PeId,
        cause: ErrorCause,
    ) {
        self.metrics.registrations_rejected += 1;
        let pool = pool_handle.detach();
        self.event(Event::RegistrationRejected { association, pool, pe, cause: cause.code() });
        self.answer_registration(association, true, pool_handle, pe, super::error::because(cause));
    }

    fn answer_registration(
        &mut self,
        association: AssociationId,
        reject: bool,
        pool_handle: PoolHandle,
        pe_id: PeId,
        error: Option<OperationError>,
    ) {
        let response = RegistrationResponse { reject, pool_handle, pe_id, error, unknown: Vec::new() };
        self.send(association, What::Answer, &Message::RegistrationResponse(response));
    }

    fn check_handle(&self, handle: &PoolHandle) -> Result<(), ErrorCause> {
        if handle.is_empty() || handle.len() > self.settings.wire.max_pool_handle {
            return Err(invalid(handle.to_tlv()));
        }
        Ok(())
    }

    fn check_values(&self, element: &PoolElement) -> Result<(), ErrorCause> {
        let life = element.life.0;
        if life == 0 || life < -1 {
            return Err(invalid(element.to_tlv()));
        }
        match &element.user_transport {
            UserTransport::Ip(transport) if transport.port == 0 => Err(invalid(transport.to_tlv())),
            UserTransport::Ip(_) | UserTransport::Opaque(_) => Ok(()),
        }
    }

    /// Takes out what addresses are not the peer's, and settles where the element is reached by registrars.
    fn keep_own_addresses(&self, peer: &Peer, element: &mut PoolElement) -> Result<Warnings, ErrorCause> {
        let filter = AddressFilter::new(peer, &self.local_addresses, self.settings.accept_foreign_addresses);
        let mut warnings = Warnings::new();
        if let UserTransport::Ip(transport) = &mut element.user_transport
            && let Some(before) = filter.apply(transport)
        {
            let cause = invalid(before.to_tlv());
            if transport.addresses.is_empty() {
                return Err(cause);
            }
            warnings.push(cause);
        }
        //= https://www.rfc-editor.org/rfc/rfc5352#section-3.1
        //# The ENRP server MUST also record the SCTP transport
        //# address from which it received the ASAP_REGISTRATION in the ASAP
        //# Transport parameter TLV inside the PE parameter of this PE.
        // Where it is reached need not be where it registers from: an association it opens has a port nobody listens on. What it says of itself counts,
        // over SCTP too, as far as the addresses are its own.
        if let Some(mut transport) = element.asap_transport.take() {
            let before = transport.clone();
            filter.apply(&mut transport);
            let usable = matches!(transport.protocol, Protocol::Sctp | Protocol::Tcp) && transport.port != 0;
            if transport != before || !usable {
                warnings.push(invalid(before.to_tlv()));
            }
            element.asap_transport = (usable && !transport.addresses.is_empty()).then_some(transport);
        }
        if element.asap_transport.is_none() {
            let shared = shared_transport(element);
            element.asap_transport = match peer.mapping {
                // Its TCP mapping has a listener; the association's own port does not.
                Mapping::Sctp if shared.as_ref().is_some_and(|it| it.protocol == Protocol::Tcp) => shared,
                Mapping::Sctp => transport_of(peer),
                Mapping::Tcp | Mapping::PlainAsap => shared,
            };
        }
        if let Some(transport) = element.asap_transport.as_mut().filter(|_| self.settings.wire.asap_transport_data_only)
        {
            transport.transport_use = TransportUse::DATA_ONLY;
        }
        Ok(warnings)
    }

    /// When a life that begins now ends.
    pub(super) fn life_ends(&self, life: RegistrationLife, now: Time) -> Time {
        match (u64::try_from(life.0), self.settings.wire.life_unit) {
            (Err(_), _) => NEVER,
            (Ok(life), LifeUnit::Seconds) => now + Duration::from_secs(life),
            (Ok(life), LifeUnit::Milliseconds) => now + Duration::from_millis(life),
        }
    }

    /// Keeps an eye on a pool element that has just registered. Nothing is moved in the deadlines unless one becomes earlier.
    fn watch(&mut self, slot: Slot, association: AssociationId, expires: Time, now: Time) {
        match self.monitors.get_mut(slot) {
            Some(monitor) => {
                monitor.expires = expires;
                // The counter of a pool element that registers again starts anew.
                monitor.reports = None;
                monitor.adopted = true;
                let moves = monitor.association != association;
                self.monitors.reschedule(slot);
                self.heard(slot, now);
                if moves {
                    self.move_to(slot, association);
                }
            }
            None => {
                let keep_alive = self.first_keep_alive(now);
                let place = self.attach(slot, association);
                let monitor = Monitor {
                    association,
                    place,
                    answered: true,
                    adopted: true,
                    claimed: false,
                    expires,
                    keep_alive,
                    heard: now,
                    reports: None,
                };
                self.monitors.insert(slot, monitor);
            }
        }
    }
}

/// Invalid Values with the offending parameter.
fn invalid<E>(tlv: Result<bytes::Bytes, E>) -> ErrorCause {
    match tlv {
        Ok(tlv) if tlv.len() <= LONGEST_QUOTE => ErrorCause::InvalidValues(tlv),
        // Too long to be quoted in a response that also repeats the pool handle.
        Ok(_) | Err(_) => ErrorCause::Unspecified,
    }
}

/// The peer's end of an SCTP association.
fn transport_of(peer: &Peer) -> Option<Transport> {
    let port = peer.addresses.first()?.port();
    let addresses = peer.addresses.iter().map(|source| source.ip().to_canonical()).collect();
    Some(Transport { protocol: Protocol::Sctp, port, transport_use: TransportUse::DATA_PLUS_CONTROL, addresses })
}

/// Where data and control share one listener, that is where registrars go too.
fn shared_transport(element: &PoolElement) -> Option<Transport> {
    match &element.user_transport {
        UserTransport::Ip(transport)
            if transport.transport_use == TransportUse::DATA_PLUS_CONTROL
                && matches!(transport.protocol, Protocol::Sctp | Protocol::Tcp) =>
        {
            Some(transport.clone())
        }
        UserTransport::Ip(_) | UserTransport::Opaque(_) => None,
    }
}

const LONGEST_QUOTE: usize = 16 << 10;
