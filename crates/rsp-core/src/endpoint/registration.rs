// SPDX-License-Identifier: MIT OR Apache-2.0
//! Registration and re-registration, RFC 5352 §3.1. Leaving is in `deregistration.rs`.

use std::net::IpAddr;
use std::time::Duration;

use machine::Time;
use rsp_wire::asap::{self, Message, RegistrationResponse};
use rsp_wire::parameter::{
    ErrorCause, OperationError, Policy, PoolElement, Protocol, RegistrationLife, Transport, UserTransport,
};
use rsp_wire::{PeId, PoolHandle, ServerId};
use smallvec::SmallVec;

use super::timer::Timer;
use super::{Endpoint, Event, HuntCause, Life, Register, RegisterError, RegistrationId, Reply};
use crate::config::LifeUnit;

/// A PE of ours in a pool.
#[derive(Debug)]
pub(super) struct Registration {
    pub(super) pool: PoolHandle,
    pub(super) pe_id: PeId,
    life: Life,
    /// What the application wants.
    values: Values,
    asap_transport: Option<Transport>,
    /// What a registrar has last accepted.
    pub(super) granted: Option<Values>,
    pub(super) state: State,
    /// A registrar may know of it.
    pub(super) sent: bool,
    /// Timeouts in a row.
    pub(super) unanswered: u32,
    /// Changed values wait until then.
    not_before: Time,
    /// The home there is now has accepted it.
    at_home: bool,
    /// The home there is now sees us at another address than the old one did, and takes us for two.
    pub(super) taken_for_two: bool,
}

/// What may change from one registration to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Values {
    policy: Policy,
    user_transport: UserTransport,
}

#[derive(Debug)]
pub(super) enum State {
    /// There is no home to ask. T2 runs if the PE was never registered.
    Waiting,
    /// These values have been sent, T2 runs.
    Registering { sent: Values },
    /// Answered: T4 runs, or after a rejection changed values wait to be sent.
    Registered,
    /// ASAP_DEREGISTRATION has been sent or waits for a home, T3 runs.
    Deregistering,
}

/// What is shorter counts as this: it is the RFC's unit, and re-registration must not be a flood.
const SHORTEST_LIFE: Duration = Duration::from_secs(1);

/// Registrations of one process at most.
const MAX_REGISTRATIONS: usize = 65_536;

impl Endpoint {
    pub(super) fn register(&mut self, register: Register, now: Time) {
        let Register { registration: id, pool, pe_id, life, policy, user_transport, asap_transport } = register;
        if let Err(error) = self.may_register(id, &pool, pe_id) {
            return self.reply(Reply::RegistrationFailed { registration: id, error, ended: true });
        }
        let registration = Registration {
            pool: pool.detach(),
            pe_id,
            life,
            values: Values { policy, user_transport },
            asap_transport,
            granted: None,
            state: State::Waiting,
            sent: false,
            unanswered: 0,
            not_before: now,
            at_home: false,
            taken_for_two: false,
        };
        self.by_pe.insert((registration.pool.clone(), pe_id), id);
        self.registrations.insert(id, registration);
        //= https://www.rfc-editor.org/rfc/rfc5352#section-3.1
        //# R4)  Start a T2-registration timer.
        self.timers.set(Timer::Registration(id), now + self.settings.t2_registration);
        self.send_registration(id, now);
    }

    fn may_register(&mut self, id: RegistrationId, pool: &PoolHandle, pe_id: PeId) -> Result<(), RegisterError> {
        if !self.is_pool_handle(pool) {
            return Err(RegisterError::BadPoolHandle { len: pool.len(), max: self.settings.wire.max_pool_handle });
        }
        if self.registrations.len() >= MAX_REGISTRATIONS {
            return Err(RegisterError::TooMany);
        }
        if self.registrations.contains_key(&id) {
            return Err(RegisterError::InUse(pe_id));
        }
        if let Some(&other) = self.by_pe.get(&(pool.clone(), pe_id)) {
            if !matches!(self.registrations.get(&other).map(|r| &r.state), Some(State::Deregistering)) {
                return Err(RegisterError::InUse(pe_id));
            }
            // It comes back before its deregistration is confirmed: the new registration supersedes that.
            self.end_registration(other);
            self.reply(Reply::Deregistered { registration: other, error: None });
        }
        Ok(())
    }

