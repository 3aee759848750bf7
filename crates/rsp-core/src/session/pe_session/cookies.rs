// SPDX-License-Identifier: MIT OR Apache-2.0
//! COOKIE_INDICATION and SET_COOKIE at a PE session (seed 004 §4.5.1, RFC 5352 §3.8): sealed ones are shown once it is known whose they are.

use bytes::Bytes;
use machine::Time;

use super::{PLAIN, PeEffect, PeItem, PeSession, State, Timer};
use crate::session::SessionEvent;
use crate::session::cookie::CookieRefused;

impl PeSession {
    pub(super) fn cookie_indication(&mut self, cookie: Bytes) {
        self.effects.push(PeEffect::Deliver(PeItem::Cookie(cookie)));
    }

    /// It is known which session this is, if any: whether the cookie was made for it. Before the PU spoke it may still say that it is.
    pub(super) fn show_cookie(&mut self, it_spoke: bool) {
        match self.opened.take() {
            None => {}
            Some(opened) if opened.session_id == self.session_id.unwrap_or(PLAIN) => {
                self.cookie_indication(opened.data)
            }
            Some(opened) if !it_spoke => self.opened = Some(opened),
            Some(_) => self.event(SessionEvent::CookieRefused(CookieRefused::OtherSession)),
        }
    }

    pub(super) fn set_cookie(&mut self, cookie: Bytes, now: Time) {
        self.cookie = Some(cookie);
        match self.seal.is_some() && self.state == State::Undecided {
            true => self.cookie_pending = true,
            false => self.send_cookie(now),
        }
    }

    pub(super) fn send_cookie(&mut self, now: Time) {
        self.cookie_pending = !self.link.may_set_cookie();
        if self.cookie_pending {
            return;
        }
        let Some(cookie) = &self.cookie else { return };
        let cookie = match &self.seal {
            Some(seal) => seal.seal(cookie, self.session_id.unwrap_or(PLAIN), now),
            None => cookie.clone(),
        };
        self.link.set_cookie(cookie);
        if !self.settings.cookie_interval.is_zero() {
            self.timers.set(Timer::Cookie, now + self.settings.cookie_interval);
        }
    }

    /// Seed 004 §4.5.1: "sent periodically over the control channel, when present".
    pub(super) fn cookie_due(&mut self, now: Time) {
        if self.link.cookie_waits() {
            // A PU that does not take it is not sent more of them.
            return self.timers.set(Timer::Cookie, now + self.settings.cookie_interval);
        }
        self.send_cookie(now);
    }
}
