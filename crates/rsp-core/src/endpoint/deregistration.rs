// SPDX-License-Identifier: MIT OR Apache-2.0
//! Deregistration, wanted (RFC 5352 §3.2) or by the registrar (RFC 5352 §2.2.4).

use machine::Time;
use rsp_wire::asap::{Deregistration, DeregistrationResponse, Message};

use super::registration::State;
use super::timer::Timer;
use super::{Endpoint, Event, HuntCause, RegisterError, RegistrationId, Reply};

impl Endpoint {
    pub(super) fn deregister(&mut self, id: RegistrationId, now: Time) {
        let Some(registration) = self.registrations.get_mut(&id) else { return };
        match registration.state {
            State::Deregistering => return,
            // No registrar can know of it.
            State::Waiting if !registration.sent => {
                self.end_registration(id);
                return self.reply(Reply::Deregistered { registration: id, error: None });
            }
            _ => {}
        }
        registration.state = State::Deregistering;
        registration.unanswered = 0;
        for timer in [Timer::Registration(id), Timer::Reregistration(id), Timer::Update(id)] {
            self.timers.stop(timer);
        }
        self.send_deregistration(id, now);
    }

    //= https://www.rfc-editor.org/rfc/rfc5352#section-3.2
    //# D2)  Fill in the PE Identifier parameter of the ASAP_DEREGISTRATION
    //# message.  The identifier MUST be the same as used during
    //# registration.
    pub(super) fn send_deregistration(&mut self, id: RegistrationId, now: Time) {
        let Some(registration) = self.registrations.get(&id) else { return };
        let message = Message::Deregistration(Deregistration {
            pool_handle: registration.pool.clone(),
            pe_id: registration.pe_id,
            unknown: Vec::new(),
        });
        self.timers.set(Timer::Deregistration(id), now + self.settings.t3_deregistration);
        self.send_home(&message);
    }

    //= https://www.rfc-editor.org/rfc/rfc5352#section-3.2
    //# the PE's ASAP Endpoint shall start the
    //# ENRP Server Hunt procedure (see Section 3.6) in an attempt to get
    //# service from another ENRP server.
    pub(super) fn deregistration_expired(&mut self, id: RegistrationId, now: Time) {
        let Some(registration) = self.registrations.get_mut(&id) else { return };
        registration.unanswered += 1;
        let (pool, pe_id, attempts) = (registration.pool.clone(), registration.pe_id, registration.unanswered);
        self.event(Event::DeregistrationUnanswered { pool, pe_id, attempts });
        if attempts >= self.settings.max_reg_attempt {
            let error = Some(RegisterError::NoRegistrar { tried: self.attempts() });
            self.end_registration(id);
            return self.reply(Reply::Deregistered { registration: id, error });
        }
        self.home_silent(HuntCause::DeregistrationUnanswered, now);
        self.send_deregistration(id, now);
    }

    pub(super) fn deregistration_response(&mut self, response: &DeregistrationResponse, now: Time) {
        let Some(&id) = self.by_pe.get(&(response.pool_handle.clone(), response.pe_id)) else { return };
        let Some(home) = self.home.as_ref().map(|link| link.home) else { return };
        let Some(registration) = self.registrations.get(&id) else { return };
        match registration.state {
            //= https://www.rfc-editor.org/rfc/rfc5352#section-3.2
            //# At the reception of the ASAP_DEREGISTRATION_RESPONSE, the PE's ASAP
            //# endpoint MUST stop the T3-Deregistration timer.
            State::Deregistering => {
                self.end_registration(id);
                let error = response.error.clone().map(|error| RegisterError::Rejected { home, error });
                self.reply(Reply::Deregistered { registration: id, error });
            }
            // Its life ran out. The PE is alive, so it comes back.
            State::Registered if registration.granted.is_some() => {
                let (pool, pe_id) = (response.pool_handle.detach(), response.pe_id);
                self.event(Event::Unregistered { pool, pe_id });
                self.reply(Reply::Unregistered { registration: id });
                self.send_update(id, now);
            }
            // A registration is under way and will be answered.
            _ => {}
        }
    }
}