    pub(super) fn update(
        &mut self,
        id: RegistrationId,
        policy: Option<Policy>,
        user_transport: Option<UserTransport>,
        now: Time,
    ) {
        let Some(registration) = self.registrations.get_mut(&id) else { return };
        if let Some(policy) = policy {
            registration.values.policy = policy;
        }
        if let Some(user_transport) = user_transport {
            registration.values.user_transport = user_transport;
        }
        self.send_update(id, now);
    }

    /// Re-registers if that is allowed now; else the end of the pause, or the answer in flight, does it.
    pub(super) fn send_update(&mut self, id: RegistrationId, now: Time) {
        let Some(registration) = self.registrations.get(&id) else { return };
        if !matches!(registration.state, State::Registered) {
            return;
        }
        if now < registration.not_before {
            return self.timers.set(Timer::Update(id), registration.not_before);
        }
        self.send_registration(id, now);
    }

    /// R1 to R4. Without a home it waits for one.
    fn send_registration(&mut self, id: RegistrationId, now: Time) {
        let unit = self.settings.wire.life_unit;
        let local =
            self.home.as_ref().and_then(|link| self.associations.get(&link.association)).map(|a| a.local.clone());
        let Some(registration) = self.registrations.get_mut(&id) else { return };
        let Some(local) = local else {
            registration.state = State::Waiting;
            return;
        };
        let values = registration.values.clone();
        let message = Message::Registration(asap::Registration {
            pool_handle: registration.pool.clone(),
            pool_element: PoolElement {
                //= https://www.rfc-editor.org/rfc/rfc5352#section-3.1
                //# When re-registering, the PE MUST use the same PE identifier.
                id: registration.pe_id,
                home: ServerId::NONE,
                life: life_on_the_wire(registration.life, unit),
                user_transport: match &values.user_transport {
                    UserTransport::Ip(transport) => UserTransport::Ip(with_local(transport, &local)),
                    opaque @ UserTransport::Opaque(_) => opaque.clone(),
                },
                policy: values.policy.clone(),
                asap_transport: registration.asap_transport.as_ref().map(|transport| with_local(transport, &local)),
                unknown: Vec::new(),
            },
            unknown: Vec::new(),
        });
        registration.state = State::Registering { sent: values };
        registration.sent = true;
        registration.not_before = now + self.settings.update_min_interval;
        let unanswered = registration.unanswered;
        self.timers.stop(Timer::Reregistration(id));
        self.timers.stop(Timer::Update(id));
        self.timers.set(Timer::Registration(id), now + self.t2(unanswered));
        if self.send_home(&message).is_none() {
            self.end_registration(id);
            self.reply(Reply::RegistrationFailed { registration: id, error: RegisterError::TooLong, ended: true });
        }
    }

    /// T2 after so many timeouts: beyond MAX-REG-ATTEMPT it backs off up to RETRAN-MAX.
    pub(super) fn t2(&self, unanswered: u32) -> Duration {
        let doublings = (unanswered + 1).saturating_sub(self.settings.max_reg_attempt).min(16);
        let t2 = self.settings.t2_registration;
        (t2 * (1 << doublings)).min(self.settings.retran_max.max(t2))
    }

    //= https://www.rfc-editor.org/rfc/rfc5352#section-3.1
    //# If the T2-registration timer expires before receiving an
    //# ASAP_REGISTRATION_RESPONSE message, or a SEND.FAILURE notification is
    //# received from the SCTP layer, the PE shall start the Server Hunt
    //# procedure (see Section 3.6) in an attempt to get service from a
    //# different ENRP server.
    pub(super) fn registration_expired(&mut self, id: RegistrationId, now: Time) {
        let Some(registration) = self.registrations.get_mut(&id) else { return };
        registration.unanswered += 1;
        let (pool, pe_id, attempts) = (registration.pool.clone(), registration.pe_id, registration.unanswered);
        let never = registration.granted.is_none();
        self.event(Event::RegistrationUnanswered { pool, pe_id, attempts });
        //= https://www.rfc-editor.org/rfc/rfc5352#section-3.1
        //# If repeated registration timeouts or failures occurs
        //# and the local count exceeds the Threshold 'MAX-REG-ATTEMPT', the
        //# implementation SHOULD report the error to its upper layer and stop
        //# attempting registration.
        if never && attempts >= self.settings.max_reg_attempt {
            let error = RegisterError::NoRegistrar { tried: self.attempts() };
            self.end_registration(id);
            return self.reply(Reply::RegistrationFailed { registration: id, error, ended: true });
        }
        self.home_silent(HuntCause::RegistrationUnanswered, now);
        self.timers.set(Timer::Registration(id), now + self.t2(attempts));
        self.send_registration(id, now);
    }

    /// T4 has expired.
    pub(super) fn reregister(&mut self, id: RegistrationId, now: Time) {
        if matches!(self.registrations.get(&id).map(|r| &r.state), Some(State::Registered)) {
            self.send_registration(id, now);
        }
    }

    pub(super) fn registration_response(&mut self, response: RegistrationResponse, now: Time) {
        let Some((id, sent)) = self.in_flight(&response.pool_handle, response.pe_id) else { return };
        //= https://www.rfc-editor.org/rfc/rfc5352#section-3.1
        //# At the reception of the registration response, the PE MUST stop the
        //# T2-registration timer.
        self.timers.stop(Timer::Registration(id));
        match response.reject {
            false => self.granted(id, sent, response.error, now),
            true => self.rejected(id, &sent, response.error, now),
        }
    }

    /// The registration a response is for, and what was sent.
    fn in_flight(&self, pool: &PoolHandle, pe_id: PeId) -> Option<(RegistrationId, Values)> {
        let id = *self.by_pe.get(&(pool.clone(), pe_id))?;
        match &self.registrations.get(&id)?.state {
            State::Registering { sent } => Some((id, sent.clone())),
            _ => None,
        }
    }

    fn granted(&mut self, id: RegistrationId, sent: Values, warning: Option<OperationError>, now: Time) {
        let Some(home) = self.home.as_ref().map(|link| link.home) else { return };
        let Some(registration) = self.registrations.get_mut(&id) else { return };
        registration.unanswered = 0;
        registration.state = State::Registered;
        registration.at_home = true;
        registration.taken_for_two = false;
        let first = registration.granted.is_none();
        let changed = registration.values != sent;
        registration.granted = Some(sent);
        //= https://www.rfc-editor.org/rfc/rfc5352#section-3.1
        //# After successful registration, the PE MUST start a T4-reregistration
        //# timer.
        let t4 = t4(registration.life, self.settings.t4_reregistration_max);
        self.timers.set(Timer::Reregistration(id), now + t4);
        self.reply(Reply::Registered { registration: id, home, warning, first });
        if changed {
            self.send_update(id, now);
        }
    }

    //= https://www.rfc-editor.org/rfc/rfc5352#section-3.1
    //# The PE MUST NOT re-
    //# attempt registration without correcting the error condition.
    fn rejected(&mut self, id: RegistrationId, sent: &Values, error: Option<OperationError>, now: Time) {
        let Some(home) = self.home.as_ref().map(|link| link.home) else { return };
        let Some(registration) = self.registrations.get_mut(&id) else { return };
        registration.unanswered = 0;
        registration.state = State::Registered;
        let changed = registration.values != *sent;
        // The identifier is ours already. The new home will not take us for two for long: our old registration ends, or its next home
        // asks us where we were registered to register with it (RFC 5352 §3.4 KA2.4).
        let causes = error.as_ref().map_or(&[][..], |error| &error.0[..]);
        let two_of_us = !(changed || registration.at_home)
            && registration.granted.as_ref() == Some(sent)
            && causes.contains(&ErrorCause::NonUniquePeIdentifier);
        registration.taken_for_two = two_of_us;
        let granted = registration.granted.clone().filter(|granted| granted != sent);
        let ended = !changed && granted.is_none() && !two_of_us;
        let error = RegisterError::Rejected { home, error: error.unwrap_or(OperationError(Default::default())) };
        if ended {
            self.end_registration(id);
        } else if let (false, Some(granted)) = (changed, granted) {
            registration.values = granted;
        }
        self.reply(Reply::RegistrationFailed { registration: id, error, ended });
        match two_of_us {
            true => self.timers.set(Timer::Reregistration(id), now + self.settings.t2_registration),
            false => self.send_update(id, now),
        }
    }

    /// The home is gone: what was sent to it is as good as never sent.
    pub(super) fn registrations_lost_home(&mut self, now: Time) {
        let ids: Vec<RegistrationId> = self.registrations.keys().copied().collect();
        for id in ids {
            let Some(registration) = self.registrations.get_mut(&id) else { continue };
            if matches!(registration.state, State::Deregistering) {
                continue;
            }
            registration.state = State::Waiting;
            if registration.granted.is_some() {
                registration.unanswered = 0;
                self.timers.stop(Timer::Registration(id));
            } else if self.timers.deadline_of(Timer::Registration(id)).is_none() {
                // Rejected, and about to be sent with other values: its application still waits.
                self.timers.set(Timer::Registration(id), now + self.settings.t2_registration);
            }
            self.timers.stop(Timer::Reregistration(id));
            self.timers.stop(Timer::Update(id));
        }
    }

    /// There is a new home: everything is registered with it, or deregistered.
    pub(super) fn register_all(&mut self, now: Time) {
        let ids: Vec<RegistrationId> = self.registrations.keys().copied().collect();
        for registration in self.registrations.values_mut() {
            registration.at_home = false;
        }
        for id in ids {
            match self.registrations.get(&id).map(|registration| &registration.state) {
                Some(State::Deregistering) => self.send_deregistration(id, now),
                Some(_) => self.send_registration(id, now),
                None => {}
            }
        }
    }

    /// The PEs we have in a pool and don't want out of it, for keep-alives.
    pub(super) fn registered_in(&self, pool: &PoolHandle) -> impl Iterator<Item = PeId> {
        let range = (pool.clone(), PeId(0))..=(pool.clone(), PeId(u32::MAX));
        self.by_pe.range(range).filter_map(|((_, pe_id), id)| match self.registrations.get(id)?.state {
            State::Deregistering => None,
            _ => Some(*pe_id),
        })
    }

    /// Forgets a registration and its timers.
    pub(super) fn end_registration(&mut self, id: RegistrationId) {
        let Some(registration) = self.registrations.remove(&id) else { return };
        let key = (registration.pool, registration.pe_id);
        if self.by_pe.get(&key) == Some(&id) {
            self.by_pe.remove(&key);
        }
        for timer in [Timer::Registration(id), Timer::Deregistration(id), Timer::Reregistration(id), Timer::Update(id)]
        {
            self.timers.stop(timer);
        }
    }
}

/// RFC 5352 §7.1, made usable for short lives: 10 minutes or 20 s less than the life, whichever is less; half of it up to 40 s.
pub(super) fn t4(life: Life, max: Duration) -> Duration {
    let life = match life {
        Life::Infinite => return max,
        Life::For(life) => life.max(SHORTEST_LIFE),
    };
    let margin = Duration::from_secs(20);
    let t4 = if life <= 2 * margin { life / 2 } else { life - margin };
    t4.min(max)
}

/// A short life never becomes zero, a long one never infinite.
fn life_on_the_wire(life: Life, unit: LifeUnit) -> RegistrationLife {
    let Life::For(life) = life else { return RegistrationLife::INFINITE };
    let life = life.max(SHORTEST_LIFE);
    let count = match unit {
        LifeUnit::Seconds => life.as_millis().div_ceil(1000),
        LifeUnit::Milliseconds => life.as_millis(),
    };
    RegistrationLife(i32::try_from(count).unwrap_or(i32::MAX))
}

/// An unspecified address becomes those the registrar sees us at, of which SCTP may have several. `0.0.0.0` listens on no IPv6 address: if there
/// is no other, it stays and is refused.
//= https://www.rfc-editor.org/rfc/rfc5352#section-2.2.1
//# Furthermore, the IP
//# address(es) of the PE that is registered within the Pool Element
//# parameter MUST be a subset of the IP address(es) used in the SCTP
//# association, regardless of the registered transport protocol.
fn with_local(transport: &Transport, local: &[IpAddr]) -> Transport {
    let most = if transport.protocol == Protocol::Sctp { local.len() } else { 1 };
    let mut addresses: SmallVec<[IpAddr; 1]> = SmallVec::new();
    for address in &transport.addresses {
        let reached = || local.iter().filter(|it| address.is_unspecified() && (address.is_ipv6() || it.is_ipv4()));
        // An address of loopback is of use to nobody else.
        let is_near = reached().all(|it| it.is_loopback());
        let mut reached = reached().filter(|it| is_near || !it.is_loopback()).take(most).peekable();
        match reached.peek() {
            Some(_) => addresses.extend(reached.copied()),
            None => addresses.push(*address),
        }
    }
    Transport { addresses, ..transport.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t4_leaves_20_seconds_or_half_the_life() {
        let max = Duration::from_secs(600);
        let seconds = |life| t4(Life::For(Duration::from_secs(life)), max).as_secs_f64();
        assert_eq!([10, 40, 41, 120, 620, 900].map(seconds), [5.0, 20.0, 21.0, 100.0, 600.0, 600.0]);
        assert_eq!(t4(Life::Infinite, max), max);
        assert_eq!(seconds(0), 0.5);
    }

    #[test]
    fn an_unspecified_address_is_all_that_the_registrar_sees_us_at_on_sctp_and_the_first_on_tcp() {
        let local = [ip("192.0.2.1"), ip("2001:db8::1"), ip("198.51.100.1")];
        let at = |protocol, address| reached(protocol, address, &local);
        assert_eq!(at(Protocol::Sctp, "::")[..], local);
        assert_eq!(at(Protocol::Sctp, "0.0.0.0")[..], [local[0], local[2]]);
        assert_eq!(at(Protocol::Tcp, "::")[..], local[..1]);
        assert_eq!(at(Protocol::Sctp, "203.0.113.1")[..], [ip("203.0.113.1")]);
    }

    #[test]
    fn an_unspecified_address_is_of_loopback_only_where_there_is_no_other() {
        let local = ["::1", "127.0.0.1", "192.0.2.1"].map(ip);
        assert_eq!(reached(Protocol::Sctp, "::", &local)[..], local[2..]);
        assert_eq!(reached(Protocol::Tcp, "0.0.0.0", &local)[..], local[2..]);
        assert_eq!(reached(Protocol::Sctp, "::", &local[..2])[..], local[..2]);
        let local = ["127.0.0.1", "2001:db8::1"].map(ip);
        assert_eq!(reached(Protocol::Sctp, "0.0.0.0", &local)[..], local[..1]);
    }

    fn reached(protocol: Protocol, address: &str, local: &[IpAddr]) -> SmallVec<[IpAddr; 1]> {
        let transport_use = rsp_wire::parameter::TransportUse::DATA_PLUS_CONTROL;
        let addresses = [ip(address)].into_iter().collect();
        with_local(&Transport { protocol, port: 7000, transport_use, addresses }, local).addresses
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_life_is_never_zero_nor_infinite_by_rounding() {
        let life = |ms| life_on_the_wire(Life::For(Duration::from_millis(ms)), LifeUnit::Seconds).0;
        assert_eq!([0, 1, 1000, 1001, u64::MAX].map(life), [1, 1, 1, 2, i32::MAX]);
        let life = |ms| life_on_the_wire(Life::For(Duration::from_millis(ms)), LifeUnit::Milliseconds).0;
        assert_eq!([0, 12_000].map(life), [1_000, 12_000]);
        assert_eq!(life_on_the_wire(Life::Infinite, LifeUnit::Seconds).0, -1);
    }
}
